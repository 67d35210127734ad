"""What a response says became of each CSAT score."""

from __future__ import annotations

import json
import random

import pytest
from factories import csat_score, many

from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAOutcomeUnknownError
from airflow_provider_maestroqa.client.resources.models import CSAT_SCORE
from airflow_provider_maestroqa.pushes.confirmation import Identity
from airflow_provider_maestroqa.pushes.verdicts import confirm_each

PATH = "/api/v1/create-customer-feedback"
SENT = [csat_score(f"T-{number}", comment="Failed: my order came late") for number in range(3)]
NAMED = Identity(("ticket_id",), ("agent_id", "score"))
NO = "Failed: no such agent"


def result(number, status="Created", **fields):
    return {"ticket_id": f"T-{number}", "status": status, **fields}


#: The results of three scores; how many are created, which are rejected, and among which the others are.
RESPONSES = {
    "texts in order": (["Created", NO, "Created"], 2, [1], ()),
    "texts with blanks and capitals": ([" created ", "FAILED - why", "CREATED"], 2, [1], ()),
    "objects that name nothing, in order": (
        [{"result": "Created"}, {"result": NO}, {"id": "1", "r": "Created"}],
        2,
        [1],
        (),
    ),
    "by their tickets, in another order": ([result(2), result(0), result(1, NO)], 2, [1], ()),
    "by their tickets, in order": ([result(0, NO), result(1), result(2)], 2, [0], ()),
    "with an agent rewritten": ([result(2, agent_id="a"), result(0, NO, agent_id="a"), result(1)], 2, [0], ()),
    "with the customer's own words": ([result(n, comment=SENT[n]["comment"]) for n in (2, 1, 0)], 3, [], ()),
    "with an error of its own": ([result(0), {"ticket_id": "T-1", "error": "no such agent"}, result(2)], 2, [1], ()),
    "all failed": ([NO] * 3, 0, [0, 1, 2], ()),
    "fewer, by their tickets": ([result(2, NO), result(0)], 1, [2], (1,)),
    "fewer texts": (["Created", NO], 1, [], (0, 1, 2)),
    "fewer texts, all created": (["Created"] * 2, 2, [], (0, 1, 2)),
    "one that says neither": (["Created", "Queued", NO], 1, [2], (1,)),
    "one that says both": (["Created", {"status": "Created", "message": NO}, "Created"], 2, [], (1,)),
    "nulls": ([None] * 3, 0, [], (0, 1, 2)),
    "another ticket": ([result(0), result(1), result(7)], 2, [], (2,)),
    "one twice": ([result(0), result(0), result(1)], 2, [], (2,)),
    "more than were sent": ([result(n) for n in (0, 1, 2, 2)], 3, [], ()),
    "no list": ({"a": "Created"}, 0, [], (0, 1, 2)),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_each_score_gets_its_own_verdict(name):
    results, created, rejected, suspects = RESPONSES[name]
    confirmation = confirm_each(SENT, {"status": "completed", "results": results}, NAMED, CSAT_SCORE.fields)
    assert (confirmation.created, sorted(confirmation.rejected)) == (created, rejected)
    assert (confirmation.missing, confirmation.suspects) == (3 - created - len(rejected), suspects)
    assert all(confirmation.rejected.values())


@pytest.mark.parametrize("response", [None, [], "Created", {}, {"success": False, "results": ["Created"] * 3}])
def test_a_response_without_results_confirms_nothing(response):
    confirmation = confirm_each(SENT, response, NAMED, CSAT_SCORE.fields)
    assert (confirmation.created, confirmation.missing, confirmation.suspects) == (0, 3, (0, 1, 2))


def test_a_failure_is_nobodys_when_a_result_about_an_equal_record_is_missing():
    sent = [csat_score("T-1", comment="a"), csat_score("T-1", comment="b"), csat_score("T-2")]
    confirmation = confirm_each(sent, {"results": [result(1, NO), result(2)]}, NAMED, CSAT_SCORE.fields)
    assert (confirmation.created, confirmation.missing, confirmation.suspects) == (1, 2, (0, 1))
    confirmation = confirm_each(sent, {"results": [result(1, NO)] * 2}, NAMED, CSAT_SCORE.fields)
    assert (confirmation.created, sorted(confirmation.rejected), confirmation.suspects) == (0, [0, 1], (2,))


def test_no_score_is_called_rejected_that_was_created_whatever_the_results_say():
    """Random batches: results in any order, with any names, and some of them missing."""
    fields = ("ticket_id", "agent_id", "score", "submitted_at")
    identity = Identity(fields[:1], fields[1:])
    for seed in range(3000):
        chance = random.Random(seed)
        sent = [
            csat_score(f"T-{chance.randint(1, 3)}", chance.randint(1, 2), agent_id=chance.choice("ab"), comment="x")
            for _ in range(chance.randint(1, 8))
        ]
        taken = [chance.random() < 0.7 for _ in sent]
        names = chance.sample(fields, chance.randint(1, 4))
        results = [
            {**{name: one[name] for name in names}, "status": "Created" if is_taken else NO}
            for one, is_taken in zip(sent, taken, strict=True)
        ]
        chance.shuffle(results)
        del results[: chance.choice((0, 0, 1, 2))]
        confirmation = confirm_each(sent, {"results": results}, identity, CSAT_SCORE.fields)
        assert not [position for position in confirmation.rejected if taken[position]], seed
        assert confirmation.created <= sum(taken), seed
        assert confirmation.created + confirmation.missing + len(confirmation.rejected) == len(sent), seed


@pytest.mark.parametrize("order", [(2, 0, 1), (0, 1, 2)])
def test_which_of_two_alike_has_failed_is_not_guessed_and_the_reason_is_logged(order, caplog):
    sent = [csat_score("T-1", comment="a"), csat_score("T-1", comment="b"), csat_score("T-2")]
    results = [[result(1), result(1, NO), result(2)][number] for number in order]
    confirmation = confirm_each(sent, {"results": results}, NAMED, CSAT_SCORE.fields)
    assert (confirmation.created, confirmation.missing, confirmation.suspects) == (2, 1, (0, 1))
    assert "not of which one: Failed: no such agent." in caplog.text


def test_a_reason_is_one_line_of_bounded_length():
    response = {"results": ["Failed: \x1b[31m\n" + "x" * 5000]}
    (reason,) = confirm_each(SENT[:1], response, NAMED, CSAT_SCORE.fields).rejected.values()
    assert len(reason) <= 500
    assert reason.isprintable()


# -- Pushed ---------------------------------------------------------------------------------------------------------

BAD = {"agent_id": "nobody"}


def numbers(sandbox):
    return [int(one["comment"].split()[1]) for one in sandbox.csat_scores]


@pytest.mark.parametrize("results", ["records", "texts"])
def test_scores_that_fail_are_collected_with_their_reasons_and_cost_no_request(push, make_sandbox, results, tmp_path):
    sandbox = make_sandbox(csat_results=results)
    records = many("csat_scores", 250, {3: BAD, 120: {"agent_id": "no-one"}})
    report = push("csat_scores", records, to=sandbox, on_error="collect", rejects=tmp_path / "rejects.jsonl")
    assert (report.confirmed, report.created, report.rejected, report.unconfirmed) == (248, 248, 2, 0)
    assert (report.requests, sandbox.count("POST", PATH)) == (3, 3)
    lines = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [one["index"] for one in lines] == [3, 120]
    assert ["'nobody' is no agent" in lines[0]["reason"], "'no-one' is no agent" in lines[1]["reason"]] == [
        True,
        True,
    ]
    assert numbers(sandbox) == [number for number in range(250) if number not in (3, 120)]


def test_a_score_that_fails_stops_the_push_and_a_retry_resumes_after_its_request(push, sandbox, state_store):
    records = many("csat_scores", 250, {3: BAD})
    with pytest.raises(MaestroQADataError) as caught:
        push("csat_scores", iter(records), state_store=state_store)
    said = str(caught.value)
    assert "Record 3 of the CSAT scores is rejected: Failed: agent_id 'nobody' is no agent" in said
    assert "push it in a task of its own" in said
    assert not caught.value.retryable
    report = push("csat_scores", iter(records), state_store=state_store, is_first_try=False)
    assert (report.sent, report.confirmed, report.rejected) == (250, 249, 1)
    assert numbers(sandbox) == [number for number in range(250) if number != 3]


def test_scores_that_all_fail_can_be_corrected_and_sent_again(push, sandbox, state_store):
    with pytest.raises(MaestroQADataError, match="Records 100 to 149 of the CSAT scores are rejected") as caught:
        push(
            "csat_scores",
            iter(many("csat_scores", 150, dict.fromkeys(range(100, 150), BAD))),
            state_store=state_store,
        )
    assert "No record of this request was taken" in str(caught.value)
    report = push("csat_scores", iter(many("csat_scores", 150)), state_store=state_store, is_first_try=False)
    assert report.confirmed == 150
    assert numbers(sandbox) == list(range(150))


def test_more_than_max_rejects_stop_the_push_after_what_was_created_is_committed(push, sandbox, state_store):
    records = many("csat_scores", 250, {3: BAD, 4: BAD})
    options = {"on_error": "collect", "state_store": state_store}
    with pytest.raises(MaestroQADataError, match="max_rejects=1"):
        push("csat_scores", iter(records), max_rejects=1, **options)
    report = push("csat_scores", iter(records), max_rejects=2, is_first_try=False, **options)
    assert (report.confirmed, report.rejected) == (248, 2)
    assert len(set(numbers(sandbox))) == len(sandbox.csat_scores) == 248


def test_a_list_is_checked_before_anything_is_sent(push, sandbox):
    with pytest.raises(
        MaestroQADataError, match="Record 249 of the CSAT scores is rejected: score is 6, not from 1 to 5"
    ):
        push("csat_scores", many("csat_scores", 250, {249: {"score": 6}}))
    assert sandbox.requests == []


@pytest.mark.parametrize("fault", ["unconfirmed", "lost", "no_results"])
def test_scores_that_no_result_is_about_are_named_and_not_sent_again(push, sandbox, fault):
    sandbox.fault(fault)
    with pytest.raises(MaestroQAOutcomeUnknownError, match="does not confirm"):
        push("csat_scores", many("csat_scores", 40))
    assert sandbox.count("POST", PATH) == 1


def test_a_batch_that_is_refused_as_a_whole_is_not_taken_for_a_bad_score(push, sandbox):
    sandbox.fault("status", status=413, path=PATH)
    assert push("csat_scores", many("csat_scores", 120)).confirmed == 120
    assert sorted(numbers(sandbox)) == list(range(120))
