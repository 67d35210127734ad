"""The statements that load landed files: DuckDB's are run, the others parsed."""

from __future__ import annotations

import logging
import re

import pytest

from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.transfers.export_to_object_storage import MaestroQAExportToObjectStorageOperator

PAGE = "docs/warehouses.md"


@pytest.fixture
def statements(read):
    """The SQL below a heading of the page."""

    def below(heading):
        section = read(PAGE).split(f"\n## {heading}\n")[1].split("\n## ")[0]
        return "\n".join(re.findall(r"```sql\n(.*?)```", section, re.S))

    return below


@pytest.fixture
def land(connection, sandbox, tmp_path):
    def run(file_format="parquet"):
        with MaestroQAHook(connection) as hook:
            export_id = hook.request_raw_export("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
            while not hook.get_export(export_id).is_complete:
                pass
        return MaestroQAExportToObjectStorageOperator(
            task_id="land",
            export_id=export_id,
            destination=f"file://{tmp_path}/lake/maestroqa/2026-01-01",
            file_format=file_format,
            clean=True,
        ).execute({})

    return run


def test_the_duckdb_statements_merge_by_the_natural_key(statements, land, tmp_path, monkeypatch):
    import duckdb

    manifest = land()
    rows = next(one["rows"] for one in manifest["files"] if one["name"].startswith("section_scores"))
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as database:
        for _ in range(2):
            database.execute(statements("DuckDB"))
            assert database.execute("SELECT count(*) FROM section_scores").fetchone() == (rows,)
        database.execute("UPDATE section_scores SET section_score = 'old'")
        database.execute("DELETE FROM section_scores WHERE section_id = (SELECT min(section_id) FROM section_scores)")
        database.execute(statements("DuckDB"))
        assert database.execute("SELECT count(*) FROM section_scores").fetchone() == (rows,)
        assert database.execute("SELECT count(*) FROM section_scores WHERE section_score = 'old'").fetchone() == (0,)


def test_clean_csv_loads_as_text(read, land, tmp_path, monkeypatch):
    import duckdb

    manifest = land("csv.gz")
    (source,) = re.findall(r"`(read_csv\(.*?\))`", read(PAGE))
    monkeypatch.chdir(tmp_path)
    rows = next(one["rows"] for one in manifest["files"] if one["name"].startswith("section_scores"))
    with duckdb.connect() as database:
        assert database.execute(f"SELECT count(*) FROM {source}").fetchone() == (rows,)


def test_the_keys_of_the_page_are_those_of_the_manifest(read, land):
    written = {
        name: re.findall(r"`(\w+)`", columns)
        for name, columns in re.findall(r"^\| `(\w+)` \| (.*) \|$", read(PAGE), re.M)
    }
    assert written == {one["name"].split(".")[0]: one["natural_key"] for one in land()["files"]}


@pytest.mark.parametrize("dialect", ["Snowflake", "BigQuery", "Redshift"])
def test_the_statements_are_sql_of_their_dialect(statements, dialect):
    import sqlglot

    # What it does not know it takes as it is, and warns.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    parsed = sqlglot.parse(statements(dialect), dialect=dialect.lower())
    assert [one.key for one in parsed][-1] == "merge"
    assert len(parsed) >= 2
    columns = {one.name for one in parsed[-1].find_all(sqlglot.exp.Column)}
    assert {"gradable_id", "section_id", "date_reported_as"} <= columns
