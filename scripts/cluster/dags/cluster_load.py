"""The load of the cluster: exports that are waited for without a worker and landed, and files that are pushed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG
from airflow.sdk import task, task_group

from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.transfers.export_to_s3 import MaestroQAExportToS3Operator
from airflow_provider_maestroqa.transfers.object_storage_to_maestroqa import ObjectStorageToMaestroQAOperator

BEGIN = datetime(2025, 1, 1, tzinfo=timezone.utc)
#: A worker or a server may be lost at any time: a lost task is tried again soon.
LASTING = {"retries": 5, "retry_delay": timedelta(seconds=3)}

with DAG(dag_id="cluster_load", schedule=None, start_date=BEGIN, default_args=LASTING, max_active_tasks=64):

    @task
    def days(params: dict | None = None) -> list[dict[str, str]]:
        """A window for each export: a day."""
        return [
            {
                "start": f"{BEGIN + timedelta(days=day):%Y-%m-%d}T00:00:00Z",
                "end": f"{BEGIN + timedelta(days=day + 1):%Y-%m-%d}T00:00:00Z",
            }
            for day in range(params["exports"])
        ]

    @task_group
    def export(start: str, end: str) -> None:
        """Request an export, wait for it in a triggerer, and land it."""
        request = MaestroQARequestExportOperator(
            task_id="request",
            start=start,
            end=end,
            wait_for_completion=True,
            deferrable=True,
            poll_interval="{{ params.poll_interval }}",
        )
        MaestroQAExportToS3Operator(
            task_id="land",
            export_id=request.output,
            s3_bucket="lake",
            s3_prefix="{{ run_id }}/{{ ti.map_index }}",
        )

    export.expand_kwargs(days())

    @task
    def files(resource: str, params: dict | None = None) -> list[str]:
        """The files to push."""
        return [f"s3://lake/{params[resource]}/{part}.jsonl.gz" for part in range(params[f"{resource}_files"])]

    for resource in ("ticket_metrics", "comments"):
        ObjectStorageToMaestroQAOperator.partial(
            task_id=resource,
            resource=resource,
            # What the user decides about comments that may or may not have arrived.
            on_unknown_outcome="{{ var.value.get(ti.run_id ~ '-' ~ ti.map_index, 'fail') }}",
        ).expand(source=files.override(task_id=f"{resource}_files")(resource))
