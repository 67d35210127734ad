"""Which stretch of time a landing of records covers, and how it goes on from the last one."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_maestroqa._compat import AirflowFailException

LISTS = {
    "todos": "/api/v1/todos",
    "coaching_points": "/api/v1/coaching-points",
    "coaching_sessions": "/api/v1/coaching-sessions",
}
EXPORT = "coaching_sessions_export"
INTERVAL = {
    "data_interval_start": datetime(2026, 3, 1, tzinfo=timezone.utc),
    "data_interval_end": datetime(2026, 3, 9, tzinfo=timezone.utc),
}


def rows(path):
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


class TestWindow:
    """Which stretch of time is read."""

    @pytest.mark.parametrize(
        ("arguments", "context", "window"),
        [
            ({}, INTERVAL, ("2026-03-01", "2026-03-09")),
            ({"lookback": timedelta(days=2)}, INTERVAL, ("2026-03-07", "2026-03-09")),
            ({"start": "2026-03-05"}, INTERVAL, ("2026-03-05", "2026-03-09")),
            ({"start": "2026-03-05T10:00:00Z", "end": "2026-03-06T10:00:00Z"}, {}, ("2026-03-05", "2026-03-07")),
            ({"incremental": "data_interval"}, INTERVAL, ("2026-03-01", "2026-03-09")),
            ({"start": "", "end": "None"}, INTERVAL, ("2026-03-01", "2026-03-09")),
        ],
    )
    def test_of_the_export(self, land, sandbox, arguments, context, window):
        manifest = land(EXPORT, context, **arguments)
        body = sandbox.requests[-1].body
        assert (body["startDate"], body["endDate"]) == window
        assert manifest["window"] == {"start": f"{window[0]}T00:00:00Z", "end": f"{window[1]}T00:00:00Z"}

    @pytest.mark.parametrize(
        ("arguments", "window"),
        [
            ({"lookback": timedelta(hours=1)}, {"start": "2026-03-08T23:00:00Z", "end": "2026-03-09T00:00:00Z"}),
            ({"incremental": "data_interval"}, {"start": "2026-03-01T00:00:00Z", "end": "2026-03-09T00:00:00Z"}),
            (
                {"start": "2026-03-08T00:00:00.5Z"},
                {"start": "2026-03-08T00:00:00.500Z", "end": "2026-03-09T00:00:00Z"},
            ),
            ({}, None),
        ],
    )
    def test_of_a_list(self, land, sandbox, arguments, window):
        manifest = land("todos", INTERVAL, **arguments)
        asked = {name: value for name, value in sandbox.requests[0].query.items() if name.endswith("Date")}
        assert manifest["window"] == window
        assert asked == ({} if window is None else {"startDate": window["start"], "endDate": window["end"]})

    @pytest.mark.parametrize("arguments", [{"resource": EXPORT}, {"incremental": "data_interval"}])
    def test_a_run_without_an_interval_is_told_three_remedies(self, land, sandbox, arguments):
        with pytest.raises(AirflowFailException, match="CronDataIntervalTimetable"):
            land(**arguments)
        assert sandbox.requests == []


class AssetStore:
    """Stands in for the state store of a task's one asset (Airflow 3.3)."""

    def __init__(self):
        self.values = {}

    def get(self, key, default=None):
        return self.values.get(key, default)

    def set(self, key, value):
        self.values[key] = json.loads(json.dumps(value))


class TestWatermark:
    """Reading on from where the last run ended."""

    @pytest.fixture
    def run(self, land, sandbox):
        store = AssetStore()

        def at(day, resource="todos", **arguments):
            end = datetime(2026, 3, 1, tzinfo=timezone.utc) + timedelta(days=day)
            context = {"asset_state_store": store, "data_interval_start": end, "data_interval_end": end}
            window = land(resource, context, incremental="watermark", **arguments)["window"]
            return window["start"], window["end"]

        at.store = store
        return at

    def test_each_run_begins_ten_minutes_before_the_end_of_the_last_one(self, run):
        assert run(1, start="2026-02-01T00:00:00Z") == ("2026-02-01T00:00:00Z", "2026-03-02T00:00:00Z")
        assert run(2, start="2026-02-01T00:00:00Z") == ("2026-03-01T23:50:00Z", "2026-03-03T00:00:00Z")
        assert run(9, start="2026-02-01T00:00:00Z") == ("2026-03-02T23:50:00Z", "2026-03-10T00:00:00Z")

    def test_the_first_run_of_a_list_may_begin_at_the_beginning(self, run, sandbox):
        assert run(1) == (None, "2026-03-02T00:00:00Z")
        assert "startDate" not in sandbox.requests[0].query
        assert run(2) == ("2026-03-01T23:50:00Z", "2026-03-03T00:00:00Z")

    def test_the_first_run_may_look_back(self, run):
        assert run(1, lookback=timedelta(days=7))[0] == "2026-02-23T00:00:00Z"
        assert run(2, lookback=timedelta(days=7))[0] == "2026-03-01T23:50:00Z"

    def test_the_last_run_done_again_reads_the_same_again(self, run):
        run(1)
        first = run(2)
        assert run(2) == first
        assert run(3)[0] == "2026-03-02T23:50:00Z"

    def test_an_older_run_done_again_is_refused_because_its_files_would_be_lost(self, run, sandbox):
        run(1)
        run(2)
        before = len(sandbox.requests)
        with pytest.raises(AirflowFailException, match="records have been read up to 2026-03-03T00:00:00Z"):
            run(1)
        assert len(sandbox.requests) == before

    def test_a_run_that_fails_does_not_move_the_mark(self, run, sandbox):
        run(1)
        sandbox.fault("status", status=400, path="/api/v1/todos")
        with pytest.raises(AirflowFailException):
            run(2)
        assert run(3)[0] == "2026-03-01T23:50:00Z"

    def test_a_record_that_shows_up_late_is_read_all_the_same(self, run, folder, sandbox):
        run(1, "coaching_sessions")
        late = sandbox.add_coaching_session(createdAt="2026-03-01T23:55:00.000Z")
        run(2, "coaching_sessions")
        assert late["_id"] in [one["id"] for one in rows(folder / "coaching_sessions.jsonl.gz")]

    def test_other_filters_have_a_mark_of_their_own(self, run):
        run(1)
        assert run(2, filters={"agent_id": "agent-1"})[0] is None
        assert len(run.store.values) == 2

    def test_the_export_begins_on_the_day_that_holds_the_mark(self, run, sandbox):
        with pytest.raises(AirflowFailException, match="needs a beginning: pass start or lookback"):
            run(1, EXPORT)
        run(1.5, EXPORT, lookback=timedelta(days=3))
        run(2.5, EXPORT, lookback=timedelta(days=3))
        run(3, EXPORT, lookback=timedelta(days=3))
        run(4, EXPORT, lookback=timedelta(days=3))
        bodies = [(seen.body["startDate"], seen.body["endDate"]) for seen in sandbox.requests]
        assert bodies == [
            ("2026-02-27", "2026-03-03"),
            ("2026-03-02", "2026-03-04"),
            ("2026-03-03", "2026-03-04"),
            ("2026-03-04", "2026-03-05"),
        ]

    @pytest.mark.parametrize(("time_axis", "warned"), [("meetingDate", True), ("createdAt", False)])
    def test_an_axis_by_which_sessions_would_be_missed_is_warned_of(self, run, logged, time_axis, warned):
        run(1, EXPORT, lookback=timedelta(days=3), time_axis=time_axis)
        assert ("use time_axis='createdAt'" in logged()) is warned

    def test_an_airflow_or_a_task_without_a_store_is_told_the_remedy(self, land, sandbox):
        with pytest.raises(AirflowFailException, match=r"Airflow 3\.3 or newer and an asset.*data_interval"):
            land("todos", INTERVAL, incremental="watermark")
        assert sandbox.requests == []

    def test_a_task_with_several_assets_is_told_so(self, land, sandbox):
        class Several:
            def get(self, key, default=None):
                raise ValueError("Task has 2 concrete inlets and outlets")

        with pytest.raises(AirflowFailException, match=r"exactly one asset .*\(Task has 2"):
            land("todos", {**INTERVAL, "asset_state_store": Several()}, incremental="watermark")
