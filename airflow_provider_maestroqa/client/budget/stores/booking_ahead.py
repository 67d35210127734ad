"""Slots that a process has booked before it asks for them, so that it writes the log less often.

Only a process that sends all the time books ahead. The slots are as far apart as it needs them; what lies between is
left to others. Where the budget is used up, they reach further: the next slots then lie in the future anyway. Where
many processes write at once, so that writes are lost, they reach further still, until the writes are few enough.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf

from airflow_provider_maestroqa.client.budget import slot_log
from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.slot_log import Reservation, SlotLog, SlotRequest

# How many bookings in the way are left to others for one that is far enough away.
_MAX_SKIPPED = 16
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
        self._missed: list[int] = []
        #: Seconds from a slot to the next time that the process asks; the last few.
        self._turnarounds: deque[float] = deque(maxlen=4)
        self._last_slot = -inf
        self._streak = 0
        self._stretch = 1.0

    def wrote(self, lost: int) -> None:
        """Note that a booking was written, and how many writes of it were lost to others before."""
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
            booking = self._bookings.popleft()
            if booking.at >= now - margin:
                return booking
            self._missed.append(booking.handle)
            self._streak = 0  # the process is slower than it was
        return None

    def put_back(self, booking: Booking) -> None:
        """Return a booking that was taken."""
        self._bookings.appendleft(booking)

    def drop_all(self) -> list[int]:
        """Return the handles of all that was not used, and forget them."""
        handles = self._missed + [booking.handle for booking in self._bookings]
        self._bookings.clear()
        self._missed = []
        return handles

    def book(self, log: SlotLog, rules: Rules, now: float, first: Reservation) -> None:
        """Book the slots that the process will need after its next one.

        :param first: the next one, which was booked just now.
        """
        if not self._turnarounds:
            return
        # A slot may be used a little late, so the middle between early and late is aimed at.
        gap = sum(self._turnarounds) / len(self._turnarounds)
        reach = rules.contention * (self._stretch if first.wait > 0 else _FREE_SHARE)
        previous, last = now + first.wait, now + first.wait + reach
        for _ in range(min(self._most, self._streak - _WARM_UP) - 1):
            booked = self._book_after(log, rules, now, previous + gap)
            if booked is None or booked.at > last:
                if booked is not None:
                    slot_log.release(log, booked.handle, now)
                return
            self._bookings.append(booked)
            previous = booked.at

    def _book_after(self, log: SlotLog, rules: Rules, now: float, earliest: float) -> Booking | None:
        """Book the first slot that is not before a moment; those on the way to it go to others."""
        skipped: list[int] = []
        for _ in range(_MAX_SKIPPED):
            result = slot_log.book(log, rules, SlotRequest(), now)
            if not isinstance(result, Reservation):
                break
            if now + result.wait >= earliest:
                for handle in skipped:
                    slot_log.release(log, handle, now)
                return Booking(result.handle, now + result.wait, result.ahead, result.generation)
            skipped.append(result.handle)
        for handle in reversed(skipped):
            slot_log.release(log, handle, now)
        return None
