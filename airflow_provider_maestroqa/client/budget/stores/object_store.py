"""The budget of many machines, in an object storage: a log is one small object, written by compare and swap.

Nobody holds a lock, so nobody can leave one behind. A booking is a read and a conditional write; whoever loses reads
again. A process that sends all the time books several slots at once, and gives back those that it does not use.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import inf
from typing import TypeVar, cast

from airflow_provider_maestroqa.client.budget import slot_log
from airflow_provider_maestroqa.client.budget.limits import MAX_PAUSE_S, Rules
from airflow_provider_maestroqa.client.budget.slot_log import Denied, Reservation, SlotRequest
from airflow_provider_maestroqa.client.budget.stores.booking_ahead import BookedAhead
from airflow_provider_maestroqa.client.budget.stores.log_document import LogDocument
from airflow_provider_maestroqa.client.budget.stores.service_clock import ServiceClock
from airflow_provider_maestroqa.client.budget.stores.swapping import (
    StoredDocument,
    SwapLostError,
    SwapObjects,
    probe,
)
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQAError,
)

Result = TypeVar("Result")

#: How many slots a process that sends all the time books at once.
MAX_AHEAD = 8
# A slot that has passed by more while it was being written is booked again, but not for ever.
_TRIES = 3
# One who loses swaps tries so many times longer than one whose storage is away.
_CROWD = 6
# After a lost swap: the shortest and the longest pause before the next one, in seconds.
_PAUSES_S = (0.02, 1.0)
# Releases that come sooner after another go with the next write. Seconds.
_RELEASE_PAUSE_S = 0.25
# A slot that is this near is waited for at once. Seconds.
_NEAR_S = 0.001
# A pause is long enough for a booking if that takes so many times less.
_SPARE = 3.0
# Closing gives unused slots back, and waits no longer for that. Seconds.
_CLOSING_S = 2.0


class ObjectStore:
    """Logs in an object storage.

    :param name: what messages call it.
    :param open_objects: opens the prefix; called at the first use.
    :param clock: the time.
    :param timeout: for how many seconds to try.
    :param now: stands in for the service's clock in tests.
    :param max_ahead: how many slots to book at once.
    """

    blocking = True
    stays_open = False

    def __init__(
        self,
        name: str,
        open_objects: Callable[[], SwapObjects],
        clock: Clock,
        *,
        timeout: float,
        now: Callable[[], float] | None = None,
        max_ahead: int = MAX_AHEAD,
    ) -> None:
        self.name = name
        self._open_objects = open_objects
        self._clock = clock
        self._timeout = timeout
        self._service_clock = ServiceClock(clock, name)
        self._is_observed = now is None
        self._now = now or self._service_clock.now
        self._max_ahead = max_ahead
        self._booker = secrets.randbits(32)
        self._lock = threading.Lock()
        self._objects: SwapObjects | None = None
        self._known: dict[str, StoredDocument] = {}
        #: What was read or written last, and when. It is as good as a new read for as long as a read takes.
        self._seen: dict[str, tuple[float, StoredDocument]] = {}
        self._ahead: dict[str, BookedAhead] = {}
        self._unused: dict[str, list[int]] = {}
        self._next_release = -inf
        self._read_s: deque[float] = deque(maxlen=8)
        self._write_s: deque[float] = deque(maxlen=8)
        #: Reads and writes so far, and writes that were lost to others.
        self.calls = {"read": 0, "write": 0, "lost": 0}

    def book(self, budget: str, rules: Rules, request: SlotRequest) -> Reservation | Denied:
        """Book a slot."""
        with self._locked():
            ahead = self._ahead.setdefault(budget, BookedAhead(self._max_ahead))
            ahead.asked(self._now(), rules, polling=request.polling)
            result: Reservation | Denied | None = self._booked_ahead(budget, ahead, rules, request)
            if result is None:
                result = self._book_now(budget, ahead, rules, request)
            else:
                ahead.gave(self._now() + result.wait)
        if isinstance(result, Denied):
            return result
        wait = self._wait_if_near(result.wait)
        # The caller will read the log once more before it sends, and is to have read it when its slot comes.
        return replace(result, wait=max(0.0, wait - self._reading_s))

    def remaining(self, budget: str, handle: int) -> float | None:
        """Return the seconds until a booked slot, ``None`` when the booking is lost."""
        with self._locked():
            left = self._remaining(budget, handle)
        return None if left is None else self._wait_if_near(left)

    def release(self, budget: str, handle: int) -> None:
        """Release a slot that will not be used.

        Of many that are released at once, as when a triggerer ends, the first one is written at once; the others go
        with the next write.
        """
        with self._locked():
            self._unused.setdefault(budget, []).append(handle)
            if self._clock.monotonic() < self._next_release:
                return
            # Not again while the storage is away: a thousand would wait for it one after the other.
            self._next_release = self._clock.monotonic() + self._timeout
            self._transact(budget, _nothing)
            self._next_release = self._clock.monotonic() + _RELEASE_PAUSE_S

    def pause(self, budget: str, rules: Rules, seconds: float) -> None:
        """Let every sharer wait."""
        with self._locked():
            self._transact(budget, lambda log, now: slot_log.pause(log, rules, seconds, now))

    def close(self) -> None:
        """Give back the slots that were booked ahead and not used."""
        if not self._lock.acquire(timeout=_CLOSING_S):
            return
        try:
            self._timeout = _CLOSING_S
            for budget, ahead in self._ahead.items():
                self._unused.setdefault(budget, []).extend(ahead.drop_all())
            for budget, unused in self._unused.items():
                if unused:
                    # If this fails, they pass unused.
                    with contextlib.suppress(MaestroQAError):
                        self._transact(budget, _nothing)
        finally:
            self._lock.release()

    @property
    def _reading_s(self) -> float:
        """Seconds that a read takes at least."""
        return min(self._read_s, default=0.0)

    @property
    def _lead_s(self) -> float:
        """Seconds that a write takes at most: a slot should not have passed when its booking has been written."""
        return max(self._write_s, default=0.0)

    def _wait_if_near(self, left: float) -> float:
        """Let a slot come that is nearer than another read takes; return the seconds that are left."""
        if not 0 < left <= max(self._reading_s, _NEAR_S):
            return left
        self._clock.sleep(left)
        return 0.0

    def _booked_ahead(
        self, budget: str, ahead: BookedAhead, rules: Rules, request: SlotRequest
    ) -> Reservation | None:
        """Take a slot that was booked ahead, if there is one that the caller can use."""
        if request.polling or request.replaces is not None:
            return None
        while (booking := ahead.take(self._now(), rules.margin)) is not None:
            wait = booking.at - self._now()
            if wait > request.max_wait:
                ahead.put_back(booking)
                return None
            self._book_more(budget, ahead, rules, booking.at)
            wait = booking.at - self._now()
            if wait <= 0:
                # Nobody will look again before it is used, and a pause may have moved it.
                left = self._remaining(budget, booking.handle)
                if left is None:
                    ahead.drop_all()
                    return None
                if left < -rules.margin:  # reading took too long
                    ahead.miss(booking)
                    continue
                wait = left
            return Reservation(booking.handle, wait, rules.slowest, booking.ahead, booking.generation)
        return None

    def _book_now(self, budget: str, ahead: BookedAhead, rules: Rules, request: SlotRequest) -> Reservation | Denied:
        for attempt in range(_TRIES):
            self._unused.setdefault(budget, []).extend(ahead.drop_all())
            work = partial(_book, rules=rules, request=request, lead=self._lead_s, ahead=ahead)
            lost = self.calls["lost"]
            try:
                result, at = self._transact(budget, work)
            except BaseException:
                ahead.drop_unwritten()
                raise
            ahead.wrote(self.calls["lost"] - lost)
            if isinstance(result, Denied):
                return result
            wait = at - self._now()
            if wait >= -rules.margin or attempt == _TRIES - 1:
                break
            request = replace(request, replaces=result.handle)
        ahead.gave(at)
        return replace(result, wait=max(0.0, wait))

    def _book_more(self, budget: str, ahead: BookedAhead, rules: Rules, until: float) -> None:
        """Book further ahead while the caller waits for its slot, if there will be no such time again."""
        pause = _SPARE * (self._reading_s + self._lead_s)
        if self._now() + pause > until or not ahead.is_last_pause(until, pause):
            return
        work = partial(_book_more, rules=rules, lead=self._lead_s, ahead=ahead)
        lost = self.calls["lost"]
        try:
            # If this fails, the caller still has its slot.
            with contextlib.suppress(MaestroQAError):
                self._transact(budget, work, timeout=pause)
                ahead.wrote(self.calls["lost"] - lost)
        finally:
            ahead.drop_unwritten()

    def _remaining(self, budget: str, handle: int) -> float | None:
        if handle in self._unused.get(budget, ()):
            return None
        seen_at, stored = self._seen.get(budget, (-inf, None))
        if stored is None or self._clock.monotonic() - seen_at >= self._reading_s:
            stored = self._with_retries(lambda: self._read(budget))
        log = self._parse(budget, stored)
        left = slot_log.remaining(log, handle, self._now())
        # Clocks may have been set meanwhile: nobody sleeps for longer than the log is long.
        return None if left is None else min(left, MAX_PAUSE_S + 2 * log.state.keep)

    def _transact(self, budget: str, work: Callable[[LogDocument, float], Result], *, timeout: float = inf) -> Result:
        # What this process wrote last may still be there; if not, the swap is lost, and the object is read.
        known, content, result = self._known.pop(budget, None), b"", None

        def attempt() -> Result:
            nonlocal known, content, result
            stored, known = known or self._read(budget), None
            if content and stored.content == content:
                # Only the answer to the swap was lost.
                self._known[budget] = stored
                return cast("Result", result)
            log = self._parse(budget, stored)
            if log.is_new and self._objects is not None:
                probe(self._objects, _file_name(budget), self._clock.sleep)
            now = self._now()
            log.enter(now)
            unused = list(self._unused.get(budget, ()))
            for handle in unused:
                slot_log.release(log, handle, now)
            result = work(log, now)
            content = log.dump().encode()
            self._known[budget] = self._swap(budget, content, stored.version)
            self._unused[budget] = [handle for handle in self._unused.get(budget, ()) if handle not in unused]
            return result

        return self._with_retries(attempt, timeout)

    def _with_retries(self, attempt: Callable[[], Result], timeout: float = inf) -> Result:
        """Try until it succeeds, while the storage may come back and swaps may be won."""
        begin, pause = self._clock.monotonic(), 0.0
        while True:
            began, patience = self._clock.monotonic(), self._timeout
            try:
                return attempt()
            except SwapLostError:
                self.calls["lost"] += 1
                patience *= _CROWD  # whoever has won goes on
                failure: MaestroQAError = MaestroQAConnectionError(
                    f"The request budget in {self.name} could not be written for {patience:g} s, because too "
                    "many processes write it at the same time. Nothing was sent. A Redis or PostgreSQL serves more.",
                    sent=False,
                )
            except MaestroQAError as error:
                if not error.retryable:
                    raise
                failure = MaestroQAConnectionError(
                    f"The request budget in {self.name} cannot be used: {error.message} Nothing was sent.", sent=False
                )
            pause = min(_PAUSES_S[1], max(_PAUSES_S[0], 2 * pause, self._clock.monotonic() - began))
            if self._clock.monotonic() + pause >= begin + min(timeout, patience):
                raise failure
            self._clock.sleep(pause * random.random())  # noqa: S311 - whoever has lost must not come back together

    def _read(self, budget: str) -> StoredDocument:
        self.calls["read"] += 1
        return self._timed(budget, lambda objects: objects.read(_file_name(budget)), self._read_s)

    def _swap(self, budget: str, content: bytes, version: str) -> StoredDocument:
        self.calls["write"] += 1
        return self._timed(budget, lambda objects: objects.swap(_file_name(budget), content, version), self._write_s)

    def _timed(
        self, budget: str, call: Callable[[SwapObjects], StoredDocument], durations: deque[float]
    ) -> StoredDocument:
        if self._objects is None:
            # Not earlier: the store may be made in an event loop, and this imports a lot.
            self._objects = self._open_objects()
        objects = self._objects
        sent = self._clock.monotonic()
        stored = call(objects)
        received = self._clock.monotonic()
        durations.append(received - sent)
        self._seen[budget] = received, stored
        if self._is_observed and not self._service_clock.observe(sent, received, stored.date):
            self._service_clock.measure(lambda: self._ask_time(objects))
        return stored

    def _ask_time(self, objects: SwapObjects) -> tuple[float, float, float | None]:
        sent = self._clock.monotonic()
        date = objects.read(_file_name("time")).date
        return sent, self._clock.monotonic(), date

    def _parse(self, budget: str, stored: StoredDocument) -> LogDocument:
        try:
            return LogDocument.parse(stored.content, self._booker)
        except ValueError as error:
            problem = str(error)
        raise MaestroQAConfigError(
            f"The object {_file_name(budget)} in {self.name} is no request budget of this version ({problem}). "
            "Delete it, or name another prefix in rate_limit_store."
        )

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=(_CROWD + 1) * self._timeout):
            raise MaestroQAConnectionError(
                f"The request budget in {self.name} cannot be used: another thread waits for it.", sent=False
            )
        try:
            yield
        finally:
            self._lock.release()


def _book(
    log: LogDocument,
    now: float,
    *,
    rules: Rules,
    request: SlotRequest,
    lead: float,
    ahead: BookedAhead,
) -> tuple[Reservation | Denied, float]:
    """Book a slot, and those ahead that the process will need; also return its moment."""
    now += lead
    ahead.drop_unwritten()
    result = slot_log.book(log, rules, request, now)
    at = now + result.wait
    if isinstance(result, Reservation) and not request.polling:
        ahead.book(log, rules, now, result)
    return result, at


def _book_more(log: LogDocument, now: float, *, rules: Rules, lead: float, ahead: BookedAhead) -> None:
    ahead.drop_unwritten()
    ahead.book(log, rules, now + lead)


def _nothing(_log: LogDocument, _now: float) -> None:
    """Change nothing but what every write does: give back what is not used."""


def _file_name(budget: str) -> str:
    return f"maestroqa_budget_{budget.replace(':', '_')}.json"
