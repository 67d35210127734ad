"""Customers' data is deleted, once for each request, and nothing that Airflow keeps or shows has an address."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest
from airflow_fixtures import task_context
from clocks import SkippingTime

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client.errors import (
    MaestroQADeletionFailedError,
    MaestroQADeletionTimeoutError,
    MaestroQAError,
)
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.operators.data_deletion import MaestroQADeleteCustomerDataOperator
from airflow_provider_maestroqa.sandbox import Sandbox
from airflow_provider_maestroqa.triggers.data_deletion import MaestroQADataDeletionTrigger

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 2
    from airflow.exceptions import TaskDeferred

ASK, CHECK = "/api/v1/data-deletion-request", "/api/v1/data-deletion-check/*"
PEOPLE = [f"person-{number}@customers.example" for number in range(12)]


@pytest.fixture(scope="module")
def running():
    with Sandbox(limits={}) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.reset()
    return running


@pytest.fixture
def run(connection, sandbox, monkeypatch):
    """Run a task's try."""
    monkeypatch.setattr(MaestroQAHook, "clock", SkippingTime().clock())

    def execute(emails=PEOPLE, context=None, **arguments):
        arguments = {"confirm": True, "deferrable": False, **arguments}
        task = MaestroQADeleteCustomerDataOperator(task_id="delete", emails=emails, **arguments)
        return task.execute(task_context() if context is None else context)

    return execute


@pytest.fixture(autouse=True)
def no_address_in_a_log(log, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    yield
    shown = capsys.readouterr()
    assert "customers.example" not in shown.out + shown.err + caplog.text


def asked(sandbox):
    return [seen.body["emails"] for seen in sandbox.requests if seen.method == "DELETE"]


def test_all_are_deleted_by_fives_and_the_ids_are_returned(run, sandbox):
    result = run()
    assert result == {"deletions": list(sandbox.deletions), "status": "completed"}
    assert asked(sandbox) == [PEOPLE[:5], PEOPLE[5:10], PEOPLE[10:]]
    assert {one["status"] for one in sandbox.deletions.values()} == {"completed"}


def test_the_default_label_is_made_of_the_run(run, sandbox):
    run(PEOPLE[:1])
    run(PEOPLE[:1], audit_label="request 7")
    labels = [one["auditLabel"] for one in sandbox.deletions.values()]
    assert labels == ["airflow/d/r/t", "request 7"]


@pytest.mark.parametrize("confirm", [False, None, "", "false", "no"])
def test_nothing_is_requested_without_confirm(run, sandbox, confirm):
    with pytest.raises(AirflowFailException, match="confirm"):
        run(lambda **_: pytest.fail("the addresses were read"), confirm=confirm)
    assert sandbox.requests == []


@pytest.mark.parametrize("confirm", [True, "true", "True"])
def test_a_template_may_confirm(run, confirm):
    assert run(PEOPLE[:1], confirm=confirm)["status"] == "completed"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"emails": None}, "emails must be a list"),
        ({"emails": ""}, "emails is empty text"),
        ({"emails": [PEOPLE[0], "person-1.customers.example"]}, r"emails\[1\] must be an e-mail address"),
        ({"audit_label": f"for {PEOPLE[0]}"}, "audit_label holds an e-mail address"),
        ({"poll_interval": "soon"}, "poll_interval"),
        ({"timeout": -1}, "timeout"),
    ],
)
def test_bad_input_fails_before_a_request(run, sandbox, arguments, says):
    with pytest.raises(AirflowFailException, match=says) as caught:
        run(**arguments)
    assert "customers.example" not in str(caught.value)
    assert sandbox.requests == []


def test_no_address_at_all_deletes_nothing(run, sandbox):
    assert run([]) == {"deletions": [], "status": "completed"}
    assert sandbox.requests == []


def test_a_callable_is_called_when_the_task_runs(run, sandbox):
    run(lambda context, jinja_env: (one for one in PEOPLE[:2]))
    assert asked(sandbox) == [PEOPLE[:2]]


def test_without_a_wait_the_ids_are_returned_at_once(run, sandbox):
    result = run(wait_for_completion=False)
    assert (result["status"], len(result["deletions"])) == ("requested", 3)
    assert sandbox.count("GET", CHECK) == 0


# -- Faults ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def state_path(tmp_path):
    return str(tmp_path / "state.json")


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset_before"},
        {"kind": "reset_after"},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 503, "done": True},
        {"kind": "html", "done": True},
        {"kind": "rate_limited", "text": "second"},
        {"kind": "rate_limited", "text": "minute"},
    ],
    ids=lambda fault: " ".join(map(str, fault.values())),
)
@pytest.mark.parametrize("path", [ASK, CHECK])
def test_a_lost_response_is_mended(run, sandbox, path, fault):
    sandbox.fault(path=path, after=1, **fault)
    result = run()
    assert result["status"] == "completed"
    assert {email for batch in asked(sandbox) for email in batch} == set(PEOPLE)
    assert len(result["deletions"]) == 3


@pytest.mark.parametrize("body", [{"confirmation": False, "id": "x"}, {"confirmation": True}, ""])
def test_a_deletion_that_is_not_confirmed_is_requested_again_by_a_retry(run, sandbox, state_path, body):
    sandbox.fault("status", status=200, body=body, path=ASK, after=1, times=5)
    with pytest.raises(MaestroQAError) as caught:
        run(state_path=state_path)
    assert caught.value.retryable
    sandbox.clear_faults()
    result = run(context=task_context(try_number=2), state_path=state_path)
    assert result["status"] == "completed"
    assert asked(sandbox).count(PEOPLE[:5]) == 1


def test_an_echoed_address_is_masked_in_the_error(run, sandbox):
    message = f"Invalid parameters: {PEOPLE[3]} and %70erson-3%40customers.example"
    sandbox.fault("status", status=400, body={"error": message}, path=ASK)
    with pytest.raises(AirflowFailException, match="Invalid parameters") as caught:
        run()
    text = str(caught.value) + str(caught.value.__cause__) + repr(caught.value.__cause__)
    assert "customers.example" not in text
    assert "person-3" not in text


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_token_fails_for_good(run, sandbox, status):
    sandbox.fault("status", status=status, path=ASK)
    with pytest.raises(AirflowFailException):
        run()
    assert len(asked(sandbox)) == 1


def test_a_retry_does_not_request_what_was_requested(run, sandbox, state_path):
    sandbox.fault("status", status=401, path=ASK, after=2)
    with pytest.raises(AirflowFailException):
        run(state_path=state_path)
    text = Path(state_path).read_text()
    assert "customers.example" not in text
    before = list(sandbox.deletions)
    assert list(json.loads(text)["value"]["deletions"]) == before
    sandbox.clear_faults()
    # In another order and with one more, as a table gives them a day later.
    result = run([*reversed(PEOPLE), "new@customers.example"], task_context(try_number=2), state_path=state_path)
    assert result["deletions"][:2] == before
    assert sorted(asked(sandbox)[-1]) == sorted([*PEOPLE[10:], "new@customers.example"])


def test_a_retry_with_airflows_store_waits_for_the_same_deletions(run, sandbox, task_state_store):
    sandbox.fault("never", path=CHECK, times=None)
    with pytest.raises(MaestroQADeletionTimeoutError, match="3 pending"):
        run(context=task_context(task_state_store=task_state_store), timeout=3600)
    sandbox.clear_faults()
    sandbox._state.account.deletions = {
        name: {key: value for key, value in one.items() if key != "outcome"}
        for name, one in sandbox._state.account.deletions.items()
    }
    result = run(context=task_context(try_number=2, task_state_store=task_state_store))
    assert result == {"deletions": list(sandbox.deletions), "status": "completed"}
    assert len(asked(sandbox)) == 3


@pytest.mark.parametrize(
    "fault", [{"kind": "errored"}, {"kind": "unknown_status", "text": "not found"}, {"kind": "status", "status": 404}]
)
def test_what_has_failed_alone_is_requested_again_by_a_retry(run, sandbox, state_path, fault):
    sandbox.fault(path=CHECK, after=1, **fault)
    with pytest.raises(MaestroQADeletionFailedError, match="A retry requests them again"):
        run(state_path=state_path)
    result = run(context=task_context(try_number=2), state_path=state_path)
    assert result["status"] == "completed"
    assert asked(sandbox) == [PEOPLE[:5], PEOPLE[5:10], PEOPLE[10:], PEOPLE[5:10]]


def test_a_task_that_is_cleared_after_its_success_starts_afresh(run, sandbox, state_path):
    run(PEOPLE[:1], state_path=state_path)
    run(PEOPLE[:1], state_path=state_path)
    assert len(asked(sandbox)) == 2


# -- Waiting in the triggerer ---------------------------------------------------------------------------------------


@pytest.fixture
def defer(run):
    """Run until the task defers; what it hands to the triggerer."""

    def start(**arguments):
        with pytest.raises(TaskDeferred) as caught:
            run(deferrable=True, **arguments)
        return caught.value

    return start


async def fire(trigger):
    async for event in trigger.run():
        return event.payload


def test_the_wait_is_deferred_without_an_address_and_completed(defer, sandbox, state_path, monkeypatch):
    deferral = defer(poll_interval=0.01, state_path=state_path)
    trigger = deferral.trigger
    assert isinstance(trigger, MaestroQADataDeletionTrigger)
    assert list(trigger.serialize()[1]["deletion_ids"]) == list(sandbox.deletions)
    event = asyncio.run(fire(trigger))
    assert "customers.example" not in json.dumps([trigger.serialize(), event, deferral.kwargs])
    task = MaestroQADeleteCustomerDataOperator(task_id="delete", emails=PEOPLE, confirm=True, state_path=state_path)
    result = task.execute_complete(task_context(), event)
    assert result == {"deletions": list(sandbox.deletions), "status": "completed"}


def test_the_worker_is_not_held_where_the_budget_is_used_up(connect, defer, sandbox, logged):
    connect(host=sandbox.url, password=sandbox.token, rate_limits={"normal": [[3, 600]], "hard": [[3, 600]]})
    defer()
    assert len(asked(sandbox)) == len(sandbox.requests) == 3
    assert "Deletions: 3 pending. Next poll in" in logged()


def test_a_wait_in_the_triggerer_outlives_what_passes_and_ends_by_what_does_not(defer, sandbox):
    deferral = defer(poll_interval=0.01)
    sandbox.fault("status", status=502, path=CHECK, times=2)
    sandbox.fault("status", status=401, path=CHECK, after=4)
    event = asyncio.run(fire(deferral.trigger))
    assert (event["status"], event["error"], event["http_status"]) == ("refused", "MaestroQAAuthError", 401)


def test_a_deletion_that_fails_in_the_triggerer_is_requested_again(defer, run, sandbox, state_path):
    deferral = defer(poll_interval=0.01, state_path=state_path)
    sandbox.fault("errored", path=CHECK)
    event = asyncio.run(fire(deferral.trigger))
    task = MaestroQADeleteCustomerDataOperator(task_id="delete", emails=PEOPLE, confirm=True, state_path=state_path)
    with pytest.raises(MaestroQADeletionFailedError):
        task.execute_complete(task_context(), event)
    run(context=task_context(try_number=2), state_path=state_path)
    assert asked(sandbox)[3:] == [PEOPLE[:5]]


# -- What Airflow stores --------------------------------------------------------------------------------------------


def test_the_operator_shows_and_serializes_no_address():
    import pickle

    from airflow.serialization.helpers import serialize_template_field

    task = MaestroQADeleteCustomerDataOperator(task_id="delete", emails=PEOPLE)
    shown = [repr(task.emails), str(task.emails), serialize_template_field(task.emails, "emails")]
    assert set(shown) == {"*** (not shown)"}
    with pytest.raises(TypeError):
        pickle.dumps(task.emails)


def test_templates_within_the_addresses_are_rendered_and_concealed_again():
    task = MaestroQADeleteCustomerDataOperator(task_id="delete", emails=["{{ name }}@customers.example"])
    task.render_template_fields({"name": "ann"})
    assert task.emails.reveal() == ["ann@customers.example"]
    task = MaestroQADeleteCustomerDataOperator(task_id="delete", emails="{{ names | tojson }}")
    assert task.emails == "{{ names | tojson }}"
    task.render_template_fields({"names": ["ann@customers.example"]})
    assert (str(task.emails), json.loads(task.emails.reveal())) == ("*** (not shown)", ["ann@customers.example"])


def test_lineage_holds_nothing():
    task = MaestroQADeleteCustomerDataOperator(task_id="delete", emails=PEOPLE)
    assert "customers.example" not in repr(task.data_transfer)
    assert task.data_transfer is not None
