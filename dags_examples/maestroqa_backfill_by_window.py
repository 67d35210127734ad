"""Land a year of grades, a window at a time: MaestroQA exports 10,000 to 50,000 scores at once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG

try:
    from airflow.sdk import task, task_group
except ImportError:  # Airflow 2
    from airflow.decorators import task, task_group

from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.transfers.export_to_s3 import MaestroQAExportToS3Operator
from airflow_provider_maestroqa.windows import split_windows

# [START howto_backfill_by_window]
with DAG(
    dag_id="maestroqa_backfill_by_window",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    params={"start": "2026-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z", "max_days": 7},
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:

    @task
    def windows(params: dict | None = None) -> list[dict[str, str]]:
        """Split the range into windows, with no gap and no overlap."""
        return [
            {**window, "s3_prefix": f"maestroqa/backfill/from={window['start']}"}
            for window in split_windows(params["start"], params["end"], params["max_days"])
        ]

    @task_group
    def one_window(start: str, end: str, s3_prefix: str) -> None:
        request = MaestroQARequestExportOperator(
            task_id="request",
            export_type="raw",
            start=start,
            end=end,
            wait_for_completion=True,
            deferrable=True,
            # However long the range is, MaestroQA prepares at most three exports at a time.
            max_active_tis_per_dagrun=3,
        )
        MaestroQAExportToS3Operator(
            task_id="land",
            export_id=request.output,
            window=request.output["window"],
            s3_bucket="my-data-lake",
            s3_prefix=s3_prefix,
        )

    one_window.expand_kwargs(windows())
# [END howto_backfill_by_window]
