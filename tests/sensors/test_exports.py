from __future__ import annotations

import pytest

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 2
    from airflow.exceptions import TaskDeferred

from airflow_provider_maestroqa._compat import AirflowFailException, AirflowSensorTimeout, AirflowSkipException
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.sensors.exports import MaestroQAExportSensor

GET = "/api/v1/get-export-data"
WAYS = pytest.mark.parametrize("deferrable", [False, True], ids=["on a worker", "deferred"])


@pytest.fixture
def export_id(connection, sandbox):
    with MaestroQAHook() as hook:
        return hook.request_groups_export()


def sensor(export_id, **changes):
    arguments = {"task_id": "wait", "export_id": export_id, "poke_interval": 0.05, "timeout": 60, **changes}
    return MaestroQAExportSensor(**arguments)


@WAYS
def test_it_waits_and_returns_whether_there_is_data(export_id, run_task, deferrable):
    assert run_task(sensor(export_id, deferrable=deferrable)) == {"export_id": export_id, "has_data": True}


@WAYS
def test_an_export_without_data_is_a_success_too(connection, sandbox, run_task, deferrable):
    sandbox.fault(kind="no_data")
    with MaestroQAHook() as hook:
        export_id = hook.request_groups_export()
    assert run_task(sensor(export_id, deferrable=deferrable)) == {"export_id": export_id, "has_data": False}


@WAYS
@pytest.mark.parametrize("kind", ["status", "reset_after", "html", "malformed_json", "unknown_status"])
def test_passing_failures_do_not_end_the_wait(export_id, sandbox, run_task, deferrable, kind):
    sandbox.fault(kind=kind, path=GET, times=3)
    assert run_task(sensor(export_id, deferrable=deferrable))["has_data"] is True


@WAYS
@pytest.mark.parametrize("soft_fail", [False, True])
def test_a_timeout_is_airflows_own_whether_deferred_or_not(connection, sandbox, run_task, deferrable, soft_fail):
    sandbox.fault(kind="never", times=None)
    with MaestroQAHook() as hook:
        export_id = hook.request_groups_export()
    with pytest.raises(AirflowSkipException if soft_fail else AirflowSensorTimeout):
        run_task(sensor(export_id, deferrable=deferrable, timeout=0.2, soft_fail=soft_fail))


@WAYS
@pytest.mark.parametrize("soft_fail", [False, True])
@pytest.mark.parametrize("polls_before", [0, 1], ids=["at the first poll", "later"])
def test_a_denied_request_ends_the_wait_equally(export_id, sandbox, run_task, deferrable, soft_fail, polls_before):
    sandbox.fault(kind="status", status=404, path="/api/v1/*export-data*", times=None, after=polls_before)
    with pytest.raises(AirflowSkipException if soft_fail else AirflowFailException):
        run_task(sensor(export_id, deferrable=deferrable, soft_fail=soft_fail))


def test_an_export_that_failed_is_not_retried(connection, sandbox, run_task):
    sandbox.fault(kind="errored")
    with MaestroQAHook() as hook:
        export_id = hook.request_groups_export()
    with pytest.raises(AirflowFailException, match="10,000 to 50,000 scores"):
        run_task(sensor(export_id, deferrable=True))


def test_it_does_not_defer_for_a_complete_export(export_id, run_task):
    run_task(sensor(export_id, deferrable=True))
    assert sensor(export_id, deferrable=True).execute({}) == {"export_id": export_id, "has_data": True}


def test_deferred_it_does_not_hold_its_worker_where_the_budget_is_used_up(connect, sandbox):
    connect(host=sandbox.url, password=sandbox.token, rate_limits={"normal": [[1, 600]]})
    with MaestroQAHook() as hook:
        export_id = hook.request_groups_export()
    with pytest.raises(TaskDeferred):
        sensor(export_id, deferrable=True, timeout=3600).execute({})
    assert len(sandbox.requests) == 1


def test_nothing_secret_is_in_the_deferral(export_id, sandbox):
    with pytest.raises(TaskDeferred) as deferred:
        sensor(export_id, deferrable=True).execute({})
    path, arguments = deferred.value.trigger.serialize()
    assert set(arguments) == {"export_id", "poll_interval", "deadline", "maestroqa_conn_id"}
    assert sandbox.token not in f"{path} {arguments}"


@pytest.mark.parametrize("export_id", ["", "None", None, 7.5, "   "])
def test_an_id_from_a_broken_template_is_an_error_before_a_request(connection, sandbox, export_id):
    with pytest.raises(AirflowFailException, match="export_id"):
        sensor(export_id).execute({})
    assert sandbox.requests == []
