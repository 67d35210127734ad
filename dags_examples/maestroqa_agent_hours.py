"""Every night, push how long each agent has worked, from what another task returns."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow import DAG

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task

from airflow_provider_maestroqa.operators.metrics import MaestroQAPushAgentMetricsOperator

# [START howto_agent_hours]
with DAG(
    dag_id="maestroqa_agent_hours",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:

    @task
    def hours(data_interval_end: datetime | None = None) -> list[dict[str, Any]]:
        """Return who worked how long; in real life, a query of the workforce planning."""
        moment = data_interval_end or datetime.now(timezone.utc)
        worked = {"agent-1": 7.5, "agent-2": 8.0}
        return [
            {
                "agent_id": agent,
                # The time does not identify an agent metric, so the day is part of its id.
                "metric_id": f"hours_worked_{moment:%Y-%m-%d}",
                "metric_value": value,
                "timestamp": moment.isoformat(),
            }
            for agent, value in worked.items()
        ]

    MaestroQAPushAgentMetricsOperator(task_id="push", metrics=hours(), on_error="collect", max_rejects=5)
# [END howto_agent_hours]
