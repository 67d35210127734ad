"""One caller's steps to its slot, without I/O: the steps are data, which threads and event loops perform."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any, TypeAlias

from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.shared_store import StoreHandle
from airflow_provider_maestroqa.client.budget.slot_log import Denied, LogGeneration, Reservation, SlotRequest
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.client.formatting import format_duration, format_number

# A caller that wakes too late books again, but not for ever: on a machine that is always late, nobody would ever go.
_MISSED_SLOTS = 3


@dataclass(frozen=True)
class Wait:
    """Why and how long a caller is going to wait.

    :param bucket: the bucket of the request.
    :param seconds: how long, as far as is known now.
    :param window: the window that decides, as (requests, seconds), or ``None`` while MaestroQA has asked for a pause.
    :param ahead: how many requests come before this one.
    :param share: which share of the window is taken here, 1 for all, because others use the token.
    """

    bucket: str
    seconds: float
    window: tuple[int, float] | None
    ahead: int
    share: float = 1.0

    def __str__(self) -> str:
        why = "MaestroQA asked for a pause"
        if self.window is not None:
            why = f"{self.window[0]} requests in {format_number(self.window[1], 6)} s are all that the token may send"
            if self.share < 1:
                why += f", of which {self.share:.0%} are taken here, because others use it"
        pause = format_duration(self.seconds)
        return f"waiting {pause} for the {self.bucket} request budget ({why}; {self.ahead} ahead)"


class BudgetExhaustedError(Exception):
    """The caller's slot would come after its deadline. Nothing was booked and nothing is to be sent.

    :param needed_s: seconds from now until the slot would have come.
    """

    def __init__(self, bucket: str, needed_s: float) -> None:
        super().__init__(f"the next free slot of the {bucket} request budget comes {needed_s:.1f} s from now")
        self.bucket = bucket
        self.needed_s = needed_s

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.bucket, self.needed_s)


@dataclass(frozen=True)
class AskStore:
    """Step: make a call to the store; its result is sent back."""

    call: Callable[[], Any]


@dataclass(frozen=True)
class Sleep:
    """Step: let some seconds pass."""

    seconds: float


@dataclass(frozen=True)
class WaitForTurn:
    """Step: join this process's queue of polls; whether the turn came within the seconds is sent back."""

    max_wait: float | None


Step: TypeAlias = AskStore | Sleep | WaitForTurn


class Acquisition:
    """One caller's way to its slot.

    :param store_handle: the open store of this process.
    :param key: the name of the bucket's log in the store.
    :param bucket: the bucket that the slot is taken from.
    :param rules: the windows of the bucket.
    :param deadline: Unix time after which a slot is of no use.
    :param polling: whether the caller is a poll.
    :param clock: the time.
    :param on_wait: called when the caller has to wait.
    """

    def __init__(
        self,
        store_handle: StoreHandle,
        key: str,
        *,
        bucket: str,
        rules: Rules,
        deadline: float | None,
        polling: bool,
        clock: Clock,
        on_wait: Callable[[Wait], None] | None,
    ) -> None:
        self.store_handle = store_handle
        self.key = key
        self.bucket = bucket
        self.rules = rules
        self.deadline = deadline
        self.polling = polling
        self._clock = clock
        self._on_wait = on_wait
        self.handle: Any = None
        self._generation = ""
        self._slot = 0.0
        self._ahead = 0
        self._is_reported = False
        self._started_at = clock.monotonic()
        self._waiter_id = os.urandom(8).hex() if polling else ""

    @property
    def max_wait(self) -> float | None:
        """Seconds until the deadline."""
        return None if self.deadline is None else self.deadline - self._clock.wall()

    def steps(self) -> Generator[Step, Any, float]:
        """Yield what to do; return the seconds that it took."""
        if self.polling and not (yield WaitForTurn(self.max_wait)):
            raise BudgetExhaustedError(self.bucket, (self._ahead + 1) * self.rules.interval)
        missed = 0
        wait = yield from self._book(None)
        while wait > 0:
            yield Sleep(wait)
            asked_at = self._clock.monotonic()
            left = yield AskStore(self._left)
            if left is None or (left < -self.rules.margin and missed < _MISSED_SLOTS):
                # Lost with its log, or missed by a pause so long that the windows may be full without this request.
                missed += left is not None
                stale, booking = self.handle, self._booking() if left is None else None
                self.handle = None
                wait = yield from self._book(stale, booking)
            else:
                wait, self._slot = left, asked_at + left
                self._check(wait)
        self.store_handle.record_request(self.key, self._booking())
        self.handle = None  # used, and not to be released any more
        return self._clock.monotonic() - self._started_at

    def _booking(self) -> LogGeneration:
        # The slot is counted from when the store was asked, so that it is never taken for younger than it is.
        return LogGeneration(self._generation, inf, self.handle, self._clock.monotonic() - self._slot)

    def _book(self, replaces: Any, lost: LogGeneration | None = None) -> Generator[Step, Any, float]:
        while True:
            asked_at, max_wait = self._clock.monotonic(), self.max_wait
            known_log = self.store_handle.known_log(self.key)
            if lost is not None and known_log is not None and known_log.generation == lost.generation:
                known_log = replace(lost, age=known_log.age)
            request = SlotRequest(
                polling=self.polling,
                max_wait=inf if max_wait is None else max_wait,
                replaces=replaces,
                known_log=known_log,
                waiter_id=self._waiter_id,
                waited=self._clock.monotonic() - self._started_at,
            )
            result = yield AskStore(partial(self._book_now, request))
            if isinstance(result, Reservation):
                self.handle, self._generation = result.handle, result.generation
                self._slot = asked_at + result.wait
                self.leave_queue()
                self.store_handle.record_generation(self.key, result.generation)
                if result.wait > 0:
                    window = None if result.window is None else self.rules.limits[result.window]
                    self._report(Wait(self.bucket, result.wait, window, result.ahead, result.share))
                return result.wait
            replaces = lost = None
            if result.final:
                raise BudgetExhaustedError(self.bucket, result.wait)
            self._report_queue(result.wait)
            yield Sleep(result.wait)

    def _book_now(self, request: SlotRequest) -> Reservation | Denied:
        return self.store_handle.store.book(self.key, self.rules, request)

    def _left(self) -> float | None:
        return self.store_handle.store.remaining(self.key, self.handle)

    def _check(self, wait: float) -> None:
        max_wait = self.max_wait
        if max_wait is not None and wait > max_wait:
            raise BudgetExhaustedError(self.bucket, wait)

    def leave_queue(self) -> None:
        """Let the next waiting poll of this process ask the store."""
        if self.polling:
            self.store_handle.poll_queue(self.key).leave(self)

    def release(self) -> None:
        """Release the slot that was booked, because the caller has stopped waiting."""
        handle, self.handle = self.handle, None
        if handle is not None:
            # If this fails, the slot passes unused: no reason to hide why the caller stops.
            with contextlib.suppress(MaestroQAError):
                self.store_handle.store.release(self.key, handle)

    def undo(self, result: Any) -> None:
        """Release what was booked for a caller that did not wait for the result."""
        if isinstance(result, Reservation):
            self.handle = result.handle
            self.release()

    def join_queue(self, wake: Callable[[], None]) -> None:
        """Join this process's queue of polls; ``wake`` is called when it is this one's turn."""
        self._ahead = self.store_handle.poll_queue(self.key).join(self, wake)
        if self._ahead:
            self._report_queue(self._ahead * self.rules.interval)

    def _report_queue(self, seconds: float) -> None:
        if not self._is_reported:
            self._is_reported = True
            self._report(Wait(self.bucket, seconds, self.rules.limits[self.rules.slowest], self._ahead))

    def _report(self, wait: Wait) -> None:
        if self._on_wait is not None:
            self._on_wait(wait)
