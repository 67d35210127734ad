"""Which dates can be read, and what becomes of them."""

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_maestroqa.landing.clean.dates import as_iso

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

READABLE = {
    "2021-03-04 10:00:00.123": "2021-03-04T10:00:00.123Z",
    "2021-03-04 10:00:00": "2021-03-04T10:00:00Z",
    "2021-03-04 10:00:00.000": "2021-03-04T10:00:00Z",
    "2021-03-04 10:00": "2021-03-04T10:00:00Z",
    "2021-03-04T10:00:00Z": "2021-03-04T10:00:00Z",
    "2021-03-04t10:00:00z": "2021-03-04T10:00:00Z",
    "2021-03-04 10:00:00.12Z": "2021-03-04T10:00:00.120Z",
    "2021-03-04T10:00:00.5Z": "2021-03-04T10:00:00.500Z",
    "2021-03-04T10:00:00.123456Z": "2021-03-04T10:00:00.123456Z",
    "2021-03-04T10:00:00.1234560Z": "2021-03-04T10:00:00.123456Z",
    "2021-03-04T10:00:00.120000000+00:00": "2021-03-04T10:00:00.120Z",
    "2021-03-04T10:00:00+02:00": "2021-03-04T08:00:00Z",
    "2021-03-04 10:00:00 UTC": "2021-03-04T10:00:00Z",
    "2021-03-04 10:00:00 +0200": "2021-03-04T08:00:00Z",
    "2021-03-04T23:30:00-05": "2021-03-05T04:30:00Z",
    "2021-03-04T00:15:00.250+05:30": "2021-03-03T18:45:00.250Z",
    "2021-03-04T10:00:00-00:00": "2021-03-04T10:00:00Z",
    "2021-03-04": "2021-03-04T00:00:00Z",
    "2020-02-29": "2020-02-29T00:00:00Z",
    "1970-01-01T00:00:00Z": "1970-01-01T00:00:00Z",
    "0001-01-01": "0001-01-01T00:00:00Z",
    "0999-12-31T23:00:00-02:00": "1000-01-01T01:00:00Z",
    "9999-12-31T23:59:59.999999Z": "9999-12-31T23:59:59.999999Z",
}
UNREADABLE = [
    "next Tuesday",
    "03/04/2021",
    "2021-02-30",
    "2021-02-30T10:00:00+01:00",
    "2021-02-29 10:00:00.123",
    "2021-13-01",
    "0000-01-01",
    "2021-03-04 24:00:00",
    "2021-03-04 10:60:00",
    "2021-03-04 10:00:60",
    "2021-03-04T10:00:00.1234567Z",
    "2021-03-04T10:00:00.Z",
    "2021-03-04T10:00:00+25:00",
    "2021-03-04Z",
    "2021-03-04 24:00:00.000",
    "2021-03-04 10:00:00.+01",
    "2021-03-04 10:00:00.12\u00b2",
    "2021-03-04 1a:00:00.123",
    "2021-W09-4 10:00:00.123",
    "20210304xx 10:00:00.123",
    "2021-3-4",
    "20210304",
    "2021-W09-4",
    " 2021-03-04",
    "2021-03-04\n",
    "\u0662\u0660\u0662\u0661-03-04",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "1614852000",
]


@pytest.mark.parametrize("text", READABLE)
def test_a_date_becomes_iso_in_utc(text):
    assert as_iso(text) == READABLE[text]


@pytest.mark.parametrize("text", READABLE)
def test_pyarrow_reads_what_a_date_has_become(text):
    pa = pytest.importorskip("pyarrow")
    (moment,) = pa.array([as_iso(text)], pa.string()).cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    spelled = READABLE[text][:-1]
    form = "%Y-%m-%dT%H:%M:%S.%f" if "." in spelled else "%Y-%m-%dT%H:%M:%S"
    assert EPOCH + timedelta(microseconds=moment) == datetime.strptime(spelled, form).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize("text", READABLE)
def test_a_date_that_was_cleaned_is_cleaned_no_further(text):
    assert as_iso(READABLE[text]) == READABLE[text]


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_no_date_is_not_guessed(text):
    assert as_iso(text) is None
