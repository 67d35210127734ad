"""Land each day's grades as a partition: the same day under the same key, however its run was started."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG
from airflow import __version__ as airflow_version

from airflow_provider_maestroqa.assets import maestroqa_asset
from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.transfers.export_to_object_storage import MaestroQAExportToObjectStorageOperator

# Partitions need Airflow 3.2. On an older Airflow this file makes no DAG.
if tuple(int(part) for part in airflow_version.split(".")[:2]) >= (3, 2):
    # [START howto_partitioned_export]
    from airflow.sdk import CronPartitionTimetable

    with DAG(
        dag_id="maestroqa_partitioned_export",
        # A day is run when it is over: at midnight, the partition is the day before.
        schedule=CronPartitionTimetable("0 0 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
        tags=["maestroqa", "example"],
    ) as dag:
        # No window is passed: it is the run's partition.
        request = MaestroQARequestExportOperator(
            task_id="request",
            export_type="raw",
            wait_for_completion=True,
            deferrable=True,
        )
        MaestroQAExportToObjectStorageOperator(
            task_id="land",
            export_id=request.output,
            window=request.output["window"],
            destination="file:///tmp/maestroqa/raw/day={{ dag_run.partition_key }}",
            # A DAG with PartitionedAssetTimetable on this asset runs once for each day that has landed.
            outlets=[maestroqa_asset("exports/raw")],
        )
    # [END howto_partitioned_export]
