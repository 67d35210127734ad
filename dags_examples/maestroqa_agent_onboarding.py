"""When a colleague starts: create the agent, add the id of a second system, join the team, and be available."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG

from airflow_provider_maestroqa.operators.agent_groups import MaestroQAUpdateAgentGroupOperator
from airflow_provider_maestroqa.operators.agents import (
    MaestroQAAddAgentIdOperator,
    MaestroQACreateAgentOperator,
    MaestroQASetAgentAvailabilityOperator,
)

# [START howto_agent_onboarding]
with DAG(
    dag_id="maestroqa_agent_onboarding",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    params={
        "name": "Ann Example",
        "agent_email": "ann@example.com",
        "phone_id": "phone-ann",
        "newcomers": "Agents 1",
        "team": "Agents 2",
    },
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    create = MaestroQACreateAgentOperator(
        task_id="create",
        # Nobody is graded in the first week: the last task changes that.
        agent={"name": "{{ params.name }}", "email": "{{ params.agent_email }}", "available": False},
        agent_group="{{ params.newcomers }}",
    )
    add_id = MaestroQAAddAgentIdOperator(
        task_id="add_id", agent_email="{{ params.agent_email }}", agent_id="{{ params.phone_id }}"
    )
    join = MaestroQAUpdateAgentGroupOperator(
        task_id="join", agent_group="{{ params.team }}", add=["{{ params.agent_email }}"]
    )
    available = MaestroQASetAgentAvailabilityOperator(
        task_id="available", agent_email="{{ params.agent_email }}", available=True
    )
    create >> add_id >> join >> available
# [END howto_agent_onboarding]
