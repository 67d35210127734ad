"""What Airflow does after a failure, where the task has this package's retry policy."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_provider_maestroqa import _compat, retry_policies
from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.runtime.task_errors import airflow_errors
from airflow_provider_maestroqa.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
HAS_POLICIES = _compat.has_retry_policies()
newest = pytest.mark.skipif(not HAS_POLICIES, reason="Airflow 3.3 first has retry_policy")

DAG_FILE = """
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow import DAG

from airflow_provider_maestroqa._compat import BaseOperator
from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.operators.tickets import MaestroQAGetTicketsOperator
from airflow_provider_maestroqa.retry_policies import MaestroQARetryPolicy

TRIES = Path(__file__).with_suffix(".tries")


class Fails(BaseOperator):
    def __init__(self, *, how, **arguments):
        super().__init__(**arguments)
        self.how = how

    def execute(self, context):
        with TRIES.open("a") as file:
            print(self.task_id, file=file)
        if context["ti"].try_number == 1 or self.task_id == "unknown_error":
            self.how()


def refused_token():
    with MaestroQAHook() as hook:
        hook.get_ticket("T-1")


def used_up():
    raise errors.MaestroQARateLimitError(429, "GET", "/api/v1/todos", "too many requests", retry_after=1)


def server_error():
    raise errors.MaestroQAServerError(503, "GET", "/api/v1/todos", "down")


def wrapped():
    try:
        raise errors.MaestroQAValidationError(400, "POST", "/api/v1/tickets", "no such field")
    except errors.MaestroQAError as error:
        raise RuntimeError("my own step failed") from error


def unknown_error():
    raise ValueError("nothing of ours")


with DAG(
    "retries",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 1, "retry_delay": timedelta(hours=1), "retry_policy": MaestroQARetryPolicy()},
) as dag:
    Fails(task_id="refused_token", how=refused_token)
    Fails(task_id="used_up", how=used_up)
    Fails(task_id="server_error", how=server_error, retry_delay=timedelta(seconds=0))
    Fails(task_id="wrapped", how=wrapped)
    Fails(task_id="unknown_error", how=unknown_error, retry_delay=timedelta(seconds=0))
    MaestroQAGetTicketsOperator(task_id="operator", ticket_ids=["T-1"])
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """How a real run ended: the states, the tries, and all that was written."""
    home = tmp_path_factory.mktemp("retries")
    (home / "dags").mkdir()
    (home / "dags" / "retries.py").write_text(DAG_FILE)
    with Sandbox(limits={}, rows=2) as sandbox:
        fields = {"host": sandbox.url, "password": "an-expired-token", "extra": {"rate_limit_store": "memory"}}
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW_CONN_MAESTROQA_DEFAULT": json.dumps({"conn_type": "maestroqa", **fields}),
        }
        script = [sys.executable, "-W", "ignore", str(ROOT / "scripts" / "run_dag.py"), "--json", "ended.json"]
        done = subprocess.run(
            [*script, "dags/retries.py"],
            env=environment,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        asked = [seen.path for seen in sandbox.requests]
    ended = home / "ended.json"
    assert ended.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    tries = (home / "dags" / "retries.tries").read_text().split()
    return json.loads(ended.read_text())["retries"]["tasks"], tries, done.stdout + done.stderr, asked


@newest
@pytest.mark.parametrize(
    ("task", "tries", "state"),
    [
        ("refused_token", 1, "failed"),
        ("wrapped", 1, "failed"),
        # The task waits for an hour between tries, and the error says: one second.
        ("used_up", 2, "success"),
        ("server_error", 2, "success"),
        ("unknown_error", 2, "failed"),
    ],
)
def test_a_task_is_tried_as_often_as_its_error_is_worth(ran, task, tries, state):
    states, tried, _, _ = ran
    assert (tried.count(task), states[task]) == (tries, state)


@newest
def test_an_operator_fails_for_good_with_a_policy_as_without(ran):
    states, _, _, asked = ran
    assert states["operator"] == "failed"
    assert asked.count("/api/v1/tickets/T-1") + asked.count("/api/v1/tickets") == len(asked) == 2


@newest
def test_the_decision_and_its_reason_are_in_the_log_without_the_token(ran):
    written = ran[2]
    assert "MaestroQAAuthError: GET /api/v1/tickets/T-1 answered 401" in written
    assert "Retry policy decision" in written
    assert "an-expired-token" not in written


@pytest.fixture
def decide():
    policy = retry_policies.MaestroQARetryPolicy()

    def evaluate(error):
        decision = policy.evaluate(error, 1, 3)
        return decision.action.value, decision.retry_delay

    return evaluate


def limited(message="too many requests", retry_after=None):
    return errors.MaestroQARateLimitError(429, "GET", "/api/v1/todos", message, retry_after=retry_after)


@newest
@pytest.mark.parametrize(
    ("error", "delay_s"),
    [
        (limited(retry_after=42.5), 42.5),
        (limited(retry_after=0), 1),
        (limited("100 requests per minute"), 60),
        (limited("10 requests per second"), 1),
        (limited(), 1),
    ],
)
def test_a_used_up_budget_is_waited_for_as_long_as_it_lasts(decide, error, delay_s):
    assert decide(error) == ("retry", timedelta(seconds=delay_s))


@newest
@pytest.mark.parametrize(
    ("error", "action"),
    [
        (errors.MaestroQAConnectionError("no answer"), "retry"),
        (errors.MaestroQAExportTimeoutError("not complete"), "retry"),
        (errors.MaestroQADataError("cut short", retryable=True), "retry"),
        (errors.MaestroQADataError("an unsafe name"), "fail"),
        (errors.MaestroQAConfigError("no token"), "fail"),
        (errors.MaestroQAOutcomeUnknownError("may have happened"), "fail"),
        (errors.MaestroQAExportFailedError("gave up"), "fail"),
        (ValueError("not ours"), "default"),
        (KeyboardInterrupt(), "default"),
    ],
)
def test_every_other_error_is_retried_as_the_task_is_configured_or_not_at_all(decide, error, action):
    assert decide(error) == (action, None)


@newest
def test_what_fails_for_good_already_is_left_to_airflow(decide):
    with pytest.raises(_compat.AirflowFailException) as caught, airflow_errors():
        raise errors.MaestroQAConfigError("no token")
    assert isinstance(caught.value.__cause__, errors.MaestroQAConfigError)
    assert decide(caught.value) == ("default", None)


@newest
def test_causes_that_go_in_a_circle_end(decide):
    first, second = ValueError(), TypeError()
    first.__cause__, second.__cause__ = second, first
    assert decide(first) == ("default", None)


@newest
def test_a_dag_with_the_policy_is_the_same_each_time_it_is_stored():
    from airflow import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    from airflow_provider_maestroqa.operators.tickets import MaestroQAGetTicketsOperator

    def stored():
        policy = {"retry_policy": retry_policies.MaestroQARetryPolicy()}
        start = datetime(2026, 1, 1, tzinfo=timezone.utc)
        with DAG("stored", schedule=None, start_date=start, default_args=policy) as dag:
            MaestroQAGetTicketsOperator(task_id="plain", ticket_ids=["T-1"])
            MaestroQAGetTicketsOperator.partial(task_id="mapped").expand(ticket_ids=[["T-1"]])
        return DagSerialization.to_dict(dag)

    assert stored() == stored()
    assert json.dumps(stored()).count('"has_retry_policy": true') == 3
    DagSerialization.from_dict(stored())


@newest
def test_a_policy_can_be_stored_and_made_again():
    policy = retry_policies.MaestroQARetryPolicy()
    assert type(policy).deserialize(json.loads(json.dumps(policy.serialize()))) == policy
    assert repr(policy).endswith("MaestroQARetryPolicy()")


@pytest.mark.skipif(HAS_POLICIES, reason="an older Airflow's answer")
def test_the_error_on_an_older_airflow_names_the_alternative():
    with pytest.raises(ImportError, match=r"needs Airflow 3\.3 or newer.*Leave it out.*AirflowFailException"):
        from airflow_provider_maestroqa.retry_policies import MaestroQARetryPolicy  # noqa: F401


def test_the_module_has_nothing_else():
    with pytest.raises(AttributeError):
        _ = retry_policies.Other
