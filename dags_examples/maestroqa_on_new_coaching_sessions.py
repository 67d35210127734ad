"""Whenever there are new coaching sessions, land those that were created since the last run."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG
from airflow import __version__ as airflow_version

from airflow_provider_maestroqa.transfers.records_to_object_storage import MaestroQARecordsToObjectStorageOperator
from airflow_provider_maestroqa.triggers.coaching_sessions import MaestroQACoachingSessionTrigger

# Watchers need Airflow 3.0, and the store for the position needs 3.3. On an older Airflow this file makes no DAG.
if tuple(int(part) for part in airflow_version.split(".")[:2]) >= (3, 3):
    # [START howto_on_new_coaching_sessions]
    from airflow.sdk import Asset, AssetWatcher

    sessions = Asset(
        "maestroqa_coaching_sessions",
        watchers=[
            AssetWatcher(name="new_sessions", trigger=MaestroQACoachingSessionTrigger(poll_interval=300)),
        ],
    )

    with DAG(
        dag_id="maestroqa_on_new_coaching_sessions",
        schedule=[sessions],
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        # Each run resumes where the last one ended, so runs must not overlap.
        max_active_runs=1,
        default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
        tags=["maestroqa", "example"],
    ) as dag:
        MaestroQARecordsToObjectStorageOperator(
            task_id="land",
            resource="coaching_sessions",
            incremental="watermark",
            # The position is saved on this asset.
            inlets=[sessions],
            # The very first run starts here.
            lookback=timedelta(days=30),
            destination="s3://my-data-lake/maestroqa/new_sessions/run={{ run_id }}",
        )
    # [END howto_on_new_coaching_sessions]
