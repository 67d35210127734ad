"""The one algorithm: a log of slots, each booked before it is used.

A slot is the earliest moment that every window allows: not before now, not before the last slot that is booked
(first come, first served), not before the end of a pause, and for each window of n requests not before the n-th
last slot plus the window. So no window ever holds more than its n slots, whatever the order of arrivals, and nobody
who has a slot loses it to one who came later.

Everything here is arithmetic on a :class:`SlotLog`; a store runs each function in one transaction and gives it the
time. ``redis_script.py`` does the same in Lua; the tests run both side by side.
"""

from __future__ import annotations

import itertools
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import inf
from typing import Any

from airflow_provider_maestroqa.client.budget.limits import MAX_PAUSE_S, Rules

#: A booking younger than this part of the longest window is in the log for sure: two clocks may differ a little.
SURELY_KEPT = 0.9

_EPSILON = 1e-6


@dataclass(frozen=True)
class LogGeneration:
    """The log as a caller last saw it, so that a lost log is noticed.

    :param generation: the name of the log in which the caller booked.
    :param age: seconds since the caller's last request.
    :param handle: a booking of the caller that the log must still have.
    :param slot_age: seconds since the slot of that booking, or a little more.
    """

    generation: str
    age: float
    handle: Any = None
    slot_age: float = inf


@dataclass(frozen=True)
class SlotRequest:
    """A request for a slot.

    :param polling: whether this is a poll, which takes its own smaller share.
    :param max_wait: the longest wait in seconds that is of use to the caller.
    :param replaces: the caller's own earlier booking, which it missed and which is dropped.
    :param known_log: the log as the caller last saw it.
    :param waiter_id: a poll's own name in the queue of polls.
    :param waited: seconds for which the poll has waited, which decides its place in the queue.
    """

    polling: bool = False
    max_wait: float = inf
    replaces: Any = None
    known_log: LogGeneration | None = None
    waiter_id: str = ""
    waited: float = 0.0


@dataclass(frozen=True)
class Reservation:
    """A slot that now belongs to the caller.

    :param handle: names the booking in its store.
    :param wait: seconds until the slot.
    :param window: the position of the window that decided, or ``None`` for a pause.
    :param ahead: how many bookings come before this one.
    :param generation: the name of the log.
    :param share: which share of the budget the log takes, 1 for all.
    """

    handle: Any
    wait: float
    window: int | None
    ahead: int
    generation: str
    share: float = 1.0


@dataclass(frozen=True)
class Denied:
    """No slot was booked.

    :param wait: seconds after which a slot could be had, or after which to ask again.
    :param final: whether the slot comes too late for the caller, rather than its turn not yet.
    """

    wait: float
    final: bool


@dataclass
class State:
    """What a log holds beside the bookings. Moments are in the store's own time.

    :param generation: the name of the log; a new one is drawn when the log is created.
    :param not_before: the end of a pause.
    :param contended_until: the budget counts as used up until then, because a request had to wait.
    :param keep: seconds for which old bookings matter to at least one of the sharers.
    """

    generation: str
    not_before: float = -inf
    contended_until: float = -inf
    keep: float = 0.0


class SlotLog(ABC):
    """The bookings of one bucket of one token, in the order of their slots. A freed booking may be taken over."""

    state: State

    @abstractmethod
    def expire(self, before: float, now: float) -> None:
        """Drop bookings before a moment, and freed ones before now: nothing was sent in those."""

    @abstractmethod
    def nth_last(self, n: int) -> float | None:
        """Return the n-th last slot, counted from 1."""

    @abstractmethod
    def last_polls(self, n: int) -> list[float]:
        """Return the last n slots of polls, the last one first."""

    @abstractmethod
    def last_other(self) -> float | None:
        """Return the last slot of a request that is no poll; a freed one does not count."""

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
    def clear(self) -> None:
        """Drop all bookings."""

    @abstractmethod
    def pop_after(self, now: float) -> list[tuple[Any, float]]:
        """Drop the freed bookings after now; take the others out of the log and return them in order."""

    @abstractmethod
    def restore(self, handle: Any, at: float) -> None:
        """Put a booking that was popped back at the end of the log."""

    @abstractmethod
    def older_polls(self, waiter_id: str, since: float, now: float) -> int:
        """Count the queued polls that have waited longer; those that were to ask again before now are gone."""

    @abstractmethod
    def enqueue_poll(self, waiter_id: str, since: float, until: float) -> None:
        """Queue a poll until it is to ask again; its place is the one it had first."""

    @abstractmethod
    def dequeue_poll(self, waiter_id: str) -> None:
        """Take a poll out of the queue."""


def book(
    log: SlotLog, rules: Rules, request: SlotRequest, now: float, *, not_before: float = -inf
) -> Reservation | Denied:
    """Book the earliest slot that every window allows, or return when to ask again.

    :param not_before: a moment before which the caller cannot use a slot.
    """
    state = log.state
    state.keep = max(state.keep, rules.longest)
    if request.known_log is not None:
        _compare(log, request.known_log, rules, now)
    if request.replaces is not None:
        log.remove(request.replaces)
    log.expire(now - state.keep, now)
    earliest = max(now, state.not_before, not_before)
    freed = log.first_free(earliest)
    at, window = (freed[1], rules.slowest) if freed else _next_slot(log, rules, earliest)
    if request.polling:
        pause = _enqueue_unless_next(log, rules, request, _pause_for_others(log, rules, at, now), now)
        if pause is not None:
            return Denied(pause, final=pause > request.max_wait)
    if at - now > request.max_wait:
        return Denied(at - now, final=True)
    if freed:
        log.remove(freed[0])
    if not request.polling and at > max(now, not_before):
        state.contended_until = max(state.contended_until, at + rules.contention)
    ahead = log.count(now, at) if at > now else 0
    return Reservation(log.add(at, request.polling), at - now, window, ahead, state.generation)


def pause(log: SlotLog, rules: Rules, seconds: float, now: float) -> None:
    """Let everybody wait: the bookings that lie ahead move behind the pause, in their order."""
    state = log.state
    state.keep = max(state.keep, rules.longest)
    state.not_before = max(state.not_before, now + min(max(seconds, 0.0), MAX_PAUSE_S))
    log.expire(now - state.keep, now)
    moved = state.not_before
    for handle, was in log.pop_after(now):
        moved, _ = _next_slot(log, rules, max(was, state.not_before))
        log.restore(handle, moved)
    if state.contended_until > now:
        state.contended_until = max(state.contended_until, moved + rules.contention)


def release(log: SlotLog, handle: Any, now: float) -> None:
    """Return a slot that will not be used: the next caller takes it over, so that no booking has to move."""
    at = log.find(handle)
    if at is None:
        return
    if at > now:
        log.free(handle)
    else:
        log.remove(handle)


def remaining(log: SlotLog, handle: Any, now: float) -> float | None:
    """Return the seconds until a booked slot, negative when it has passed, ``None`` when the booking is lost."""
    at = log.find(handle)
    return None if at is None else at - now


def _next_slot(log: SlotLog, rules: Rules, earliest: float) -> tuple[float, int | None]:
    at, window = earliest, None
    for position, (requests, seconds) in enumerate(rules.windows):
        nth = log.nth_last(requests)
        if nth is not None and nth + seconds > at:
            at, window = nth + seconds, position
    last = log.nth_last(1)
    if last is not None and last > at:
        at, window = last, rules.slowest
    return at, window


def _pause_for_others(log: SlotLog, rules: Rules, at: float, now: float) -> float:
    """Return 0 if a poll may have this slot, else the seconds after which some poll may have one."""
    polls, spare_at = log.last_polls(rules.polls_paced), _spare_at(log, rules, at, now)
    if spare_at > now + _EPSILON:
        pause = _pause_for_push(log, rules, polls, at)
        return min(pause, spare_at - now) if pause > _EPSILON else 0.0
    # As many polls as the budget has slots since each of the last ones, and a few at once.
    turns = (slot + (place - rules.polls_at_once + 2) * rules.interval for place, slot in enumerate(polls))
    turn = max(itertools.islice(turns, rules.polls_at_once - 1, None), default=-inf)
    pause = max(turn - now if turn > at + _EPSILON else 0.0, at - now - rules.poll_lookahead)
    return max(pause, 0.0)


def _spare_at(log: SlotLog, rules: Rules, at: float, now: float) -> float:
    """Return when a poll at a slot leaves enough to the other requests; long ago where there are none."""
    if rules.before_reserve < 1:
        # No slot can be kept free for them, so polls make room while they have to wait.
        return inf if now < log.state.contended_until else -inf
    other = log.last_other()
    if other is None or other <= now - rules.contention:
        return -inf
    nth = log.nth_last(rules.before_reserve)
    return at if nth is None else max(at, nth + rules.windows[rules.slowest][1])


def _pause_for_push(log: SlotLog, rules: Rules, polls: list[float], at: float) -> float:
    """Return the seconds until polls may have one more of the few slots that are theirs beside a push."""
    share, seconds = rules.poll_share
    slots, gap = rules.poll_gap
    pause = 0.0 if len(polls) < share else polls[share - 1] + seconds - at
    before = log.nth_last(slots)
    if polls and not (before is not None and before > polls[0]):
        pause = max(pause, polls[0] + gap - at)
    return pause


def _enqueue_unless_next(log: SlotLog, rules: Rules, request: SlotRequest, pause: float, now: float) -> float | None:
    """Return ``None`` if it is this poll's turn, else the seconds after which it should ask again.

    Polls that were denied are queued by how long they have waited. One that will not ask again leaves the queue, and
    one that is dead does so by itself.
    """
    since = now - request.waited
    older = log.older_polls(request.waiter_id, since, now)
    if not pause and not older:
        log.dequeue_poll(request.waiter_id)
        return None
    shortest, longest = rules.poll_retry
    pause = min(max(pause, shortest), longest) + min(older * rules.interval, 10 * longest)
    if pause > request.max_wait:
        log.dequeue_poll(request.waiter_id)
    else:
        log.enqueue_poll(request.waiter_id, since, now + pause + longest)
    return pause


def _compare(log: SlotLog, known_log: LogGeneration, rules: Rules, now: float) -> None:
    """Let everybody wait if requests were sent that this log knows nothing of, until they have left every window."""
    state = log.state
    if known_log.generation != state.generation:
        if known_log.age < rules.longest:
            state.not_before = max(state.not_before, now + rules.longest - known_log.age)
    elif (
        known_log.handle is not None
        and known_log.slot_age < SURELY_KEPT * rules.longest
        and log.find(known_log.handle) is None
    ):
        # A part of the log was lost, and nobody knows how much: what is left is worth nothing.
        log.clear()
        state.generation = new_generation()
        state.not_before = max(state.not_before, now + state.keep)


def new_generation() -> str:
    """Draw a name for a log that begins."""
    return os.urandom(16).hex()
