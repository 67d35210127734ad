"""Every night, land the grades of the last day in S3. No worker is held while MaestroQA prepares the export."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG

from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.sensors.exports import MaestroQAExportSensor
from airflow_provider_maestroqa.transfers.export_to_s3 import MaestroQAExportToS3Operator

# [START howto_raw_export_to_s3]
with DAG(
    dag_id="maestroqa_raw_export_to_s3",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    request = MaestroQARequestExportOperator(
        task_id="request",
        export_type="raw",
        # Looking back works on every Airflow; the data interval of "@daily" has no length in Airflow 3.
        lookback=timedelta(days=1),
    )
    wait = MaestroQAExportSensor(
        task_id="wait",
        export_id=request.output,
        deferrable=True,
        poke_interval=30,
        timeout=3 * 60 * 60,
    )
    land = MaestroQAExportToS3Operator(
        task_id="land",
        export_id=request.output,
        window=request.output["window"],
        s3_bucket="my-data-lake",
        s3_prefix="maestroqa/raw/run={{ run_id }}",
        count_rows=True,
    )
    wait >> land
# [END howto_raw_export_to_s3]
