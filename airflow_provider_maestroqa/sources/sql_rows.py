"""The rows that a database returns for a query, some at a time, through any DB-API driver."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError, MaestroQAError
from airflow_provider_maestroqa.sources.base import Row
from airflow_provider_maestroqa.sources.sql_values import guard_psycopg, guard_psycopg2, guard_sqlite
from airflow_provider_maestroqa.storage.base import best_effort

#: The name of a cursor at the server.
CURSOR_NAME = "maestroqa"
_POSTGRES = frozenset({"psycopg2", "psycopg"})
_MYSQL = frozenset({"MySQLdb", "pymysql"})

T = TypeVar("T")


class SqlRows:
    """The rows of one query.

    The drivers of PostgreSQL and MySQL would fetch all rows before they give the first one. They are asked for a
    cursor at the server; of every other driver, rows are fetched in chunks.

    :param connection: an open DB-API connection; :meth:`close` closes it.
    :param sql: one statement that returns rows.
    :param parameters: what the driver binds to it.
    :param chunk_size: rows to fetch at once.
    :param explain: turns the driver's error into one of this package.
    :raises MaestroQAConfigError: the statement returns no rows.
    """

    unit = "row"

    def __init__(
        self,
        connection: Any,
        sql: str,
        parameters: Sequence[Any] | Mapping[str, Any] | None,
        *,
        chunk_size: int,
        explain: Callable[[Exception], MaestroQAError],
    ) -> None:
        self._connection = connection
        self._chunk_size = chunk_size
        self._explain = explain
        self._cursor: Any = None
        #: Whether the rows wait at the server.
        self.is_at_server = False
        self._ended = False
        try:
            self._chunk = self._translate_errors(lambda: self._begin(sql, parameters))
            self.columns = self._read_columns()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Row]:
        number = 0
        chunk, self._chunk = self._chunk, []
        while chunk:
            for row in chunk:
                number += 1
                yield Row(number, [row[name] for name in self.columns] if isinstance(row, Mapping) else row)
            chunk = self._translate_errors(self._fetch, after=number)
        self._ended = True

    def close(self) -> None:
        """Close the cursor and the connection. Never raises."""
        cursor, self._cursor = self._cursor, None
        closing = [self._connection.close]
        if cursor is not None:
            # Some cursors read all that is left before they close, unless their connection is gone.
            closing.insert(0 if self._ended else 1, cursor.close)
        for close in closing:
            best_effort(close)

    def _begin(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None) -> Sequence[Any]:
        self._cursor, self.is_at_server = _cursor_of(self._connection)
        best_effort(partial(setattr, self._cursor, "arraysize", self._chunk_size))
        # Without parameters, a driver takes a percent sign literally.
        self._cursor.execute(sql) if parameters is None else self._cursor.execute(sql, parameters)
        # A cursor at the server may know its columns only once it was read.
        return self._fetch() if self.is_at_server or self._cursor.description else []

    def _read_columns(self) -> tuple[str, ...]:
        description = self._translate_errors(lambda: self._cursor.description)
        if not description:
            raise MaestroQAConfigError(
                "The statement in sql returns no rows. Pass one that does, such as a SELECT. Nothing was sent."
            )
        return tuple(str(column[0]) for column in description)

    def _fetch(self) -> Sequence[Any]:
        chunk: Sequence[Any] = self._cursor.fetchmany(self._chunk_size)
        return chunk

    def _translate_errors(self, call: Callable[[], T], *, after: int = 0) -> T:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - each driver brings errors of its own
            failure = self._explain(error)
            if isinstance(error, (ValueError, ArithmeticError)) or type(error).__name__ == "DataError":
                # The driver cannot convert a value, nor will it when the task is retried.
                failure = MaestroQADataError(
                    f"{failure.message} A value in rows {after + 1} to {after + self._chunk_size} cannot be read: "
                    "find it, or cast its column to text in the query. A retry would fail likewise."
                )
        raise failure


def _cursor_of(connection: Any) -> tuple[Any, bool]:
    """A cursor, and whether it is one at the server."""
    drivers = [base.__module__.partition(".")[0] for base in type(connection).__mro__]
    driver = drivers[0]
    if "sqlite3" in drivers:
        best_effort(partial(guard_sqlite, connection))
    if driver in _MYSQL:
        return connection.cursor(importlib.import_module(f"{driver}.cursors").SSCursor), True
    is_at_server = driver in _POSTGRES and not connection.autocommit
    cursor = connection.cursor(name=CURSOR_NAME) if is_at_server else connection.cursor()
    if driver in _POSTGRES:
        best_effort(partial(guard_psycopg if driver == "psycopg" else guard_psycopg2, cursor))
    return cursor, is_at_server
