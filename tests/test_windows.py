"""The window of a task, ranges that are split into windows, and exports that were too big for one."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import parse_time
from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.windows import resolve_window, split_windows

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
MONTH = {"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"}
DAY_1, DAY_2, DAY_3 = (datetime(2026, 1, day, tzinfo=timezone.utc) for day in (1, 2, 3))
INTERVAL = {"data_interval_start": DAY_1, "data_interval_end": DAY_2}
POINT = {"data_interval_start": DAY_2, "data_interval_end": DAY_2}
MANUAL = {"dag_run": SimpleNamespace(run_after=DAY_3, data_interval_start=None, data_interval_end=None)}


@pytest.mark.parametrize(
    ("context", "arguments", "start", "end"),
    [
        (INTERVAL, {}, DAY_1, DAY_2),
        (INTERVAL, {"start": "2026-01-02T00:00:00Z", "end": DAY_3}, DAY_2, DAY_3),
        (INTERVAL, {"start": "", "end": "None"}, DAY_1, DAY_2),
        (INTERVAL, {"lookback": timedelta(hours=1)}, DAY_2 - timedelta(hours=1), DAY_2),
        (INTERVAL, {"lookback": "1:00:00"}, DAY_2 - timedelta(hours=1), DAY_2),
        (INTERVAL, {"lookback": "P1D"}, DAY_1, DAY_2),
        (INTERVAL, {"lookback": 86400, "end": DAY_3}, DAY_2, DAY_3),
        (INTERVAL, {"lookback": ""}, DAY_1, DAY_2),
        (POINT, {"lookback": timedelta(days=1)}, DAY_1, DAY_2),
        (POINT, {"start": DAY_1}, DAY_1, DAY_2),
        (MANUAL, {"lookback": timedelta(days=1)}, DAY_2, DAY_3),
        (MANUAL, {"start": DAY_1}, DAY_1, DAY_3),
        (MANUAL, {"end": DAY_2, "lookback": timedelta(days=1)}, DAY_1, DAY_2),
        ({}, {"start": DAY_1, "end": DAY_2}, DAY_1, DAY_2),
        ({"dag_run": SimpleNamespace(**INTERVAL)}, {}, DAY_1, DAY_2),
    ],
)
def test_the_window_is_as_given_else_looked_back_else_the_data_interval(context, arguments, start, end):
    window = resolve_window(context, **arguments)
    assert (window.start, window.end) == (start, end)


@pytest.mark.parametrize("context", [POINT, MANUAL, {}])
def test_a_run_without_an_interval_names_three_remedies(context):
    with pytest.raises(MaestroQAConfigError) as caught:
        resolve_window(context)
    for remedy in ("start and end", "lookback", "CronDataIntervalTimetable"):
        assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("context", "arguments", "named"),
    [
        (INTERVAL, {"start": DAY_1, "lookback": timedelta(days=1)}, "start or lookback, not both"),
        (INTERVAL, {"end": DAY_1}, "end is given without a start"),
        (INTERVAL, {"start": DAY_2, "end": DAY_1}, "must be before its end"),
        (INTERVAL, {"start": DAY_2, "end": DAY_2}, r"same time \(2026-01-02T00:00:00Z\).* Pass a later end"),
        (INTERVAL, {"start": DAY_3}, "must be before its end"),
        (INTERVAL, {"lookback": "P1M"}, "lookback must be a duration above zero, got 'P1M'. Pass a timedelta; text"),
        (INTERVAL, {"lookback": timedelta(0)}, "lookback must be a duration above zero"),
        (INTERVAL, {"lookback": timedelta.max}, "before the year 1"),
        (INTERVAL, {"start": "0001-01-01T00:00:00+01:00"}, "start=.* is no time between the years 1 and 9999"),
        (INTERVAL, {"start": datetime(2026, 1, 1), "end": DAY_2}, "start.*has no time zone"),
        (INTERVAL, {"start": DAY_1, "end": "2026-01-02"}, "end.*has no time zone"),
        ({}, {"lookback": timedelta(days=1)}, "Pass end"),
    ],
)
def test_an_impossible_window_is_an_error_with_its_remedy(context, arguments, named):
    with pytest.raises(MaestroQAConfigError, match=named):
        resolve_window(context, **arguments)


def test_a_range_is_cut_into_windows_that_travel_through_xcom():
    cut = split_windows("2026-01-01T00:00:00Z", START + timedelta(days=17), 7)
    assert cut == [
        {"start": "2026-01-01T00:00:00Z", "end": "2026-01-08T00:00:00Z"},
        {"start": "2026-01-08T00:00:00Z", "end": "2026-01-15T00:00:00Z"},
        {"start": "2026-01-15T00:00:00Z", "end": "2026-01-18T00:00:00Z"},
    ]
    assert json.loads(json.dumps(cut)) == cut


@pytest.mark.parametrize(
    ("length", "max_days", "windows"),
    [
        (timedelta(days=7), 7, 1),
        (timedelta(days=7, milliseconds=1), 7, 2),
        (timedelta(days=365), 7, 53),
        (timedelta(days=365), "30", 13),
        (timedelta(days=1), 0.25, 4),
        (timedelta(hours=1), 1000, 1),
        (timedelta(days=366), 1, 366),
    ],
)
def test_there_is_no_gap_and_no_overlap_and_no_window_is_longer_than_allowed(length, max_days, windows):
    cut = split_windows(START, START + length, max_days)
    assert len(cut) == windows
    assert [one["end"] for one in cut[:-1]] == [one["start"] for one in cut[1:]]
    ends = [datetime.fromisoformat(one[name].replace("Z", "+00:00")) for one in cut for name in ("start", "end")]
    assert (ends[0], ends[-1]) == (START, START + length)
    assert max(stop - begin for begin, stop in zip(ends[::2], ends[1::2], strict=True)) <= timedelta(
        days=float(max_days)
    )


def test_a_window_has_its_length_in_utc_whatever_zone_the_range_is_given_in():
    # The clocks go forward in between.
    berlin = split_windows("2026-03-28T00:00:00+01:00", "2026-03-30T00:00:00+02:00", 1)
    assert [one["start"] for one in berlin] == ["2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z"]


@pytest.mark.parametrize(
    ("start", "end", "max_days", "named"),
    [
        (datetime(2026, 1, 1), START, 7, "start=.* has no time zone"),
        (START, "2026-02-01", 7, "end=.* has no time zone"),
        (START, START, 7, "are the same time"),
        (START + timedelta(days=1), START, 7, "must be before its end"),
        (START, START + timedelta(days=1), 0, "max_days must be a number of days above zero, got 0"),
        (START, START + timedelta(days=1), -1, "max_days must be a number of days above zero"),
        (START, START + timedelta(days=1), "week", "max_days must be a number of days above zero"),
        (START, START + timedelta(days=1), None, "max_days must be a number of days above zero"),
        (START, START + timedelta(days=1), True, "max_days must be a number of days above zero"),
        (START, START + timedelta(days=1), float("nan"), "max_days must be a number of days above zero"),
        (START, START + timedelta(days=1), 1e-9, "max_days must be a number of days above zero"),
        (START, START + timedelta(days=3650), 0.01, "more than 10,000 windows"),
    ],
)
def test_an_impossible_split_is_an_error(start, end, max_days, named):
    with pytest.raises(MaestroQAConfigError, match=named):
        split_windows(start, end, max_days)


# -- Airflow's own datetimes are pendulum's, and a worker's clock may have any time zone ----------------------------


@pytest.fixture(scope="module")
def pendulum():
    return pytest.importorskip("pendulum")


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Tokyo"])
def local_zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("local_zone")
def test_a_time_of_pendulum_becomes_a_plain_one_that_keeps_its_zone(pendulum):
    moment = parse_time(pendulum.datetime(2026, 3, 2, 9, 30, 15, 123456, tz="Asia/Tokyo"), "start")
    assert type(moment) is datetime
    assert moment == datetime(2026, 3, 2, 0, 30, 15, 123000, tzinfo=timezone.utc)
    assert format_time(moment - timedelta(days=7)) == "2026-02-23T00:30:15.123Z"


@pytest.mark.usefixtures("local_zone")
def test_the_window_is_the_same_whatever_the_workers_time_zone(pendulum):
    end = pendulum.datetime(2026, 3, 2, tz="UTC")
    context = {"data_interval_start": end.subtract(days=1), "data_interval_end": end}
    assert resolve_window(context).as_text() == {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
    looked_back = resolve_window(context, lookback=timedelta(days=7)).as_text()
    assert looked_back == {"start": "2026-02-23T00:00:00Z", "end": "2026-03-02T00:00:00Z"}


@pytest.mark.usefixtures("local_zone")
def test_so_are_the_windows_of_a_range(pendulum):
    cut = split_windows(pendulum.datetime(2026, 3, 1, tz="UTC"), pendulum.datetime(2026, 3, 3, tz="UTC"), 1)
    assert [one["start"] for one in cut] == ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"]


# -- Long windows of an export ------------------------------------------------------------------------------------

ASK, GET = "/api/v1/request-raw-export", "/api/v1/get-export-data"


def request(**changes):
    arguments = {"task_id": "request", "poll_interval": 0.05, "timeout": 60, "deferrable": False, **MONTH, **changes}
    return MaestroQARequestExportOperator(**arguments)


class TestMaxWindowDays:
    """The task cuts a long window, and returns the ids of all its parts."""

    @pytest.mark.parametrize("max_window_days", [31, 31.5, "31", 90])
    def test_a_window_that_is_short_enough_is_one_export_in_a_list(self, connection, sandbox, max_window_days):
        assert request(max_window_days=max_window_days).execute({}) == list(sandbox.exports)
        assert len(sandbox.exports) == 1

    def test_a_longer_one_is_cut_without_gap_or_overlap(self, connection, sandbox):
        export_ids = request(max_window_days=7).execute({})
        windows = [sandbox.exports[one].parameters for one in export_ids]
        asked = [{"start": one["startDate"], "end": one["endDate"]} for one in windows]
        assert asked == split_windows(MONTH["start"], MONTH["end"], 7)
        assert len(sandbox.exports) == 5

    def test_a_retry_continues_after_the_requested_parts(self, connection, sandbox, task_state_store):
        context = {"task_state_store": task_state_store}
        sandbox.fault(kind="status", status=401, body={"error": "expired"}, path=ASK, after=3)
        with pytest.raises(AirflowFailException, match="MaestroQAAuthError"):
            request(max_window_days=7).execute(context)
        first = list(sandbox.exports)
        assert len(first) == 3
        export_ids = request(max_window_days=7).execute(context)
        assert export_ids[:3] == first
        assert export_ids == list(sandbox.exports)
        assert len(sandbox.exports) == 5
        assert task_state_store.values == {}

    def test_a_retry_requests_a_missing_part_again(self, connection, sandbox, task_state_store):
        context = {"task_state_store": task_state_store}
        sandbox.fault(kind="status", status=401, body={"error": "expired"}, path=ASK, after=2)
        with pytest.raises(AirflowFailException, match="MaestroQAAuthError"):
            request(max_window_days=7).execute(context)
        gone, alive = sandbox.exports
        sandbox.fault(kind="status", status=404, body={"error": "gone"}, export_id=gone, times=2)
        export_ids = request(max_window_days=7).execute(context)
        assert alive in export_ids
        assert gone not in export_ids
        assert len(set(export_ids)) == 5

    def test_it_does_not_wait_for_several_exports(self, connection, sandbox):
        with pytest.raises(AirflowFailException, match=r"map a sensor over the ids"):
            request(max_window_days=7, wait_for_completion=True).execute({})
        assert sandbox.requests == []

    @pytest.mark.parametrize("max_window_days", [0, "many", -1])
    def test_another_value_is_an_error(self, connection, sandbox, max_window_days):
        with pytest.raises(AirflowFailException, match="max_window_days must be a number of days"):
            request(max_window_days=max_window_days).execute({})
        assert sandbox.requests == []

    def test_it_is_not_for_an_export_without_a_window(self, connection, sandbox):
        with pytest.raises(AirflowFailException, match=r"has no window: leave .*max_window_days out"):
            request(export_type="groups", start=None, end=None, max_window_days=7).execute({})


@pytest.mark.parametrize("deferrable", [False, True], ids=["on a worker", "deferred"])
def test_a_raw_export_that_fails_is_explained_with_its_window_and_the_remedy(
    connection, sandbox, run_task, deferrable
):
    sandbox.fault("errored")
    with pytest.raises(AirflowFailException) as caught:
        run_task(request(wait_for_completion=True, deferrable=deferrable))
    message = str(caught.value)
    assert "MaestroQA exports 10,000 to 50,000 scores at a time" in message
    assert "The window was 2026-01-01T00:00:00Z to 2026-02-01T00:00:00Z (31 days)" in message
    assert "set max_window_days=15.5" in message
    assert "split_windows('2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z', 15.5)" in message


def test_an_audit_log_that_fails_is_not_blamed_on_its_window(connection, sandbox, run_task):
    sandbox.fault("errored")
    with pytest.raises(AirflowFailException) as caught:
        run_task(request(export_type="audit_log", wait_for_completion=True))
    assert "max_window_days" not in str(caught.value)
