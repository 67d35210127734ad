"""Every night, push the day's metrics of tickets out of the warehouse, by a query alone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_maestroqa.transfers.sql_to_maestroqa import SqlToMaestroQAOperator

# [START howto_metrics_from_sql]
with DAG(
    dag_id="maestroqa_metrics_from_sql",
    # This timetable gives each run an interval, on Airflow 2 and 3 alike: here, the day before.
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    SqlToMaestroQAOperator(
        task_id="push",
        sql_conn_id="helpdesk_warehouse",
        # Placeholders are written as the database's driver takes them: :start here, %(start)s on PostgreSQL.
        # A retry resumes where the earlier try stopped, so the order must be the same each time.
        sql="""
            SELECT ticket_id, agent_id, name, value, measured_at
            FROM metrics
            WHERE measured_at >= :start AND measured_at < :end
            ORDER BY ticket_id, name
        """,
        parameters={"start": "{{ data_interval_start | ts }}", "end": "{{ data_interval_end | ts }}"},
        resource="ticket_metrics",
        mapping={
            "ticket_id": "ticket_id",
            "source_id": {"value": "helpdesk"},
            "agent_id": "agent_id",
            "metric_id": "name",
            "metric_value": "value",
            "timestamp": "measured_at",
        },
        on_error="collect",
        rejects_path="s3://my-data-lake/maestroqa/rejects/{{ run_id }}/metrics_from_sql.jsonl",
    )
# [END howto_metrics_from_sql]
