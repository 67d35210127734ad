"""A custom operator: request one file, wait for it in the triggerer, and read it without landing it."""

from __future__ import annotations

import csv
import io
import tempfile
import time
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow import DAG

try:
    from airflow.sdk import BaseOperator
except ImportError:  # Airflow 2
    from airflow.models.baseoperator import BaseOperator

from airflow_provider_maestroqa.triggers.exports import MaestroQAExportTrigger


# [START howto_csat_surveys]
class CountSurveys(BaseOperator):
    """Counts the satisfaction surveys of the last day, and holds no worker while MaestroQA prepares them."""

    #: Seconds before the first poll; the pauses then grow.
    poll_interval = 30.0

    def execute(self, context: Any) -> None:
        from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
        from airflow_provider_maestroqa.windows import resolve_window

        window = resolve_window(context, lookback=timedelta(days=1)).as_text()
        with MaestroQAHook("maestroqa_default") as hook:
            export_id = hook.request_raw_export(**window, single_file_export="csat")
        trigger = MaestroQAExportTrigger(export_id, self.poll_interval, deadline=time.time() + 3600)
        self.defer(trigger=trigger, method_name="count")

    def count(self, context: Any, event: Any = None) -> dict[str, int]:  # noqa: ARG002
        from airflow_provider_maestroqa.client.presigned import signatures_kept_out_of_logs
        from airflow_provider_maestroqa.client.resources.export_polling import read_event
        from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

        # Raises unless the event says that the export is complete.
        done = read_event(event)
        if not done["has_data"]:
            return {"surveys": 0}
        with tempfile.TemporaryFile() as file:
            with MaestroQAHook("maestroqa_default") as hook, hook.storage_session() as session:
                # The URL is a secret. It is requested and used here, and goes nowhere else, not even into a log.
                url = hook.get_export(done["export_id"]).data_url
                with signatures_kept_out_of_logs(), session.get(url, stream=True, timeout=60) as answer:
                    answer.raise_for_status()
                    file.writelines(answer.iter_content(1 << 20))
            file.seek(0)
            # A cell may hold line breaks, so records are counted and not lines.
            rows = csv.DictReader(io.TextIOWrapper(file, "utf-8-sig", newline=""))
            return {"surveys": sum(1 for _ in rows)}


with DAG(
    dag_id="maestroqa_csat_surveys",
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    tags=["maestroqa", "example"],
) as dag:
    CountSurveys(task_id="count")
# [END howto_csat_surveys]
