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
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_maestroqa.client.budget import share, slot_log
from airflow_provider_maestroqa.client.budget.limits import MAX_PAUSE_S, Rules
from airflow_provider_maestroqa.client.budget.share import LoneStore, Refusal, Share
from airflow_provider_maestroqa.client.budget.slot_log import Denied, Reservation, SlotLog, SlotRequest, State
from airflow_provider_maestroqa.client.budget.stores.sqlite_file import LOST, BudgetFile, clock_name, decoded, is_busy
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError, MaestroQAError

Result = TypeVar("Result")
Handle = tuple[str, int]

_STATE = (
    "SELECT id, clock, to_wall, generation, not_before, wanted_until, keep, level, since "
    "FROM state LEFT JOIN share ON share.state = state.id WHERE budget = ?"
)
# The offset from Unix time is only written again when it has changed by more than this. Seconds.
_DRIFT_S = 0.1
_RETRY_PAUSES_S = (0.0, 0.02, 0.1, 0.3, 0.0)


class SqliteStore(LoneStore):
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
        return self._transact(budget, rules, lambda log, now: share.book(log, log.share, rules, request, now))

    def remaining(self, budget: str, handle: Handle) -> float | None:
        """Return the seconds until a booked slot, ``None`` when the booking is lost."""
        slot = self._with_file(lambda connection: _slot_of(connection, budget, handle))
        if slot is None:
            return None
        at, clock, to_wall, keep = slot
        shift = 0.0 if clock == self._clock_name else to_wall - self._to_wall()
        # Unix time may have been set back meanwhile: nobody sleeps for longer than the log is long.
        return min(at + shift - self._clock.monotonic(), MAX_PAUSE_S + 2 * keep)

    def release(self, budget: str, handle: Handle) -> None:
        """Release a slot that will not be used."""
        self._transact(budget, None, lambda log, now: slot_log.release(log, handle, now))

    def pause(self, budget: str, rules: Rules, seconds: float) -> None:
        """Let every sharer wait."""
        self._transact(budget, rules, lambda log, now: share.pause(log, log.share, rules, seconds, now))

    def learn(self, budget: str, rules: Rules, refusal: Refusal) -> float | None:
        """Take a 429 into account; return the share if it was made smaller."""

        def work(log: _SqliteLog, now: float) -> float | None:
            before = log.share
            log.save_share(share.learn(log, before, rules, refusal, now))
            return log.share.level if log.share is not before and log.share.is_for_others else None

        return self._transact(budget, rules, work)

    def close(self) -> None:
        """Close the file. It is not opened again: the next user makes a new store."""
        with self._locked():
            self._closed = True
            self._file.close()

    def _to_wall(self) -> float:
        return self._clock.wall() - self._clock.monotonic()

    def _transact(self, budget: str, rules: Rules | None, work: Callable[[_SqliteLog, float], Result]) -> Result:
        def transaction(connection: sqlite3.Connection) -> Result:
            connection.execute("BEGIN IMMEDIATE")
            try:
                now = self._clock.monotonic()
                log = _SqliteLog(connection, budget, rules, now=now, clock=self._clock_name, to_wall=self._to_wall())
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
                    with decoded():
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


class _SqliteLog(SlotLog):
    """The bookings of one bucket. A handle is the log's generation and the booking's number.

    :param connection: in a transaction.
    :param budget: the name of the log.
    :param rules: the windows, for a log that is new; ``None`` where nothing is booked.
    :param now: the moment, in the machine's monotonic clock.
    :param clock: the name of that clock.
    :param to_wall: what to add to it for Unix time.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        budget: str,
        rules: Rules | None,
        *,
        now: float,
        clock: str,
        to_wall: float,
    ) -> None:
        self._sql = connection.execute
        row = self._sql(_STATE, (budget,)).fetchone()
        if row is None:
            self._begin(budget, rules, now=now, clock=clock, to_wall=to_wall)
        elif None in row[:7]:
            raise sqlite3.DatabaseError("malformed log")
        else:
            self._id = row[0]
            self.state = State(*row[3:7])
            self.share = Share() if row[7] is None else Share(*row[7:])
            self._before = self._values()
            if row[1] != clock:
                self._carry_over(row[2] - to_wall, now)
            if row[1] != clock or abs(row[2] - to_wall) > _DRIFT_S:
                self._sql("UPDATE state SET clock = ?, to_wall = ? WHERE id = ?", (clock, to_wall, self._id))

    def save_state(self) -> None:
        """Write what has changed beside the bookings."""
        values = self._values()
        if values != self._before:
            self._sql(
                "UPDATE state SET generation = ?, not_before = ?, wanted_until = ?, keep = ? WHERE id = ?",
                (*values, self._id),
            )

    def save_share(self, share: Share) -> None:
        """Write the log's share of the budget if it has changed."""
        if share != self.share:
            self.share = share
            self._sql("INSERT OR REPLACE INTO share VALUES (?, ?, ?)", (self._id, share.level, share.since))

    def expire(self, before: float, now: float) -> None:
        self._sql("DELETE FROM booking WHERE state = ? AND at < ?", (self._id, before))
        self._sql("DELETE FROM booking WHERE state = ? AND freed = 1 AND at < ?", (self._id, now))

    def nth_last(self, n: int) -> float | None:
        return self._one("SELECT at FROM booking WHERE state = ? ORDER BY at DESC LIMIT 1 OFFSET ?", n - 1)

    def last_polls(self, n: int) -> list[float]:
        rows = self._sql(
            "SELECT at FROM booking WHERE state = ? AND polling = 1 ORDER BY at DESC LIMIT ?", (self._id, n)
        ).fetchall()
        return [row[0] for row in rows]

    def last_other(self) -> float | None:
        return self._one(
            "SELECT at FROM booking WHERE state = ? AND polling = 0 AND freed = 0 ORDER BY at DESC LIMIT 1"
        )

    def first_free(self, earliest: float) -> tuple[Handle, float] | None:
        row = self._sql(
            "SELECT number, at FROM booking WHERE state = ? AND freed = 1 AND at >= ? ORDER BY at LIMIT 1",
            (self._id, earliest),
        ).fetchone()
        return None if row is None else ((self.state.generation, row[0]), row[1])

    def count(self, after: float, until: float) -> int:
        counted = self._one(
            "SELECT count(*) FROM booking WHERE state = ? AND at > ? AND at <= ? AND freed = 0", after, until
        )
        return int(counted or 0)

    def add(self, at: float, polling: bool) -> Handle:
        cursor = self._sql("INSERT INTO booking (state, at, polling) VALUES (?, ?, ?)", (self._id, at, int(polling)))
        return self.state.generation, cursor.lastrowid or 0

    def find(self, handle: Handle) -> float | None:
        if handle[0] != self.state.generation:
            return None
        return self._one("SELECT at FROM booking WHERE state = ? AND number = ? AND freed = 0", handle[1])

    def free(self, handle: Handle) -> None:
        self._sql("UPDATE booking SET freed = 1 WHERE number = ?", (handle[1],))
        last_used = self._one("SELECT at FROM booking WHERE state = ? AND freed = 0 ORDER BY at DESC LIMIT 1")
        self._sql(
            "DELETE FROM booking WHERE state = ? AND freed = 1 AND at >= ?",
            (self._id, -inf if last_used is None else last_used),
        )

    def remove(self, handle: Handle) -> None:
        if handle[0] == self.state.generation:
            self._sql("DELETE FROM booking WHERE state = ? AND number = ?", (self._id, handle[1]))

    def clear(self) -> None:
        self._sql("DELETE FROM booking WHERE state = ?", (self._id,))

    def pop_after(self, now: float) -> list[tuple[tuple[int, int], float]]:
        rows = self._sql(
            "SELECT number, polling, at FROM booking WHERE state = ? AND at > ? AND freed = 0 ORDER BY at, number",
            (self._id, now),
        ).fetchall()
        self._sql("DELETE FROM booking WHERE state = ? AND at > ?", (self._id, now))
        return [((number, polling), at) for number, polling, at in rows]

    def restore(self, handle: tuple[int, int], at: float) -> None:
        self._sql(
            "INSERT INTO booking (number, state, at, polling) VALUES (?, ?, ?, ?)",
            (handle[0], self._id, at, handle[1]),
        )

    def older_polls(self, waiter_id: str, since: float, now: float) -> int:
        self._sql("DELETE FROM line WHERE state = ? AND until < ?", (self._id, now))
        mine = self._one("SELECT since FROM line WHERE state = ? AND ticket = ?", waiter_id)
        older = self._one("SELECT count(*) FROM line WHERE state = ? AND since < ?", since if mine is None else mine)
        return int(older or 0)

    def enqueue_poll(self, waiter_id: str, since: float, until: float) -> None:
        if not self._sql(
            "UPDATE line SET until = ? WHERE state = ? AND ticket = ?", (until, self._id, waiter_id)
        ).rowcount:
            self._sql("INSERT INTO line VALUES (?, ?, ?, ?)", (self._id, waiter_id, since, until))

    def dequeue_poll(self, waiter_id: str) -> None:
        self._sql("DELETE FROM line WHERE state = ? AND ticket = ?", (self._id, waiter_id))

    def _values(self) -> tuple[str, float, float, float]:
        return self.state.generation, self.state.not_before, self.state.contended_until, self.state.keep

    def _one(self, statement: str, *values: float | str) -> float | None:
        row = self._sql(statement, (self._id, *values)).fetchone()
        return None if row is None else row[0]

    def _begin(self, budget: str, rules: Rules | None, *, now: float, clock: str, to_wall: float) -> None:
        self.state, self.share = State(generation=slot_log.new_generation()), Share()
        lost = self._sql(_STATE, (LOST,)).fetchone()
        if lost is not None and rules is not None:
            # Unix time counts between two boots alone. It may have been set back, but the loss is past.
            lost_at = lost[4] if lost[1] == clock else lost[4] + lost[2] - to_wall
            self.state.not_before = min(lost_at, now) + rules.longest
        self._before = self._values()
        cursor = self._sql(
            "INSERT INTO state (budget, generation, not_before, wanted_until, keep, clock, to_wall) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (budget, *self._before, clock, to_wall),
        )
        self._id = cursor.lastrowid

    def _carry_over(self, shift: float, now: float) -> None:
        """Put the log into this machine's clock, after a restart or from another machine.

        The way leads over Unix time, which may have been set back meanwhile; so nobody is made to wait for a slot
        further ahead than the log is long.
        """
        last = self._one("SELECT max(at) FROM booking WHERE state = ?")
        if last is not None and last + shift > now + 2 * self.state.keep:
            shift = now - last
        self._sql("UPDATE booking SET at = at + ? WHERE state = ?", (shift, self._id))
        self.state.not_before = min(self.state.not_before + shift, now + MAX_PAUSE_S)
        self.state.contended_until = min(self.state.contended_until + shift, now + 2 * self.state.keep)
        self._sql("DELETE FROM line WHERE state = ?", (self._id,))
        self.save_share(Share(self.share.level, self.share.since + shift))


def _slot_of(connection: sqlite3.Connection, budget: str, handle: Handle) -> tuple[float, str, float, float] | None:
    """Return a booking's slot, its clock's name and offset, and the log's length, outside any transaction."""
    row: Any = connection.execute(
        "SELECT at, clock, to_wall, keep FROM booking JOIN state ON state.id = booking.state "
        "WHERE number = ? AND freed = 0 AND budget = ? AND generation = ?",
        (handle[1], budget, handle[0]),
    ).fetchone()
    return None if row is None else (row[0], row[1], row[2], row[3])
