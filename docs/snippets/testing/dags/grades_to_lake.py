from datetime import datetime, timedelta, timezone

from airflow import DAG

from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.transfers.export_to_object_storage import MaestroQAExportToObjectStorageOperator

with DAG("grades_to_lake", schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=timezone.utc), catchup=False):
    request = MaestroQARequestExportOperator(
        task_id="request",
        lookback=timedelta(days=1),
        wait_for_completion=True,
        deferrable=True,
        retries=2,
        retry_delay=timedelta(minutes=5),
    )
    MaestroQAExportToObjectStorageOperator(
        task_id="land",
        export_id=request.output,
        destination="{{ var.value.lake }}/grades",
        file_format="csv",
        count_rows=True,
    )
