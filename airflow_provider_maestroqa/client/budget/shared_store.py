"""What the budgets of one process share: the open store, the line of waiting polls, and one thread for event loops.

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
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from airflow_provider_maestroqa.client.budget.fifo_lock import Turns
from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.slot_log import Booked, Refused, Wish, Witness
from airflow_provider_maestroqa.client.errors import MaestroQAError

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Answer = TypeVar("Answer")

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
    def lasting(self) -> bool:
        """Whether closing it would lose the log, so that it stays open as long as the process."""

    def book(self, budget: str, rules: Rules, wish: Wish) -> Booked | Refused:
        """Book a slot."""

    def remaining(self, budget: str, handle: Any) -> float | None:
        """Return the seconds until a booked slot, ``None`` when the booking is lost."""

    def give_back(self, budget: str, handle: Any) -> None:
        """Return a slot that will not be used."""

    def penalise(self, budget: str, rules: Rules, seconds: float) -> None:
        """Let every sharer wait."""

    def close(self) -> None:
        """Close what is open."""


class Shared:
    """One open store of this process and those who use it.

    :param store: the store.
    :param now: monotonic seconds.
    """

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self.store = store
        self.pid = os.getpid()
        self.users = 0
        self._now = now
        self._turns: dict[str, Turns] = {}
        self._last: dict[str, tuple[str, float]] = {}
        self._thread: ThreadPoolExecutor | None = None
        self._failure: tuple[float, MaestroQAError] | None = None

    def turns(self, log: str) -> Turns:
        """Return the line of polls for a log."""
        return self._turns.setdefault(log, Turns())

    def recall(self, log: str, generation: str) -> None:
        """Note which log the process books in."""
        known = self._last.get(log)
        if known is not None and known[0] != generation:
            self._last[log] = (generation, known[1])
        elif known is None:
            self._last[log] = (generation, float("-inf"))

    def remember(self, log: str) -> None:
        """Note that a request of this process goes out now."""
        self._last[log] = (self._last[log][0], self._now())

    def witness(self, log: str) -> Witness | None:
        """Return what this process knows of a log."""
        known = self._last.get(log)
        return None if known is None else Witness(known[0], self._now() - known[1])

    async def ask_async(self, call: Callable[[], Answer], regret: Callable[[Answer], None] | None = None) -> Answer:
        """Make a call to the store without holding up the event loop.

        :param call: the call.
        :param regret: takes the answer when the caller was cancelled meanwhile.
        """
        if not self.store.blocking:
            return call()
        import asyncio

        asked = self._submit(call)
        try:
            return await asyncio.wrap_future(asked)
        except asyncio.CancelledError:
            if regret is not None and not asked.cancelled():
                # One thread, one after the other: when this runs, the call is done.
                self.in_background(lambda: None if asked.exception() else regret(asked.result()))
            raise

    def in_background(self, call: Callable[[], None]) -> None:
        """Make a call to the store whose answer nobody waits for."""
        if not self.store.blocking:
            call()
            return
        with contextlib.suppress(RuntimeError):  # closed meanwhile, or the interpreter ends
            self._submit(call)

    def _submit(self, call: Callable[[], Answer]) -> Future[Answer]:
        # When the store fails, those that wait in line behind the failed call fail with it: else each would wait for
        # its own time-out, and the last of a thousand for an hour.
        asked = time.monotonic()

        def guarded() -> Answer:
            if self._failure is not None and self._failure[0] >= asked:
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
_open: dict[object, Shared] = {}
_dropped: deque[tuple[object, Shared]] = deque()
_inherited: list[object] = []


def lock() -> threading.RLock:
    """Return the lock under which stores are opened and closed in this process."""
    return _lock


def attach(name: object, make: Callable[[], Shared]) -> Shared:
    """Return this process's open store of that name, opening it for the first user.

    :param name: what is the same for two that may share.
    :param make: opens it.
    """
    _sweep()
    with _lock:
        shared = _open.get(name)
        if shared is None:
            shared = _open[name] = make()
        shared.users += 1
        return shared


def release(name: object, shared: Shared) -> None:
    """Say that one user is gone; the last one closes the store."""
    _sweep()
    _release(name, shared)


def drop(name: object, shared: Shared) -> None:
    """The same from a finalizer, which may run anywhere and so must not take a lock: the next user sweeps."""
    _dropped.append((name, shared))


def _sweep() -> None:
    while _dropped:
        _release(*_dropped.popleft())


def _release(name: object, shared: Shared) -> None:
    if shared.pid != os.getpid():
        return
    with _lock:
        shared.users -= 1
        last = shared.users == 0 and not shared.store.lasting
        if last and _open.get(name) is shared:
            del _open[name]
    if last:
        shared.close()


def _after_fork() -> None:
    # Kept for ever, never closed: closing would disturb the parent's file locks and connections.
    global _lock
    _inherited.append(dict(_open))
    _lock = threading.RLock()
    _open.clear()
    _dropped.clear()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_sweep)
