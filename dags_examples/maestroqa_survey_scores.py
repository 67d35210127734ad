"""Every night, push the day's survey answers, those of the warehouse and those of the phone system, each once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

try:
    from airflow.sdk import task
except ImportError:  # Airflow 2
    from airflow.decorators import task

from airflow_provider_maestroqa.operators.csat import MaestroQAPushCsatScoresOperator
from airflow_provider_maestroqa.transfers.sql_to_maestroqa import SqlToMaestroQAOperator


# [START howto_survey_scores]
@task
def read_phone_surveys() -> list[dict[str, Any]]:
    """Stands for whatever knows the answers that callers gave; the fields are MaestroQA's."""
    return [
        {
            "ticket_id": ticket,
            "agent_id": "agent-1",
            "submitted_at": "2026-03-01T12:00:00Z",
            "score": score,
            "score_label": label,
        }
        for ticket, score, label in (("T-1001", 5, "Very satisfied"), ("T-1002", 2, "Not satisfied"))
    ]


with DAG(
    dag_id="maestroqa_survey_scores",
    # This timetable gives each run an interval, on Airflow 2 and 3 alike: here, the day before.
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    SqlToMaestroQAOperator(
        task_id="warehouse",
        sql_conn_id="helpdesk_warehouse",
        # Placeholders are written as the database's driver takes them: :start here, %(start)s on PostgreSQL.
        # A retry resumes where the earlier try stopped, so the order must be the same each time.
        sql="""
            SELECT ticket_id, agent_email, rating, remark, other_answers, answered_at
            FROM surveys
            WHERE answered_at >= :start AND answered_at < :end
            ORDER BY id
        """,
        parameters={"start": "{{ data_interval_start | ts }}", "end": "{{ data_interval_end | ts }}"},
        resource="csat_scores",
        mapping={
            "ticket_id": "ticket_id",
            "agent_email": "agent_email",
            "submitted_at": "answered_at",
            "score": "rating",
            # The survey asks for 0 to 10. MaestroQA's own scale is 1 to 5.
            "min_score": {"value": 0},
            "max_score": {"value": 10},
            "comment": "remark",
            # A column with a JSON list of the other questions and their answers.
            "clarifying_answers": "other_answers",
        },
        # A score that MaestroQA does not take, such as one of a ticket that it does not have, is put aside.
        on_error="collect",
        rejects_path="s3://my-data-lake/maestroqa/rejects/{{ run_id }}/survey_scores.jsonl",
        # On Airflow before 3.3, a retry resumes only with this: no score must arrive twice.
        state_path="s3://my-data-lake/maestroqa/state/{{ run_id }}/survey_scores.json",
    )
    MaestroQAPushCsatScoresOperator(
        task_id="phone",
        scores=read_phone_surveys(),
        state_path="s3://my-data-lake/maestroqa/state/{{ run_id }}/phone_scores.json",
    )
# [END howto_survey_scores]
