"""The tasks that change groups of agents, and those that create agents in one."""

from __future__ import annotations

import pytest

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.operators.agent_groups import MaestroQAUpdateAgentGroupOperator
from airflow_provider_maestroqa.operators.agents import MaestroQACreateAgentOperator, MaestroQAUpsertAgentsOperator

ANN = {"name": "Ann", "email": "ann@example.com", "available": True}


@pytest.fixture
def support(connection, sandbox):
    return sandbox.add_agent_group("Support", members=["agent-1@example.com"])


def update(**arguments):
    return MaestroQAUpdateAgentGroupOperator(task_id="update", **arguments)


def test_a_group_is_kept_in_step_with_a_roster(sandbox, support):
    task = update(agent_group="Support", add=["agent-2@example.com"], remove=["agent-1@example.com"])
    assert task.execute({}) == {"agent_group": "Support", "added": 1, "removed": 1}
    assert sandbox.agent_groups[support]["members"] == ["agent-2@example.com"]
    assert task.execute({}) == {"agent_group": "Support", "added": 0, "removed": 0}


@pytest.mark.parametrize(
    "arguments",
    [
        {"agent_group": "Sales", "add": ["agent-2@example.com"]},
        {"agent_group": "Support", "add": ["nobody@example.com"]},
        {"agent_group": "Support", "add": "['agent-2@example.com']"},
        {"agent_group": "Support"},
    ],
    ids=["no such group", "no agent", "text of a template", "nothing to do"],
)
def test_what_no_retry_mends_fails_for_good(sandbox, support, arguments):
    with pytest.raises(AirflowFailException):
        update(**arguments).execute({})
    assert sandbox.agent_groups[support]["members"] == ["agent-1@example.com"]


def test_a_new_agent_joins_the_group_that_is_named(sandbox, support):
    agent = MaestroQACreateAgentOperator(task_id="create", agent=ANN, agent_group="Support").execute({})
    assert agent["agentGroupId"] == support


def test_a_roster_joins_the_group_that_is_named(sandbox, support):
    roster = MaestroQAUpsertAgentsOperator(task_id="roster", agents=[ANN], agent_group=support)
    assert roster.execute({})["created"] == 1
    assert sandbox.agent_groups[support]["members"] == ["agent-1@example.com", "ann@example.com"]
    assert roster._bound_to()["agent_group"] == support
    assert "agent_group" not in MaestroQAUpsertAgentsOperator(task_id="plain", agents=[])._bound_to()
