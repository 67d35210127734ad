"""What a response confirms: identities, not their number."""

from __future__ import annotations

import pytest
from factories import many

from airflow_provider_maestroqa.pushes.confirmation import Identity, confirm
from airflow_provider_maestroqa.pushes.resources import RESOURCES

SENT = [{"ticket_id": f"T-{number}", "body": f"text {number}"} for number in range(3)]
COMMENTS = Identity(("ticket_id",), ("body",))

RESPONSES = {
    "all, in another order": ({"results": SENT[::-1]}, ()),
    "all, by their ticket alone": ({"results": [{"ticket_id": one["ticket_id"]} for one in SENT]}, ()),
    "all, with bodies rewritten": ({"results": [{**one, "body": "<p>"} for one in SENT]}, ()),
    "all, with ids of the server alone": ({"results": [{"id": "1"}, {"id": "2"}, {"id": "3"}]}, ()),
    "fewer": ({"results": [SENT[2], SENT[0]]}, (1,)),
    "fewer, that name none": ({"results": [{"id": "1"}, {"id": "2"}]}, (0, 1, 2)),
    "nulls": ({"results": [None] * 3}, (0, 1, 2)),
    "text": ({"results": "abc"}, (0, 1, 2)),
    "texts": ({"results": ["a", "b", "c"]}, (0, 1, 2)),
    "a mapping": ({"results": {"a": 1, "b": 2, "c": 3}}, (0, 1, 2)),
    "a number": ({"results": 3}, (0, 1, 2)),
    "one twice": ({"results": [SENT[0], SENT[0], SENT[1]]}, (2,)),
    "other tickets": ({"results": [{"ticket_id": f"X-{number}"} for number in range(3)]}, (0, 1, 2)),
    "one other ticket": ({"results": [SENT[0], SENT[1], {"ticket_id": "X"}]}, (2,)),
    "one without success": ({"results": [SENT[0], {**SENT[1], "success": False}, SENT[2]]}, (1,)),
    "one with an error": ({"results": [SENT[0], {**SENT[1], "error": "no"}, SENT[2]]}, (1,)),
    "no success at all": ({"success": False, "results": SENT}, (0, 1, 2)),
    "a list": (SENT, (0, 1, 2)),
    "nothing": (None, (0, 1, 2)),
    "more than were sent": ({"results": [*SENT, *SENT]}, ()),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_confirms_what_it_names(name):
    response, suspects = RESPONSES[name]
    confirmation = confirm(SENT, response, COMMENTS)
    assert confirmation.suspects == suspects
    assert confirmation.missing == (1 if name == "fewer, that name none" else len(suspects))


def test_records_that_look_alike_are_all_suspects():
    sent = [{"ticket_id": "T-1", "body": "a"}, {"ticket_id": "T-1", "body": "b"}, {"ticket_id": "T-2", "body": "c"}]
    confirmation = confirm(sent, {"results": [{"ticket_id": "T-1"}, {"ticket_id": "T-2"}]}, COMMENTS)
    assert (confirmation.missing, confirmation.suspects) == (1, (0, 1))


@pytest.mark.parametrize("resource", ["ticket_metrics", "agent_metrics"])
def test_an_agent_sent_by_address_may_come_back_by_id(resource):
    sent = many(resource, 3, agent_id="agent-1@example.com")
    results = [{**one, "agent_id": "agent-1"} for one in sent]
    confirmation = RESOURCES[resource].send(sent, lambda request: {"results": results})
    assert confirmation.missing == 0


@pytest.mark.parametrize(
    ("response", "missing"),
    [({"ticket_id": "T-0"}, 0), ({}, 0), (None, 0), ({"ticket_id": "X"}, 1), ({"success": False}, 1)],
)
def test_a_ticket_is_confirmed_unless_the_response_contradicts(response, missing):
    confirmation = RESOURCES["tickets"].send(many("tickets", 1), lambda request: response)
    assert (confirmation.created, confirmation.missing) == (1 - missing, missing)
