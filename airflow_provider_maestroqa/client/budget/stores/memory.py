"""The budget of a single process, in its memory."""

from __future__ import annotations

import threading
from collections.abc import Callable

from airflow_provider_maestroqa.client.budget import share, slot_log
from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.share import LoneStore, Refusal, Share
from airflow_provider_maestroqa.client.budget.slot_log import Denied, Reservation, SlotRequest
from airflow_provider_maestroqa.client.budget.stores.memory_log import MemoryLog


class MemoryStore(LoneStore):
    """Logs in this process's memory. Other processes do not see them.

    :param now: the clock, in seconds; it must not go back.
    """

    name = "memory"
    blocking = False
    stays_open = True

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._logs: dict[str, MemoryLog] = {}
        self._shares: dict[str, Share] = {}

    def book(self, budget: str, rules: Rules, request: SlotRequest) -> Reservation | Denied:
        """Book a slot."""
        with self._lock:
            return share.book(self._log_of(budget), self._share_of(budget), rules, request, self._now())

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
            share.pause(self._log_of(budget), self._share_of(budget), rules, seconds, self._now())

    def learn(self, budget: str, rules: Rules, refusal: Refusal) -> float | None:
        """Take a 429 into account; return the share if it was made smaller."""
        with self._lock:
            before, now = self._share_of(budget), self._now()
            after = self._shares[budget] = share.learn(self._log_of(budget), before, rules, refusal, now)
        return after.level if after is not before and after.is_for_others else None

    def close(self) -> None:
        """Nothing is open."""

    def _log_of(self, budget: str) -> MemoryLog:
        return self._logs.setdefault(budget, MemoryLog())

    def _share_of(self, budget: str) -> Share:
        return self._shares.get(budget, Share())
