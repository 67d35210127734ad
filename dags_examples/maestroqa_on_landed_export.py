"""Whenever grades have landed, load them: the event of the asset says what has landed, and where."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow import DAG

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task

from airflow_provider_maestroqa.assets import maestroqa_asset

# [START howto_on_landed_export]
with DAG(
    dag_id="maestroqa_on_landed_export",
    schedule=[maestroqa_asset("exports/raw")],
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["maestroqa", "example"],
) as dag:

    @task
    def landings(triggering_asset_events: Any = None, triggering_dataset_events: Any = None) -> list[dict[str, Any]]:
        """Return what has landed since the last run, possibly in several events. Airflow 2 has datasets."""
        events = triggering_asset_events or triggering_dataset_events or {}
        return [dict(event.extra) for of_one_asset in events.values() for event in of_one_asset]

    @task
    def load(landing: dict[str, Any]) -> dict[str, Any]:
        """A placeholder for loading the files into a warehouse: the manifest names each of them."""
        return {"manifest": landing["manifest"], "rows": landing["rows"], **landing["window"]}

    load.expand(landing=landings())
# [END howto_on_landed_export]
