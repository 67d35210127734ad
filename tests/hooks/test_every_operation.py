"""Every operation of the API, as its documents list them, has a method of the hook that works on the sandbox."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest
from factories import agent, agent_metric, comment, csat_score, ticket, ticket_metric

from airflow_provider_maestroqa.client.endpoints import ENDPOINTS, Endpoint
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.sandbox import Sandbox

WINDOW = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
#: An agent and a group of the sandbox.
ANN = "agent-1@example.com"


class Operation(NamedTuple):
    """An operation as the documents have it.

    :param name: method and path.
    :param bucket: the limit that it counts towards.
    :param twice: whether it may be sent twice; ``with an id`` if it has one.
    :param use: uses the hook's method; what it returns is true when it works.
    """

    name: str
    bucket: str
    twice: str
    use: Any


def first_id(records):
    record = next(records)
    return record.get("_id") or record["id"]


def user_group(hook):
    return first_id(hook.list_user_groups())


OPERATIONS = [
    Operation(*row)
    for row in (
        ("POST /request-raw-export", "normal", "no", lambda hook: hook.request_raw_export(*WINDOW)),
        ("POST /request-groups-export", "normal", "no", lambda hook: hook.request_groups_export()),
        ("POST /request-audit-log-export", "normal", "no", lambda hook: hook.request_audit_log_export(*WINDOW)),
        ("GET /get-export-data", "normal", "yes", lambda hook: hook.get_export(hook.request_groups_export()).status),
        ("GET /export-data/:id", "normal", "yes", lambda hook: hook.get_export(hook.request_groups_export()).status),
        ("POST /tickets", "normal", "yes", lambda hook: hook.create_ticket(ticket("T-1"))["ticket_id"]),
        (
            "PATCH /tickets/:id",
            "normal",
            "yes",
            lambda hook: hook.update_ticket("T-9", {"status": "closed"})["status"],
        ),
        ("DELETE /tickets/:id", "normal", "yes", lambda hook: hook.delete_ticket("T-9") is None),
        ("GET /tickets/:id", "normal", "yes", lambda hook: hook.get_ticket("T-9")["ticket_id"]),
        ("GET /tickets", "normal", "yes", lambda hook: hook.get_tickets(["T-9"])),
        ("POST /comments", "normal", "no", lambda hook: hook.create_comment(comment("T-9"))["id"]),
        ("POST /comments-batch", "normal", "no", lambda hook: hook.create_comments([comment("T-9")])["confirmed"]),
        (
            "POST /attachments",
            "normal",
            "with an id",
            lambda hook: hook.create_attachment("T-9", "image/png", url="https://example.com/x.png")["id"],
        ),
        ("POST /agents", "normal", "yes", lambda hook: hook.create_agent(agent())["email"]),
        ("POST /agents/add-id-to-agent", "normal", "yes", lambda hook: hook.add_agent_id(ANN, "one")["agentId"]),
        (
            "POST /update-agent-availability",
            "normal",
            "yes",
            lambda hook: hook.set_agent_availability(ANN, True)["available"],
        ),
        ("GET /todos/:id", "normal", "yes", lambda hook: hook.get_todo(first_id(hook.list_todos()))),
        ("GET /todos", "normal", "yes", lambda hook: list(hook.list_todos())),
        (
            "GET /coaching-points/:id",
            "normal",
            "yes",
            lambda hook: hook.get_coaching_point(first_id(hook.list_coaching_points())),
        ),
        ("GET /coaching-points", "normal", "yes", lambda hook: list(hook.list_coaching_points())),
        (
            "GET /coaching-sessions/:id",
            "normal",
            "yes",
            lambda hook: hook.get_coaching_session(first_id(hook.list_coaching_sessions())),
        ),
        ("GET /coaching-sessions", "normal", "yes", lambda hook: list(hook.list_coaching_sessions())),
        (
            "POST /coaching-sessions",
            "hard",
            "yes",
            lambda hook: list(hook.export_coaching_sessions("2026-01-01", "2026-12-31")),
        ),
        (
            "POST /ticket-metrics-batch",
            "normal",
            "yes",
            lambda hook: hook.push_ticket_metrics([ticket_metric("T-9")])["confirmed"],
        ),
        (
            "POST /agent-metrics-batch",
            "normal",
            "yes",
            lambda hook: hook.push_agent_metrics([agent_metric()])["confirmed"],
        ),
        (
            "POST /create-customer-feedback",
            "normal",
            "no",
            lambda hook: hook.push_csat_scores([csat_score("T-9")])["created"],
        ),
        (
            "DELETE /data-deletion-request",
            "hard",
            "yes",
            lambda hook: hook.request_data_deletion(["ann@example.com"]),
        ),
        (
            "GET /data-deletion-check/:id",
            "hard",
            "yes",
            lambda hook: hook.get_data_deletion(hook.request_data_deletion(["a@b.c"])[0]).status,
        ),
        ("GET /scim/v2/Groups", "normal", "yes", lambda hook: list(hook.list_agent_groups())),
        (
            "POST /scim/v2/Groups",
            "normal",
            "no",
            lambda hook: hook.create_agent_group("Support", members=[ANN])["id"],
        ),
        ("GET /scim/v2/Groups/:id", "normal", "yes", lambda hook: hook.get_agent_group("Agents 1")),
        (
            "PUT /scim/v2/Groups/:id",
            "normal",
            "yes",
            lambda hook: hook.replace_agent_group("Agents 1", name="Support")["displayName"] == "Support",
        ),
        (
            "PATCH /scim/v2/Groups/:id",
            "normal",
            "yes",
            lambda hook: hook.update_agent_group("Agents 1", remove=[ANN])["removed"],
        ),
        ("DELETE /scim/v2/Groups/:id", "normal", "yes", lambda hook: hook.delete_agent_group("Agents 1")),
        ("GET /scim/v2/Usergroups", "normal", "yes", lambda hook: list(hook.list_user_groups())),
        ("POST /scim/v2/Usergroups", "normal", "no", lambda hook: hook.create_user_group("Graders")["id"]),
        ("GET /scim/v2/Usergroups/:id", "normal", "yes", lambda hook: hook.get_user_group(user_group(hook))),
        (
            "PUT /scim/v2/Usergroups/:id",
            "normal",
            "yes",
            lambda hook: hook.replace_user_group(user_group(hook), members=[])["members"] == [],
        ),
        (
            "PATCH /scim/v2/Usergroups/:id",
            "normal",
            "yes",
            lambda hook: hook.update_user_group("Users 1", remove=[first_id(hook.list_users())])["removed"],
        ),
        ("DELETE /scim/v2/Usergroups/:id", "normal", "yes", lambda hook: hook.delete_user_group("Users 1")),
        ("GET /scim/v2/Users", "normal", "yes", lambda hook: list(hook.list_users())),
        ("GET /scim/v2/Users/:id", "normal", "yes", lambda hook: hook.get_user(first_id(hook.list_users()))),
    )
]


def written_as_documented(endpoint: Endpoint):
    path = re.sub(r"\{\w+\}", ":id", endpoint.full_path)
    return f"{endpoint.method} {path.removeprefix('/api/v1')}"


#: The operations that the package knows, each by what the documents call it.
KNOWN = {
    written_as_documented(one): one for row in ENDPOINTS.values() for one in (row, row.alternative) if one is not None
}


@pytest.fixture
def sandbox(request):
    by_path = request.node.callspec.params["operation"].name == "GET /export-data/:id"
    counts = {"todos": 3, "coaching_points": 3, "coaching_sessions": 3}
    with Sandbox(limits={}, export_lookup="path" if by_path else "both", **counts) as running:
        running.add_tickets(["T-9"])
        yield running


def test_no_operation_is_left_out_and_none_is_made_up():
    assert {one.name for one in OPERATIONS} == set(KNOWN)
    assert len(OPERATIONS) == len({id(row) for row in ENDPOINTS.values()}) + 1


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_can_be_used(connection, sandbox, operation):
    with MaestroQAHook(connection) as hook:
        assert operation.use(hook)
    method, path = operation.name.split()
    pattern = re.compile(f"/api/v1{re.sub(r':id', '[^/]+', path)}")
    assert any(seen.method == method and pattern.fullmatch(seen.path) for seen in sandbox.requests)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_an_operation_draws_on_its_bucket_and_is_repeated_only_where_it_may_be(operation):
    endpoint = KNOWN[operation.name]
    twice = "with an id" if endpoint.idempotency_param == "id" else "yes" if endpoint.idempotent else "no"
    assert (endpoint.bucket, twice) == (operation.bucket, operation.twice)
