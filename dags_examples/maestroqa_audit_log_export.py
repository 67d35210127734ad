"""Every month, land the user activity of the month before, as an archive for the auditors."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.transfers.export_to_s3 import MaestroQAExportToS3Operator

# [START howto_audit_log_export]
with DAG(
    dag_id="maestroqa_audit_log_export",
    # This timetable gives each run an interval, on Airflow 2 and 3 alike: here, the month before.
    schedule=CronDataIntervalTimetable("@monthly", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    request = MaestroQARequestExportOperator(
        task_id="request",
        export_type="audit_log",
        wait_for_completion=True,
        deferrable=True,
    )
    MaestroQAExportToS3Operator(
        task_id="land",
        export_id=request.output,
        window=request.output["window"],
        s3_bucket="my-data-lake",
        s3_prefix="maestroqa/audit_log/run={{ run_id }}",
        file_format="zip",
        on_no_data="skip",
    )
# [END howto_audit_log_export]
