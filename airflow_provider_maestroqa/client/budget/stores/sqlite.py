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

from airflow_provider_maestroqa.client.budget import slot_log as algorithm
from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.slot_log import Booked, Refused, Wish
from airflow_provider_maestroqa.client.budget.stores.sqlite_file import BudgetFile, clock_name, is_busy
from airflow_provider_maestroqa.client.budget.stores.sqlite_log import Handle, SqliteLedger, slot_of
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError, MaestroQAError

Answer = TypeVar("Answer")

_LOOK_AGAIN_AFTER_S = (0.0, 0.02, 0.1, 0.3, 0.0)


class SqliteStore:
    """Ledgers in a SQLite file. Every call is one transaction that ends within about ``timeout`` seconds.

    :param path: the file; it is made when it is missing, readable by its owner alone.
    :param clock: the time.
    :param timeout: how long to wait, in seconds, for other processes to let go of the file.
    :param disposable: whether a file that turns out to be damaged may be put aside and replaced.
    """

    blocking = True
    lasting = False

    def __init__(self, path: Path, clock: Clock, *, timeout: float, disposable: bool = False) -> None:
        self.name = f"the SQLite file {path}"
        self._file = BudgetFile(path, timeout=timeout, disposable=disposable)
        self._clock = clock
        self._clock_name = clock_name()
        self._timeout = timeout
        self._lock = threading.Lock()
        self._closed = False

    def book(self, budget: str, rules: Rules, wish: Wish) -> Booked | Refused:
        """Book a slot."""
        return self._transact(budget, rules, lambda ledger, now: algorithm.book(ledger, rules, wish, now))

    def remaining(self, budget: str, handle: Handle) -> float | None:
        """Return the seconds until a booked slot, ``None`` when the booking is lost."""
        found = self._with_file(lambda connection: slot_of(connection, budget, handle))
        if found is None:
            return None
        at, clock, to_wall = found
        shift = 0.0 if clock == self._clock_name else to_wall - self._to_wall()
        return at + shift - self._clock.monotonic()

    def give_back(self, budget: str, handle: Handle) -> None:
        """Return a slot that will not be used."""
        self._transact(budget, None, lambda ledger, now: algorithm.give_back(ledger, handle, now))

    def penalise(self, budget: str, rules: Rules, seconds: float) -> None:
        """Let every sharer wait."""
        self._transact(budget, rules, lambda ledger, now: algorithm.penalise(ledger, rules, seconds, now))

    def close(self) -> None:
        """Close the file. It is not opened again: the next user makes a new store."""
        with self._alone():
            self._closed = True
            self._file.close()

    def _to_wall(self) -> float:
        return self._clock.wall() - self._clock.monotonic()

    def _transact(self, budget: str, rules: Rules | None, work: Callable[[SqliteLedger, float], Answer]) -> Answer:
        def transaction(connection: sqlite3.Connection) -> Answer:
            connection.execute("BEGIN IMMEDIATE")
            try:
                now = self._clock.monotonic()
                ledger = SqliteLedger(
                    connection, budget, rules, now=now, clock=self._clock_name, to_wall=self._to_wall()
                )
                answer = work(ledger, now)
                ledger.save_state()
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
            return answer

        return self._with_file(transaction)

    def _with_file(self, work: Callable[[sqlite3.Connection], Answer]) -> Answer:
        with self._alone():
            if self._closed:
                raise MaestroQAConnectionError("The request budget was closed while it was in use.", sent=False)
            for pause in _LOOK_AGAIN_AFTER_S:
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
    def _alone(self) -> Iterator[None]:
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
