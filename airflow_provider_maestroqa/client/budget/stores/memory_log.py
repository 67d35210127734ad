"""A log in memory: the whole log of a single process, and the copy of one that is stored as a document."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from math import inf

from airflow_provider_maestroqa.client.budget import slot_log
from airflow_provider_maestroqa.client.budget.slot_log import SlotLog, State


class MemoryLog(SlotLog):
    """A log in two sorted lists: all bookings, and those of polls. A handle is the booking's number."""

    def __init__(self) -> None:
        self.state = State(generation=slot_log.new_generation())
        self._log: list[tuple[float, int]] = []
        self._polls: list[tuple[float, int]] = []
        self._free: list[tuple[float, int]] = []
        self._slots: dict[int, float] = {}
        self._queue: dict[str, tuple[float, float]] = {}
        self._numbers = 0

    def expire(self, before: float, now: float) -> None:
        """Drop bookings before a moment, and freed ones before now."""
        for entry in self._free[: bisect_left(self._free, (now, -1))]:
            self.remove(entry[1])
        for entry in self._log[: bisect_left(self._log, (before, -1))]:
            self.remove(entry[1])

    def nth_last(self, n: int) -> float | None:
        """Return the n-th last slot, counted from 1."""
        return self._log[-n][0] if len(self._log) >= n else None

    def last_polls(self, n: int) -> list[float]:
        """Return the last n slots of polls, the last one first."""
        return [at for at, _ in self._polls[: -n - 1 : -1]]

    def last_other(self) -> float | None:
        """Return the last slot of a request that is no poll."""
        others = (at for at, number in reversed(self._log) if not self._is_poll_or_free((at, number)))
        return next(others, None)

    def first_free(self, earliest: float) -> tuple[int, float] | None:
        """Return handle and slot of the first freed booking not before a moment."""
        position = bisect_left(self._free, (earliest, -1))
        if position == len(self._free):
            return None
        at, number = self._free[position]
        return number, at

    def count(self, after: float, until: float) -> int:
        """Count the bookings that are not freed, after one moment and up to another."""
        return _between(self._log, after, until) - _between(self._free, after, until)

    def count_between(self, first: int, second: int) -> int:
        """Count the bookings that are not freed between two others."""
        begin, end = ((self._slots[handle], handle) for handle in (first, second))
        freed = bisect_left(self._free, end) - bisect_left(self._free, begin)
        return bisect_left(self._log, end) - bisect_left(self._log, begin) - 1 - freed

    def add(self, at: float, polling: bool) -> int:
        """Book a slot behind all that have the same moment."""
        number = self._next_number()
        self._insert(number, at, polling)
        return number

    def find(self, handle: int) -> float | None:
        """Return the slot of a booking, or ``None`` if it is gone or freed."""
        at = self._slots.get(handle)
        return None if at is None or _has(self._free, (at, handle)) else at

    def free(self, handle: int) -> None:
        """Mark a booking as free for the next caller."""
        insort(self._free, (self._slots[handle], handle))
        last_used = next((at for at, number in reversed(self._log) if not _has(self._free, (at, number))), -inf)
        for _, number in self._free[bisect_left(self._free, (last_used, -1)) :]:
            self.remove(number)

    def remove(self, handle: int) -> None:
        """Drop a booking."""
        at = self._slots.pop(handle, None)
        if at is not None:
            for entries in (self._log, self._polls, self._free):
                if _has(entries, (at, handle)):
                    del entries[bisect_left(entries, (at, handle))]

    def clear(self) -> None:
        """Drop all bookings."""
        for entries in (self._log, self._polls, self._free, self._slots):
            entries.clear()

    def pop_after(self, now: float) -> list[tuple[tuple[int, bool], float]]:
        """Drop the freed bookings after now."""
        ahead = self._log[bisect_right(self._log, (now, inf)) :]
        entries = []
        for entry in ahead:
            if not _has(self._free, entry):
                entries.append(((entry[1], _has(self._polls, entry)), entry[0]))
            self.remove(entry[1])
        return entries

    def restore(self, handle: tuple[int, bool], at: float) -> None:
        """Put a booking that was popped back at the end of the log."""
        self._insert(handle[0], at, handle[1])

    def older_polls(self, waiter_id: str, since: float, now: float) -> int:
        """Count the queued polls that have waited longer."""
        self._queue = {name: place for name, place in self._queue.items() if place[1] >= now}
        mine = self._queue.get(waiter_id, (since, 0.0))[0]
        return sum(place[0] < mine for place in self._queue.values())

    def enqueue_poll(self, waiter_id: str, since: float, until: float) -> None:
        """Queue a poll until it is to ask again."""
        self._queue[waiter_id] = (self._queue.get(waiter_id, (since, 0.0))[0], until)

    def dequeue_poll(self, waiter_id: str) -> None:
        """Take a poll out of the queue."""
        self._queue.pop(waiter_id, None)

    def _is_poll_or_free(self, entry: tuple[float, int]) -> bool:
        return _has(self._polls, entry) or _has(self._free, entry)

    def _insert(self, number: int, at: float, polling: bool) -> None:
        self._slots[number] = at
        insort(self._log, (at, number))
        if polling:
            insort(self._polls, (at, number))

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers


def _between(entries: list[tuple[float, int]], after: float, until: float) -> int:
    return bisect_right(entries, (until, inf)) - bisect_right(entries, (after, inf))


def _has(entries: list[tuple[float, int]], entry: tuple[float, int]) -> bool:
    position = bisect_left(entries, entry)
    return position < len(entries) and entries[position] == entry
