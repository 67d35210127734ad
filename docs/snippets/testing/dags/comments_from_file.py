from datetime import datetime, timezone

from airflow import DAG

from airflow_provider_maestroqa.transfers.object_storage_to_maestroqa import ObjectStorageToMaestroQAOperator

with DAG("comments_from_file", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
    ObjectStorageToMaestroQAOperator(
        task_id="push",
        source="{{ var.value.lake }}/comments.csv",
        resource="comments",
        on_error="collect",
        rejects_path="{{ var.value.lake }}/rejects.jsonl",
    )
