"""The token's request budget, as the HTTP drivers see it."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

from airflow_provider_maestroqa.client.budget.acquisition import Acquisition, Ask, QueueUp, Sleep, Step, Wait
from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.shared_store import Shared, Store, attach, drop, lock, release
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAError


class Budget:
    """How many requests a token may still send, shared by all that use the token.

    Serves threads and event loops; may be pickled and carried over a fork. Make one with
    :func:`~airflow_provider_maestroqa.client.budget.open_budget`.

    :param where: opens the store; budgets with equal ``where`` share one open store in a process. Picklable.
    :param key: names the token and its host, and is no secret.
    :param rules: the windows of each bucket.
    :param on_wait: called when a caller has to wait. It is not pickled.
    :param clock: the time.
    """

    def __init__(
        self,
        where: Callable[[], Store],
        key: str,
        rules: dict[str, Rules],
        *,
        on_wait: Callable[[Wait], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.on_wait = on_wait
        self._where = where
        self._key = key
        self._rules = rules
        self._shared: Shared | None = None
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
        answer: Any = None
        try:
            while True:
                answer = self._carry_out(steps.send(answer), acquisition)
        except StopIteration as done:
            return float(done.value)
        except MaestroQAError:
            raise  # the store is gone: nothing can be given back
        except BaseException:
            acquisition.give_back()
            raise
        finally:
            acquisition.leave_queue()

    async def acquire_async(self, bucket: str, *, deadline: float | None = None, polling: bool = False) -> float:
        """Wait until a request may be sent, without holding up the event loop. See :meth:`acquire`."""
        acquisition = self.start(bucket, deadline=deadline, polling=polling)
        steps = acquisition.steps()
        answer: Any = None
        try:
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration as done:
                    return float(done.value)
                answer = await self._carry_out_async(step, acquisition)
        except MaestroQAError:
            raise
        except BaseException:
            acquisition.shared.in_background(acquisition.give_back)
            raise
        finally:
            acquisition.leave_queue()

    def start(self, bucket: str, *, deadline: float | None, polling: bool) -> Acquisition:
        """Begin one caller's way to its slot; see :meth:`acquire`."""
        return Acquisition(
            self.shared,
            self.log_name(bucket),
            bucket=bucket,
            rules=self.rules(bucket),
            deadline=deadline,
            polling=polling,
            clock=self.clock,
            on_wait=self.on_wait,
        )

    def penalise(self, bucket: str, seconds: float) -> None:
        """Let every sharer of the budget wait, after MaestroQA refused a request with 429.

        Those that wait already keep their order; they go on behind the pause.

        :param bucket: the bucket of the refused request.
        :param seconds: the pause, from now; at most an hour.
        """
        self.store.penalise(self.log_name(bucket), self.rules(bucket), seconds)

    async def penalise_async(self, bucket: str, seconds: float) -> None:
        """Let every sharer of the budget wait. See :meth:`penalise`."""
        await self.shared.ask_async(lambda: self.penalise(bucket, seconds))

    def close(self) -> None:
        """Close the store if nobody else in this process uses it. Using the budget again opens it again."""
        with lock():
            shared, self._shared = self._shared, None
            if self._finalizer is not None:
                self._finalizer.detach()
        if shared is not None:
            release(self._where, shared)

    @property
    def shared(self) -> Shared:
        """What this process shares; opened when first used, and again in a forked child."""
        shared = self._shared
        if shared is not None and shared.pid == os.getpid():
            return shared
        with lock():
            if self._shared is None or self._shared.pid != os.getpid():
                self._shared = attach(self._where, lambda: Shared(self._where(), self.clock.monotonic))
                self._finalizer = weakref.finalize(self, drop, self._where, self._shared)
            return self._shared

    @property
    def store(self) -> Store:
        """The store of the log."""
        return self.shared.store

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

    def _carry_out(self, step: Step, acquisition: Acquisition) -> Any:
        if isinstance(step, Ask):
            return step.call()
        if isinstance(step, Sleep):
            return self.clock.sleep(step.seconds)
        turn = threading.Event()
        acquisition.join_queue(turn.set)
        return turn.wait(_at_least_nothing(step))

    async def _carry_out_async(self, step: Step, acquisition: Acquisition) -> Any:
        import asyncio

        if isinstance(step, Ask):
            return await acquisition.shared.ask_async(step.call, acquisition.regret)
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
        done, _ = await asyncio.wait({turn}, timeout=_at_least_nothing(step))
        return bool(done)

    def __getstate__(self) -> dict[str, Any]:
        return {"where": self._where, "key": self._key, "rules": self._rules, "clock": self.clock}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["where"], state["key"], state["rules"], clock=state["clock"])  # type: ignore[misc]


def _at_least_nothing(step: QueueUp) -> float | None:
    return None if step.patience is None else max(0.0, step.patience)
