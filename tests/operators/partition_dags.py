"""DAGs of partitions, run by partition_process.py in an Airflow of its own."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG
from airflow.sdk import CronPartitionTimetable, PartitionedAssetTimetable, StartOfDayMapper

from airflow_provider_maestroqa.assets import maestroqa_asset
from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.transfers.records_to_object_storage import MaestroQARecordsToObjectStorageOperator

START = datetime(2026, 3, 2, tzinfo=timezone.utc)

for offset in (-1, 0, 1):
    for kind in ("scheduled", "backfill", "manual"):
        daily = CronPartitionTimetable("0 0 * * *", timezone="UTC", run_offset=offset)
        with DAG(f"{kind}_{offset}", schedule=daily, start_date=START, catchup=True) as dag:
            MaestroQARequestExportOperator(task_id="partition")
            if offset == -1:
                MaestroQARequestExportOperator(task_id="lookback", lookback=timedelta(days=7))
            if dag.dag_id == "manual_-1":
                MaestroQARecordsToObjectStorageOperator(
                    task_id="records",
                    resource="todos",
                    incremental="data_interval",
                    destination="file:///tmp/maestroqa/todos/{{ dag.dag_id }}",
                )
        globals()[dag.dag_id] = dag

for name, arguments in {
    "asset": {"default_partition_mapper": StartOfDayMapper(input_format="%Y-%m-%d")},
    "same": {},
}.items():
    landed = PartitionedAssetTimetable(assets=maestroqa_asset("exports/raw"), **arguments)
    with DAG(name, schedule=landed, start_date=START) as dag:
        MaestroQARequestExportOperator(task_id="partition")
    globals()[name] = dag
