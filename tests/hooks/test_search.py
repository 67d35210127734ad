"""The first records of a list, as a HookToolset of Airflow's common.ai provider offers them to an agent."""

from __future__ import annotations

import inspect
import json
import typing

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.sandbox import Sandbox

TOOLS = {
    "search_todos": "/api/v1/todos",
    "search_coaching_points": "/api/v1/coaching-points",
    "search_coaching_sessions": "/api/v1/coaching-sessions",
    "search_agent_groups": "Groups",
    "search_users": "Users",
}


@pytest.fixture(scope="module")
def running():
    with Sandbox(limits={}, todos=150, coaching_points=5, coaching_sessions=5) as sandbox:
        yield sandbox


@pytest.fixture
def hook(monkeypatch, running):
    monkeypatch.setenv("AIRFLOW_CONN_MAESTROQA_DEFAULT", running.connection_json(rate_limit_store="memory"))
    with MaestroQAHook() as opened:
        yield opened


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_returns_a_short_list_that_can_be_written_as_json(hook, running, tool):
    records = getattr(hook, tool)(limit=2)
    assert 1 <= len(records) <= 2
    assert json.loads(json.dumps(records)) == records
    assert TOOLS[tool] in running.requests[-1].path


@pytest.mark.parametrize("tool", TOOLS)
def test_an_agent_learns_each_argument_from_the_signature_and_the_docstring(tool):
    method = getattr(MaestroQAHook, tool)
    parameters = [one for one in inspect.signature(method).parameters.values() if one.name != "self"]
    hints = typing.get_type_hints(method)
    assert {hints[one.name] for one in parameters} <= {int, str | None}
    assert {one.kind for one in parameters} == {inspect.Parameter.KEYWORD_ONLY}
    assert all(f":param {one.name}:" in method.__doc__ for one in parameters)


def test_it_requests_no_more_than_it_returns(hook, running):
    before = len(running.requests)
    assert len(hook.search_todos(limit=120)) == 120
    assert len(running.requests) - before == 2
    assert len(hook.search_todos()) == 50
    assert len(running.requests) - before == 3


def test_a_filter_that_an_agent_leaves_empty_counts_as_absent(hook):
    assert len(hook.search_todos(agent_id="", creator_id="", start="", end="", limit=3)) == 3
    assert {todo["agentId"] for todo in hook.search_todos(agent_id="agent-3", limit=5)} == {"agent-3"}


@pytest.mark.parametrize("limit", [0, -1, 501, "all", None, True])
def test_another_limit_is_an_error_before_a_request(hook, running, limit):
    before = len(running.requests)
    with pytest.raises(MaestroQAConfigError, match="limit must be a whole number from 1 to 500"):
        hook.search_todos(limit=limit)
    assert len(running.requests) == before
