from __future__ import annotations

import sqlite3
import sys
import types
from datetime import date, datetime, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.sources.sql_rows import SqlRows

SELECT = (
    "SELECT printf('%05d', n) AS ticket_id, 'zendesk' AS source_id, 'agent-1' AS agent_id, 'csat' AS metric_id, "
    "n * 1.5 AS metric_value, '2026-01-31T00:00:00Z' AS timestamp FROM numbers ORDER BY n"
)


class Connection(sqlite3.Connection):
    """A real connection that remembers what was done with it."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.done = []
        self.cursors = []

    def cursor(self, *args, **kwargs):
        made = super().cursor(Cursor)
        made.log = self.done
        self.cursors.append(made)
        return made

    def close(self):
        self.done.append("connection closed")
        super().close()


class Cursor(sqlite3.Cursor):
    log = ()

    def fetchmany(self, size=None):
        self.log.append(f"fetch {size}")
        return super().fetchmany(size)

    def close(self):
        self.log.append("cursor closed")
        super().close()


@pytest.fixture
def database():
    connection = sqlite3.connect(":memory:", factory=Connection)
    connection.execute("CREATE TABLE numbers (n INTEGER)")
    connection.executemany("INSERT INTO numbers VALUES (?)", [(n,) for n in range(1, 2501)])
    connection.commit()
    yield connection
    sqlite3.Connection.close(connection)


class Rows:
    """A DB-API connection that gives what it was given: for values that SQLite does not have."""

    def __init__(self, columns, rows):
        self.description = [(name, None, None, None, None, None, None) for name in columns]
        self.rows = list(rows)
        self.closed = 0

    def cursor(self):
        return self

    def execute(self, sql, parameters=()):
        self.asked = (sql, parameters)

    def fetchmany(self, size):
        chunk, self.rows = self.rows[:size], self.rows[size:]
        return chunk

    def close(self):
        self.closed += 1


def test_rows_become_records_with_their_numbers(ask, database):
    result = ask(database, SELECT)
    assert len(result.bodies) == 2500
    assert result.bodies[6]["ticket_id"] == "00007"
    assert (result.positions[0], result.positions[-1]) == ("row 1", "row 2500")


def test_rows_are_fetched_in_chunks_and_everything_is_closed(ask, database):
    ask(database, SELECT, chunk_size=1000)
    assert database.done == ["fetch 1000"] * 4 + ["cursor closed", "connection closed"]


def test_no_more_is_fetched_than_was_read(database):
    rows = SqlRows(database, SELECT, None, chunk_size=100, explain=MaestroQADataError)
    found = iter(rows)
    for _ in range(150):
        next(found)
    rows.close()
    assert database.done == ["fetch 100"] * 2 + ["connection closed", "cursor closed"]


def test_parameters_are_bound_by_the_driver(ask, database):
    sql = SELECT.replace("ORDER BY", "WHERE n BETWEEN :low AND :high ORDER BY")
    assert len(ask(database, sql, {"low": 3, "high": 5}).bodies) == 3
    hostile = "1 OR 1=1; DROP TABLE numbers"
    database = sqlite3.connect(":memory:", factory=Connection)
    database.execute("CREATE TABLE numbers (n TEXT)")
    assert ask(database, SELECT.replace("ORDER BY", "WHERE n = ? ORDER BY"), [hostile]).records == []


def test_without_parameters_a_percent_sign_is_one(ask):
    connection = Rows(["x"], [])
    with pytest.raises(MaestroQADataError):
        ask(connection, "SELECT 1 WHERE x LIKE '50%'")
    assert connection.asked == ("SELECT 1 WHERE x LIKE '50%'", ())


def test_no_rows_are_no_records(ask, database):
    assert ask(database, SELECT.replace("ORDER BY", "WHERE n < 0 ORDER BY")).records == []


def test_a_statement_without_rows_is_refused_and_everything_is_closed(ask, database):
    with pytest.raises(MaestroQAConfigError, match="returns no rows"):
        ask(database, "DELETE FROM numbers")
    assert database.done == ["connection closed", "cursor closed"]


def test_an_error_of_the_database_is_told_and_everything_is_closed(ask, database):
    with pytest.raises(MaestroQADataError, match="the database said: no such table: missing_table"):
        ask(database, "SELECT * FROM missing_table")
    assert database.done == ["connection closed", "cursor closed"]


def test_an_error_between_rows_is_told_and_is_no_end(ask, database):
    def grumble(n):
        if n == 1200:
            raise ValueError(n)
        return n

    database.create_function("grumble", 1, grumble)
    with pytest.raises(MaestroQADataError, match="the database said") as caught:
        ask(database, SELECT.replace("n * 1.5", "grumble(n)"), chunk_size=500)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert database.done[-2:] == ["connection closed", "cursor closed"]


def test_text_that_is_not_utf8_is_one_bad_record(ask, database):
    result = ask(database, SELECT.replace("'csat'", "CASE n WHEN 2 THEN CAST(X'63FF' AS TEXT) ELSE 'csat' END"))
    assert len(result.bodies) == 2499
    assert result.errors == {"row 2": "metric_id is not UTF-8; got 'c\ufffd'"}
    assert result.records[1].row["metric_id"] == "c\ufffd"


@pytest.mark.parametrize(
    "error", [OverflowError("date value out of range"), ValueError("year 15000 is out of range")]
)
def test_a_value_that_another_driver_cannot_read_is_not_retried_and_its_rows_are_named(ask, metric, error):
    class Strict(Rows):
        def fetchmany(self, size):
            if not self.rows:
                raise error
            return super().fetchmany(size)

    with pytest.raises(MaestroQADataError, match=r"rows 3 to 4 cannot be read.* cast its column to text") as caught:
        ask(Strict(list(metric[2]), [tuple(metric[2].values())] * 2), "SELECT", chunk_size=2)
    assert not caught.value.retryable


class PostgresTypes:
    """A driver with the two functions of psycopg2 by which converters are wrapped."""

    def __init__(self):
        self.string_types = {1114: self.read_time, 25: lambda text, _: text}
        self.registered = {}

    def read_time(self, text, _):
        if text[4] != "-" or text.endswith("BC"):
            raise ValueError("year is out of range")
        return datetime.fromisoformat(text)

    def new_type(self, oids, name, convert):
        return oids, name, convert

    def register_type(self, made, cursor):
        (oid,), _, self.registered[oid] = made


@pytest.mark.parametrize("bad", ["15000-01-01 00:00:00", "0044-03-15 00:00:00 BC", "infinity", "-infinity"])
def test_a_time_of_postgresql_that_python_does_not_have_is_one_bad_record(ask, metric, monkeypatch, bad):
    driver = PostgresTypes()
    monkeypatch.setitem(sys.modules, "psycopg2", types.ModuleType("psycopg2"))
    monkeypatch.setitem(sys.modules, "psycopg2.extensions", driver)

    class Converting(Rows):
        autocommit = True

        def fetchmany(self, size):
            oids = [1114 if name == "timestamp" else 25 for name, *_ in self.description]
            return [
                tuple(driver.registered[oid](cell, self) for oid, cell in zip(oids, row, strict=True))
                for row in super().fetchmany(size)
            ]

    Converting.__module__ = "psycopg2.extensions"
    sent = {**metric[2], "metric_value": "85.5"}
    rows = [{**sent, "timestamp": time}.values() for time in ("2026-01-31 00:00:00", bad, "2026-01-31 00:00:00")]
    result = ask(Converting(list(sent), rows), "SELECT", timezone="UTC")
    assert result.bodies == [metric[2]] * 2
    assert result.errors == {"row 2": f"timestamp is no time between the years 1 and 9999; got {bad!r}"}


def test_a_connection_that_cannot_be_closed_hides_no_other_error(ask):
    class Stubborn(Rows):
        def close(self):
            super().close()
            raise OSError("gone")

    connection = Stubborn(["ticket_id"], [])
    with pytest.raises(MaestroQADataError, match="no column for source_id"):
        ask(connection, "SELECT")
    assert connection.closed == 2


def test_upper_case_columns_are_fields_all_the_same(ask, database):
    sql = f"SELECT ticket_id AS TICKET_ID, source_id AS SOURCE_ID, agent_id AS AGENT_ID, metric_id AS METRIC_ID, \
        metric_value AS METRIC_VALUE, timestamp AS TIMESTAMP FROM ({SELECT})"
    assert len(ask(database, sql).bodies) == 2500
    mapping = {
        "ticket_id": "ticket_id",
        "source_id": {"value": "z"},
        "agent_id": "agent_id",
        "metric_id": "metric_id",
    }
    mapping |= {"metric_value": "metric_value", "timestamp": "timestamp"}
    assert ask_again(ask, sql, mapping).bodies[0]["source_id"] == "z"


def ask_again(ask, sql, mapping):
    connection = sqlite3.connect(":memory:", factory=Connection)
    connection.execute("CREATE TABLE numbers AS SELECT 1 AS n")
    return ask(connection, sql, mapping=mapping)


def test_the_same_name_twice_is_an_error_when_it_is_used(ask, database):
    mapping = dict.fromkeys(("ticket_id", "source_id", "agent_id", "metric_id", "metric_value", "timestamp"), "n")
    with pytest.raises(
        MaestroQADataError, match=r"The query: ticket_id comes from the column 'n', of which there are 2"
    ):
        ask(database, "SELECT a.n, b.n FROM numbers a JOIN numbers b USING (n)", mapping=mapping)
    assert database.done[-2:] == ["connection closed", "cursor closed"]


COLUMNS = ["ticket_id", "type", "subject", "agents", "link", "csat_score", "first_seen", "tags", "attributes"]


def test_the_values_of_databases_become_those_of_the_fields(ask):
    row = (
        42,
        "chat",
        UUID(int=7),
        ["a", "b"],
        "l",
        Decimal("4.5"),
        datetime(2026, 1, 31, 12, tzinfo=timezone.utc),
        "x,y",
        {"group": "g", "since": date(2026, 1, 1), "n": Decimal("2")},
    )
    text = ("042", "chat", "s", "a, b", "l", "4.5", "2026-01-31 12:00:00+00", '["x", "y"]', '{"group": "g"}')
    first, second = ask(Rows(COLUMNS, [row, text]), "SELECT", resource="tickets").bodies
    assert first == {
        "ticket_id": "42",
        "type": "chat",
        "subject": "00000000-0000-0000-0000-000000000007",
        "agents": ["a", "b"],
        "link": "l",
        "csat_score": 4.5,
        "first_seen": "2026-01-31T12:00:00Z",
        "tags": "x,y",
        "attributes": {"group": "g", "since": "2026-01-01", "n": 2},
    }
    assert second == {
        **first,
        "ticket_id": "042",
        "subject": "s",
        "attributes": {"group": "g"},
    }


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (7.5, "ticket_id must be text, got float, a number with decimals; cast it to text"),
        (b"\x00\x01", "ticket_id is binary, which JSON cannot hold"),
        (memoryview(b"\x00"), "ticket_id is binary"),
        (None, "ticket_id is missing"),
        (True, "ticket_id must be text, got bool"),
        (datetime(2026, 1, 1), "ticket_id has no time zone"),
    ],
)
def test_a_value_that_is_no_id_is_a_bad_record_with_its_row(ask, metric, value, said):
    sent = metric[2]
    rows = [tuple(sent.values()), (value, *list(sent.values())[1:])]
    result = ask(Rows(list(sent), rows), "SELECT")
    assert result.bodies == [sent]
    assert result.errors["row 2"].startswith(said)


def test_what_is_known_of_a_bad_record_is_the_same_at_every_try(ask, metric):
    sent = metric[2]

    def digest():
        rows = [(memoryview(b"\x00"), *list(sent.values())[1:])]
        return ask(Rows(list(sent), rows), "SELECT").records[-1].digest

    assert digest() == digest()


def test_rows_that_are_mappings_are_read_by_name(ask, metric):
    sent = metric[2]
    shuffled = dict(reversed(sent.items()))
    assert ask(Rows(list(sent), [shuffled]), "SELECT").bodies == [sent]


@pytest.fixture
def driver(monkeypatch):
    """A driver of this name, over SQLite."""

    def make(name, **attributes):
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        cursors = types.ModuleType(f"{name}.cursors")
        cursors.SSCursor = object()
        monkeypatch.setitem(sys.modules, f"{name}.cursors", cursors)
        made = []

        class Driver(Connection):
            def cursor(self, *args, **kwargs):
                made.append((args, kwargs))
                return super().cursor()

        for key, value in attributes.items():
            setattr(Driver, key, value)
        Driver.__module__ = f"{name}.extensions"
        connection = sqlite3.connect(":memory:", factory=Driver)
        connection.execute("CREATE TABLE numbers AS SELECT 1 AS n")
        return connection, made, cursors.SSCursor

    return make


@pytest.mark.parametrize("name", ["psycopg2", "psycopg"])
def test_postgresql_is_asked_for_a_named_cursor(ask, driver, name):
    connection, made, _ = driver(name, autocommit=False)
    made.clear()
    assert len(ask(connection, SELECT).bodies) == 1
    assert made == [((), {"name": "maestroqa"})]


def test_postgresql_in_autocommit_has_no_named_cursors(ask, driver):
    connection, made, _ = driver("psycopg2", autocommit=True)
    made.clear()
    assert len(ask(connection, SELECT).bodies) == 1
    assert made == [((), {})]


@pytest.mark.parametrize("name", ["MySQLdb", "pymysql"])
def test_mysql_is_asked_for_a_cursor_at_the_server(ask, driver, name):
    connection, made, cursor = driver(name)
    made.clear()
    assert len(ask(connection, SELECT).bodies) == 1
    assert made == [((cursor,), {})]


def test_a_cursor_that_tells_its_columns_after_the_first_rows_is_fine(ask, driver, metric):
    sent = metric[2]

    class Late(Rows):
        autocommit = False

        def cursor(self, name=None):
            self.late, self.description = self.description, None
            return self

        def fetchmany(self, size):
            self.description = self.late
            return super().fetchmany(size)

    Late.__module__ = "psycopg2.extensions"
    assert ask(Late(list(sent), [tuple(sent.values())]), "SELECT").bodies == [sent]
