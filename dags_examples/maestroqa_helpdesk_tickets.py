"""Every morning, push yesterday's tickets of the helpdesk with their comments and metrics, out of the warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow import DAG

try:
    from airflow.sdk import BaseHook
except ImportError:  # Airflow 2
    from airflow.hooks.base import BaseHook

from airflow_provider_maestroqa.operators.comments import MaestroQACreateCommentsOperator
from airflow_provider_maestroqa.operators.metrics import MaestroQAPushTicketMetricsOperator
from airflow_provider_maestroqa.operators.tickets import MaestroQAUpsertTicketsOperator
from airflow_provider_maestroqa.windows import resolve_window

# [START howto_helpdesk_tickets]
# Columns are named like the API's fields. A time needs a time zone, as a column "with time zone" has it.
# Placeholders are written as the database's driver takes them: :start here, %(start)s on PostgreSQL.
TICKETS = """
    SELECT id AS ticket_id, channel AS type, subject, agent_id AS agents, url AS link, status,
           opened_at AS first_seen, solved_at AS last_seen
    FROM tickets
    WHERE (opened_at >= :start AND opened_at < :end) OR (solved_at >= :start AND solved_at < :end)
    ORDER BY id
"""
COMMENTS = """
    SELECT ticket_id, author_id, role, body, written_at AS time
    FROM comments
    WHERE written_at >= :start AND written_at < :end
    ORDER BY id
"""
METRICS = """
    SELECT ticket_id, 'helpdesk' AS source_id, agent_id, name AS metric_id, value AS metric_value,
           measured_at AS timestamp
    FROM metrics
    WHERE measured_at >= :start AND measured_at < :end
    ORDER BY ticket_id, name
"""


class Yesterday:
    """Queries the warehouse when its task runs, and yields the rows one by one."""

    def __init__(self, query: str) -> None:
        self.query = query

    def __repr__(self) -> str:
        # Airflow stores this text with the DAG, so it must be the same each time the file is read.
        return f"Yesterday({self.query!r})"

    def __call__(self, context: Any, **_: Any) -> Iterator[dict[str, Any]]:
        # The same in every try, so that a retry finds the same records in the same order.
        window = resolve_window(context, lookback=timedelta(days=1)).as_text()
        warehouse = BaseHook.get_hook("helpdesk_warehouse").get_conn()
        with closing(warehouse), closing(warehouse.cursor()) as cursor:
            cursor.execute(self.query, window)
            fields = [column[0] for column in cursor.description]
            for row in cursor:
                record = dict(zip(fields, row, strict=True))
                if "agents" in record:
                    # The one field that must be a list.
                    record["agents"] = record["agents"].split(",")
                yield record


with DAG(
    dag_id="maestroqa_helpdesk_tickets",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    tickets = MaestroQAUpsertTicketsOperator(
        task_id="tickets",
        tickets=Yesterday(TICKETS),
        on_error="collect",
        rejects_path="s3://my-data-lake/maestroqa/rejects/{{ run_id }}/tickets.jsonl",
    )
    comments = MaestroQACreateCommentsOperator(
        task_id="comments",
        comments=Yesterday(COMMENTS),
        on_error="collect",
        rejects_path="s3://my-data-lake/maestroqa/rejects/{{ run_id }}/comments.jsonl",
        # No comment may arrive twice. On Airflow older than 3.3 a retry reads from here which ones have.
        state_path="s3://my-data-lake/maestroqa/state/{{ run_id }}/comments.json",
    )
    metrics = MaestroQAPushTicketMetricsOperator(
        task_id="metrics",
        metrics=Yesterday(METRICS),
        on_error="collect",
        rejects_path="s3://my-data-lake/maestroqa/rejects/{{ run_id }}/metrics.jsonl",
    )
    # MaestroQA must know a ticket before it accepts its comments and metrics.
    tickets >> [comments, metrics]
# [END howto_helpdesk_tickets]
