"""One connection to a PostgreSQL server, on which every statement ends within a bounded time."""

from __future__ import annotations

import select
import time
from contextlib import suppress
from typing import Any

from airflow_provider_maestroqa.client.budget.stores.postgres_url import libpq_url
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.server_text import clean_text

#: What to say where the package is missing.
MISSING = (
    "rate_limit_store names a PostgreSQL server, but the Python package psycopg2 is not installed. "
    "Install Airflow's provider, which brings it: pip install apache-airflow-providers-postgres"
)

# SQLSTATEs, or their first characters: a lost or closing connection, too many of them, a standby that has not taken
# over yet, locks and deadlocks, a transaction that was ended because it stood still.
_TRANSIENT = ("08", "57P", "53", "25006", "25P03", "40", "55P03")
# The password or the role, the database, a privilege.
_DENIED = ("28", "3D000", "42501")
# The schema or the table: somebody has dropped it.
_MISSING_TABLE = ("3F000", "42P01")
# What a server says before there is a connection that could bear an SQLSTATE.
_DENIED_TEXTS = ("authentication failed", "no password supplied", "pg_hba.conf", "does not exist", "is not permitted")


class PostgresError(Exception):
    """What a server or the way to it has answered.

    :param message: the reason, without any password.
    :param is_transient: whether it may succeed a little later.
    :param is_denied: whether the server knows the caller and refuses.
    :param is_missing: whether the table is not there.
    """

    def __init__(
        self, message: str, *, is_transient: bool = False, is_denied: bool = False, is_missing: bool = False
    ) -> None:
        super().__init__(message)
        self.is_transient = is_transient or is_missing
        self.is_denied = is_denied
        self.is_missing = is_missing


class PostgresConnection:
    """A connection that is opened when it is needed.

    libpq's blocking calls wait for a server that does not answer for as long as it keeps its socket open, perhaps for
    ever. So the calls here do not block, and the waiting has an end.

    :param url: see :class:`~.postgres.PostgresStore`.
    :param name: what messages call the server.
    :param timeout: seconds to wait for an answer.
    """

    def __init__(self, url: str, name: str, timeout: float) -> None:
        self._url = url
        self._name = name
        self._timeout = timeout
        self._connection: Any = None

    def open(self) -> bool:
        """Connect unless connected; return whether the connection is new.

        :raises PostgresError: the server cannot be reached, or refuses.
        :raises MaestroQAConfigError: psycopg2 is missing, or libpq does not understand the URL.
        """
        if self._connection is not None and not self._connection.closed:
            return False
        # Not earlier: the store may be made in an event loop, and importing this takes too long for one.
        psycopg2 = _psycopg2()
        try:
            self._connection = psycopg2.connect(libpq_url(self._url), async_=True)
            self._wait()
        except psycopg2.ProgrammingError:  # its text repeats parts of the URL
            pass
        except psycopg2.Error as error:
            raise _to_error(error) from None
        else:
            return True
        raise MaestroQAConfigError(
            f"rate_limit_store cannot be used as a PostgreSQL URL for {self._name}. See what follows the question "
            "mark."
        )

    def execute(self, statements: str, values: tuple[object, ...] = ()) -> tuple[Any, ...] | None:
        """Run statements in one round trip; return the first row of the last one, if it has rows.

        :raises PostgresError: one of them failed.
        """
        psycopg2 = _psycopg2()
        try:
            cursor = self._connection.cursor()
            cursor.execute(statements, values or None)
            self._wait()
            row: tuple[Any, ...] | None = cursor.fetchone() if cursor.description else None
        except psycopg2.Error as error:
            raise _to_error(error) from None
        return row

    def close(self) -> None:
        """Close the connection, and with it any transaction. It is opened again when it is needed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def _wait(self) -> None:
        from psycopg2.extensions import POLL_OK, POLL_READ

        until = time.monotonic() + self._timeout
        while (state := self._connection.poll()) != POLL_OK:
            waiting = select.poll()
            waiting.register(self._connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
            if not waiting.poll(max(0.0, until - time.monotonic()) * 1000):
                raise PostgresError(f"no answer for {self._timeout:g} s", is_transient=True)


def _psycopg2() -> Any:
    try:
        import psycopg2
    except ImportError:
        psycopg2 = None
    if psycopg2 is None:
        raise MaestroQAConfigError(MISSING)
    return psycopg2


def _to_error(error: Any) -> PostgresError:
    message = clean_text(str(error).strip() or type(error).__name__, max_length=300).rstrip(".")
    state = error.pgcode
    if state is None:
        # Without a state there is no connection (any more).
        is_denied = any(text in message for text in _DENIED_TEXTS)
        return PostgresError(message, is_transient=not is_denied, is_denied=is_denied)
    return PostgresError(
        message,
        is_transient=state.startswith(_TRANSIENT),
        is_denied=state.startswith(_DENIED),
        is_missing=state in _MISSING_TABLE,
    )
