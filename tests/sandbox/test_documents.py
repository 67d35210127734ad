"""The requests that the examples in MaestroQA's API documents make, in their order, by a plain HTTP client."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import requests

from airflow_provider_maestroqa.sandbox import Sandbox

EXAMPLE_TICKET = {
    "ticket_id": "unique_ticket_id",
    "type": "custom helpdesk",
    "subject": "New ticket",
    "link": "http://www.mynewticket.com",
    "body": "The text content of this ticket",
    "status": "open",
    "agents": ["this_agent_id"],
    "tags": "login,support,escalated",
    "csat_score": 5,
    "first_seen": "2022-02-02T00:00:00.000Z",
    "last_seen": "2022-03-07T00:00:00.000Z",
    "attributes": {"public_comment_count": 5, "group": "Support", "first_resolution_time_total_minutes": 1023},
}
EXAMPLE_COMMENT = {
    "ticket_id": "427406478143",
    "channel": "chat",
    "time": "2023-11-03T16:38:53.508Z",
    "body": "Hi, can I get some help?",
    "role": "customer",
    "author_id": "customer_12345",
    "public": True,
}
SECOND_COMMENT = {
    **EXAMPLE_COMMENT,
    "ticket_id": "513309837",
    "channel": "email",
    "time": "2024-11-03T16:38:53.508Z",
    "body": "I have questions that need answering",
    "author_id": "customer_abcdef",
}
#: With the names of the document's tables, which its example misspells.
TICKET_METRIC = {
    "ticket_id": "1234",
    "source_id": "internal_crm",
    "agent_id": "456",
    "metric_id": "response_time",
    "metric_value": 32,
    "timestamp": "2017-12-13T05:00:00Z",
    "metric_deleted": False,
}
AGENT_METRICS = [
    {
        "agent_id": agent_id,
        "metric_id": "hours_worked_in_seconds",
        "metric_value": 28800,
        "timestamp": "2017-12-13T05:00:00Z",
    }
    for agent_id in ("agent1234", "agent12345")
]
SUMMER = {"startDate": "2023-06-01T15:08:45.781Z", "endDate": "2023-08-01T15:08:45.781Z"}
WEEK = {"startDate": "2018-08-13T00:00:00Z", "endDate": "2018-08-19T00:00:00Z"}
ALLISON = {"email": "brand_new_agent@maestroqa.com", "agentId": "allisonagent"}


@dataclass(frozen=True)
class Example:
    """A request of the documents.

    :param body: its JSON; ``None`` for none.
    :param query: its query parameters.
    :param says_json: whether the example says itself that its body is JSON.
    :param fields: what its response has, however nested the document shows it.
    :param length: how many records a list's response has at least.
    """

    method: str
    path: str
    body: object = None
    query: dict = field(default_factory=dict)
    says_json: bool = False
    fields: tuple[str, ...] = ()
    length: int = 0
    status: int = 200


PAGE = ("startIndex", "totalResults", "itemsPerPage", "Resources")
METRICS = {"says_json": True, "fields": ("results",), "status": 201}
EXAMPLES = [
    # The example of the chapter on authentication has no URL of its own.
    Example("GET", "todos", says_json=True, fields=PAGE),
    Example("POST", "request-raw-export", {**WEEK, "name": "Weekly Maestro Grades Export"}, fields=("exportId",)),
    Example("GET", "get-export-data", {"exportId": "THE_EXPORT_ID"}, fields=("status", "dataUrl")),
    Example(
        "POST",
        "request-groups-export",
        {"name": "Maestro Agent Groups Export", "includeUnavailable": False},
        fields=("exportId",),
    ),
    Example(
        "POST", "request-audit-log-export", {**WEEK, "name": "Maestro Activity Log Export"}, fields=("exportId",)
    ),
    Example("POST", "tickets", EXAMPLE_TICKET, fields=tuple(EXAMPLE_TICKET)),
    Example(
        "PATCH",
        "tickets/unique_ticket_id",
        {"subject": "Updated subject!", "status": "closed", "last_seen": "2022-03-15T00:00:00.000Z"},
        fields=("_id", "ticket_id", "subject"),
    ),
    Example("DELETE", "tickets/unique_ticket_id"),
    Example("GET", "tickets/unique_ticket_id", fields=("id", "ticket_id", "createdAt", "updatedAt", "source")),
    Example("GET", "tickets", query={"ticket_ids": ",".join(f"unique_ticket_id_{n}" for n in (1, 2, 3))}, length=3),
    Example("POST", "comments", EXAMPLE_COMMENT, fields=(*EXAMPLE_COMMENT, "id")),
    Example("POST", "comments-batch", {"batch": [EXAMPLE_COMMENT, SECOND_COMMENT]}, fields=("results",)),
    Example(
        "POST",
        "attachments",
        {"ticket_id": "your_ticket_id", "timestamp": "2022-12-13T05:00:00Z", "content_type": "audio/mp3"},
        fields=("id", "presigned_url"),
    ),
    Example(
        "POST",
        "attachments",
        {"ticket_id": "your_ticket_id", "content_type": "image/png", "url": "https://example.com/your_file.png"},
        fields=("id",),
    ),
    Example(
        "POST",
        "agents",
        {"name": "Allison Agent", "available": True, **ALLISON, "agentGroupId": "ZBceBjFgQjNY2qLof"},
        fields=("_id", "name", "agentId", "available", "email", "agentGroupId"),
    ),
    Example("POST", "agents/add-id-to-agent", ALLISON, fields=("agentId",)),
    Example("POST", "update-agent-availability", {"email": ALLISON["email"], "available": True}),
    Example("GET", "todos/CGsTFnNi5P8riTHmC", fields=("id", "title", "createdAt", "agentId", "description")),
    Example("GET", "todos", query={"count": 1, "startIndex": 50, **SUMMER}, fields=PAGE, length=1),
    Example("GET", "coaching-points/HHk4xnKwwpYsJHTnq", fields=("id", "createdAt", "classification", "coachNotes")),
    Example("GET", "coaching-points", query={"count": 3, "agentId": "72999", **SUMMER}, fields=PAGE, length=3),
    Example(
        "GET", "coaching-sessions/25oWGcmSd34yZRR84", fields=("id", "name", "createdAt", "coachId", "coachNotes")
    ),
    Example(
        "GET",
        "coaching-sessions",
        query={"count": 3, "coachId": "zme7PkariKd5Hb4fT", **SUMMER},
        fields=PAGE,
        length=3,
    ),
    Example("POST", "ticket-metrics-batch", {"batch": [TICKET_METRIC, TICKET_METRIC]}, **METRICS),
    Example("POST", "agent-metrics-batch", {"batch": AGENT_METRICS}, **METRICS),
]


@pytest.fixture(scope="module")
def send():
    """Sends a request to the account of the documents, as their examples do."""
    with Sandbox(account="documents", polls=0, limits={}, rows=5) as sandbox, requests.Session() as session:
        session.trust_env = False

        def send(example):
            headers = {"apitoken": sandbox.token}
            if example.says_json:
                headers["Content-Type"] = "application/json"
            return session.request(
                example.method,
                f"{sandbox.url}/api/v1/{example.path}",
                json=example.body,
                params=example.query,
                headers=headers,
                timeout=10,
            )

        yield send


def test_every_example_of_the_documents_is_answered_as_they_show(send):
    assert len(EXAMPLES) == 25
    for example in EXAMPLES:
        if (example.method, example.path) == ("GET", "tickets/unique_ticket_id"):
            # The document reads the ticket after it has deleted it.
            assert send(example).status_code == 404
            assert send(EXAMPLES[5]).status_code == 200
        response = send(example)
        assert response.status_code == example.status, (example.method, example.path, response.text)
        content = response.json() if response.content else {}
        assert set(example.fields) <= (set(content) if isinstance(content, dict) else set()), example.path
        records = content if isinstance(content, list) else content.get("Resources", ())
        assert len(records) >= example.length, example.path


def test_what_the_examples_upload_arrives(send):
    presigned_url = send(EXAMPLES[12]).json()["presigned_url"]
    headers = {"Content-Type": "audio/mp3", "x-amz-server-side-encryption": "AES256"}
    assert requests.put(presigned_url, data=b"sound", headers=headers, timeout=10).status_code == 200


def test_the_export_of_the_documents_can_be_downloaded(send):
    answer = send(EXAMPLES[2]).json()
    assert answer["status"] == "complete"
    assert requests.get(answer["dataUrl"], timeout=10).content[:2] == b"PK"


def test_a_reset_brings_back_the_account_of_the_documents():
    with Sandbox(account="documents", limits={}) as sandbox:
        before = (set(sandbox.tickets), set(sandbox.agents), set(sandbox.exports), len(sandbox.coaching_sessions))
        sandbox.add_tickets(["more"])
        sandbox.add_coaching_session()
        sandbox.reset()
        after = (set(sandbox.tickets), set(sandbox.agents), set(sandbox.exports), len(sandbox.coaching_sessions))
        assert before == after
        assert "THE_EXPORT_ID" in sandbox.exports
        assert sandbox.todos[0]["createdAt"].startswith("2023-")
