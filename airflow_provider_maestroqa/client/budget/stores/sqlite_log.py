"""The log of one bucket, as rows in SQLite. Lives within one transaction."""

from __future__ import annotations

import os
import sqlite3
from math import inf
from typing import Any

from airflow_provider_maestroqa.client.budget.limits import MAX_PAUSE_S, Rules
from airflow_provider_maestroqa.client.budget.slot_log import SlotLog, State
from airflow_provider_maestroqa.client.budget.stores.sqlite_file import LOST

Handle = tuple[str, int]

_STATE = "SELECT id, clock, to_wall, generation, not_before, wanted_until, keep FROM state WHERE budget = ?"
# The offset from Unix time is only written again when it has changed by more than this. Seconds.
_DRIFT_S = 0.1


class SqliteLog(SlotLog):
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
            self._begin(budget, rules, clock, to_wall)
        else:
            self._id = row[0]
            self.state = State(*row[3:])
            self._before = self._values()
            if row[1] != clock:
                self._carry_over(row[2] - to_wall, now)
            if row[1] != clock or abs(row[2] - to_wall) > _DRIFT_S:
                self._sql("UPDATE state SET clock = ?, to_wall = ? WHERE id = ?", (clock, to_wall, self._id))

    def save_state(self) -> None:
        """Write what has changed beside the bookings."""
        values = self._values()
        if values != self._before:
            self._sql("UPDATE state SET not_before = ?, wanted_until = ?, keep = ? WHERE id = ?", (*values, self._id))

    def expire(self, before: float, now: float) -> None:
        """See :class:`SlotLog`, here and below."""
        self._sql("DELETE FROM booking WHERE state = ? AND at < ?", (self._id, before))
        self._sql("DELETE FROM booking WHERE state = ? AND freed = 1 AND at < ?", (self._id, now))

    def nth_last(self, n: int) -> float | None:
        """Return the n-th last slot."""
        return self._one("SELECT at FROM booking WHERE state = ? ORDER BY at DESC LIMIT 1 OFFSET ?", n - 1)

    def nth_last_poll(self, n: int) -> float | None:
        """Return the n-th last slot of a poll."""
        return self._one(
            "SELECT at FROM booking WHERE state = ? AND polling = 1 ORDER BY at DESC LIMIT 1 OFFSET ?", n - 1
        )

    def first_free(self, earliest: float) -> tuple[Handle, float] | None:
        """Return handle and slot of the first freed booking not before a moment."""
        row = self._sql(
            "SELECT number, at FROM booking WHERE state = ? AND freed = 1 AND at >= ? ORDER BY at LIMIT 1",
            (self._id, earliest),
        ).fetchone()
        return None if row is None else ((self.state.generation, row[0]), row[1])

    def count(self, after: float, until: float) -> int:
        """Count the bookings that are not freed."""
        counted = self._one(
            "SELECT count(*) FROM booking WHERE state = ? AND at > ? AND at <= ? AND freed = 0", after, until
        )
        return int(counted or 0)

    def add(self, at: float, polling: bool) -> Handle:
        """Book a slot."""
        cursor = self._sql("INSERT INTO booking (state, at, polling) VALUES (?, ?, ?)", (self._id, at, int(polling)))
        return self.state.generation, cursor.lastrowid or 0

    def find(self, handle: Handle) -> float | None:
        """Return the slot of a booking."""
        if handle[0] != self.state.generation:
            return None
        return self._one("SELECT at FROM booking WHERE state = ? AND number = ? AND freed = 0", handle[1])

    def free(self, handle: Handle) -> None:
        """Mark a booking as free."""
        self._sql("UPDATE booking SET freed = 1 WHERE number = ?", (handle[1],))
        last_used = self._one("SELECT at FROM booking WHERE state = ? AND freed = 0 ORDER BY at DESC LIMIT 1")
        self._sql(
            "DELETE FROM booking WHERE state = ? AND freed = 1 AND at >= ?",
            (self._id, -inf if last_used is None else last_used),
        )

    def remove(self, handle: Handle) -> None:
        """Drop a booking."""
        if handle[0] == self.state.generation:
            self._sql("DELETE FROM booking WHERE state = ? AND number = ?", (self._id, handle[1]))

    def pop_after(self, now: float) -> list[tuple[tuple[int, int], float]]:
        """Take the bookings after now out of the log."""
        rows = self._sql(
            "SELECT number, polling, at FROM booking WHERE state = ? AND at > ? AND freed = 0 ORDER BY at, number",
            (self._id, now),
        ).fetchall()
        self._sql("DELETE FROM booking WHERE state = ? AND at > ?", (self._id, now))
        return [((number, polling), at) for number, polling, at in rows]

    def restore(self, handle: tuple[int, int], at: float) -> None:
        """Put a booking back."""
        self._sql(
            "INSERT INTO booking (number, state, at, polling) VALUES (?, ?, ?, ?)",
            (handle[0], self._id, at, handle[1]),
        )

    def older_polls(self, waiter_id: str, since: float, now: float) -> int:
        """Count the queued polls that have waited longer."""
        self._sql("DELETE FROM line WHERE state = ? AND until < ?", (self._id, now))
        mine = self._one("SELECT since FROM line WHERE state = ? AND ticket = ?", waiter_id)
        older = self._one("SELECT count(*) FROM line WHERE state = ? AND since < ?", since if mine is None else mine)
        return int(older or 0)

    def enqueue_poll(self, waiter_id: str, since: float, until: float) -> None:
        """Queue a poll."""
        if not self._sql(
            "UPDATE line SET until = ? WHERE state = ? AND ticket = ?", (until, self._id, waiter_id)
        ).rowcount:
            self._sql("INSERT INTO line VALUES (?, ?, ?, ?)", (self._id, waiter_id, since, until))

    def dequeue_poll(self, waiter_id: str) -> None:
        """Take a poll out of the queue."""
        self._sql("DELETE FROM line WHERE state = ? AND ticket = ?", (self._id, waiter_id))

    def _values(self) -> tuple[float, float, float]:
        return self.state.not_before, self.state.contended_until, self.state.keep

    def _one(self, statement: str, *values: float | str) -> float | None:
        row = self._sql(statement, (self._id, *values)).fetchone()
        return None if row is None else row[0]

    def _begin(self, budget: str, rules: Rules | None, clock: str, to_wall: float) -> None:
        self.state = State(generation=os.urandom(16).hex())
        lost = self._sql(_STATE, (LOST,)).fetchone()
        if lost is not None and rules is not None:
            self.state.not_before = lost[4] + lost[2] - to_wall + rules.longest
        self._before = self._values()
        cursor = self._sql(
            "INSERT INTO state (budget, generation, not_before, wanted_until, keep, clock, to_wall) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (budget, self.state.generation, *self._before, clock, to_wall),
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


def slot_of(connection: sqlite3.Connection, budget: str, handle: Handle) -> tuple[float, str, float] | None:
    """Return a booking's slot, the name of the clock it is in, and that clock's offset, outside any transaction."""
    row: Any = connection.execute(
        "SELECT at, clock, to_wall FROM booking JOIN state ON state.id = booking.state "
        "WHERE number = ? AND freed = 0 AND budget = ? AND generation = ?",
        (handle[1], budget, handle[0]),
    ).fetchone()
    return None if row is None else (row[0], row[1], row[2])
