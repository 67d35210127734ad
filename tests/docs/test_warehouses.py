"""The statements that load landed files: DuckDB's and PostgreSQL's are run, the others parsed and resolved."""

from __future__ import annotations

import contextlib
import logging
import re

import pytest
from postgres_server import PostgresServer, make_template

from airflow_provider_maestroqa.client.resources.export_files import DATE_COLUMNS, EXPORT_FILES
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.transfers.export_to_object_storage import MaestroQAExportToObjectStorageOperator

PAGE = "docs/warehouses.md"
FILES = {file.name: file for file in EXPORT_FILES}
WRITTEN = FILES["section_scores"]
#: By what the newest of two rows with one key is known; a groups export is never merged.
NEWEST_BY = {"csat": "ticket_created_at", "audit_log": "time_stamp"}
MERGED = [name for name in FILES if name != "groups"]
TYPES = {
    "PostgreSQL": ("text", "timestamptz"),
    "Snowflake": ("VARCHAR", "TIMESTAMP_TZ"),
    "BigQuery": ("STRING", "TIMESTAMP"),
    "Redshift": ("VARCHAR(65535)", "TIMESTAMP"),
}


def parts(file, dialect):
    """What a statement on a file has of the file's columns and key."""
    rest = [name for name in file.columns if name not in file.key_columns]
    same = "existing.{0} IS NOT DISTINCT FROM landed.{0}"
    target = "existing"
    if dialect == "Redshift":
        target = file.name
        same = f"({target}.{{0}} = landed.{{0}} OR ({target}.{{0}} IS NULL AND landed.{{0}} IS NULL))"
    first, *others = file.key_columns
    conditions = [f"{target}.{first} = landed.{first}", *(same.format(name) for name in others)]
    yield ", ".join(file.key_columns) + " "
    yield "ON " + " AND ".join(conditions)
    if dialect != "DuckDB":
        text, moment = TYPES[dialect]
        yield ", ".join(f"{name} {moment if name in DATE_COLUMNS else text}" for name in file.columns) + " )"
        yield "SET " + ", ".join(f"{name} = landed.{name}" for name in rest)
        yield "INSERT ( " + ", ".join(file.columns) + " )"
        yield "VALUES ( " + ", ".join(f"landed.{name}" for name in file.columns) + " )"


@pytest.fixture
def statements(read):
    """The SQL below a heading of the page, for a file: changed as the page says."""

    def below(dialect, name="section_scores"):
        section = read(PAGE).split(f"\n## {dialect}\n")[1].split("\n## ")[0]
        sql = re.sub(r"\s+", " ", " ".join(re.findall(r"```sql\n(.*?)```", section, re.DOTALL)))
        if dialect == "PostgreSQL":
            sql = sql.replace(", ".join(WRITTEN.key_columns) + ",", ", ".join(FILES[name].key_columns) + ",")
        for written, needed in zip(parts(WRITTEN, dialect), parts(FILES[name], dialect), strict=True):
            assert written in sql, written
            sql = sql.replace(written, needed)
        sql = re.sub(r"\bsection_scores\b", name, sql)
        return sql.replace("date_graded DESC", f"{NEWEST_BY.get(name, 'date_graded')} DESC")

    return below


@pytest.fixture
def land(connection, sandbox, tmp_path):
    def run(name="section_scores", file_format="parquet"):
        """Land the file as the page has it, and return its entry in the manifest."""
        raw = FILES[name].export_type == "raw"
        window = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
        with MaestroQAHook(connection) as hook:
            if raw:
                export_id = hook.request_raw_export(*window, include_calibrations="all")
            else:
                export_id = hook.request_audit_log_export(*window)
            while not hook.get_export(export_id).is_complete:
                pass
        manifest = MaestroQAExportToObjectStorageOperator(
            task_id="land",
            export_id=export_id,
            destination=f"file://{tmp_path}/lake/maestroqa/2026-01-01",
            file_format=file_format,
            clean=True,
        ).execute({})
        entry = next(one for one in manifest["files"] if not raw or one["name"].startswith(f"{name}."))
        assert entry["natural_key"] == list(FILES[name].key_columns)
        assert entry["duplicate_keys"] == 0
        return entry

    return run


def merges(run, name, rows):
    """Whether merging twice leaves every record once, and replaces what was there."""
    run.merge()
    assert run.query(f"SELECT count(*) FROM {name}") == rows
    changed = next(column for column in reversed(FILES[name].columns) if column not in FILES[name].key_columns)
    run.query(f"UPDATE {name} SET {changed} = 'old'")
    first = FILES[name].key_columns[0]
    run.query(f"DELETE FROM {name} WHERE {first} = (SELECT min({first}) FROM {name})")
    run.merge()
    assert run.query(f"SELECT count(*) FROM {name}") == rows
    assert run.query(f"SELECT count(*) FROM {name} WHERE {changed} = 'old'") == 0
    return True


class DuckDB:
    def __init__(self, database, sql):
        self.database = database
        self.sql = sql

    def merge(self):
        self.database.execute(self.sql)

    def query(self, sql):
        return self.database.execute(sql).fetchone()[0]


class PostgreSQL(DuckDB):
    def query(self, sql):
        self.database.execute(sql)
        return self.database.fetchone()[0] if self.database.description else None


@pytest.mark.parametrize("name", MERGED)
def test_the_duckdb_statements_merge_by_the_natural_key(statements, land, tmp_path, monkeypatch, name):
    import duckdb

    entry = land(name)
    monkeypatch.chdir(tmp_path)
    sql = statements("DuckDB", name)
    if FILES[name].export_type != "raw":
        sql = sql.replace(f"{name}.parquet", entry["name"])
    with duckdb.connect() as database:
        assert merges(DuckDB(database, sql), name, entry["rows"])


@pytest.fixture(scope="module")
def postgres():
    server = PostgresServer(make_template())
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.mark.parametrize("name", MERGED)
def test_the_postgresql_statements_merge_by_the_natural_key(statements, land, tmp_path, postgres, name):
    entry = land(name, "csv")
    # Sent by the client, because the server may not read the test's folder.
    create, copy, merge = re.split(r"(COPY landed FROM '.*?' )", statements("PostgreSQL", name))
    path = tmp_path / "lake/maestroqa/2026-01-01" / entry["name"]
    before, options = create, merge[: merge.index(";")]

    class Merging(PostgreSQL):
        def merge(self):
            self.database.execute(before)
            with path.open() as file:
                self.database.copy_expert(f"COPY landed FROM STDIN {options}", file)
            self.database.execute(merge[merge.index(";") + 1 :])

    assert copy.endswith(f"{name}.csv' ")
    with contextlib.closing(postgres.client()) as client, client.cursor() as database:
        assert merges(Merging(database, ""), name, entry["rows"])
        database.execute(f"DROP TABLE {name}")


def test_four_grades_of_one_ticket_stay_four(statements, tmp_path, monkeypatch):
    import duckdb

    monkeypatch.chdir(tmp_path)
    (tmp_path / "lake/maestroqa/2026-01-01").mkdir(parents=True)
    grades = [("39", "Ada", "Calibration"), ("39", "Grace", "Calibration"), ("39", None, "Automated"), ("40",) * 3]
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE file ({', '.join(f'{name} text' for name in FILES['total_scores'].columns)})")
        for agent, grader, grade_type in grades:
            database.execute(
                "INSERT INTO file BY NAME SELECT '1' AS gradable_id, '7' AS rubric_id, ? AS agent_id, ? AS grader, "
                "? AS grade_type, '2026-01-01' AS date_reported_as, '2026-01-01' AS date_graded",
                [agent, grader, grade_type],
            )
        database.execute("COPY file TO 'lake/maestroqa/2026-01-01/total_scores.parquet' (FORMAT parquet)")
        for _ in range(2):
            database.execute(statements("DuckDB", "total_scores"))
            assert database.execute("SELECT count(*) FROM total_scores").fetchone() == (4,)


def test_clean_csv_loads_as_text(read, land, tmp_path, monkeypatch):
    import duckdb

    rows = land(file_format="csv.gz")["rows"]
    (source,) = re.findall(r"`(read_csv\(.*?\))`", read(PAGE))
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as database:
        assert database.execute(f"SELECT count(*) FROM {source}").fetchone() == (rows,)


@pytest.mark.parametrize("name", MERGED)
@pytest.mark.parametrize("dialect", ["Snowflake", "BigQuery", "Redshift"])
def test_the_statements_are_sql_of_their_dialect_on_tables_of_these_columns(statements, dialect, name):
    import sqlglot
    from sqlglot import exp
    from sqlglot.optimizer.qualify import qualify

    # What it does not know it takes as it is, and warns.
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    parsed = sqlglot.parse(statements(dialect, name), dialect=dialect.lower())
    columns = dict.fromkeys(FILES[name].columns, "TEXT")
    create, merge = parsed[0], parsed[-1]
    assert [column.name for column in create.find_all(exp.ColumnDef)] == list(columns)
    assert isinstance(merge, exp.Merge)
    schema = {"landed": columns, "newest": columns}
    queries = [query for statement in parsed[1:] for query in statement.find_all(exp.Select)]
    assert len(queries) == 1
    for query in queries:
        for table in query.find_all(exp.Table):
            table.set("db", None)
        # Raises where a column is not there.
        qualify(query.copy(), schema=schema, dialect=dialect.lower())
    target = name if dialect == "Redshift" else "existing"
    used = {(column.table or target, column.name) for column in merge.find_all(exp.Column)}
    assert {column for table, column in used if table == "landed"} == set(columns)
    assert {column for table, column in used if table == target} <= set(columns)
    assert {table for table, _ in used} == {"landed", target}
    (insert,) = merge.find_all(exp.Insert)
    assert [column.name for column in insert.this.expressions] == list(columns)
    assert [column.name for column in insert.expression.expressions] == list(columns)
