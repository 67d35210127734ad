"""Whose data is deleted, and how a wait for deletions ends; no address is ever in a message."""

from __future__ import annotations

import logging

import pytest
from clocks import FakeTime

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAServerError
from airflow_provider_maestroqa.client.resources import data_deletion
from airflow_provider_maestroqa.client.resources.data_deletion import DataDeletion, parse_audit_label, parse_emails
from airflow_provider_maestroqa.client.resources.deletion_polling import (
    DeletionWait,
    poll_deletions,
    read_deletion_event,
)

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ([ANN, BOB], (ANN, BOB)),
        ((one for one in (ANN, BOB)), (ANN, BOB)),
        ([ANN, "Ann@Example.com", BOB, ANN], (ANN, BOB)),
        (ANN, (ANN,)),
        (f'["{ANN}", "{BOB}"]', (ANN, BOB)),
        ([], ()),
        ("[]", ()),
    ],
)
def test_addresses_are_read_from_what_people_and_templates_give(given, read):
    assert parse_emails(given) == read


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "emails must be a list of e-mail addresses, got NoneType"),
        ({ANN: 1}, "emails must be a list of e-mail addresses, got dict"),
        (b"x", "emails must be a list of e-mail addresses, got bytes"),
        (7, "got int"),
        ("", "emails is empty text"),
        ("  ", "emails is empty text"),
        ("[ann@example.com", "emails is text that is no JSON list"),
        ("ann.example.com", r"emails\[0\] must be an e-mail address such as ann@example.com, got str"),
        (f"{ANN}, {BOB}", r"emails\[0\] must be an e-mail address"),
        ([ANN, "secret person"], r"emails\[1\] must be an e-mail address"),
        ([ANN, None], r"emails\[1\] must be an e-mail address, got NoneType"),
        ([(BOB,)], r"emails\[0\] must be an e-mail address, got tuple \(of a row, pass its column"),
    ],
)
def test_what_is_no_address_is_named_by_its_position_alone(given, says):
    with pytest.raises(MaestroQAConfigError, match=says) as caught:
        parse_emails(given)
    assert caught.value.__context__ is None
    assert BOB not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("label", ["", "  ", 7, f"for {ANN.upper()}"])
def test_a_label_is_text_without_an_address(label):
    with pytest.raises(MaestroQAConfigError, match="audit_label") as caught:
        parse_audit_label(label, [ANN])
    assert ANN not in str(caught.value).lower()


def test_a_request_shows_no_address():
    request = data_deletion.deletion_request([ANN], "request 7")
    assert (request.body, ANN in repr(request)) == ({"emails": [ANN], "auditLabel": "request 7"}, False)
    assert data_deletion.deletion_request([ANN], None).body == {"emails": [ANN]}


@pytest.mark.parametrize(
    ("response", "says"),
    [
        ({"confirmation": False, "id": "d1"}, "does not confirm"),
        ({"confirmation": True}, "no id"),
        ({"confirmation": True, "id": ""}, "no id"),
        ({"confirmation": True, "id": ANN}, "no id"),
        (None, "no id"),
        ([], "no id"),
    ],
)
def test_a_response_without_a_confirmed_id_is_worth_a_retry(response, says):
    with pytest.raises(MaestroQAServerError, match=says) as caught:
        data_deletion.read_deletion_id(data_deletion.deletion_request([ANN], None), response)
    assert caught.value.retryable
    assert ANN not in str(caught.value)


@pytest.mark.parametrize("response", [{"confirmation": True, "id": "d1"}, {"id": "d1"}, {"id": "d1", "more": 1}])
def test_a_response_with_an_id_is_enough(response):
    assert data_deletion.read_deletion_id(data_deletion.deletion_request([ANN], None), response) == "d1"


@pytest.mark.parametrize(
    ("response", "status"),
    [({"status": "Not_Found"}, "not found"), ({"status": " pending\n"}, "pending"), ({}, ""), (None, "")],
)
def test_a_status_is_read_in_any_spelling(response, status):
    assert DataDeletion.from_response("d1", response).status == status


# -- Waiting --------------------------------------------------------------------------------------------------------


@pytest.fixture
def wait():
    """Wait for deletions whose polls give these statuses or errors, the last one for ever."""

    def run(answers, *, timeout=3600.0, max_rounds=None):
        clock = FakeTime().clock()
        left = {name: list(statuses) for name, statuses in answers.items()}

        def get(deletion_id, deadline):
            assert deadline > clock.wall()
            queue = left[deletion_id]
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
            if isinstance(answer, Exception):
                raise answer
            if answer is None:
                return None
            return DataDeletion(deletion_id, answer)

        begin = clock.wall()
        waiting = DeletionWait(list(answers), poll_interval=300, deadline=begin + timeout, jitter=lambda: 1.0)
        event = poll_deletions(waiting, get, log=logging.getLogger("deletions"), clock=clock, max_rounds=max_rounds)
        return event, clock.wall() - begin

    return run


GONE = errors.MaestroQANotFoundError(404, "GET", "/x", "no")
DOWN = errors.MaestroQAServerError(503, "GET", "/x", "down")
EXPIRED = errors.MaestroQAAuthError(401, "GET", "/x", "expired")


@pytest.mark.parametrize(
    ("answers", "status", "ended_as", "polls"),
    [
        ({"a": ["pending", "completed"], "b": ["completed"]}, "completed", ["completed", "completed"], 1),
        ({"a": ["pending", DOWN, "archiving", "", "completed"]}, "completed", ["completed"], 4),
        ({"a": ["errored"], "b": ["pending", "completed"]}, "failed", ["errored", "completed"], 1),
        ({"a": ["not found"]}, "failed", ["not found"], 0),
        ({"a": [GONE]}, "failed", ["not found"], 0),
        ({"a": ["pending"], "b": ["completed"]}, "timeout", ["pending", "completed"], 12),
        ({"a": [DOWN]}, "timeout", ["not known (MaestroQAServerError)"], 12),
        ({"a": ["pending", EXPIRED]}, "refused", ["pending"], 1),
    ],
)
def test_a_wait_ends_when_none_is_pending_or_at_its_deadline(wait, answers, status, ended_as, polls):
    event, waited_s = wait(answers)
    assert (event["status"], list(event["deletions"].values())) == (status, ended_as)
    assert waited_s == pytest.approx(300 * polls)


def test_a_wait_may_be_one_round(wait):
    assert wait({"a": ["pending"]}, max_rounds=1) == (None, 0)


def test_without_a_slot_for_a_poll_the_others_of_the_round_are_not_tried(wait, caplog):
    answers = {"a": ["completed"], "b": [None, "completed"], "c": ["completed"]}
    with caplog.at_level("INFO", "deletions"):
        assert wait(answers, max_rounds=1) == (None, 0)
    assert [one.message.partition(".")[0] for one in caplog.records] == ["Deletions: 1 completed, 2 pending"]
    event, waited_s = wait(answers)
    assert (event["status"], waited_s) == ("completed", pytest.approx(300))


def test_each_state_is_logged_once(wait, caplog):
    with caplog.at_level("INFO", "deletions"):
        wait({"a": ["pending", "pending", "pending", "odd", "odd", "completed"]})
    assert [(one.levelname, one.message.partition(".")[0]) for one in caplog.records] == [
        ("INFO", "Deletions: 1 pending"),
        ("WARNING", "Deletions: 1 odd"),
    ]


@pytest.mark.parametrize(
    ("event", "error", "retryable"),
    [
        ({"status": "failed", "deletions": {"a": "errored"}, "message": "m"}, "MaestroQADeletionFailedError", True),
        ({"status": "timeout", "deletions": {"a": "pending"}, "message": "m"}, "MaestroQADeletionTimeoutError", True),
        (
            {"status": "refused", "deletions": {}, "message": "m", "error": "MaestroQAAuthError"},
            "MaestroQAAuthError",
            False,
        ),
        ({"status": "odd", "deletions": {}}, "MaestroQAError", False),
        ({"status": "completed"}, "MaestroQAError", True),
        (None, "MaestroQAError", True),
    ],
)
def test_only_an_event_of_completed_deletions_is_success(event, error, retryable):
    with pytest.raises(errors.MaestroQAError) as caught:
        read_deletion_event(event)
    assert (type(caught.value).__name__, caught.value.retryable) == (error, retryable)
