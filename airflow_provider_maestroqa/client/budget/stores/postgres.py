"""The budget of many machines, in a PostgreSQL database.

A log is one row. A transaction takes the log's advisory lock, reads row and clock, decides, and writes the row. The
server ends the transaction of a client that dies or stalls, so that nobody keeps the lock.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from airflow_provider_maestroqa.client.budget import slot_log
from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.slot_log import Denied, Reservation, SlotRequest
from airflow_provider_maestroqa.client.budget.stores.log_document import LogDocument
from airflow_provider_maestroqa.client.budget.stores.postgres_connection import PostgresConnection, PostgresError
from airflow_provider_maestroqa.client.budget.stores.postgres_url import server_name
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAConnectionError

Result = TypeVar("Result")

SCHEMA = "maestroqa_budget"
#: What the role of ``rate_limit_store`` must be allowed to do, or an administrator has to do for it.
TABLE = """
CREATE SCHEMA IF NOT EXISTS maestroqa_budget;
CREATE TABLE IF NOT EXISTS maestroqa_budget.log (
  budget text PRIMARY KEY, document text NOT NULL, expires timestamptz NOT NULL)
WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
  toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 500)
"""
_READ = (
    "SELECT extract(epoch FROM clock_timestamp())::float8, "
    "(SELECT document FROM maestroqa_budget.log WHERE budget = %s)"
)
# Whoever begins a log sweeps. Rows that another process is at are left to it.
_CLEAN = """
DELETE FROM maestroqa_budget.log WHERE budget IN (
  SELECT budget FROM maestroqa_budget.log WHERE expires < clock_timestamp() FOR UPDATE SKIP LOCKED);
"""
_WRITE = """
INSERT INTO maestroqa_budget.log VALUES (%s, %s, clock_timestamp() + %s * interval '1 second')
ON CONFLICT (budget) DO UPDATE SET document = excluded.document, expires = excluded.expires;
"""
# After a failover the new server goes on with the next timeline. Some that speak PostgreSQL's language have none.
_TIMELINE = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"

# One response that does not come must not use up all the time there is for retries.
_ANSWER_S = 3.0
# A connection is not held by a process that waits for longer: a server has a hundred of them. Seconds.
_HOLD_S = 5.0


class PostgresStore:
    """Logs in a PostgreSQL database, by the server's own clock.

    A server that restarts or moves is waited for; what may be lost with it is made up for by waiting one window.

    :param url: ``postgresql://user:password@host:5432/database``, with libpq's options behind a question mark.
    :param timeout: for how many seconds to try.
    :param now: stands in for the server's clock in tests.
    :raises MaestroQAConfigError: the URL cannot be read.
    """

    blocking = True
    stays_open = False

    def __init__(self, url: str, *, timeout: float, now: Callable[[], float] | None = None) -> None:
        self.name = server_name(url)
        self._connection = PostgresConnection(url, self.name, min(timeout, _ANSWER_S))
        self._timeout = timeout
        self._now = now
        self._lock = threading.Lock()
        #: When callers that wait come back, in monotonic seconds.
        self._awaited: list[float] = []
        self._server = ""
        self._is_ready = False

    def book(self, budget: str, rules: Rules, request: SlotRequest) -> Reservation | Denied:
        """Book a slot."""
        return self._transact(budget, lambda log, now: slot_log.book(log, rules, request, now))

    def remaining(self, budget: str, handle: int) -> float | None:
        """Return the seconds until a booked slot, ``None`` when the booking is lost."""

        def look() -> float | None:
            now, log = self._read(budget, _READ, (budget,))
            return slot_log.remaining(log, handle, now)

        return self._with_retries(look)

    def release(self, budget: str, handle: int) -> None:
        """Release a slot that will not be used."""
        self._transact(budget, lambda log, now: slot_log.release(log, handle, now))

    def pause(self, budget: str, rules: Rules, seconds: float) -> None:
        """Let every sharer wait."""
        self._transact(budget, lambda log, now: slot_log.pause(log, rules, seconds, now))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _transact(self, budget: str, work: Callable[[LogDocument, float], Result]) -> Result:
        result = self._with_retries(lambda: self._transact_once(budget, work))
        if isinstance(result, (Reservation, Denied)):
            self._close_if_idle(result.wait)
        return result

    def _close_if_idle(self, wait: float) -> None:
        """Close the connection if none of this process's callers will come back soon."""
        now = time.monotonic()
        with self._lock:
            self._awaited = [at for at in self._awaited if at > now] + [now + wait]
            if min(self._awaited) > now + _HOLD_S:
                self._connection.close()

    def _transact_once(self, budget: str, work: Callable[[LogDocument, float], Result]) -> Result:
        limit = f"{1000 * min(self._timeout, _ANSWER_S):.0f}ms"
        now, log = self._read(
            budget,
            # Not as options of the connection, which a pool between here and the server may refuse.
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = %s; "
            "SET LOCAL idle_in_transaction_session_timeout = %s; SELECT pg_advisory_xact_lock(%s); " + _READ,
            (limit, limit, _lock_number(budget), budget),
        )
        log.enter(now, self._server)
        result = work(log, now)
        clean = _CLEAN if log.is_new else ""
        self._connection.execute(f"{_WRITE} {clean} COMMIT", (budget, log.dump(), log.lifetime(now)))
        return result

    def _read(self, budget: str, statement: str, values: tuple[object, ...]) -> tuple[float, LogDocument]:
        row = self._connection.execute(statement, values)
        assert row is not None
        now = row[0] if self._now is None else self._now()
        try:
            return now, LogDocument.parse(row[1])
        except ValueError as error:
            problem = str(error)
        raise MaestroQAConfigError(
            f"The row {budget} of the table {SCHEMA}.log, in {self.name}, is no request budget of this version "
            f"({problem}). Delete it, or name another database in rate_limit_store."
        )

    def _with_retries(self, work: Callable[[], Result]) -> Result:
        until, pause = time.monotonic() + self._timeout, 0.0
        if not self._lock.acquire(timeout=2 * self._timeout):
            raise self._error(PostgresError("another thread waits for it", is_transient=True))
        try:
            while True:
                try:
                    self._prepare()
                    return work()
                except PostgresError as error:
                    failure = error
                except BaseException:
                    self._connection.close()  # and with it what it had begun
                    raise
                self._connection.close()
                self._is_ready = self._is_ready and not failure.is_missing
                if not failure.is_transient or time.monotonic() + pause >= until:
                    break
                time.sleep(pause)
                pause = min(1.0, 2 * pause + 0.05)
        finally:
            self._lock.release()
        raise self._error(failure)

    def _prepare(self) -> None:
        if not self._connection.open() and self._is_ready:
            return
        if not self._is_ready:
            if not self._has_table():
                create = f"BEGIN; SELECT pg_advisory_xact_lock(%s); {TABLE}; COMMIT"
                self._connection.execute(create, (_lock_number(""),))
            self._is_ready = True
        self._server = self._timeline()

    def _has_table(self) -> bool:
        row = self._connection.execute("SELECT to_regclass(%s)::text", (f"{SCHEMA}.log",))
        return row is not None and row[0] is not None

    def _timeline(self) -> str:
        try:
            row = self._connection.execute(_TIMELINE)
        except PostgresError as error:
            if error.is_transient:
                raise
            return ""
        return str(row[0]) if row else ""

    def _error(self, error: PostgresError) -> Exception:
        where = f"{self.name[0].upper()}{self.name[1:]}, which keeps the request budget,"
        if error.is_denied:
            return MaestroQAConfigError(
                f"{where} denied access ({error}). Check user and password in rate_limit_store. The user needs the "
                f"right to create the schema {SCHEMA}, or to select, insert, update and delete in its table log, "
                "which docs/limits.md shows."
            )
        return MaestroQAConnectionError(
            f"{where} cannot be used ({error}). Nothing was sent. Check that it runs and can be reached from here.",
            sent=False,
        )


def _lock_number(budget: str) -> int:
    """Return the number of a log's advisory lock, which is 64 bits with a sign."""
    return int.from_bytes(hashlib.sha256(f"{SCHEMA} {budget}".encode()).digest()[:8], "big", signed=True)
