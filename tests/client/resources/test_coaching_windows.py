"""A range of time as the days, and the windows, in which the coaching export is requested."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.resources.coaching_export import (
    cut_days,
    parse_day_range,
    session_requests,
)

EAST = timezone(timedelta(hours=9))
NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-01-01", "2026-01-31", ("2026-01-01", "2026-01-31")),
        (date(2026, 1, 1), date(2026, 1, 31), ("2026-01-01", "2026-01-31")),
        ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", ("2026-01-01", "2026-02-01")),
        (NOON, NOON + timedelta(days=1), ("2026-01-02", "2026-01-04")),
        (NOON, NOON + timedelta(seconds=1), ("2026-01-02", "2026-01-03")),
        (datetime(2026, 1, 2, 3, tzinfo=EAST), "2026-01-02", ("2026-01-01", "2026-01-02")),
        ("2026-01-01", datetime(2026, 1, 2, 9, tzinfo=EAST), ("2026-01-01", "2026-01-02")),
        ("2026-01-01", "2026-01-01T23:59:59.999Z", ("2026-01-01", "2026-01-02")),
    ],
)
def test_a_range_becomes_the_days_in_utc_that_hold_all_of_it(start, end, days):
    assert tuple(day.isoformat() for day in parse_day_range(start, end)) == days


@pytest.mark.parametrize(
    ("start", "end", "named"),
    [
        (datetime(2026, 1, 1), "2026-01-02", "start=.* has no time zone"),
        ("2026-01-01", "2026-01-02T00:00:00", "end=.* has no time zone"),
        ("2026-01-02", "2026-01-01", r"start \(2026-01-02\) must be a day before end \(2026-01-01\)"),
        ("2026-01-01", "2026-01-01", "For a single day pass the next day as the end"),
        (NOON, NOON - timedelta(days=1), "must be a day before end"),
        ("2026-02-30", "2026-03-01", "start='2026-02-30' is no date"),
        ("January", "2026-03-01", "start='January' is no point in time"),
        (None, "2026-03-01", "start must be an aware datetime"),
        (20260101, "2026-03-01", "start must be an aware datetime"),
    ],
)
def test_a_range_that_cannot_be_is_refused(start, end, named):
    with pytest.raises(errors.MaestroQAConfigError, match=named):
        parse_day_range(start, end)


@pytest.mark.parametrize("length", [1, 89, 90, 91, 180, 181, 365, 3653])
def test_any_length_is_cut_without_gap_or_overlap_into_at_most_90_days(length):
    first = date(2024, 2, 28)
    last = first + timedelta(days=length)
    cuts = cut_days(first, last)
    assert (cuts[0][0], cuts[-1][1]) == (first, last)
    assert [stop for _, stop in cuts[:-1]] == [begin for begin, _ in cuts[1:]]
    assert all(0 < (stop - begin).days <= 90 for begin, stop in cuts)
    assert len(cuts) == -(-length // 90)


def test_a_window_is_asked_for_with_plain_dates_on_the_hard_bucket():
    (request,) = session_requests(NOON, NOON + timedelta(days=1), "createdAt")
    assert request.body == {"startDate": "2026-01-02", "endDate": "2026-01-04", "timeAxis": "createdAt"}
    assert (request.method, request.path, request.endpoint.bucket) == ("POST", "/api/v1/coaching-sessions", "hard")
    assert request.idempotent


def test_another_axis_is_refused():
    with pytest.raises(errors.MaestroQAConfigError, match="time_axis must be one of meetingDate, createdAt"):
        session_requests("2026-01-01", "2026-01-02", "updatedAt")
