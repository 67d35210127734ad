"""The token's request budget, as the HTTP clients see it."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

from airflow_provider_maestroqa.client.budget.acquisition import Acquisition, AskStore, Sleep, Step, Wait, WaitForTurn
from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.share import LoneStore, Refusal
from airflow_provider_maestroqa.client.budget.shared_store import (
    Store,
    StoreHandle,
    acquire_handle,
    discard_handle,
    lock,
    release_handle,
)
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAError


class Budget:
    """How many requests a token may still send, shared by all that use the token.

    Serves threads and event loops; may be pickled, and used after a fork. Make one with
    :func:`~airflow_provider_maestroqa.client.budget.open_budget`.

    :param store_factory: opens the store; budgets with equal factories share one open store in a process. Picklable.
    :param key: names the token and its host, and is no secret.
    :param rules: the windows of each bucket.
    :param on_wait: called when a caller has to wait. It is not pickled.
    :param clock: the time.
    """

    def __init__(
        self,
        store_factory: Callable[[], Store],
        key: str,
        rules: dict[str, Rules],
        *,
        on_wait: Callable[[Wait], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.on_wait = on_wait
        self._store_factory = store_factory
        self._key = key
        self._rules = rules
        self._store_handle: StoreHandle | None = None
        self._finalizer: Any = None

    def acquire(self, bucket: str, *, deadline: float | None = None, polling: bool = False) -> float:
        """Wait until a request may be sent.

        :param bucket: the budget that the request draws on, ``normal`` or ``hard``.
        :param deadline: Unix time in seconds; a slot that comes later is not booked.
        :param polling: whether this is a poll: polls leave more than nine tenths of the budget
            to others that want it.
        :return: the seconds waited.
        :raises BudgetExhaustedError: the slot would come after the deadline.
        :raises MaestroQAConnectionError: the store of the budget cannot be reached.
        """
        acquisition = self.start(bucket, deadline=deadline, polling=polling)
        steps = acquisition.steps()
        result: Any = None
        try:
            while True:
                result = self._perform(steps.send(result), acquisition)
        except StopIteration as done:
            return float(done.value)
        except MaestroQAError:
            raise  # the store is gone: nothing can be given back
        except BaseException:
            acquisition.release()
            raise
        finally:
            acquisition.leave_queue()

    async def acquire_async(self, bucket: str, *, deadline: float | None = None, polling: bool = False) -> float:
        """Wait until a request may be sent, without holding up the event loop. See :meth:`acquire`."""
        acquisition = self.start(bucket, deadline=deadline, polling=polling)
        steps = acquisition.steps()
        result: Any = None
        try:
            while True:
                try:
                    step = steps.send(result)
                except StopIteration as done:
                    return float(done.value)
                result = await self._perform_async(step, acquisition)
        except MaestroQAError:
            raise
        except BaseException:
            acquisition.store_handle.in_background(acquisition.release)
            raise
        finally:
            acquisition.leave_queue()

    def start(self, bucket: str, *, deadline: float | None, polling: bool) -> Acquisition:
        """Begin one caller's way to its slot; see :meth:`acquire`."""
        return Acquisition(
            self.store_handle,
            self.log_name(bucket),
            bucket=bucket,
            rules=self.rules(bucket),
            deadline=deadline,
            polling=polling,
            clock=self.clock,
            on_wait=self.on_wait,
        )

    def pause(self, bucket: str, seconds: float, refusal: Refusal | None = None) -> None:
        """Let every sharer of the budget wait, after MaestroQA responded with 429.

        Those that wait already keep their order behind the pause.

        :param bucket: the bucket of the rate-limited request.
        :param seconds: the pause, from now; at most an hour.
        :param refusal: the 429, from which machines without a common store learn of each other.
        """
        store_handle, log, rules = self.store_handle, self.log_name(bucket), self.rules(bucket)
        if refusal is not None and isinstance(store_handle.store, LoneStore):
            share = store_handle.store.learn(log, rules, refusal)
            if share is not None:
                store_handle.warn_of_others(rules, share)
        store_handle.store.pause(log, rules, seconds)

    async def pause_async(self, bucket: str, seconds: float, refusal: Refusal | None = None) -> None:
        """Let every sharer of the budget wait. See :meth:`pause`."""
        await self.store_handle.ask_async(lambda: self.pause(bucket, seconds, refusal))

    def close(self) -> None:
        """Close the store if nobody else in this process uses it. Using the budget again opens it again."""
        with lock():
            store_handle, self._store_handle = self._store_handle, None
            if self._finalizer is not None:
                self._finalizer.detach()
        if store_handle is not None:
            release_handle(self._store_factory, store_handle)

    @property
    def store_handle(self) -> StoreHandle:
        """What this process shares; opened when first used, and again in a forked child."""
        store_handle = self._store_handle
        if store_handle is not None and store_handle.pid == os.getpid():
            return store_handle
        with lock():
            if self._store_handle is None or self._store_handle.pid != os.getpid():
                self._store_handle = acquire_handle(
                    self._store_factory, lambda: StoreHandle(self._store_factory(), self.clock.monotonic)
                )
                self._finalizer = weakref.finalize(self, discard_handle, self._store_factory, self._store_handle)
            return self._store_handle

    @property
    def store(self) -> Store:
        """The store of the log."""
        return self.store_handle.store

    def log_name(self, bucket: str) -> str:
        """Return the name of the log of a bucket in the store."""
        return f"{self._key}:{bucket}"

    def rules(self, bucket: str) -> Rules:
        """Return the windows of a bucket."""
        try:
            return self._rules[bucket]
        except KeyError:
            known = ", ".join(sorted(self._rules))
        raise MaestroQAConfigError(f"rate_limits name no windows for the bucket {bucket!r}, only for {known}.")

    def _perform(self, step: Step, acquisition: Acquisition) -> Any:
        if isinstance(step, AskStore):
            return step.call()
        if isinstance(step, Sleep):
            return self.clock.sleep(step.seconds)
        turn = threading.Event()
        acquisition.join_queue(turn.set)
        return turn.wait(_non_negative(step))

    async def _perform_async(self, step: Step, acquisition: Acquisition) -> Any:
        import asyncio

        if isinstance(step, AskStore):
            return await acquisition.store_handle.ask_async(step.call, acquisition.undo)
        if isinstance(step, Sleep):
            return await self.clock.sleep_async(step.seconds)
        loop = asyncio.get_running_loop()
        turn = loop.create_future()

        def take_turn() -> None:
            if not turn.done():
                turn.set_result(None)

        def wake() -> None:
            loop.call_soon_threadsafe(take_turn)

        acquisition.join_queue(wake)
        done, _ = await asyncio.wait({turn}, timeout=_non_negative(step))
        return bool(done)

    def __getstate__(self) -> dict[str, Any]:
        return {"store_factory": self._store_factory, "key": self._key, "rules": self._rules, "clock": self.clock}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["store_factory"], state["key"], state["rules"], clock=state["clock"])  # type: ignore[misc]


def _non_negative(step: WaitForTurn) -> float | None:
    return None if step.max_wait is None else max(0.0, step.max_wait)
