from datetime import datetime, timezone

from airflow import DAG

from airflow_provider_maestroqa.operators.agents import (
    MaestroQAAddAgentIdOperator,
    MaestroQASetAgentAvailabilityOperator,
)

with DAG("errands", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    MaestroQAAddAgentIdOperator(
        task_id="add", agent_email="agent-1@example.com", agent_id="{{ dag_run.conf['agent_id'] }}"
    )
    MaestroQASetAgentAvailabilityOperator.partial(task_id="away", available=False).expand(
        agent_email=["agent-2@example.com", "agent-3@example.com"]
    )
