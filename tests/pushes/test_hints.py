"""What a response's words say about the record that it is about, and what it costs when they are wrong."""

from __future__ import annotations

import math

import pytest
from factories import many

from airflow_provider_maestroqa.client.errors import MaestroQAValidationError
from airflow_provider_maestroqa.pushes.bisect import find_rejected
from airflow_provider_maestroqa.pushes.hints import find_suspect
from airflow_provider_maestroqa.pushes.records import read_records
from airflow_provider_maestroqa.pushes.resources import resource_named

SIZE = 500


def batch_of(bad):
    metrics = many("ticket_metrics", SIZE, {number: {"agent_id": f"gone-{number}"} for number in bad})
    return list(read_records(metrics, resource_named("ticket_metrics").record_type.check))


@pytest.mark.parametrize(
    ("message", "suspect"),
    [
        ("batch[321].agent_id 'gone-321' is no agent", 321),
        ("/batch/321/agent_id: is no agent", 321),
        ("batch.321.agent_id must exist", 321),
        ("The record at index 321 is wrong", 321),
        ("Row 322: no agent gone-321", 321),
        ("no agent gone-321", 321),
        ('"gone-321" was not found', 321),
        ("agents gone-400 and gone-321 were not found", 321),
        ("batch[3] is wrong: gone-321", 3),
        ("agent-1 is no agent", 0),
        ("source 'crm' is unknown", None),
        ("Something is wrong", None),
        ("batch[900] is wrong", None),
        ("The limit is 500 records", None),
        ("", None),
    ],
)
def test_a_message_names_a_record_by_its_number_or_by_a_value(message, suspect):
    assert find_suspect(batch_of([321, 400]), message) == suspect


def search(bad, word):
    """Search a batch; the numbers that were found to be rejected and stored, and the requests that it took."""
    batch, stored, rejected, requests = batch_of(bad), [], [], 0

    def send(records):
        nonlocal requests
        requests += 1
        positions = [position for position, one in enumerate(records) if one.index in bad]
        if not positions:
            stored.extend(one.index for one in records)
            return None
        message = word(records, positions)
        return MaestroQAValidationError(400, "POST", "/x", message, explained=True)

    while batch:
        error = send(batch)
        if error is None:
            break
        rejection = find_rejected(batch, error, send)
        rejected += [] if rejection.record is None else [rejection.record.index]
        batch = rejection.rest
    return rejected, stored, requests


@pytest.mark.parametrize("bad", [[0], [1], [249], [498], [499], [7, 8], [0, 250, 499], range(90, 110)])
@pytest.mark.parametrize(
    "word",
    [
        lambda records, positions: f"batch[{positions[0]}].agent_id is no agent",
        lambda records, positions: f"no agent {records[positions[0]].body['agent_id']}",
    ],
    ids=["number", "value"],
)
def test_a_record_that_the_response_names_costs_three_requests_at_most(bad, word):
    rejected, stored, requests = search(bad, word)
    assert rejected == list(bad)
    assert stored == [number for number in range(SIZE) if number not in bad]
    # And one for what comes after the last one.
    assert requests <= 3 * len(rejected) + 1


@pytest.mark.parametrize("bad", [[0], [1], [249], [250], [498], [499], [0, 250, 499]])
@pytest.mark.parametrize("wrong", [0, 1, 100, 250, 498, 499])
def test_a_response_that_names_the_wrong_record_costs_two_requests_more_at_most(bad, wrong):
    rejected, stored, requests = search(bad, lambda records, positions: f"batch[{wrong}] is wrong")
    assert rejected == bad
    assert stored == [number for number in range(SIZE) if number not in bad]
    assert requests <= (2 + math.ceil(math.log2(SIZE)) + 2) * len(bad) + 1


def test_records_that_are_rejected_together_only_are_all_sent():
    """As a limit on the size of a request does; then the search finds nobody."""
    batch, sent = batch_of([]), []

    def send(records):
        sent.extend(one.index for one in records)

    error = MaestroQAValidationError(400, "POST", "/x", "batch[499] is one too many", explained=True)
    rejection = find_rejected(batch, error, send)
    assert (rejection.record, list(rejection.rest)) == (None, [])
    assert sent == list(range(SIZE))
