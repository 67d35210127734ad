"""Every night, push the agents' metrics that each region has put into the data lake: one task for each file."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_maestroqa.transfers.object_storage_to_maestroqa import ObjectStorageToMaestroQAOperator

# [START howto_metrics_from_storage]
with DAG(
    dag_id="maestroqa_metrics_from_storage",
    # This timetable gives each run an interval, on Airflow 2 and 3 alike: here, the day before.
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    ObjectStorageToMaestroQAOperator.partial(
        task_id="push",
        resource="agent_metrics",
        # The files have the columns employee;occupancy;team and no time: it is the day's.
        delimiter=";",
        mapping={
            "agent_id": "employee",
            "metric_id": {"value": "occupancy"},
            "metric_value": "occupancy",
            "timestamp": {"value": "{{ data_interval_start | ts }}"},
        },
        on_error="collect",
        max_rejects=10,
    ).expand(
        source=[
            "s3://my-data-lake/workforce/{{ data_interval_start | ds }}/emea.csv.gz",
            "s3://my-data-lake/workforce/{{ data_interval_start | ds }}/apac.csv.gz",
        ]
    )
# [END howto_metrics_from_storage]
