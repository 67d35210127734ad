"""What a response's words say about the record that it is about, and what it costs when they are wrong."""

from __future__ import annotations

import functools
import math
import random

import pytest
from factories import many

from airflow_provider_maestroqa.client.errors import MaestroQAValidationError
from airflow_provider_maestroqa.pushes.bisect import Piece, Search
from airflow_provider_maestroqa.pushes.hints import BadValues, find_suspects
from airflow_provider_maestroqa.pushes.records import read_records
from airflow_provider_maestroqa.pushes.resources import resource_named

SIZE = 500


@functools.cache
def batch_of(*bad):
    metrics = many("ticket_metrics", SIZE, {number: {"agent_id": f"gone-{number}"} for number in bad})
    return list(read_records(metrics, resource_named("ticket_metrics").record_type.check))


@pytest.mark.parametrize(
    ("message", "suspects"),
    [
        ("batch[321].agent_id 'gone-321' is no agent", [321]),
        ("/batch/321/agent_id: is no agent", [321]),
        ("batch.321.agent_id must exist", [321]),
        ("batch[321].agent_id 'gone-321' is no agent; batch[400].agent_id 'gone-400' is no agent", [321, 400]),
        ("The record at index 321 is wrong", [321]),
        ("Row 322: no agent gone-321", [321]),
        ("no agent gone-321", [321]),
        ('"gone-321" was not found', [321]),
        ("agents gone-400 and gone-321 were not found", [321, 400]),
        ("batch[3] is wrong: gone-321", [3]),
        ("agent-1 is no agent", [number for number in range(SIZE) if number not in (321, 400)]),
        ("source 'crm' is unknown", []),
        ("Something is wrong", []),
        ("batch[900] is wrong", []),
        ("The limit is 500 records", []),
        ("", []),
    ],
)
def test_a_message_names_records_by_their_number_or_by_a_value(message, suspects):
    assert find_suspects(batch_of(321, 400), message) == suspects


class Answers:
    """Takes records as MaestroQA does, but those that are bad; counts the requests.

    :param bad: the indexes of the bad ones.
    :param word: what is answered about some records, at these positions.
    """

    def __init__(self, bad, word):
        self.bad, self.word = set(bad), word
        self.stored, self.rejected, self.requests = [], [], 0

    def __call__(self, records):
        self.requests += 1
        positions = [position for position, one in enumerate(records) if one.index in self.bad]
        if not positions:
            self.stored += [one.index for one in records]
            return None
        return MaestroQAValidationError(400, "POST", "/x", self.word(records, positions), explained=True)

    def push(self, batch, *, may_overtake):
        """Send a batch, with a search for each time that it is rejected."""
        while batch:
            error = self(batch)
            if error is None:
                return
            search, error = Search(batch, error, BadValues(), lambda record, others: may_overtake), None
            while isinstance(step := search.next(error), Piece):
                error = self(step.records)
            for record, error in step.records:
                assert error is not None
                self.rejected.append(record.index)
            batch = step.rest


def search(bad, word, *, may_overtake=True, is_named=True):
    answers = Answers(bad, word)
    answers.push(batch_of(*bad) if is_named else batch_of(), may_overtake=may_overtake)
    assert sorted(answers.rejected) == sorted(bad)
    assert sorted(answers.stored) == [number for number in range(SIZE) if number not in bad]
    return answers


#: Whether a record may be sent before others.
orders = pytest.mark.parametrize("may_overtake", [True, False], ids=["any order", "in order"])


@pytest.mark.parametrize("bad", [[0], [1], [249], [498], [499], [7, 8], [0, 250, 499], range(90, 110)])
@pytest.mark.parametrize(
    "word",
    [
        lambda records, positions: f"batch[{positions[0]}].agent_id is no agent",
        lambda records, positions: f"no agent {records[positions[0]].body['agent_id']}",
    ],
    ids=["number", "value"],
)
@orders
def test_a_record_that_the_response_names_costs_three_requests_at_most(bad, word, may_overtake):
    # And one for what comes after the last one.
    assert search(bad, word, may_overtake=may_overtake).requests <= (2 if may_overtake else 3) * len(bad) + 1


@pytest.mark.parametrize("bad", [[0, 499], [7, 8, 250], range(90, 110)])
def test_several_that_one_response_names_are_proven_one_by_one_and_the_others_sent_once(bad):
    def word(records, positions):
        return "; ".join(f"batch[{one}].agent_id is no agent" for one in positions)

    assert search(bad, word).requests == 1 + len(bad) + 1


def test_records_with_the_value_for_which_one_was_rejected_are_suspects_too():
    bad = [3, 70, 400]
    batch = list(
        read_records(
            many("ticket_metrics", SIZE, {number: {"agent_id": "gone"} for number in bad}),
            resource_named("ticket_metrics").record_type.check,
        )
    )
    answers = Answers(bad, lambda records, positions: f"batch[{positions[0]}].agent_id 'gone' is no agent")
    answers.push(batch, may_overtake=True)
    assert answers.rejected == bad
    assert answers.requests == 1 + len(bad) + 1


LIES = {
    "always the same": lambda chance: (lambda number: lambda records, positions: f"batch[{number}] is wrong")(
        chance.randrange(SIZE)
    ),
    "any number": lambda chance: lambda records, positions: f"batch[{chance.randrange(len(records))}] is wrong",
    "a sentence": lambda chance: lambda records, positions: f"row {chance.randrange(len(records) + 1)} is wrong",
    "many numbers": lambda chance: (
        lambda records, positions: " ".join(f"batch[{chance.randrange(len(records))}]" for _ in range(9))
    ),
    "the neighbor": lambda chance: (
        lambda records, positions: f"batch[{positions[0] + chance.choice([-1, 1])}] is bad"
    ),
    "a good value": lambda chance: (
        lambda records, positions: f"{chance.choice(records).body['ticket_id']} is missing"
    ),
    "the value of most": lambda chance: lambda records, positions: "agent-1 is no agent",
    "some truth": lambda chance: lambda records, positions: f"batch[{chance.choice([positions[0], 5])}] is wrong",
}


def none(records, positions):
    return "no"


@functools.cache
def most_requests(may_overtake):
    """What one bad record costs at most without words, with its batch and what comes after it."""
    most = max(search([bad], none, may_overtake=may_overtake, is_named=False).requests for bad in range(0, SIZE, 9))
    assert most <= 1 + 2 + math.ceil(math.log2(SIZE))
    return most


@pytest.mark.parametrize("lie", LIES)
@orders
def test_wrong_words_cost_two_requests_at_most_more_than_none(lie, may_overtake):
    chance, most = random.Random(lie), most_requests(may_overtake) + 2
    for count in [1] * 20 + [2, 3, 5, 9]:
        bad = sorted(chance.sample(range(SIZE), count))
        spent = search(bad, LIES[lie](chance), may_overtake=may_overtake, is_named=False).requests
        assert spent <= 1 + (most - 1) * count


@orders
def test_records_that_are_rejected_together_only_are_all_sent(may_overtake):
    """As a limit on the size of a request does; then the search finds nobody."""
    batch, sent = batch_of(), []
    error = MaestroQAValidationError(400, "POST", "/x", "batch[499] is one too many", explained=True)
    search, step = Search(batch, error, BadValues(), lambda record, others: may_overtake), None
    while isinstance(step := search.next(), Piece):
        sent += [one.index for one in step.records]
    assert (list(step.records), list(step.rest)) == ([], [])
    assert sorted(sent) == list(range(SIZE))


def test_a_value_counts_as_bad_until_a_record_with_it_is_taken():
    first, second, other = batch_of(0, 1, 2)[:3]
    values = BadValues()
    values.learn(first, "batch[0].agent_id 'gone-0' is no agent")
    assert [one in values for one in (first, second, other)] == [True, False, False]
    values.forget(first)
    values.learn(first, "batch[0].agent_id 'gone-0' is no agent")
    assert first not in values


def test_a_message_that_names_several_values_is_taken_for_the_field_that_it_names():
    bad, good = batch_of(0)[:2]
    values = BadValues()
    values.learn(bad, "agent_id 'gone-0' is no agent of T-0, in crm")
    assert bad in values
    assert good not in values
