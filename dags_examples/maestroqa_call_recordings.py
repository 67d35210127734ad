"""Every morning, attach the recordings of the day's calls to their tickets: one task for each recording."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task

from airflow_provider_maestroqa.operators.attachments import MaestroQACreateAttachmentOperator

# [START howto_call_recordings]
with DAG(
    dag_id="maestroqa_call_recordings",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:

    @task
    def recordings() -> list[dict[str, str]]:
        """Return what was recorded; in real life, a query of the telephone system or the warehouse."""
        return [
            {
                "ticket_id": "T-1001",
                "file": "s3://my-data-lake/calls/T-1001.mp3",
                "timestamp": "2026-03-01T09:30:00Z",
            },
            {
                "ticket_id": "T-1002",
                "file": "s3://my-data-lake/calls/T-1002.mp3",
                "timestamp": "2026-03-01T10:15:00+01:00",
            },
        ]

    MaestroQACreateAttachmentOperator.partial(
        task_id="attach",
        content_type="audio/mpeg",
        public=False,
        # The recordings share the token's request budget with all other tasks.
        max_active_tis_per_dagrun=4,
    ).expand_kwargs(recordings())
# [END howto_call_recordings]
