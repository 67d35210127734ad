"""The budget of one machine, in a SQLite file that all its processes share.

Moments are kept in the machine's monotonic clock, which is one for all its processes and does not jump. Beside
them stands how far that clock is from Unix time, so that the log can be carried over when the machine starts anew.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from airflow_provider_maestroqa.client.budget import slot_log as slot_log
from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.slot_log import Denied, Reservation, SlotRequest
from airflow_provider_maestroqa.client.budget.stores.sqlite_file import BudgetFile, clock_name, is_busy
from airflow_provider_maestroqa.client.budget.stores.sqlite_log import Handle, SqliteLog, slot_of
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError, MaestroQAError

Result = TypeVar("Result")

_RETRY_PAUSES_S = (0.0, 0.02, 0.1, 0.3, 0.0)


class SqliteStore:
    """Logs in a SQLite file. Every call is one transaction that ends within about ``timeout`` seconds.

    :param path: the file; it is made when it is missing, readable by its owner alone.
    :param clock: the time.
    :param timeout: how long to wait, in seconds, for other processes to let go of the file.
    :param disposable: whether a file that turns out to be damaged may be put aside and replaced.
    """

    blocking = True
    stays_open = False

    def __init__(self, path: Path, clock: Clock, *, timeout: float, disposable: bool = False) -> None:
        self.name = f"the SQLite file {path}"
        self._file = BudgetFile(path, timeout=timeout, disposable=disposable)
        self._clock = clock
        self._clock_name = clock_name()
        self._timeout = timeout
        self._lock = threading.Lock()
        self._closed = False

    def book(self, budget: str, rules: Rules, request: SlotRequest) -> Reservation | Denied:
        """Book a slot."""
        return self._transact(budget, rules, lambda log, now: slot_log.book(log, rules, request, now))

    def remaining(self, budget: str, handle: Handle) -> float | None:
        """Return the seconds until a booked slot, ``None`` when the booking is lost."""
        found = self._with_file(lambda connection: slot_of(connection, budget, handle))
        if found is None:
            return None
        at, clock, to_wall = found
        shift = 0.0 if clock == self._clock_name else to_wall - self._to_wall()
        return at + shift - self._clock.monotonic()

    def release(self, budget: str, handle: Handle) -> None:
        """Release a slot that will not be used."""
        self._transact(budget, None, lambda log, now: slot_log.release(log, handle, now))

    def pause(self, budget: str, rules: Rules, seconds: float) -> None:
        """Let every sharer wait."""
        self._transact(budget, rules, lambda log, now: slot_log.pause(log, rules, seconds, now))

    def close(self) -> None:
        """Close the file. It is not opened again: the next user makes a new store."""
        with self._locked():
            self._closed = True
            self._file.close()

    def _to_wall(self) -> float:
        return self._clock.wall() - self._clock.monotonic()

    def _transact(self, budget: str, rules: Rules | None, work: Callable[[SqliteLog, float], Result]) -> Result:
        def transaction(connection: sqlite3.Connection) -> Result:
            connection.execute("BEGIN IMMEDIATE")
            try:
                now = self._clock.monotonic()
                log = SqliteLog(connection, budget, rules, now=now, clock=self._clock_name, to_wall=self._to_wall())
                result = work(log, now)
                log.save_state()
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
            return result

        return self._with_file(transaction)

    def _with_file(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._locked():
            if self._closed:
                raise MaestroQAConnectionError("The request budget was closed while it was in use.", sent=False)
            for pause in _RETRY_PAUSES_S:
                try:
                    return work(self._file.connection())
                except sqlite3.ProgrammingError:
                    raise
                except (sqlite3.Error, OSError) as error:
                    failure = self._describe(error)
                    if not isinstance(error, sqlite3.Error) or is_busy(error):
                        break
                    # The file may have been damaged, moved or deleted, and others may be at it too: look again.
                    self._file.recover(error, self._clock.monotonic(), self._to_wall())
                time.sleep(pause)
        raise failure

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=2 * self._timeout):
            raise self._describe(sqlite3.OperationalError("locked by another thread"))
        try:
            yield
        finally:
            self._lock.release()

    def _describe(self, error: Exception) -> MaestroQAError:
        if isinstance(error, sqlite3.Error) and is_busy(error):
            what = f"another process has held it for more than {self._timeout:g} s; is one stopped?"
        else:
            what = f"{str(error).rstrip('.')}. See that it can be written to and that its disk has room."
        return MaestroQAConnectionError(
            f"The request budget cannot be kept in {self.name}: {what} "
            "Nothing was sent. Set rate_limit_store to another path or to a Redis to keep it elsewhere.",
            sent=False,
        )
