"""Every night, delete the data of the customers who asked for it, out of a table of their requests."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow import DAG

try:
    from airflow.sdk import BaseHook, task
except ImportError:  # Airflow 2
    from airflow.decorators import task
    from airflow.hooks.base import BaseHook

from airflow_provider_maestroqa.operators.data_deletion import MaestroQADeleteCustomerDataOperator


# [START howto_customer_deletions]
def warehouse() -> Any:
    """Connect to the database that has the table of requests."""
    return BaseHook.get_hook("helpdesk_warehouse").get_conn()


class AddressesOfThisRun:
    """Reads the addresses when the task runs, so that they pass through nothing that Airflow stores."""

    def __repr__(self) -> str:
        # Airflow stores this text with the DAG, so it must be the same each time the file is read.
        return "AddressesOfThisRun()"

    def __call__(self, context: Any, **_: Any) -> list[str]:
        with closing(warehouse()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute("SELECT email FROM erasure_requests WHERE run_id = :run", {"run": context["run_id"]})
            return [row[0] for row in cursor]


with DAG(
    dag_id="maestroqa_customer_deletions",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:

    @task
    def claim(run_id: str | None = None) -> None:
        """Mark the requests of this run: what comes in from now on is for the next one."""
        with closing(warehouse()) as connection, connection:
            connection.execute("UPDATE erasure_requests SET run_id = :run WHERE run_id IS NULL", {"run": run_id})

    @task
    def note_deleted(run_id: str | None = None) -> None:
        """Note when MaestroQA had deleted all, for whoever must prove it."""
        now = datetime.now(timezone.utc).isoformat()
        with closing(warehouse()) as connection, connection:
            connection.execute(
                "UPDATE erasure_requests SET deleted_at = :now WHERE run_id = :run", {"now": now, "run": run_id}
            )

    delete = MaestroQADeleteCustomerDataOperator(
        task_id="delete",
        emails=AddressesOfThisRun(),
        # Without it nothing is deleted.
        confirm=True,
        # MaestroQA finishes deletions once a day, so the wait is left to the triggerer.
        deferrable=True,
        timeout=3 * 24 * 60 * 60,
        # On Airflow before 3.3, a retry reads from here what was requested.
        state_path="s3://my-data-lake/maestroqa/state/{{ run_id }}/customer_deletions.json",
    )
    claim() >> delete >> note_deleted()
# [END howto_customer_deletions]
