"""The budget of a single process, in its memory."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from math import inf

from airflow_provider_maestroqa.client.budget import slot_log
from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.slot_log import Denied, Reservation, SlotLog, SlotRequest, State


class _MemoryLog(SlotLog):
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
        for entry in self._free[: bisect_left(self._free, (now, -1))]:
            self.remove(entry[1])
        for entry in self._log[: bisect_left(self._log, (before, -1))]:
            self.remove(entry[1])

    def nth_last(self, n: int) -> float | None:
        return self._log[-n][0] if len(self._log) >= n else None

    def nth_last_poll(self, n: int) -> float | None:
        return self._polls[-n][0] if len(self._polls) >= n else None

    def first_free(self, earliest: float) -> tuple[int, float] | None:
        position = bisect_left(self._free, (earliest, -1))
        if position == len(self._free):
            return None
        at, number = self._free[position]
        return number, at

    def count(self, after: float, until: float) -> int:
        return _between(self._log, after, until) - _between(self._free, after, until)

    def add(self, at: float, polling: bool) -> int:
        self._numbers += 1
        self._insert(self._numbers, at, polling)
        return self._numbers

    def find(self, handle: int) -> float | None:
        at = self._slots.get(handle)
        return None if at is None or _has(self._free, (at, handle)) else at

    def free(self, handle: int) -> None:
        insort(self._free, (self._slots[handle], handle))
        last_used = next((at for at, number in reversed(self._log) if not _has(self._free, (at, number))), -inf)
        for _, number in self._free[bisect_left(self._free, (last_used, -1)) :]:
            self.remove(number)

    def remove(self, handle: int) -> None:
        at = self._slots.pop(handle, None)
        if at is not None:
            for entries in (self._log, self._polls, self._free):
                if _has(entries, (at, handle)):
                    del entries[bisect_left(entries, (at, handle))]

    def clear(self) -> None:
        for entries in (self._log, self._polls, self._free, self._slots):
            entries.clear()

    def pop_after(self, now: float) -> list[tuple[tuple[int, bool], float]]:
        ahead = self._log[bisect_right(self._log, (now, inf)) :]
        entries = []
        for entry in ahead:
            if not _has(self._free, entry):
                entries.append(((entry[1], _has(self._polls, entry)), entry[0]))
            self.remove(entry[1])
        return entries

    def restore(self, handle: tuple[int, bool], at: float) -> None:
        self._insert(handle[0], at, handle[1])

    def older_polls(self, waiter_id: str, since: float, now: float) -> int:
        self._queue = {name: place for name, place in self._queue.items() if place[1] >= now}
        mine = self._queue.get(waiter_id, (since, 0.0))[0]
        return sum(place[0] < mine for place in self._queue.values())

    def enqueue_poll(self, waiter_id: str, since: float, until: float) -> None:
        self._queue[waiter_id] = (self._queue.get(waiter_id, (since, 0.0))[0], until)

    def dequeue_poll(self, waiter_id: str) -> None:
        self._queue.pop(waiter_id, None)

    def _insert(self, number: int, at: float, polling: bool) -> None:
        self._slots[number] = at
        insort(self._log, (at, number))
        if polling:
            insort(self._polls, (at, number))


class MemoryStore:
    """Logs in this process's memory. Other processes do not see them.

    :param now: the clock, in seconds; it must not go back.
    """

    name = "memory"
    blocking = False
    stays_open = True

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._logs: dict[str, _MemoryLog] = {}

    def book(self, budget: str, rules: Rules, request: SlotRequest) -> Reservation | Denied:
        """Book a slot."""
        with self._lock:
            return slot_log.book(self._log_of(budget), rules, request, self._now())

    def remaining(self, budget: str, handle: int) -> float | None:
        """Return the seconds until a booked slot, ``None`` when the booking is lost."""
        with self._lock:
            return slot_log.remaining(self._log_of(budget), handle, self._now())

    def release(self, budget: str, handle: int) -> None:
        """Release a slot that will not be used."""
        with self._lock:
            slot_log.release(self._log_of(budget), handle, self._now())

    def pause(self, budget: str, rules: Rules, seconds: float) -> None:
        """Let every sharer wait."""
        with self._lock:
            slot_log.pause(self._log_of(budget), rules, seconds, self._now())

    def close(self) -> None:
        """Nothing is open."""

    def _log_of(self, budget: str) -> _MemoryLog:
        return self._logs.setdefault(budget, _MemoryLog())


def _between(entries: list[tuple[float, int]], after: float, until: float) -> int:
    return bisect_right(entries, (until, inf)) - bisect_right(entries, (after, inf))


def _has(entries: list[tuple[float, int]], entry: tuple[float, int]) -> bool:
    position = bisect_left(entries, entry)
    return position < len(entries) and entries[position] == entry
