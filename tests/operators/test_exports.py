from __future__ import annotations

from datetime import datetime, timedelta, timezone
from unittest import mock

import pytest
from airflow_fixtures import task_context

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 2
    from airflow.exceptions import TaskDeferred

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client.errors import (
    MaestroQAError,
    MaestroQAExportTimeoutError,
    MaestroQAOutcomeUnknownError,
)
from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.sensors.exports import MaestroQAExportSensor

ASK = "/api/v1/request-raw-export"
GET = "/api/v1/get-export-data"
DAY = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
WAYS = pytest.mark.parametrize("deferrable", [False, True], ids=["on a worker", "deferred"])


def request(**changes):
    arguments = {"task_id": "request", "poll_interval": 0.05, "timeout": 60, "deferrable": False, **DAY, **changes}
    return MaestroQARequestExportOperator(**arguments)


def waiting(**changes):
    return request(wait_for_completion=True, **changes)


def test_it_asks_for_the_window_with_the_options_and_returns_the_id(connection, sandbox):
    export_id = request(
        export_name="nightly", single_file_export="csat", include_calibrations="none", include_deleted=True
    ).execute({})
    assert list(sandbox.exports) == [export_id]
    assert sandbox.requests[-1].body == {
        "startDate": "2026-01-01T00:00:00Z",
        "endDate": "2026-01-02T00:00:00Z",
        "name": "nightly",
        "singleFileExport": "csat",
        "includeCalibrations": "none",
        "includeDeleted": True,
    }
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"export_type": "groups", "start": None, "end": None}, "/api/v1/request-groups-export"),
        ({"export_type": "audit_log"}, "/api/v1/request-audit-log-export"),
    ],
)
def test_the_other_types_have_endpoints_of_their_own(connection, sandbox, arguments, path):
    assert request(**arguments).execute({}) in sandbox.exports
    assert sandbox.count("POST", path) == 1


def test_without_a_window_the_data_interval_is_asked_for(connection, sandbox):
    interval = {
        "data_interval_start": datetime(2026, 3, 1, tzinfo=timezone.utc),
        "data_interval_end": datetime(2026, 3, 2, tzinfo=timezone.utc),
    }
    request(start=None, end=None).execute(interval)
    assert sandbox.requests[-1].body == {"startDate": "2026-03-01T00:00:00Z", "endDate": "2026-03-02T00:00:00Z"}
    request(start=None, end=None, lookback=timedelta(days=7)).execute(interval)
    assert sandbox.requests[-1].body == {"startDate": "2026-02-23T00:00:00Z", "endDate": "2026-03-02T00:00:00Z"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"export_type": "grades"}, "export_type must be one of raw, groups, audit_log"),
        ({"start": datetime(2026, 1, 1)}, "start.*has no time zone"),
        ({"start": DAY["end"], "end": DAY["start"]}, "must be before"),
        ({"start": None, "end": None}, "CronDataIntervalTimetable"),
        ({"single_file_export": "all"}, "single_file_export must be one of"),
        ({"include_calibrations": "some"}, "include_calibrations must be one of"),
        ({"include_deleted": "perhaps"}, "include_deleted must be True or False"),
        ({"export_type": "groups"}, "has no window"),
        ({"include_unavailable": True}, "include_unavailable is not an option of a raw export"),
        ({"poll_interval": "often"}, "poll_interval must be a number of seconds"),
        ({"timeout": -1}, "timeout must be a number of seconds"),
    ],
)
def test_bad_input_fails_at_once_names_the_field_and_spends_no_request(connection, sandbox, arguments, named):
    with pytest.raises(AirflowFailException, match=named):
        request(**arguments).execute({})
    assert sandbox.requests == []


def test_a_missing_connection_is_named(monkeypatch, sandbox):
    monkeypatch.delenv("AIRFLOW_CONN_MAESTROQA_DEFAULT", raising=False)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite://")
    with pytest.raises(Exception, match="nowhere_to_be_found"):
        request(maestroqa_conn_id="nowhere_to_be_found").execute({})


def test_a_refused_token_costs_one_request_and_is_explained(connect, sandbox):
    connect(host=sandbox.url, password="an-old-token")
    with pytest.raises(AirflowFailException, match="90 days") as caught:
        waiting().execute({})
    assert len(sandbox.requests) == 1
    assert "an-old-token" not in str(caught.value)


def test_plain_http_to_a_foreign_host_is_refused_before_anything_is_sent(connect):
    connect(host="http://maestroqa.example.com")
    with pytest.raises(AirflowFailException, match="in the clear"):
        request().execute({})


@WAYS
def test_it_waits_until_the_export_is_complete(connection, sandbox, run_task, deferrable):
    export_id = run_task(waiting(deferrable=deferrable))
    assert sandbox.exports[export_id].url is not None
    assert sandbox.count("POST", ASK) == 1


def test_deferrable_it_looks_once_before_it_leaves_the_worker(connection, sandbox):
    with pytest.raises(TaskDeferred) as deferred:
        waiting(deferrable=True).execute({})
    assert sandbox.count("GET", GET) == 1
    assert deferred.value.timeout >= timedelta(seconds=60)


def test_deferrable_it_does_not_hold_its_worker_where_the_budget_is_used_up(connect, sandbox, logged):
    connect(host=sandbox.url, password=sandbox.token, rate_limits={"normal": [[1, 600]]})
    with pytest.raises(TaskDeferred):
        waiting(deferrable=True).execute({})
    assert [request.path for request in sandbox.requests] == [ASK]
    assert "is not polled now, because the token's request budget is used up. Next poll in" in logged()


def test_deferrable_it_does_not_defer_when_the_export_is_complete_at_once(connection, sandbox):
    sandbox.fault(kind="status", status=200, body={"status": "complete", "dataUrl": ""}, path=GET)
    assert waiting(deferrable=True).execute({}) in sandbox.exports


@WAYS
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 503},
        {"kind": "reset_before"},
        {"kind": "reset_after"},
        {"kind": "html"},
        {"kind": "malformed_json"},
        {"kind": "unknown_status", "text": "archiving"},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_passing_failures_do_not_end_the_wait(connection, sandbox, run_task, deferrable, fault):
    sandbox.fault(**fault, path=GET, times=3)
    assert run_task(waiting(deferrable=deferrable)) in sandbox.exports
    assert sandbox.count("POST", ASK) == 1


@WAYS
def test_an_answer_that_does_not_come_in_time_does_not_end_the_wait(connect, sandbox, run_task, deferrable):
    connect(host=sandbox.url, timeout=0.2)
    sandbox.fault(kind="timeout", path=GET, times=2)
    assert run_task(waiting(deferrable=deferrable)) in sandbox.exports


@WAYS
def test_429s_in_a_row_do_not_end_the_wait(connect, sandbox, run_task, deferrable):
    connect(host=sandbox.url, rate_limits={"normal": [[1000, 0.05]]})
    sandbox.fault(kind="rate_limited", text="second", path=GET, times=4)
    assert run_task(waiting(deferrable=deferrable)) in sandbox.exports


@WAYS
@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ({"kind": "errored"}, "MaestroQAExportFailedError: .*failed at MaestroQA"),
        ({"kind": "status", "status": 401, "path": GET, "after": 1}, "MaestroQAAuthError: .*90 days"),
        ({"kind": "status", "status": 403, "path": GET, "after": 1}, "MaestroQAPermissionError: .*may not do this"),
        ({"kind": "status", "status": 404, "path": GET, "after": 1}, "MaestroQANotFoundError: .*no such thing"),
    ],
    ids=["errored", "401", "403", "404"],
)
@pytest.mark.parametrize("waiter", ["operator", "sensor"])
def test_a_final_end_fails_without_retries_from_the_real_error(
    connection, sandbox, run_task, deferrable, fault, named, waiter
):
    sandbox.fault(**{"times": None, **fault})
    task = waiting(deferrable=deferrable)
    if waiter == "sensor":
        export_id = request().execute({})
        task = MaestroQAExportSensor(task_id="wait", export_id=export_id, deferrable=deferrable, poke_interval=0.05)
    with pytest.raises(AirflowFailException, match=named) as caught:
        run_task(task)
    assert type(caught.value.__cause__).__name__ == named.partition(":")[0]
    assert getattr(caught.value.__cause__, "status", None) == fault.get("status")


@WAYS
def test_an_export_that_is_never_complete_ends_at_the_deadline_and_may_be_retried(
    connection, sandbox, run_task, deferrable
):
    sandbox.fault(kind="never", times=None)
    with pytest.raises(MaestroQAExportTimeoutError, match="cannot be cancelled"):
        run_task(waiting(deferrable=deferrable, timeout=0.3))


def test_the_spelling_completed_is_a_success(connection, sandbox, run_task):
    sandbox.fault(kind="completed", times=None)
    assert run_task(waiting()) in sandbox.exports


@pytest.mark.parametrize("event", [None, {}, {"status": "success", "export_id": "x", "has_data": True}])
def test_only_a_known_event_is_a_success(connection, event):
    with pytest.raises((AirflowFailException, MaestroQAError), match="ended"):
        waiting(deferrable=True).execute_complete({}, event)


@pytest.mark.parametrize("kind", ["reset_after", "status", "html"])
@pytest.mark.parametrize("max_window_days", [None, 1])
def test_a_lost_answer_to_the_request_is_left_to_the_next_try_which_says_that_there_may_be_two(
    connection, sandbox, kind, max_window_days, mocker
):
    log = mocker.patch.object(MaestroQARequestExportOperator, "log", mocker.Mock())
    sandbox.fault(kind=kind, path=ASK)
    with pytest.raises(MaestroQAOutcomeUnknownError, match=r"may or may not have been requested.*two") as caught:
        request(max_window_days=max_window_days).execute({"ti": mock.Mock(try_number=1)})
    assert caught.value.retryable
    assert sandbox.count("POST", ASK) == 1
    assert "two exports" not in str(log.warning.call_args_list)
    assert request(max_window_days=max_window_days).execute({"ti": mock.Mock(try_number=2)})
    assert "there may be two exports" in str(log.warning.call_args_list)


class TestRetry:
    """What a second try does."""

    @pytest.fixture(params=["task state store", "state path"])
    def memory(self, request, task_state_store, tmp_path):
        if request.param == "task state store":
            return {"task_state_store": task_state_store}, {}
        return {}, {"state_path": f"file://{tmp_path}/state/request.json"}

    def timed_out(self, sandbox, memory, **changes):
        context, arguments = memory
        sandbox.fault(kind="never", times=None)
        with pytest.raises(MaestroQAExportTimeoutError):
            waiting(timeout=0, **arguments, **changes).execute(context)
        sandbox.clear_faults()
        export = list(sandbox.exports.values())[-1]
        export.outcome = None
        return export.export_id

    @WAYS
    def test_it_takes_the_same_export_up_again(self, connection, sandbox, run_task, memory, deferrable):
        context, arguments = memory
        export_id = self.timed_out(sandbox, memory)
        again = run_task(waiting(deferrable=deferrable, **arguments), context)
        assert again == export_id
        assert sandbox.count("POST", ASK) == 1

    def test_without_durable_each_try_requests_its_own_export_and_saves_nothing(
        self, connection, sandbox, run_task, task_state_store
    ):
        context = {"task_state_store": task_state_store}
        first = self.timed_out(sandbox, (context, {}), durable=False)
        assert task_state_store.values == {}
        assert run_task(waiting(durable=False), context) != first
        assert sandbox.count("POST", ASK) == 2

    def test_durable_and_state_path_go_together(self, connection, sandbox, tmp_path):
        with pytest.raises(AirflowFailException, match="leave out one of them"):
            waiting(durable=False, state_path=f"file://{tmp_path}/state.json").execute({})
        assert sandbox.requests == []

    @pytest.mark.skipif(not _compat.has_resumable_jobs(), reason="Airflow counts resumed jobs from 3.3")
    def test_what_a_retry_finds_is_counted_as_airflow_counts_its_own_jobs(
        self, connection, sandbox, run_task, mocker, task_state_store
    ):
        stats = mocker.patch.object(_compat, "Stats", create=True)
        context = task_context(task_state_store=task_state_store)
        context["ti"].stats_tags = {"dag_id": "d", "task_id": "t", "team_name": "support"}
        self.timed_out(sandbox, (context, {}))
        run_task(waiting(), context)
        calls = [call for call in stats.incr.call_args_list if call.args[0].startswith("resumable_job.")]
        counted = [call.args[0] for call in calls]
        assert counted[:2] == ["resumable_job.fresh_submit", "resumable_job.reconnect_attempt"]
        assert counted[2] in ("resumable_job.reconnect_success", "resumable_job.already_succeeded")
        tags = {"operator": "MaestroQARequestExportOperator", "team_name": "support"}
        assert all(call.kwargs["tags"] == tags for call in calls)

    def test_a_changed_window_asks_for_a_new_export(self, connection, sandbox, run_task, memory):
        context, arguments = memory
        self.timed_out(sandbox, memory)
        run_task(waiting(end="2026-01-03T00:00:00Z", **arguments), context)
        assert sandbox.count("POST", ASK) == 2

    def test_success_is_forgotten_so_a_cleared_task_starts_afresh(self, connection, sandbox, run_task, memory):
        context, arguments = memory
        first = run_task(waiting(**arguments), context)
        assert run_task(waiting(**arguments), context) != first
        assert run_task(request(**arguments), context) not in ("", first)
        assert sandbox.count("POST", ASK) == 3

    def test_an_export_that_failed_is_not_taken_up_again(self, connection, sandbox, run_task, memory):
        context, arguments = memory
        sandbox.fault(kind="errored")
        with pytest.raises(AirflowFailException):
            run_task(waiting(**arguments), context)
        assert run_task(waiting(**arguments), context) in sandbox.exports
        assert sandbox.count("POST", ASK) == 2

    def test_an_export_that_maestroqa_forgot_is_asked_for_anew(self, connection, sandbox, run_task, memory):
        context, arguments = memory
        self.timed_out(sandbox, memory)
        sandbox.reset()
        assert run_task(waiting(**arguments), context) in sandbox.exports


def test_mapped_instances_do_not_share_their_state(connection, sandbox, tmp_path):
    state = f"file://{tmp_path}/request.json"
    sandbox.fault(kind="never", times=None)
    for index in (0, 1):
        with pytest.raises(MaestroQAExportTimeoutError):
            waiting(timeout=0, state_path=state).execute(task_context(map_index=index))
    assert sandbox.count("POST", ASK) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["request.json.0", "request.json.1"]


def test_a_state_path_that_holds_something_else_is_refused_before_a_request(connection, sandbox, tmp_path):
    (tmp_path / "mine.json").write_text("precious")
    with pytest.raises(AirflowFailException, match="state_path"):
        waiting(state_path=f"{tmp_path}/mine.json").execute({})
    assert sandbox.requests == []
    assert (tmp_path / "mine.json").read_text() == "precious"


def test_killing_the_task_logs_that_the_export_continues(connection, sandbox, mocker):
    task = request()
    export_id = task.execute({})
    log = mocker.patch.object(type(task), "log", create=True)
    task.on_kill()
    log.warning.assert_called_once_with("Export %s continues at MaestroQA: it cannot be canceled there.", export_id)
