"""A DAG that lands, pushes and reads in every way of which lineage is told. Run by test_lineage.py."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from airflow import DAG

try:
    from airflow.sdk import Asset, task
except ImportError:  # Airflow 2
    from airflow.datasets import Dataset as Asset
    from airflow.decorators import task

from airflow_provider_maestroqa.assets import maestroqa_asset
from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.operators.metrics import MaestroQAPushAgentMetricsOperator
from airflow_provider_maestroqa.operators.tickets import MaestroQAGetTicketsOperator
from airflow_provider_maestroqa.transfers.export_to_s3 import MaestroQAExportToS3Operator
from airflow_provider_maestroqa.transfers.object_storage_to_maestroqa import ObjectStorageToMaestroQAOperator
from airflow_provider_maestroqa.transfers.records_to_object_storage import MaestroQARecordsToObjectStorageOperator
from airflow_provider_maestroqa.transfers.sql_to_maestroqa import SqlToMaestroQAOperator

HOST, FOLDER = os.environ["LINEAGE_HOST"], os.environ["LINEAGE_FOLDER"]
METRIC = {"agent_id": "agent-1", "metric_id": "m", "metric_value": 1, "timestamp": "2026-03-01T00:00:00Z"}
BAD = {**METRIC, "metric_value": "a-private-remark"}
SQL = """
    -- The agents of the day.
    SELECT 'agent-3' AS agent_id, 'm' AS metric_id, 2 AS metric_value, '2026-03-01T00:00:00Z' AS timestamp
    WHERE 4711 = ?
"""

with DAG("lineage_dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
    request = MaestroQARequestExportOperator(
        task_id="request",
        start="2026-03-01T02:00:00+02:00",
        end="2026-03-02T00:00:00Z",
        wait_for_completion=True,
        deferrable=True,
    )
    where = {"export_id": request.output, "s3_bucket": "my-data-lake", "s3_prefix": "raw", "clean": True}
    land = MaestroQAExportToS3Operator(
        task_id="land",
        **where,
        window=request.output["window"],
        outlets=[maestroqa_asset("exports/raw", host=HOST), Asset("s3://my-data-lake/raw")],
    )
    again = MaestroQAExportToS3Operator(task_id="again", **where)

    cut = MaestroQARequestExportOperator(
        task_id="cut", start="2026-03-01T00:00:00Z", end="2026-03-03T00:00:00Z", max_window_days=1
    )
    land_cut = MaestroQAExportToS3Operator.partial(
        task_id="land_cut",
        s3_bucket="my-data-lake",
        s3_prefix="cut/{{ ti.map_index }}",
        window=cut.output["window"],
        outlets=[Asset("s3://my-data-lake/cut")],
    ).expand(export_id=cut.output)

    groups = MaestroQARequestExportOperator(task_id="groups", export_type="groups")
    land_groups = MaestroQAExportToS3Operator(
        task_id="land_groups",
        export_id=groups.output,
        window=groups.output["window"],
        s3_bucket="my-data-lake",
        s3_prefix="groups",
    )

    MaestroQARecordsToObjectStorageOperator(
        task_id="todos",
        resource="todos",
        destination=f"file://{FOLDER}/todos",
        outlets=[maestroqa_asset("todos", host=HOST)],
    )
    MaestroQAPushAgentMetricsOperator(
        task_id="push",
        metrics=[METRIC, BAD],
        on_error="collect",
        rejects_path=f"file://{FOLDER}/rejects.jsonl",
        outlets=[maestroqa_asset("agent-metrics", host=HOST)],
    )
    ObjectStorageToMaestroQAOperator(
        task_id="push_file", source=f"file://{FOLDER}/metrics.csv", resource="agent_metrics"
    )
    SqlToMaestroQAOperator(
        task_id="push_sql",
        sql=SQL,
        parameters=[4711],
        sql_conn_id="warehouse",
        resource="agent_metrics",
    )
    MaestroQAGetTicketsOperator(task_id="read", ticket_ids=["T-1"])
    MaestroQAExportToS3Operator(
        task_id="fail",
        export_id="no-such-export",
        s3_bucket="my-data-lake",
        s3_prefix="fail",
        inlets=[maestroqa_asset("exports/audit-log", host=HOST)],
    )

    @task
    def by_hand() -> int:
        """Use the hook, as a task of one's own would."""
        from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

        with MaestroQAHook() as hook:
            hook.push_ticket_metrics([{**METRIC, "ticket_id": "T-1", "source_id": "s"}])
            return len(list(hook.list_coaching_points()))

    by_hand()
    request >> land >> again
