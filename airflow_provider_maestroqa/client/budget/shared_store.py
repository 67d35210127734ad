"""What the budgets of one process share: the open store, the queue of waiting polls, and one thread for event loops.

A triggerer makes a client for each of a thousand triggers; all of them use one connection to the store.
A forked child never touches what it inherited: it opens its own.
"""

from __future__ import annotations

import atexit
import contextlib
import copy
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.share import warn
from airflow_provider_maestroqa.client.budget.slot_log import Denied, LogGeneration, Reservation, SlotRequest
from airflow_provider_maestroqa.client.errors import MaestroQAError

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Result = TypeVar("Result")

# Closing may happen in an event loop, so a store that does not answer is not waited for.
_CLOSING_S = 0.2


class Store(Protocol):
    """Where the log is kept. Every call is one transaction, thread-safe, and ends within a bounded time.

    Times that travel are seconds from now, so that nobody needs to know the store's clock.
    """

    @property
    def name(self) -> str:
        """What messages call it, without any password."""

    @property
    def blocking(self) -> bool:
        """Whether a call may block, so that an event loop must not make it."""

    @property
    def stays_open(self) -> bool:
        """Whether closing it would lose the log, so that it stays open as long as the process."""

    def book(self, budget: str, rules: Rules, request: SlotRequest) -> Reservation | Denied:
        """Book a slot."""

    def remaining(self, budget: str, handle: Any) -> float | None:
        """Return the seconds until a booked slot, ``None`` when the booking is lost."""

    def release(self, budget: str, handle: Any) -> None:
        """Release a slot that will not be used."""

    def pause(self, budget: str, rules: Rules, seconds: float) -> None:
        """Let every sharer wait."""

    def close(self) -> None:
        """Close what is open."""


class PollQueue:
    """A queue within this process: of a thousand waiting polls, one at a time asks the store.

    First come, first served. Serves threads and event loops alike, because it only calls ``wake``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: OrderedDict[object, Callable[[], None]] = OrderedDict()

    def join(self, waiter_id: object, wake: Callable[[], None]) -> int:
        """Join the queue; ``wake`` is called, from any thread, when it is this ticket's turn.

        :param waiter_id: any object that names this place in the queue.
        :return: how many wait before.
        """
        with self._lock:
            ahead = len(self._queue)
            self._queue[waiter_id] = wake
        if not ahead:
            wake()
        return ahead

    def leave(self, waiter_id: object) -> None:
        """Leave the queue, whether or not the turn has come; doing it twice does no harm."""
        with self._lock:
            first = next(iter(self._queue), None)
            self._queue.pop(waiter_id, None)
            upcoming = next(iter(self._queue.items()), None) if first is waiter_id else None
        if upcoming is not None:
            try:
                upcoming[1]()
            except RuntimeError:  # its event loop is closed: nobody is there any more
                self.leave(upcoming[0])


@dataclass(frozen=True)
class _LastRequest:
    generation: str
    at: float
    handle: Any = None
    slot: float = -inf


class StoreHandle:
    """One open store of this process and those who use it.

    :param store: the store.
    :param now: monotonic seconds.
    """

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self.store = store
        self.pid = os.getpid()
        self.users = 0
        self._now = now
        self._poll_queues: dict[str, PollQueue] = {}
        self._last: dict[str, _LastRequest] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._failure: tuple[float, MaestroQAError] | None = None
        self._is_warned = False

    def poll_queue(self, log: str) -> PollQueue:
        """Return the queue of polls for a log."""
        return self._poll_queues.setdefault(log, PollQueue())

    def record_generation(self, log: str, generation: str) -> None:
        """Note which log the process books in."""
        last = self._last.get(log)
        if last is None or last.generation != generation:
            self._last[log] = _LastRequest(generation, -inf if last is None else last.at)

    def record_request(self, log: str, booking: LogGeneration) -> None:
        """Note that a request of this process goes out now.

        :param log: the log.
        :param booking: its booking, which the log must have from now on until it leaves every window.
        """
        last, now = self._last[log], self._now()
        if booking.generation == last.generation:
            last = _LastRequest(last.generation, now, booking.handle, now - booking.slot_age)
        self._last[log] = replace(last, at=now)

    def known_log(self, log: str) -> LogGeneration | None:
        """Return what this process knows of a log."""
        last, now = self._last.get(log), self._now()
        return None if last is None else LogGeneration(last.generation, now - last.at, last.handle, now - last.slot)

    def warn_of_others(self, rules: Rules, share: float) -> None:
        """Say once that others use the token, and what to configure."""
        if not self._is_warned:
            self._is_warned = True
            warn(rules, share, self.store.name)

    async def ask_async(self, call: Callable[[], Result], undo: Callable[[Result], None] | None = None) -> Result:
        """Make a call to the store without holding up the event loop.

        :param call: the call.
        :param undo: takes the result when the caller was cancelled meanwhile.
        """
        if not self.store.blocking:
            return call()
        import asyncio

        future = self._submit(call)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if undo is not None and not future.cancelled():
                # One thread, one after the other: when this runs, the call is done.
                self.in_background(lambda: None if future.exception() else undo(future.result()))
            raise

    def in_background(self, call: Callable[[], None]) -> None:
        """Make a call to the store whose result nobody waits for."""
        if not self.store.blocking:
            call()
            return
        with contextlib.suppress(RuntimeError):  # closed meanwhile, or the interpreter ends
            self._submit(call)

    def _submit(self, call: Callable[[], Result]) -> Future[Result]:
        # When the store fails, those that are queued behind the failed call fail with it: else each would wait for
        # its own time-out, and the last of a thousand for an hour.
        future = time.monotonic()

        def guarded() -> Result:
            if self._failure is not None and self._failure[0] >= future:
                raise copy.copy(self._failure[1])
            try:
                return call()
            except MaestroQAError as error:
                self._failure = (time.monotonic(), error)
                raise

        return self._executor().submit(guarded)

    def _executor(self) -> ThreadPoolExecutor:
        if self._thread is None:
            from concurrent.futures import ThreadPoolExecutor

            with lock():
                if self._thread is None:
                    self._thread = ThreadPoolExecutor(1, thread_name_prefix="maestroqa-budget")
        return self._thread

    def close(self) -> None:
        """Finish what is under way, then close the store; a store that hangs is left to its time-out."""
        if self._thread is None:
            self.store.close()
            return
        from concurrent.futures import wait

        closed = self._thread.submit(self.store.close)
        self._thread.shutdown(wait=False)
        wait([closed], timeout=_CLOSING_S)


_lock = threading.RLock()
_open: dict[object, StoreHandle] = {}
_dropped: deque[tuple[object, StoreHandle]] = deque()
_inherited: list[object] = []


def lock() -> threading.RLock:
    """Return the lock under which stores are opened and closed in this process."""
    return _lock


def acquire_handle(name: object, make: Callable[[], StoreHandle]) -> StoreHandle:
    """Return this process's open store of that name, opening it for the first user.

    :param name: what is the same for two that may share.
    :param make: opens it.
    """
    _close_unused()
    with _lock:
        store_handle = _open.get(name)
        if store_handle is None:
            store_handle = _open[name] = make()
        store_handle.users += 1
        return store_handle


def release_handle(name: object, store_handle: StoreHandle) -> None:
    """Say that one user is gone; the last one closes the store."""
    _close_unused()
    _release_handle(name, store_handle)


def discard_handle(name: object, store_handle: StoreHandle) -> None:
    """The same from a finalizer, which may run anywhere and so must not take a lock: the next user sweeps."""
    _dropped.append((name, store_handle))


def _close_unused() -> None:
    while _dropped:
        _release_handle(*_dropped.popleft())


def _release_handle(name: object, store_handle: StoreHandle) -> None:
    if store_handle.pid != os.getpid():
        return
    with _lock:
        store_handle.users -= 1
        last = store_handle.users == 0 and not store_handle.store.stays_open
        if last and _open.get(name) is store_handle:
            del _open[name]
    if last:
        store_handle.close()


def _after_fork() -> None:
    # Kept for ever, never closed: closing would disturb the parent's file locks and connections.
    global _lock
    _inherited.append(dict(_open))
    _lock = threading.RLock()
    _open.clear()
    _dropped.clear()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_close_unused)
