"""Every week, land all agent groups and their members in any object storage."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG

from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.transfers.export_to_object_storage import MaestroQAExportToObjectStorageOperator

# [START howto_groups_export]
with DAG(
    dag_id="maestroqa_groups_export",
    schedule="@weekly",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    # One task can request and wait: deferrable, it holds no worker meanwhile.
    request = MaestroQARequestExportOperator(
        task_id="request",
        export_type="groups",
        include_unavailable=True,
        wait_for_completion=True,
        deferrable=True,
    )
    MaestroQAExportToObjectStorageOperator(
        task_id="land",
        export_id=request.output,
        destination="file:///tmp/maestroqa/groups/run={{ run_id }}",
        file_format="csv",
        on_no_data="fail",
    )
# [END howto_groups_export]
