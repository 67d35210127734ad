"""Every night, push the roster of agents to MaestroQA: who is new, who has another id, and who is away."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow import DAG

try:
    from airflow.sdk import BaseHook, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.hooks.base import BaseHook

from airflow_provider_maestroqa.operators.agents import MaestroQAUpsertAgentsOperator

# [START howto_agent_roster]
with DAG(
    dag_id="maestroqa_agent_roster",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:

    @task
    def roster() -> list[dict[str, Any]]:
        """Read the roster; a list of some hundred agents fits into an XCom."""
        warehouse = BaseHook.get_hook("helpdesk_warehouse")
        rows = warehouse.get_records("SELECT name, email, id, is_active FROM agents ORDER BY email")
        return [
            {"name": name, "email": email, "agentId": agent_id, "available": bool(is_active)}
            for name, email, agent_id, is_active in rows
        ]

    MaestroQAUpsertAgentsOperator(
        task_id="agents",
        agents=roster(),
        # One agent whose id is taken must not hold up the others.
        on_error="collect",
        rejects_path="s3://my-data-lake/maestroqa/rejects/{{ run_id }}/agents.jsonl",
        max_rejects=10,
    )
# [END howto_agent_roster]
