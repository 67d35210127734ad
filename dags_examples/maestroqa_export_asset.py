"""Every night, land the grades of the last day and update an asset: other DAGs start on it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG

from airflow_provider_maestroqa.assets import maestroqa_asset
from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.transfers.export_to_s3 import MaestroQAExportToS3Operator

# [START howto_export_asset]
with DAG(
    dag_id="maestroqa_export_asset",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    request = MaestroQARequestExportOperator(
        task_id="request",
        export_type="raw",
        lookback=timedelta(days=1),
        wait_for_completion=True,
        deferrable=True,
    )
    MaestroQAExportToS3Operator(
        task_id="land",
        export_id=request.output,
        window=request.output["window"],
        s3_bucket="my-data-lake",
        s3_prefix="maestroqa/grades/run={{ run_id }}",
        count_rows=True,
        # maestroqa://app.maestroqa.com/exports/raw
        outlets=[maestroqa_asset("exports/raw")],
    )
# [END howto_export_asset]
