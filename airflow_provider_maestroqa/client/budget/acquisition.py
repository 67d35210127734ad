"""How one caller comes to its slot, written once: the steps are data, threads and event loops carry them out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.shared_store import Shared
from airflow_provider_maestroqa.client.budget.slot_log import Booked, Refused, Wish
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.client.formatting import format_duration

# A caller that wakes too late books again, but not for ever: on a machine that is always late, nobody would ever go.
_MISSED_SLOTS = 3


@dataclass(frozen=True)
class Wait:
    """Why and how long a caller is going to wait.

    :param bucket: the bucket of the request.
    :param seconds: how long, as far as is known now.
    :param window: the window that decides, as (requests, seconds), or ``None`` while MaestroQA has asked for a pause.
    :param ahead: how many requests come before this one.
    """

    bucket: str
    seconds: float
    window: tuple[int, float] | None
    ahead: int

    def __str__(self) -> str:
        why = "MaestroQA asked for a pause"
        if self.window is not None:
            why = f"{self.window[0]} requests in {self.window[1]:g} s are all that the token may send"
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
class Ask:
    """Step: carry out a call to the store; its answer is sent back."""

    call: Callable[[], Any]


@dataclass(frozen=True)
class Sleep:
    """Step: let some seconds pass."""

    seconds: float


@dataclass(frozen=True)
class QueueUp:
    """Step: stand in this process's line of polls; whether the turn came within the seconds is sent back."""

    patience: float | None


Step: TypeAlias = Ask | Sleep | QueueUp


class Acquisition:
    """One caller's way to its slot.

    :param shared: the open store of this process.
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
        shared: Shared,
        key: str,
        *,
        bucket: str,
        rules: Rules,
        deadline: float | None,
        polling: bool,
        clock: Clock,
        on_wait: Callable[[Wait], None] | None,
    ) -> None:
        self.shared = shared
        self.key = key
        self.bucket = bucket
        self.rules = rules
        self.deadline = deadline
        self.polling = polling
        self._clock = clock
        self._on_wait = on_wait
        self.handle: Any = None
        self._ahead = 0
        self._told = False
        self._since = clock.monotonic()
        self._ticket = os.urandom(8).hex() if polling else ""

    @property
    def patience(self) -> float | None:
        """Seconds until the deadline."""
        return None if self.deadline is None else self.deadline - self._clock.wall()

    def steps(self) -> Generator[Step, Any, float]:
        """Yield what to do; return the seconds that it took."""
        if self.polling and not (yield QueueUp(self.patience)):
            raise BudgetExhaustedError(self.bucket, (self._ahead + 1) * self.rules.interval)
        missed = 0
        wait = yield from self._book(None)
        while wait > 0:
            yield Sleep(wait)
            left = yield Ask(self._left)
            if left is None or (left < -self.rules.margin and missed < _MISSED_SLOTS):
                # Lost with its log, or missed by a pause so long that the windows may be full without this request.
                missed += left is not None
                stale, self.handle = self.handle, None
                wait = yield from self._book(stale)
            else:
                wait = left
                self._check(wait)
        self.shared.remember(self.key)
        return self._clock.monotonic() - self._since

    def _book(self, instead_of: Any) -> Generator[Step, Any, float]:
        while True:
            patience = self.patience
            wish = Wish(
                polling=self.polling,
                patience=float("inf") if patience is None else patience,
                instead_of=instead_of,
                witness=self.shared.witness(self.key),
                ticket=self._ticket,
                waited=self._clock.monotonic() - self._since,
            )
            answer = yield Ask(partial(self._book_now, wish))
            if isinstance(answer, Booked):
                self.handle = answer.handle
                self.leave_queue()
                self.shared.recall(self.key, answer.generation)
                if answer.wait > 0:
                    window = None if answer.window is None else self.rules.limits[answer.window]
                    self._tell(Wait(self.bucket, answer.wait, window, answer.ahead))
                return answer.wait
            instead_of = None
            if answer.final:
                raise BudgetExhaustedError(self.bucket, answer.wait)
            self._tell_of_line(answer.wait)
            yield Sleep(answer.wait)

    def _book_now(self, wish: Wish) -> Booked | Refused:
        return self.shared.store.book(self.key, self.rules, wish)

    def _left(self) -> float | None:
        return self.shared.store.remaining(self.key, self.handle)

    def _check(self, wait: float) -> None:
        patience = self.patience
        if patience is not None and wait > patience:
            raise BudgetExhaustedError(self.bucket, wait)

    def leave_queue(self) -> None:
        """Let the next waiting poll of this process ask the store."""
        if self.polling:
            self.shared.turns(self.key).leave(self)

    def give_back(self) -> None:
        """Let others have the slot that was booked, because the caller has stopped waiting."""
        handle, self.handle = self.handle, None
        if handle is not None:
            # If this fails, the slot passes unused: no reason to hide why the caller stops.
            with contextlib.suppress(MaestroQAError):
                self.shared.store.give_back(self.key, handle)

    def regret(self, answer: Any) -> None:
        """Give back what was booked for a caller that did not wait for the answer."""
        if isinstance(answer, Booked):
            self.handle = answer.handle
            self.give_back()

    def join_queue(self, wake: Callable[[], None]) -> None:
        """Stand in this process's line of polls; ``wake`` is called when it is this one's turn."""
        self._ahead = self.shared.turns(self.key).join(self, wake)
        if self._ahead:
            self._tell_of_line(self._ahead * self.rules.interval)

    def _tell_of_line(self, seconds: float) -> None:
        if not self._told:
            self._told = True
            self._tell(Wait(self.bucket, seconds, self.rules.limits[self.rules.slowest], self._ahead))

    def _tell(self, wait: Wait) -> None:
        if self._on_wait is not None:
            self._on_wait(wait)
