"""A push that stops: what its next try knows, sends and says."""

from __future__ import annotations

import json

import pytest
from factories import in_order, many, numbered, texts

from airflow_provider_maestroqa.client.errors import (
    MaestroQAAuthError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
    MaestroQAOutcomeUnknownError,
)

COMMENTS, METRICS = "/api/v1/comments-batch", "/api/v1/ticket-metrics-batch"


def test_a_retry_goes_on_after_the_last_confirmed_batch(push, sandbox, comments, state_store, stopped, caplog):
    caplog.set_level("INFO")
    report = push("comments", iter(comments), state_store=state_store, run="run 1")
    assert texts(sandbox) == in_order(1300)
    assert "Resuming at record 500" in caplog.text
    # One was refused, for its token; the report is of all tries together.
    assert (report.confirmed, report.sent, report.requests) == (1300, 1300, 4)


def test_a_retry_finds_out_that_a_settled_record_has_changed(push, sandbox, comments, state_store, stopped):
    comments[499] = {**comments[499], "body": "changed"}
    with pytest.raises(MaestroQADataError) as caught:
        push("comments", iter(comments), state_store=state_store, run="run 1")
    assert "not those of the earlier try, which has finished 500: they have changed" in str(caught.value)
    assert "delete the test's store" in str(caught.value)
    assert texts(sandbox) == in_order(500)


def test_a_retry_finds_out_that_settled_records_are_gone(push, comments, state_store, stopped):
    with pytest.raises(MaestroQADataError, match="there are fewer of them now"):
        push("comments", comments[:499], state_store=state_store, run="run 1")


def test_a_retry_takes_records_that_came_since(push, sandbox, comments, state_store, stopped):
    more = [*comments, numbered("comments", 1300)]
    push("comments", more, state_store=state_store, run="run 1")
    assert texts(sandbox) == in_order(1301)


def test_another_run_does_not_go_on_with_what_is_not_its_own(push, sandbox, comments, state_store, stopped):
    with pytest.raises(MaestroQADataError, match="A push of run 1, which has not finished"):
        push("comments", comments, state_store=state_store, run="run 2")
    assert texts(sandbox) == in_order(500)


def test_comments_that_are_all_there_are_not_sent_again(push, sandbox, comments, state_store, caplog):
    caplog.set_level("INFO")
    first = push("comments", comments, state_store=state_store, run="run 1")
    again = push("comments", comments, state_store=state_store, run="run 1")
    assert texts(sandbox) == in_order(1300)
    assert (again.confirmed, again.requests) == (first.confirmed, 3)
    assert "An earlier try has pushed all 1,300 records" in caplog.text


def test_comments_that_are_all_there_are_sent_again_when_the_user_says_so(push, sandbox, comments, state_store):
    push("comments", comments, state_store=state_store, run="run 1")
    push("comments", comments, state_store=state_store, run="run 1", on_unknown_outcome="resend")
    assert texts(sandbox) == in_order(1300) * 2


def test_another_run_begins_at_the_beginning_when_the_last_one_has_finished(push, sandbox, comments, state_store):
    push("comments", comments, state_store=state_store, run="run 1")
    push("comments", [numbered("comments", 5000)], state_store=state_store, run="run 2")
    assert texts(sandbox) == [*in_order(1300), "comment 5000"]


def test_records_that_may_arrive_twice_are_forgotten_when_all_are_there(push, sandbox, state_store):
    push("ticket_metrics", many("ticket_metrics", 1), state_store=state_store)
    assert state_store.saved is None


def test_the_position_is_kept_after_each_batch_and_what_is_in_flight_before_each(push, comments, state_store):
    push("comments", comments, state_store=state_store)
    seen = [(kept["done"], kept["in_flight"] and kept["in_flight"][0]) for kept in state_store.history]
    assert seen[:7] == [(0, None), (0, 500), (500, None), (500, 500), (1000, None), (1000, 300), (1300, None)]
    assert state_store.history[-1]["finished"]


def test_what_is_kept_is_small_and_holds_no_record(push, comments, state_store):
    push("comments", comments, state_store=state_store)
    assert max(len(json.dumps(kept)) for kept in state_store.history) < 1000
    assert "comment 7" not in json.dumps(state_store.history)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "rate_limited"},
        {"kind": "status", "status": 401, "body": {"error": "x"}},
        {"kind": "status", "status": 421},
        {"kind": "status", "status": 425},
    ],
)
def test_what_was_refused_is_not_in_flight_any_more(push, sandbox, comments, state_store, fault):
    sandbox.fault(path=COMMENTS, **fault)
    try:
        push("comments", comments[:10], state_store=state_store)
    except MaestroQAAuthError:
        assert json.loads(state_store.saved)["in_flight"] is None
    marks = [kept["in_flight"] and kept["in_flight"][0] for kept in state_store.history]
    assert marks[:3] == [None, 10, None]


# -- Unknown outcomes -----------------------------------------------------------------------------------------------

LOST = [
    {"kind": "reset_after"},
    {"kind": "reset_before"},
    {"kind": "status", "status": 408},
    {"kind": "status", "status": 423},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 502, "done": True},
    {"kind": "html"},
    {"kind": "malformed_json", "done": True},
]


def name_of(fault):
    return f"{fault['kind']}{fault.get('status', '')}{' done' if fault.get('done') else ''}"


@pytest.fixture(params=LOST, ids=name_of)
def lost(request, push, sandbox, comments, state_store):
    """A push whose second answer of three was lost."""
    sandbox.fault(path=COMMENTS, after=1, **request.param)
    with pytest.raises(MaestroQAOutcomeUnknownError) as caught:
        push("comments", comments, state_store=state_store, run="run 1")
    assert "not known whether records 500 to 999 of the comments arrived" in str(caught.value)
    assert sandbox.count("POST", COMMENTS) == 2
    return texts(sandbox)


def test_comments_whose_response_was_lost_are_named_again_by_the_next_try(push, sandbox, comments, state_store, lost):
    with pytest.raises(MaestroQAOutcomeUnknownError, match="records 500 to 999 of the comments arrived"):
        push("comments", comments, state_store=state_store, run="run 1")
    assert texts(sandbox) == lost


def test_comments_whose_response_was_lost_are_sent_again_on_request(push, sandbox, comments, state_store, lost):
    report = push("comments", comments, state_store=state_store, run="run 1", on_unknown_outcome="resend")
    assert texts(sandbox) == lost + in_order(1300)[500:]
    assert (report.confirmed, report.unconfirmed) == (1300, 0)


def test_comments_whose_response_was_lost_are_skipped_on_request(push, sandbox, comments, state_store, lost):
    report = push("comments", comments, state_store=state_store, run="run 1", on_unknown_outcome="skip")
    assert texts(sandbox) == lost + in_order(1300)[1000:]
    assert (report.sent, report.confirmed, report.unconfirmed) == (1300, 800, 500)


@pytest.mark.parametrize("fault", LOST, ids=name_of)
def test_a_push_that_may_double_goes_on_by_itself(push, sandbox, comments, fault):
    sandbox.fault(path=COMMENTS, after=1, **fault)
    report = push("comments", comments, on_unknown_outcome="resend")
    assert set(texts(sandbox)) == set(in_order(1300))
    assert report.confirmed == 1300


def test_a_push_that_passes_over_goes_on_by_itself(push, sandbox, comments, caplog):
    sandbox.fault(kind="reset_after", path=COMMENTS, after=1)
    report = push("comments", comments, on_unknown_outcome="skip")
    assert (report.confirmed, report.unconfirmed) == (800, 500)
    assert texts(sandbox) == in_order(1300)
    assert "Continuing after records 500 to 999, which may or may not have arrived" in caplog.text


def test_without_saved_state_a_second_try_of_comments_sends_nothing(push, sandbox, comments):
    with pytest.raises(MaestroQAOutcomeUnknownError, match="not the first try of the task"):
        push("comments", comments, is_first_try=False)
    assert sandbox.requests == []
    assert push("comments", comments, is_first_try=False, on_unknown_outcome="resend").confirmed == 1300


def test_without_saved_state_a_second_try_of_metrics_sends_all_again(push, sandbox):
    metrics = many("ticket_metrics", 600)
    for is_first_try in (True, False):
        assert push("ticket_metrics", metrics, is_first_try=is_first_try).confirmed == 600
    assert len(sandbox.ticket_metrics) == 600


@pytest.fixture
def break_state_store(state_store):
    """Let the keeping fail: at the nth time, or from then on."""
    keep, calls = state_store.save, []

    def start(nth, *, for_good):
        def broken(value):
            calls.append(value)
            if len(calls) == nth or (for_good and len(calls) > nth):
                raise MaestroQAConnectionError("The storage does not answer.")
            keep(value)

        state_store.save = broken

    def mend():
        state_store.save = keep

    start.mend = mend
    return start


@pytest.mark.parametrize("outcome", ["fail", "resend", "skip"])
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_where_it_cannot_be_kept_that_a_batch_is_in_flight_it_is_not_sent_and_not_in_doubt(
    push, sandbox, comments, state_store, break_state_store, for_good, outcome
):
    break_state_store(4, for_good=for_good)
    with pytest.raises(MaestroQAError, match="The storage does not answer") as caught:
        push("comments", comments, state_store=state_store, run="run 1", on_unknown_outcome=outcome)
    assert caught.value.retryable
    assert texts(sandbox) == in_order(500)
    break_state_store.mend()
    assert (
        push("comments", comments, state_store=state_store, run="run 1", on_unknown_outcome=outcome).confirmed == 1300
    )
    assert texts(sandbox) == in_order(1300)


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_where_a_confirmed_batch_cannot_be_kept_the_next_try_knows_it_or_names_it(
    push, sandbox, comments, state_store, break_state_store, for_good
):
    break_state_store(5, for_good=for_good)
    with pytest.raises(MaestroQAConnectionError):
        push("comments", comments, state_store=state_store, run="run 1")
    assert texts(sandbox) == in_order(1000)
    break_state_store.mend()
    if for_good:
        with pytest.raises(MaestroQAOutcomeUnknownError, match="records 500 to 999"):
            push("comments", comments, state_store=state_store, run="run 1")
        assert texts(sandbox) == in_order(1000)
    else:
        assert push("comments", comments, state_store=state_store, run="run 1").confirmed == 1300
        assert texts(sandbox) == in_order(1300)


# -- Refused records across tries -----------------------------------------------------------------------------------


def test_records_refused_by_an_earlier_try_stay_in_the_rejects(push, sandbox, state_store, tmp_path):
    bad = {
        2: {"agent_id": "nobody"},
        5: {"metric_value": "x"},
        700: {"agent_id": "nobody"},
        900: {"metric_value": None},
    }
    metrics = many("ticket_metrics", 1400, bad)
    options = {"state_store": state_store, "on_error": "collect", "rejects": tmp_path / "rejects.jsonl"}
    sandbox.fault(kind="status", status=401, body={"error": "expired"}, path=METRICS, after=5, times=1)
    with pytest.raises(MaestroQAAuthError):
        push("ticket_metrics", iter(metrics), concurrency=1, **options)
    assert len(sandbox.ticket_metrics) == 1000, (
        "what comes before and between the two bad ones is settled, and they are"
    )
    report = push("ticket_metrics", iter(metrics), **options)
    assert (report.confirmed, report.rejected) == (1396, 4)
    lines = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [line["index"] for line in lines] == [2, 5, 700, 900]
    assert len(sandbox.ticket_metrics) == 1396


def test_a_new_push_removes_the_rejects_of_the_last_one(push, tmp_path, sandbox):
    rejects = tmp_path / "rejects.jsonl"
    push("comments", many("comments", 1, role="nobody"), on_error="collect", rejects=rejects)
    assert rejects.exists()
    push("comments", many("comments", 1), on_error="collect", rejects=rejects)
    assert not rejects.exists()


def test_rejects_are_there_before_the_position_passes_them(push, sandbox, state_store, tmp_path):
    """A worker that dies between the two would otherwise lose them."""
    rejects = tmp_path / "rejects.jsonl"
    metrics = many("ticket_metrics", 8, {3: {"agent_id": "nobody"}})
    seen = []
    keep = state_store.save
    state_store.save = lambda value: (seen.append((value["done"], rejects.exists())), keep(value))
    push("ticket_metrics", metrics, on_error="collect", rejects=rejects, state_store=state_store)
    assert all(exists for done, exists in seen if done > 3)
    assert any(done > 3 for done, _ in seen)
