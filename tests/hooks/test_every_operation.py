"""Every operation of the API has a method of the hook, which works on the sandbox."""

from __future__ import annotations

import re

import pytest
from factories import agent, agent_metric, comment, csat_score, ticket, ticket_metric

from airflow_provider_maestroqa.client.endpoints import ENDPOINTS
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.sandbox import Sandbox

WINDOW = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")


def first_id(records):
    record = next(records)
    return record.get("_id") or record["id"]


USES = {
    "request_raw_export": lambda hook: hook.request_raw_export(*WINDOW),
    "request_groups_export": lambda hook: hook.request_groups_export(),
    "request_audit_log_export": lambda hook: hook.request_audit_log_export(*WINDOW),
    "get_export": lambda hook: hook.get_export(hook.request_groups_export()).status,
    "create_ticket": lambda hook: hook.create_ticket(ticket("T-1"))["ticket_id"],
    "update_ticket": lambda hook: hook.update_ticket("T-9", {"status": "closed"})["status"],
    "delete_ticket": lambda hook: hook.delete_ticket("T-9") is None,
    "get_ticket": lambda hook: hook.get_ticket("T-9")["ticket_id"],
    "get_tickets": lambda hook: hook.get_tickets(["T-9"]),
    "create_comment": lambda hook: hook.create_comment(comment("T-9"))["id"],
    "create_comments": lambda hook: hook.create_comments([comment("T-9")])["confirmed"],
    "create_attachment": lambda hook: hook.create_attachment("T-9", "image/png", url="https://example.com/x.png")[
        "id"
    ],
    "create_agent": lambda hook: hook.create_agent(agent())["email"],
    "add_agent_id": lambda hook: hook.add_agent_id("agent-1@example.com", "one")["agentId"],
    "set_agent_availability": lambda hook: hook.set_agent_availability("agent-1@example.com", True)["available"],
    "get_todo": lambda hook: hook.get_todo(first_id(hook.list_todos())),
    "list_todos": lambda hook: list(hook.list_todos()),
    "get_coaching_point": lambda hook: hook.get_coaching_point(first_id(hook.list_coaching_points())),
    "list_coaching_points": lambda hook: list(hook.list_coaching_points()),
    "get_coaching_session": lambda hook: hook.get_coaching_session(first_id(hook.list_coaching_sessions())),
    "list_coaching_sessions": lambda hook: list(hook.list_coaching_sessions()),
    "get_agent_group": lambda hook: hook.get_agent_group("Agents 1"),
    "list_agent_groups": lambda hook: list(hook.list_agent_groups()),
    "get_user_group": lambda hook: hook.get_user_group(first_id(hook.list_user_groups())),
    "list_user_groups": lambda hook: list(hook.list_user_groups()),
    "get_user": lambda hook: hook.get_user(first_id(hook.list_users())),
    "list_users": lambda hook: list(hook.list_users()),
    "update_agent_group": lambda hook: hook.update_agent_group("Agents 1", remove=["agent-1@example.com"])["removed"],
    "export_coaching_sessions": lambda hook: list(hook.export_coaching_sessions("2026-01-01", "2026-12-31")),
    "push_ticket_metrics": lambda hook: hook.push_ticket_metrics([ticket_metric("T-9")])["confirmed"],
    "push_agent_metrics": lambda hook: hook.push_agent_metrics([agent_metric()])["confirmed"],
    "request_data_deletion": lambda hook: hook.request_data_deletion(["ann@example.com"]),
    "get_data_deletion": lambda hook: hook.get_data_deletion(hook.request_data_deletion(["a@b.c"])[0]).status,
    "push_csat_scores": lambda hook: hook.push_csat_scores([csat_score("T-9")])["created"],
}


@pytest.fixture
def sandbox():
    with Sandbox(limits={}, todos=3, coaching_points=3, coaching_sessions=3) as running:
        running.add_tickets(["T-9"])
        yield running


def test_no_operation_is_left_out():
    assert set(USES) == set(ENDPOINTS)


@pytest.mark.parametrize("operation", ENDPOINTS)
def test_an_operation_can_be_used(connection, sandbox, operation):
    with MaestroQAHook(connection) as hook:
        assert USES[operation](hook)
    endpoint = ENDPOINTS[operation]
    path = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(endpoint.full_path)))
    assert any(seen.method == endpoint.method and path.fullmatch(seen.path) for seen in sandbox.requests)
