"""A position that is gone, was begun anew, is damaged, belongs to another try, or was saved by an earlier version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from factories import in_order, many, texts

from airflow_provider_maestroqa.client.errors import (
    MaestroQAAuthError,
    MaestroQADataError,
    MaestroQAOutcomeUnknownError,
)
from airflow_provider_maestroqa.pushes.checkpoint import Checkpoint, PositionTakenError
from airflow_provider_maestroqa.pushes.resources import resource_named
from airflow_provider_maestroqa.pushes.runner import announce
from airflow_provider_maestroqa.runtime.retry_state import RetryState
from airflow_provider_maestroqa.storage.base import ABSENT

COMMENTS, METRICS = "/api/v1/comments-batch", "/api/v1/ticket-metrics-batch"


@pytest.fixture
def state_path(tmp_path):
    return str(tmp_path / "state.json")


@pytest.fixture
def open_state(state_path):
    """A try's own view of the position in a file."""
    return lambda: RetryState({}, key="push", arguments={}, state_path=state_path, exclusive=True)


@pytest.mark.parametrize("outcome", ["fail", "skip", "resend"])
def test_a_position_that_is_gone_is_an_unknown_outcome(push, sandbox, comments, state_store, stopped, outcome):
    state_store.saved = None
    options = {"state_store": state_store, "is_first_try": False, "on_unknown_outcome": outcome}
    if outcome == "resend":
        push("comments", comments, **options)
        assert texts(sandbox) == in_order(500) + in_order(1300)
    else:
        with pytest.raises(MaestroQAOutcomeUnknownError, match="The position in the test's store is gone"):
            push("comments", comments, **options)
        assert texts(sandbox) == in_order(500)


def test_a_try_that_ended_before_it_could_send_is_not_suspected(push, sandbox, comments, open_state):
    announce(open_state(), resource_named("comments"), run="run 1", is_first_try=True)
    report = push("comments", comments, state_store=open_state(), run="run 1", is_first_try=False)
    assert (report.confirmed, texts(sandbox)) == (1300, in_order(1300))


@pytest.mark.parametrize("outcome", ["fail", "skip", "resend"])
@pytest.mark.parametrize("ending", ["killed", "401"])
def test_a_finished_push_that_is_begun_anew_resumes_where_the_new_one_ends(
    push, sandbox, comments, state_store, tmp_path, ending, outcome
):
    comments[3] = {**comments[3], "role": "nobody"}
    options = {"state_store": state_store, "on_error": "collect", "rejects": tmp_path / "rejects"}
    push("comments", comments, **options)
    there = texts(sandbox)

    def kill(call):
        raise KeyboardInterrupt

    if ending == "401":
        sandbox.fault(kind="status", status=401, path=COMMENTS)
    with pytest.raises((MaestroQAAuthError, KeyboardInterrupt)):
        push(
            "comments", comments, on_unknown_outcome="resend", before=kill if ending == "killed" else None, **options
        )
    report = push("comments", comments, is_first_try=False, on_unknown_outcome=outcome, **options)
    assert (report.confirmed, report.rejected) == (1299, 1)
    assert texts(sandbox) == there * 2
    assert json.loads((tmp_path / "rejects").read_text())["index"] == 3


def test_what_comes_after_a_finished_push_is_in_flight_like_all_else(push, sandbox, comments, state_store):
    push("comments", comments[:1000], state_store=state_store)
    sandbox.fault(kind="reset_after", path=COMMENTS)
    for _ in range(2):
        with pytest.raises(MaestroQAOutcomeUnknownError, match="records 1000 to 1299"):
            push("comments", comments, state_store=state_store)
    push("comments", comments, state_store=state_store, on_unknown_outcome="resend")
    assert texts(sandbox) == in_order(1300) + in_order(1300)[1000:]


DIGEST = "00" * 32
DAMAGED = {
    "a negative count in flight": {"in_flight": [-700, DIGEST]},
    "nothing in flight": {"in_flight": [0, DIGEST]},
    "a negative position": {"done": -1},
    "a position without a digest": {"done": 5, "digest": ""},
    "a digest of nothing": {"done": 0, "digest": DIGEST},
    "a digest that is none": {"digest": "xyz"},
    "a digest that is too short": {"digest": "00"},
    "a count that is text": {"refused": "3"},
    "a count that is true": {"done": True},
    "no report": {"report": None},
    "a mark that is text": {"in_flight": "500"},
}


@pytest.mark.parametrize("outcome", ["fail", "skip", "resend"])
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_position_is_told_in_words(push, sandbox, comments, state_store, damage, outcome):
    good = {"run": "", "done": 5, "digest": DIGEST, "report": {}, "refused": 0, "in_flight": None, "finished": False}
    state_store.saved = json.dumps({**good, **DAMAGED[damage]})
    with pytest.raises(MaestroQADataError, match="The position saved in the test's store is damaged") as caught:
        push("comments", comments, state_store=state_store, on_unknown_outcome=outcome)
    assert "delete the test's store and clear the task with on_unknown_outcome='resend'" in str(caught.value)
    assert sandbox.requests == []


@pytest.mark.parametrize("saved", [["a"], "text", 7])
def test_a_position_of_another_kind_is_damaged(push, state_store, saved):
    state_store.saved = json.dumps(saved)
    with pytest.raises(MaestroQADataError, match="is damaged"):
        push("comments", many("comments", 1), state_store=state_store)


@pytest.mark.parametrize("resource", ["comments", "ticket_metrics"])
@pytest.mark.parametrize("batch", [0, 1, 2])
def test_a_worker_that_airflow_has_given_up_stops(push, sandbox, open_state, resource, batch):
    """It was stopped before one of its batches; meanwhile the next try has pushed all."""
    records = many(resource, 1300)
    calls = []

    def go_on(call):
        calls.append(call)
        if len(calls) == batch + 1:
            assert push(resource, records, state_store=open_state(), is_first_try=False).confirmed == 1300

    with pytest.raises(PositionTakenError, match="Another try of this task has taken over the position"):
        push(resource, records, state_store=open_state(), before=go_on)
    if resource == "comments":
        assert texts(sandbox) == in_order(1300)
        push(resource, records, state_store=open_state(), is_first_try=False)
        assert texts(sandbox) == in_order(1300)
    else:
        assert len(calls) == batch + 1
        assert len(sandbox.ticket_metrics) == 1300


def test_a_try_that_is_taken_over_in_flight_names_what_it_has_confirmed(push, sandbox, comments, open_state):
    def take_over(call):
        sandbox.fault(kind="timeout", path=COMMENTS, done=True)

    class TakenOver(RetryState):
        def save(self, value):
            super().save(value)
            if value["in_flight"]:
                with pytest.raises(MaestroQAOutcomeUnknownError, match="records 0 to 499"):
                    push("comments", comments, state_store=open_state(), is_first_try=False)

    own = open_state()
    own.__class__ = TakenOver
    with pytest.raises(PositionTakenError, match="It cannot know that records 0 to 499 have arrived"):
        push("comments", comments, state_store=own)
    assert texts(sandbox) == in_order(500)


def test_of_two_tries_that_begin_at_once_one_stops(push, sandbox, comments, open_state):
    first, second = open_state(), open_state()
    assert first.load() is second.load() is None
    second.load = lambda: None
    push("comments", comments, state_store=first)
    del second.load
    second._version = ABSENT
    announced = Checkpoint(second, run="", idempotent=False)
    with pytest.raises(PositionTakenError):
        announced.claim(None)
    assert texts(sandbox) == in_order(1300)


def test_a_position_whose_last_write_was_confirmed_late_is_still_its_own(open_state, state_path):
    """The response to a write was lost, and the repeated one meets what the first one has written."""
    own = open_state()
    checkpoint = Checkpoint(own, run="", idempotent=False)
    checkpoint.load()
    checkpoint.claim(None)
    own._version = "of the write before"
    checkpoint.finish()
    assert json.loads(Path(state_path).read_text())["value"]["finished"]


# -- What version 0.1.0 saved ---------------------------------------------------------------------------------------

SAVED_BY_0_1_0 = """{
  "run": "run 1",
  "done": 2,
  "digest": "2057a3d410d85c01f1afda185be7d8210ccf06c8e5f95253d5794638a915d411",
  "report": {"resource": "comments", "sent": 2, "confirmed": 2, "created": 2, "updated": 0, "rejected": 0,
             "unconfirmed": 0, "requests": 3, "waited_s": 1.25, "rejects_path": null},
  "refused": 0,
  "in_flight": [2, "347c7bdbbed1fe1871c21367dc45a3a53fe831a907f697fd160991ea6e46632a"],
  "finished": false
}"""


@pytest.mark.parametrize("outcome", ["fail", "resend", "skip"])
def test_what_version_0_1_0_saved_is_resumed(push, sandbox, state_store, outcome):
    state_store.saved = SAVED_BY_0_1_0
    options = {"state_store": state_store, "run": "run 1", "on_unknown_outcome": outcome}
    if outcome == "fail":
        with pytest.raises(MaestroQAOutcomeUnknownError, match="records 2 to 3 of the comments arrived"):
            push("comments", many("comments", 6), **options)
        assert json.loads(state_store.saved).keys() > json.loads(SAVED_BY_0_1_0).keys()
    else:
        report = push("comments", many("comments", 6), **options)
        assert texts(sandbox) == in_order(6)[2 if outcome == "resend" else 4 :]
        assert (report.sent, report.requests) == (6, 4)


def test_comments_that_version_0_1_0_has_pushed_are_not_sent_again(push, sandbox, state_store):
    state_store.saved = json.dumps({**json.loads(SAVED_BY_0_1_0), "in_flight": None, "finished": True})
    push("comments", many("comments", 2), state_store=state_store, run="run 1", is_first_try=False)
    assert sandbox.requests == []


def test_what_is_saved_is_what_version_0_1_0_would_save(push, state_store):
    push("comments", many("comments", 2), state_store=state_store, run="run 1")
    saved, old = json.loads(state_store.saved), json.loads(SAVED_BY_0_1_0)
    assert {name: saved[name] for name in ("run", "done", "digest", "refused")} == {
        name: old[name] for name in ("run", "done", "digest", "refused")
    }
    assert saved["report"].keys() > old["report"].keys()
