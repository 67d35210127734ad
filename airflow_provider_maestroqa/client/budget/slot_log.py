"""The one algorithm: a log of slots, each booked before it is used.

A slot is the earliest moment that every window allows: not before now, not before the last slot that is booked
(first come, first served), not before the end of a penalty, and for each window of n requests not before the n-th
last slot plus the window. So no window ever holds more than its n slots, whatever the order of arrivals, and nobody
who has a slot loses it to one who came later.

Everything here is arithmetic on a :class:`Ledger`; a store runs each function in one transaction and gives it the
time. ``redis_script.py`` says the same in Lua; the tests run both side by side.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import inf
from typing import Any

from airflow_provider_maestroqa.client.budget.limits import LONGEST_PENALTY_S, Rules

_HAIR = 1e-6


@dataclass(frozen=True)
class Witness:
    """What a caller remembers of the log, so that a log that was lost is noticed.

    :param generation: the name of the log that the caller booked in.
    :param age: seconds since the caller's last slot.
    """

    generation: str
    age: float


@dataclass(frozen=True)
class Wish:
    """What a caller asks for.

    :param polling: whether this is a poll, which takes its own smaller share.
    :param patience: the longest wait in seconds that is of use to the caller.
    :param instead_of: the caller's own earlier booking, which was missed and is to be dropped.
    :param witness: what the caller remembers of the log.
    :param ticket: a poll's own name in the line of polls.
    :param waited: seconds for which the poll has waited, which is its place in the line.
    """

    polling: bool = False
    patience: float = inf
    instead_of: Any = None
    witness: Witness | None = None
    ticket: str = ""
    waited: float = 0.0


@dataclass(frozen=True)
class Booked:
    """A slot that now belongs to the caller.

    :param handle: names the booking in its store.
    :param wait: seconds until the slot.
    :param window: the position of the window that decided, or ``None`` for a penalty.
    :param ahead: how many bookings come before this one.
    :param generation: the name of the log.
    """

    handle: Any
    wait: float
    window: int | None
    ahead: int
    generation: str


@dataclass(frozen=True)
class Refused:
    """No slot was booked.

    :param wait: seconds after which a slot could be had, or after which to ask again.
    :param final: whether the caller's patience is too short, rather than its turn not yet come.
    """

    wait: float
    final: bool


@dataclass
class State:
    """What a ledger holds beside the bookings. Moments are in the store's own time.

    :param generation: the name of the log; a new one is made up when the log is made.
    :param not_before: the end of a penalty.
    :param wanted_until: polls make room until then.
    :param keep: seconds for which old bookings matter to at least one of the sharers.
    """

    generation: str
    not_before: float = -inf
    wanted_until: float = -inf
    keep: float = 0.0


class Ledger(ABC):
    """The bookings of one bucket of one token, in the order of their slots. A freed booking may be taken over."""

    state: State

    @abstractmethod
    def forget(self, before: float, now: float) -> None:
        """Drop bookings before a moment, and freed ones before now: nothing was sent in those."""

    @abstractmethod
    def nth_last(self, n: int) -> float | None:
        """Return the n-th last slot, counted from 1."""

    @abstractmethod
    def nth_last_poll(self, n: int) -> float | None:
        """Return the n-th last slot of a poll, counted from 1."""

    @abstractmethod
    def first_free(self, earliest: float) -> tuple[Any, float] | None:
        """Return handle and slot of the first freed booking not before a moment."""

    @abstractmethod
    def count(self, after: float, until: float) -> int:
        """Count the bookings that are not freed, after one moment and up to another."""

    @abstractmethod
    def add(self, at: float, polling: bool) -> Any:
        """Book a slot behind all that have the same moment; return its handle."""

    @abstractmethod
    def find(self, handle: Any) -> float | None:
        """Return the slot of a booking, or ``None`` if it is gone or freed."""

    @abstractmethod
    def free(self, handle: Any) -> None:
        """Mark a booking as free for the next caller; freed ones not before the last one in use are dropped."""

    @abstractmethod
    def remove(self, handle: Any) -> None:
        """Drop a booking."""

    @abstractmethod
    def take_after(self, now: float) -> list[tuple[Any, float]]:
        """Drop the freed bookings after now; take the others out of the log and return them in order."""

    @abstractmethod
    def put_back(self, handle: Any, at: float) -> None:
        """Put a booking that was taken out back to the end of the log."""

    @abstractmethod
    def older_polls(self, ticket: str, since: float, now: float) -> int:
        """Count the polls in line that have waited longer; those that were to ask again before now are gone."""

    @abstractmethod
    def stand_in_line(self, ticket: str, since: float, until: float) -> None:
        """Put a poll in line until it is to ask again; its place is where it first stood."""

    @abstractmethod
    def leave_line(self, ticket: str) -> None:
        """Take a poll out of the line."""


def book(ledger: Ledger, rules: Rules, wish: Wish, now: float) -> Booked | Refused:
    """Book the earliest slot that every window allows, or say why there is none for this caller."""
    state = ledger.state
    state.keep = max(state.keep, rules.longest)
    if wish.instead_of is not None:
        ledger.remove(wish.instead_of)
    ledger.forget(now - state.keep, now)
    _heed(wish.witness, state, rules, now)
    earliest = max(now, state.not_before)
    freed = ledger.first_free(earliest)
    at, window = (freed[1], rules.slowest) if freed else _next_slot(ledger, rules, earliest)
    if wish.polling:
        pause = _stand_in_line(ledger, rules, wish, _pause_for_others(ledger, rules, at, now), now)
        if pause is not None:
            return Refused(pause, final=pause > wish.patience)
    if at - now > wish.patience:
        return Refused(at - now, final=True)
    if freed:
        ledger.remove(freed[0])
    if not wish.polling and at > now:
        state.wanted_until = max(state.wanted_until, at + rules.contention)
    ahead = ledger.count(now, at) if at > now else 0
    return Booked(ledger.add(at, wish.polling), at - now, window, ahead, state.generation)


def penalise(ledger: Ledger, rules: Rules, seconds: float, now: float) -> None:
    """Let everybody wait: the bookings that lie ahead move behind the penalty, in the order they have."""
    state = ledger.state
    state.keep = max(state.keep, rules.longest)
    state.not_before = max(state.not_before, now + min(max(seconds, 0.0), LONGEST_PENALTY_S))
    ledger.forget(now - state.keep, now)
    moved = state.not_before
    for handle, was in ledger.take_after(now):
        moved, _ = _next_slot(ledger, rules, max(was, state.not_before))
        ledger.put_back(handle, moved)
    if state.wanted_until > now:
        state.wanted_until = max(state.wanted_until, moved + rules.contention)


def give_back(ledger: Ledger, handle: Any, now: float) -> None:
    """Return a slot that will not be used: the next caller takes it over, so that no booking has to move."""
    at = ledger.find(handle)
    if at is None:
        return
    if at > now:
        ledger.free(handle)
    else:
        ledger.remove(handle)


def remaining(ledger: Ledger, handle: Any, now: float) -> float | None:
    """Return the seconds until a booked slot, negative when it has passed, ``None`` when the booking is lost."""
    at = ledger.find(handle)
    return None if at is None else at - now


def _next_slot(ledger: Ledger, rules: Rules, earliest: float) -> tuple[float, int | None]:
    at, window = earliest, None
    for position, (requests, seconds) in enumerate(rules.windows):
        nth = ledger.nth_last(requests)
        if nth is not None and nth + seconds > at:
            at, window = nth + seconds, position
    last = ledger.nth_last(1)
    if last is not None and last > at:
        at, window = last, rules.slowest
    return at, window


def _pause_for_others(ledger: Ledger, rules: Rules, at: float, now: float) -> float:
    """Return 0 if a poll may have this slot, else the seconds after which some poll may have one."""
    if now < ledger.state.wanted_until:
        polls, seconds = rules.poll_share
        slots, gap = rules.poll_gap
        oldest, last, before = ledger.nth_last_poll(polls), ledger.nth_last_poll(1), ledger.nth_last(slots)
        pause = 0.0 if oldest is None else oldest + seconds - at
        if last is not None and not (before is not None and before > last):
            pause = max(pause, last + gap - at)
        return pause if pause > _HAIR else 0.0
    nth = ledger.nth_last_poll(rules.polls_at_once)
    turn = -inf if nth is None else nth + rules.polls_at_once * rules.interval
    pause = max(turn - now if turn > at + _HAIR else 0.0, at - now - rules.poll_lookahead)
    return max(pause, 0.0)


def _stand_in_line(ledger: Ledger, rules: Rules, wish: Wish, pause: float, now: float) -> float | None:
    """Return ``None`` if it is this poll's turn, else the seconds after which it should ask again.

    Polls that were refused stand in line by how long they have waited. One that does not ask again is dead and
    leaves the line by itself.
    """
    since = now - wish.waited
    older = ledger.older_polls(wish.ticket, since, now)
    if not pause and not older:
        ledger.leave_line(wish.ticket)
        return None
    shortest, longest = rules.poll_retry
    pause = min(max(pause, shortest), longest) + min(older * rules.interval, 10 * longest)
    ledger.stand_in_line(wish.ticket, since, now + pause + longest)
    return pause


def _heed(witness: Witness | None, state: State, rules: Rules, now: float) -> None:
    # The caller sent requests that this log knows nothing of: the old log was lost. Until they have left every
    # window, nobody may go on.
    if witness is not None and witness.generation != state.generation and witness.age < rules.longest:
        state.not_before = max(state.not_before, now + rules.longest - witness.age)
