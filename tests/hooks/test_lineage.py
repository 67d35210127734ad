"""What hooks and operators tell of lineage, without a whole run."""

from __future__ import annotations

import pytest
from factories import agent, agent_metric, ticket

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.assets import maestroqa_asset
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.runtime import lineage
from airflow_provider_maestroqa.runtime.lineage import (
    Data,
    DataTransfer,
    export_dataset,
    landed_data,
    report,
    stored_data,
)


@pytest.fixture
def collected(monkeypatch, sandbox):
    """Airflow's own collector, as where a plugin reads it: call it for what was read and what was written."""
    try:
        from airflow.sdk.lineage import HookLineageCollector
    except ImportError:
        from airflow.lineage.hook import HookLineageCollector
    collector = HookLineageCollector()
    monkeypatch.setattr(_compat, "lineage_collector", lambda: collector)

    place = f"maestroqa://{sandbox.url.partition('://')[2]}/"

    def names():
        held = collector.collected_assets if hasattr(collector, "collected_assets") else collector.collected_datasets
        told = ([getattr(one, "asset", None) or one.dataset for one in side] for side in (held.inputs, held.outputs))
        return tuple(sorted({asset.uri.removeprefix(place) for asset in side}) for side in told)

    return names


@pytest.mark.parametrize(
    ("use", "read", "written"),
    [
        (lambda hook: hook.list_todos(), ["todos"], []),
        (lambda hook: hook.list_coaching_points(), ["coaching-points"], []),
        (lambda hook: hook.export_coaching_sessions("2026-01-01", "2026-01-02"), ["coaching-sessions"], []),
        (lambda hook: hook.get_todo(next(hook.list_todos())["id"]), ["todos"], []),
        (lambda hook: hook.get_tickets(["T-0"]), ["tickets"], []),
        (lambda hook: hook.create_ticket(ticket("T-1")), [], ["tickets"]),
        (lambda hook: hook.upsert_ticket(ticket("T-1")), [], ["tickets"]),
        (lambda hook: hook.update_ticket("T-0", {"status": "solved"}), [], ["tickets"]),
        (lambda hook: hook.delete_ticket("T-0"), [], ["tickets"]),
        (lambda hook: hook.create_comment({"ticket_id": "T-0", "body": "b"}), [], ["comments"]),
        (lambda hook: hook.create_agent(agent()), [], ["agents"]),
        (lambda hook: hook.set_agent_availability("agent-1@example.com", True), [], ["agents"]),
        (lambda hook: hook.create_attachment("T-0", "audio/mpeg", url="https://x.example/a"), [], ["attachments"]),
        (lambda hook: hook.push_agent_metrics([agent_metric()]), [], ["agent-metrics"]),
    ],
)
def test_a_method_of_the_hook_reports_what_it_reads_or_writes(connection, sandbox, collected, use, read, written):
    sandbox.add_tickets(["T-0"])
    with MaestroQAHook() as hook:
        use(hook)
    assert collected() == (read, written)


def test_waiting_for_an_export_reads_nothing(connection, collected):
    with MaestroQAHook() as hook:
        hook.get_export(hook.request_groups_export())
    assert collected() == ([], [])


def test_a_landing_reports_its_files(connection, collected, land, tmp_path):
    land("todos")
    assert collected() == (["todos"], [f"file://{tmp_path}/landed/todos.jsonl.gz"])


def test_without_a_collector_the_connection_is_not_read(monkeypatch):
    monkeypatch.setattr(_compat, "lineage_collector", lambda: None)
    lineage.record_read(MaestroQAHook("there_is_no_such_connection"), "todos")


def test_no_collector_is_made_where_no_plugin_reads_it(monkeypatch):
    """Making one imports the assets of all providers, which takes more than a second."""
    real = _compat._find
    try:
        from airflow.sdk import plugins_manager

        monkeypatch.setattr(plugins_manager, "get_hook_lineage_readers_plugins", list)
    except ImportError:
        from airflow import plugins_manager

        monkeypatch.setattr(plugins_manager, "hook_lineage_reader_classes", [])

    def find(name, homes):
        assert name != "get_hook_lineage_collector"
        return real(name, homes)

    monkeypatch.setattr(_compat, "_find", find)
    assert _compat.lineage_collector() is None


def test_a_collector_that_fails_does_not_stop_the_work(connection, monkeypatch):
    def fail():
        raise RuntimeError("no collector today")

    monkeypatch.setattr(_compat, "lineage_collector", fail)
    with MaestroQAHook() as hook:
        assert next(hook.list_todos())["id"]


def test_a_lost_connection_is_reported_by_the_work_and_not_by_the_lineage(collected):
    report(MaestroQAHook("nowhere"), read=lineage._uri_of(MaestroQAHook("nowhere"), "todos"))
    assert collected() == ([], [])


@pytest.mark.parametrize(
    ("address", "namespace", "name"),
    [
        ("s3://b/raw/run=1/a?b#c.csv.gz", "s3://b", "raw/run=1/a?b#c.csv.gz"),
        ("s3a://b/k", "s3://b", "k"),
        ("gs://b", "gs://b", "/"),
        ("abfs://container/folder/f", "abfs://container", "folder/f"),
        ("file:///data/f.csv", "file", "/data/f.csv"),
        ("/data/f.csv", "file", "/data/f.csv"),
    ],
)
def test_a_stored_file_is_named_as_openlineage_names_it(address, namespace, name):
    assert stored_data(address) == Data(namespace, name)


def test_a_landing_without_files_reports_its_folder_as_empty():
    manifest = {"destination": "s3://b/raw", "files": []}
    assert landed_data(manifest, written=True) == (Data("s3://b", "raw", rows=0, bytes=0, files=0),)


def landing(**arguments):
    from airflow_provider_maestroqa.transfers.export_to_s3 import MaestroQAExportToS3Operator

    return MaestroQAExportToS3Operator(task_id="t", export_id="e", s3_bucket="b", s3_prefix="p", **arguments)


@pytest.mark.parametrize(
    ("assets", "dataset"),
    [
        ({}, "exports"),
        ({"outlets": [maestroqa_asset("exports/audit-log")]}, "exports/audit-log"),
        ({"inlets": [maestroqa_asset("exports/raw/europe")]}, "exports/raw/europe"),
        ({"inlets": [maestroqa_asset("exports/raw")], "outlets": [maestroqa_asset("exports/groups")]}, "exports"),
        ({"outlets": [maestroqa_asset("tickets")]}, "exports"),
    ],
)
def test_the_dag_shows_the_type_of_the_landed_export(assets, dataset):
    assert export_dataset(landing(**assets)) == dataset


def test_an_operator_that_did_not_run_has_no_lineage():
    assert landing().get_openlineage_facets_on_complete(None) is None
    assert landing().get_openlineage_facets_on_failure(None) is None


def test_an_operator_holds_no_secret_of_its_lineage(connection, sandbox, land):
    from airflow_provider_maestroqa.operators.metrics import MaestroQAPushAgentMetricsOperator

    task = MaestroQAPushAgentMetricsOperator(task_id="t", metrics=[agent_metric()])
    task.execute({})
    host = f"maestroqa://{sandbox.url.partition('://')[2]}"
    assert task.data_transfer == DataTransfer((), (Data(host, "agent-metrics", rows=1),))
    assert sandbox.token not in repr(task.data_transfer)


class KnownDatabase:
    """A hook as of a provider that tells OpenLineage how to name its tables."""

    def get_openlineage_database_info(self, connection):
        from airflow.providers.openlineage.sqlparser import DatabaseInfo

        return DatabaseInfo(scheme="postgres", authority=f"{connection.host}:5432", database="helpdesk")

    def get_openlineage_database_dialect(self, connection):
        return "postgres"

    def get_openlineage_default_schema(self):
        return "public"


@pytest.mark.filterwarnings("ignore:This module is deprecated. Please use .openlineage:DeprecationWarning")
def test_the_tables_of_a_query_are_its_inputs_where_the_provider_names_them(monkeypatch):
    pytest.importorskip("airflow.providers.openlineage", reason="the OpenLineage provider is not installed here")
    connection = _compat.Connection(conn_id="db", conn_type="x", host="db.example", password="s3cr3t")
    monkeypatch.setattr(_compat, "BaseHook", type("Hooks", (), {"get_connection": lambda _: connection}))
    monkeypatch.setattr(type(connection), "get_hook", lambda _: KnownDatabase())
    sql = "SELECT a.id FROM metrics a JOIN hr.agents b ON a.id = b.id WHERE day = %s;\n"
    told = lineage.query_lineage(DataTransfer((), (Data("maestroqa://h", "agent-metrics", rows=4),)), sql, "db")
    assert sorted((one.namespace, one.name) for one in told.inputs) == [
        ("postgres://db.example:5432", "helpdesk.hr.agents"),
        ("postgres://db.example:5432", "helpdesk.public.metrics"),
    ]
    assert told.job_facets["sql"].query == sql.strip()
    assert "s3cr3t" not in repr(told)
