"""Exports that resume where the last run ended, with the position on an asset or in an object."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from airflow_fixtures import task_context

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client.errors import MaestroQAError, MaestroQAExportTimeoutError
from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator

ASK = "/api/v1/request-raw-export"
FIRST_DAY = datetime(2026, 3, 1, tzinfo=timezone.utc)


class AssetStore:
    """Stands in for the state store of a task's one asset (Airflow 3.3)."""

    def __init__(self):
        self.values = {}

    def get(self, key, default=None):
        return self.values.get(key, default)

    def set(self, key, value):
        self.values[key] = json.loads(json.dumps(value))


@pytest.fixture(params=["asset", "object"])
def place(request, tmp_path):
    """What a task is given to save its position: its arguments and context."""
    if request.param == "asset":
        return {}, {"asset_state_store": AssetStore()}
    return {"state_path": f"file://{tmp_path}/state/raw.json"}, {}


@pytest.fixture
def run(connection, sandbox, run_task, place):
    """Run the task as of a day; the windows that it has requested."""

    def at(day, *, try_number=1, **changes):
        end = FIRST_DAY + timedelta(days=day)
        interval = {"data_interval_start": end, "data_interval_end": end}
        arguments = {"lookback": timedelta(days=7), "poll_interval": 0.05, "deferrable": False, **place[0], **changes}
        task = MaestroQARequestExportOperator(task_id="request", incremental="watermark", **arguments)
        before = len(sandbox.exports)
        run_task(task, task_context(try_number=try_number, **interval, **place[1]))
        asked = [export.parameters for export in list(sandbox.exports.values())[before:]]
        return [(one["startDate"][5:-1], one["endDate"][5:-1]) for one in asked]

    return at


WAYS = pytest.mark.parametrize(
    "way",
    [{}, {"wait_for_completion": True}, {"wait_for_completion": True, "deferrable": True}, {"max_window_days": 30}],
    ids=["requested", "awaited", "deferred", "split"],
)


@WAYS
def test_each_run_begins_ten_minutes_before_the_end_of_the_last_one(run, way):
    assert run(1, **way) == [("02-23T00:00:00", "03-02T00:00:00")]
    assert run(2, **way) == [("03-01T23:50:00", "03-03T00:00:00")]
    assert run(9, **way) == [("03-02T23:50:00", "03-10T00:00:00")]


def test_the_first_run_begins_at_start(run):
    arguments = {"lookback": None, "start": "2026-01-01T00:00:00Z"}
    assert run(1, **arguments) == [("01-01T00:00:00", "03-02T00:00:00")]
    assert run(2, **arguments) == [("03-01T23:50:00", "03-03T00:00:00")]


def test_a_first_run_of_many_days_is_split(run):
    windows = run(1, lookback=timedelta(days=10), max_window_days=7)
    assert windows == [("02-20T00:00:00", "02-27T00:00:00"), ("02-27T00:00:00", "03-02T00:00:00")]
    assert run(2, max_window_days=7) == [("03-01T23:50:00", "03-03T00:00:00")]


def test_earlier_runs_done_again_have_the_windows_that_they_had(run):
    windows = [run(day) for day in range(1, 5)]
    assert [run(day) for day in (4, 2, 1, 3)] == [windows[place] for place in (3, 1, 0, 2)]
    assert run(5) == [("03-04T23:50:00", "03-06T00:00:00")]


def test_a_run_of_which_nothing_is_known_is_refused_when_it_ends_before_the_mark(run, sandbox):
    run(3)
    with pytest.raises(AirflowFailException, match="read up to 2026-03-04T00:00:00Z"):
        run(2)
    assert sandbox.count("POST", ASK) == 1


def test_so_many_windows_are_kept(run, monkeypatch):
    monkeypatch.setattr("airflow_provider_maestroqa.operators.export_window._WINDOWS_KEPT", 2)
    windows = [run(day) for day in range(1, 5)]
    assert run(2) == windows[1]
    with pytest.raises(AirflowFailException, match="read up to"):
        run(1)


@pytest.mark.parametrize(
    ("way", "fault"),
    [
        ({}, {"kind": "status", "status": 400, "path": ASK}),
        ({}, {"kind": "status", "status": 503, "path": ASK}),
        ({}, {"kind": "reset_after", "path": ASK}),
        ({"wait_for_completion": True}, {"kind": "errored"}),
        ({"wait_for_completion": True}, {"kind": "status", "status": 404, "after": 1}),
    ],
    ids=["rejected", "down", "lost", "errored", "gone"],
)
def test_a_run_that_fails_moves_nothing(run, sandbox, way, fault):
    run(1, **way)
    sandbox.fault(**fault, times=None)
    with pytest.raises((AirflowFailException, MaestroQAError)):
        run(2, **way)
    sandbox.clear_faults()
    assert run(3, **way) == [("03-01T23:50:00", "03-04T00:00:00")]


def test_a_retry_resumes_the_export_and_moves_the_mark_when_it_is_complete(run, sandbox, tmp_path):
    place = {"state_path": f"file://{tmp_path}/own/raw.json"}
    sandbox.fault(kind="never")
    with pytest.raises(MaestroQAExportTimeoutError):
        run(1, wait_for_completion=True, timeout=0.2, **place)
    sandbox.clear_faults()
    for export in sandbox.exports.values():
        export.outcome = None
    assert run(1, wait_for_completion=True, try_number=2, **place) == []
    assert run(2, wait_for_completion=True, **place) == [("03-01T23:50:00", "03-03T00:00:00")]


def test_exports_of_other_content_have_a_mark_of_their_own_and_a_name_is_no_content(run):
    run(1, export_name="monday")
    assert run(2, export_name="tuesday") == [("03-01T23:50:00", "03-03T00:00:00")]
    assert run(2, single_file_export="csat") == [("02-24T00:00:00", "03-03T00:00:00")]
    assert run(2, export_type="audit_log") == [("02-24T00:00:00", "03-03T00:00:00")]
    assert run(3, single_file_export="csat") == [("03-02T23:50:00", "03-04T00:00:00")]


def test_a_mark_of_records_is_read_without_windows_before_it(place):
    """As versions before wrote it."""
    from airflow_provider_maestroqa.runtime.watermark import Watermark

    mark = Watermark(place[1], resource="todos", arguments={}, state_path=place[0].get("state_path"), windows_kept=9)
    mark._store.set(mark._key, {"start": None, "end": "2026-03-02T00:00:00Z"})
    moments = {"start": None, "lookback": None}
    reached, later = (FIRST_DAY + timedelta(days=days) for days in (1, 2))
    assert mark.window(later, **moments)[0] == reached - timedelta(minutes=10)
    assert mark.window(reached, **moments)[0] is None
    mark.save(FIRST_DAY, later)
    assert [mark.window(end, **moments)[0] for end in (later, reached)] == [FIRST_DAY, None]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"incremental": "daily"}, "incremental must be one of data_interval, watermark"),
        ({"incremental": "data_interval"}, "leave start, end, lookback and partition_length out"),
        ({"start": "2026-01-01T00:00:00Z"}, "Pass start or lookback, not both"),
        ({"lookback": None}, "needs a beginning: pass start or lookback"),
        ({"state_path": None}, r"Pass state_path.* or, on Airflow 3\.3"),
        ({"state_path": "file:///tmp/state/r/raw.json"}, "leave {{ run_id }} out"),
        ({"state_path": "raw.json"}, "names no object"),
        ({"export_type": "groups", "lookback": None}, "incremental"),
        ({"lookback": timedelta(0)}, "lookback"),
        ({"partition_length": timedelta(days=1)}, "leave partition_length out"),
        ({"end": "2026-03-02"}, "end"),
    ],
)
def test_bad_input_fails_at_once_names_the_field_and_spends_no_request(connection, sandbox, tmp_path, changes, named):
    arguments = {"lookback": timedelta(days=1), "state_path": f"file://{tmp_path}/raw.json", **changes}
    task = MaestroQARequestExportOperator(task_id="request", **{"incremental": "watermark", **arguments})
    moment = {"data_interval_start": FIRST_DAY, "data_interval_end": FIRST_DAY}
    with pytest.raises(AirflowFailException, match=named):
        task.execute(task_context(**moment))
    assert sandbox.requests == []


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"arguments": "a", "value": 1}', b'{"watermarks": []}'])
def test_an_object_that_holds_something_else_is_named_and_kept(connection, sandbox, tmp_path, content):
    path = tmp_path / "raw.json"
    path.write_bytes(content)
    task = MaestroQARequestExportOperator(
        task_id="request", incremental="watermark", start="2026-01-01T00:00:00Z", state_path=f"file://{path}"
    )
    with pytest.raises(AirflowFailException, match=r"raw\.json holds no watermark"):
        task.execute(task_context(data_interval_start=FIRST_DAY, data_interval_end=FIRST_DAY))
    assert path.read_bytes() == content
    assert sandbox.requests == []


def test_a_task_with_several_assets_is_told_so(connection, sandbox):
    class Several:
        def get(self, key, default=None):
            raise ValueError("Task has 2 concrete inlets and outlets")

    task = MaestroQARequestExportOperator(task_id="request", incremental="watermark", lookback=timedelta(days=1))
    moment = {"data_interval_start": FIRST_DAY, "data_interval_end": FIRST_DAY}
    with pytest.raises(AirflowFailException, match=r"exactly one asset .*\(Task has 2"):
        task.execute(task_context(asset_state_store=Several(), **moment))
    assert sandbox.requests == []
