"""Every night, land the coaching sessions of the last week as related files, and all to-dos, in object storage."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG

from airflow_provider_maestroqa.transfers.records_to_object_storage import MaestroQARecordsToObjectStorageOperator

# [START howto_coaching_to_object_storage]
with DAG(
    dag_id="maestroqa_coaching_to_object_storage",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    MaestroQARecordsToObjectStorageOperator(
        task_id="sessions",
        resource="coaching_sessions_export",
        # A session changes for some days after its meeting: load by its _id, the last one wins.
        lookback=timedelta(days=7),
        split_nested=True,
        destination="s3://my-data-lake/maestroqa/coaching/run={{ run_id }}",
    )
    MaestroQARecordsToObjectStorageOperator(
        task_id="todos",
        resource="todos",
        # Without a window the list is read completely, so a to-do that was completed today is included.
        destination="s3://my-data-lake/maestroqa/todos/run={{ run_id }}",
    )
# [END howto_coaching_to_object_storage]
