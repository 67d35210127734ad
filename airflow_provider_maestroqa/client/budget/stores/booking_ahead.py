"""Slots that a process has booked before it asks for them, so that it writes the log less often.

Only a process that sends all the time books ahead. The slots are as far apart as it needs them, and between two of
them lies one for every second other process. Where the budget is used up, they reach further: the next slots then lie
in the future anyway. Where many processes write at once, so that writes are lost, they reach further still, until the
writes are few enough.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import cast

from airflow_provider_maestroqa.client.budget import slot_log
from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.slot_log import Reservation, SlotRequest
from airflow_provider_maestroqa.client.budget.stores.log_document import LogDocument

# A process asks so many times before it counts as one that sends all the time.
_WARM_UP = 2
# Where nobody has to wait, the slots reach less far ahead by so much: those who come must not wait for them.
_FREE_SHARE = 0.2
# How many times further the slots reach at most where writes are lost, and what a write that is not leaves of that.
_MAX_STRETCH, _RELIEF = 8.0, 0.9


@dataclass(frozen=True)
class Booking:
    """A slot that was booked ahead.

    :param handle: names the booking.
    :param at: its moment, in the store's time.
    :param ahead: how many bookings came before it.
    :param generation: the name of the log.
    """

    handle: int
    at: float
    ahead: int
    generation: str


class BookedAhead:
    """What one process has booked ahead in one log, and how fast it uses slots up.

    :param most: how many slots it may book at once, the first one included.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._bookings: deque[Booking] = deque()
        #: How many of them are known to be in the log.
        self._written = 0
        self._last: Booking | None = None
        self._missed: list[int] = []
        #: Seconds from a slot to the next time that the process asks; the last few.
        self._turnarounds: deque[float] = deque(maxlen=4)
        self._last_slot = -inf
        self._streak = 0
        self._stretch = 1.0

    def wrote(self, lost: int) -> None:
        """Note that the bookings were written, and how many writes of them were lost to others before."""
        self._written = len(self._bookings)
        self._stretch = max(1.0, min(_MAX_STRETCH, self._stretch * 2.0 ** min(lost, 3)) * (1.0 if lost else _RELIEF))

    def asked(self, now: float, rules: Rules, *, polling: bool) -> None:
        """Note that the process asks for a slot."""
        if polling:
            return
        turnaround = now - self._last_slot
        if turnaround < rules.contention:
            self._streak += 1
            self._turnarounds.append(max(0.0, turnaround))
        else:
            self._streak = 0
            self._turnarounds.clear()

    def gave(self, at: float) -> None:
        """Note the moment of the slot that the process got."""
        self._last_slot = max(self._last_slot, at)

    def take(self, now: float, margin: float) -> Booking | None:
        """Return the next booking that has not passed."""
        while self._bookings:
            self._last = booking = self._bookings.popleft()
            self._written = max(0, self._written - 1)
            if booking.at >= now - margin:
                return booking
            self.miss(booking)
        return None

    def miss(self, booking: Booking) -> None:
        """Note that a booking has passed before it could be used."""
        self._missed.append(booking.handle)
        self._streak = 0  # the process is slower than it was

    def put_back(self, booking: Booking) -> None:
        """Return a booking that was taken."""
        self._bookings.appendleft(booking)
        self._written += 1

    def is_last_pause(self, at: float, pause: float) -> bool:
        """Tell whether the bookings after a moment follow each other sooner than after a pause."""
        moments = [at, *(booking.at for booking in self._bookings)]
        return all(later - earlier < pause for earlier, later in pairwise(moments))

    def drop_unwritten(self) -> None:
        """Forget the bookings of a write that was lost: they are not in the log."""
        while len(self._bookings) > self._written:
            self._bookings.pop()

    def drop_all(self) -> list[int]:
        """Return the handles of all that was not used, and forget them."""
        handles = self._missed + [booking.handle for booking in self._bookings]
        self._bookings.clear()
        self._written, self._missed = 0, []
        return handles

    def book(self, log: LogDocument, rules: Rules, now: float, first: Reservation | None = None) -> None:
        """Book the slots that the process will need after those that it has.

        :param first: the next one, if it was booked just now.
        """
        if first is not None:
            self._last = Booking(first.handle, now + first.wait, first.ahead, first.generation)
        previous = self._bookings[-1] if self._bookings else self._last
        at = None if previous is None else log.find(previous.handle)
        if not self._turnarounds or previous is None or at is None:
            return
        previous = replace(previous, at=at)
        # A slot may be used a little late, so the middle between early and late is aimed at.
        gap = sum(self._turnarounds) / len(self._turnarounds)
        others = log.count_others(now - rules.contention) // 2
        is_used_up = now < log.state.contended_until
        last = at + rules.contention * (self._stretch if is_used_up else _FREE_SHARE)
        for _ in range(min(self._most, self._streak - _WARM_UP) - 1 - len(self._bookings)):
            booked = _book_after(log, rules, now, previous=previous, gap=gap, others=others)
            if booked.at > last:
                slot_log.release(log, booked.handle, now)
                return
            self._bookings.append(booked)
            previous = booked


def _book_after(log: LogDocument, rules: Rules, now: float, *, previous: Booking, gap: float, others: int) -> Booking:
    """Book the first slot that is so many seconds after another, and leave so many before it to other processes."""
    left: list[int] = []
    while True:
        booked = _book_one(log, rules, now, previous.at + gap)
        if len(left) == others or log.count_between(previous.handle, booked.handle) >= others:
            break
        slot_log.release(log, booked.handle, now)
        left.append(_book_one(log, rules, now, previous.at + gap * (len(left) + 1) / (others + 1)).handle)
    for handle in left:
        slot_log.release(log, handle, now)
    return booked


def _book_one(log: LogDocument, rules: Rules, now: float, not_before: float) -> Booking:
    # Without a limit to the wait there is always a slot.
    booked = cast("Reservation", slot_log.book(log, rules, SlotRequest(), now, not_before=not_before))
    return Booking(booked.handle, now + booked.wait, booked.ahead, booked.generation)
