"""Turns an Airflow connection into a database that runs one query."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, unquote

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.client.parsing import is_blank, parse_count, parse_id
from airflow_provider_maestroqa.client.server_text import clean_text
from airflow_provider_maestroqa.sources.sql_rows import SqlRows

log = logging.getLogger(__name__)

_MIN_SECRET_CHARS = 3
_SECRET_KEYS = ("pass", "pwd", "secret", "token", "key", "credential")
_URL_PASSWORD = re.compile(r"://[^/\s:@]*:([^@/\s]+)@")


@dataclass(frozen=True)
class Database:
    """A database behind an Airflow connection.

    :param conn_id: the connection's id.
    :param hook: the provider's hook for it.
    :param secrets: what no message may show.
    """

    conn_id: str
    hook: Any
    secrets: tuple[str, ...] = field(repr=False)

    def run(self, sql: object, parameters: object, *, chunk_size: object) -> SqlRows:
        """Run one statement.

        :param sql: one statement that returns rows.
        :param parameters: what the driver binds to its placeholders; ``None`` when there are none.
        :param chunk_size: rows to fetch at once.
        :return: its rows; close them.
        :raises MaestroQAConfigError: an argument is wrong, or the statement returns no rows.
        :raises MaestroQADataError: the database rejected it; the message has the driver's.
        """
        statement = self._one_statement(sql)
        bound = _checked_parameters(parameters)
        size = parse_count(chunk_size, "chunk_size", minimum=1)
        log.info("Running the query on connection %r.", self.conn_id)
        rows = SqlRows(self._connect(), statement, bound, chunk_size=size, explain=self.explain)
        cursor = "with a cursor at the server, " if rows.is_at_server else ""
        log.info("Its rows are fetched %s%s at a time.", cursor, f"{size:,}")
        return rows

    def explain(self, error: Exception) -> MaestroQADataError:
        """Wrap a driver's error, without secrets. A later try may succeed: databases restart."""
        message = clean_text(str(error), secrets=self.secrets).rstrip(".")
        return MaestroQADataError(
            f"The query on connection {self.conn_id!r} failed: {message} ({type(error).__name__}). Records that were "
            "sent before stay sent; a retry resumes after them where their position is saved.",
            retryable=True,
        )

    def _connect(self) -> Any:
        try:
            return self.hook.get_conn()
        except Exception as error:  # noqa: BLE001 - each driver brings errors of its own
            failure = self.explain(error)
        raise failure

    def _one_statement(self, sql: object) -> str:
        if not isinstance(sql, str) or not sql.strip():
            raise MaestroQAConfigError(f"sql must be one statement as text, got {type(sql).__name__}.")
        try:
            statements = len(self.hook.split_sql_string(sql))
        except Exception:  # noqa: BLE001 - the database is the judge of what cannot be split
            statements = 1
        if statements != 1:
            raise MaestroQAConfigError(
                f"sql must be one statement that returns rows, and holds {statements}. Nothing was run."
            )
        # Oracle takes no semicolon at the end.
        return sql.strip().rstrip(";").rstrip()


def open_database(conn_id: object) -> Database:
    """Find the database of a connection.

    :raises MaestroQAConfigError: there is no such connection, or it is none to a SQL database.
    """
    conn_id = parse_id(conn_id, "sql_conn_id")
    try:
        from airflow.providers.common.sql.hooks.sql import DbApiHook
    except ImportError:
        missing = True
    else:
        missing = False
    if missing:
        raise MaestroQAConfigError(
            "Reading from a database needs the common SQL provider: pip install 'airflow-provider-maestroqa[sql]', "
            "and the provider of your database."
        )
    connection = _connection(conn_id)
    secrets = tuple(sorted(_secrets_of(connection)))
    try:
        hook, problem = connection.get_hook(), ""
    except Exception as error:  # noqa: BLE001 - a hook may do anything
        hook, problem = None, clean_text(str(error), secrets=secrets)
    if not isinstance(hook, DbApiHook):
        reason = f" ({problem})" if problem else f": {type(hook).__name__} is no hook of the common SQL provider"
        raise MaestroQAConfigError(
            f"Connection {conn_id!r} of the type {connection.conn_type!r} is none to a SQL database{reason}. Pass "
            "another sql_conn_id, or install the Airflow provider of the database."
        )
    return Database(conn_id, hook, secrets)


def _connection(conn_id: str) -> Any:
    try:
        return _compat.BaseHook.get_connection(conn_id)
    except Exception as error:
        if type(error).__name__ != "AirflowNotFoundException":
            raise
    raise MaestroQAConfigError(f"There is no connection {conn_id!r}. Make one, or correct sql_conn_id.")


def _secrets_of(connection: Any) -> set[str]:
    """What no message may show, in the forms in which a driver may write it."""
    secrets = {connection.password, *_secrets_in(connection.extra_dejson, is_secret=False)}
    forms: set[str] = set()
    for secret in secrets:
        if isinstance(secret, str) and len(secret) >= _MIN_SECRET_CHARS:
            # Python and JSON escape quotes and line breaks, and within another quoted text they do it once more.
            once = {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]}
            twice = {quoted[1:-1] for text in once for quoted in (repr(text), json.dumps(text))}
            forms |= {*once, *twice, " ".join(secret.split()), quote_plus(secret)}
    return {form for form in forms if len(form) >= _MIN_SECRET_CHARS}


def _secrets_in(value: Any, *, is_secret: bool) -> Iterator[str]:
    """The secrets in a connection's extra, also in objects and JSON text within it."""
    if isinstance(value, str):
        with suppress(ValueError):
            inner = json.loads(value) if value.lstrip().startswith(("{", "[")) else None
            if isinstance(inner, (dict, list)):
                # All of a key file is quoted in the text around it.
                yield from (
                    secret
                    for text in _secrets_in(inner, is_secret=False)
                    for secret in (text, json.dumps(text)[1:-1])
                )
                return
        yield from ([value] if is_secret else _URL_PASSWORD.findall(value))
        yield from (unquote(password) for password in _URL_PASSWORD.findall(value))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _secrets_in(inner, is_secret=any(word in str(name).lower() for word in _SECRET_KEYS))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _secrets_in(inner, is_secret=is_secret)


def _checked_parameters(parameters: object) -> Sequence[Any] | Mapping[str, Any] | None:
    if is_blank(parameters):
        return None
    if isinstance(parameters, (list, tuple, Mapping)):
        return parameters
    raise MaestroQAConfigError(
        f"parameters must be a list or a dict of values, got {type(parameters).__name__}. Put a single value into a "
        "list."
    )
