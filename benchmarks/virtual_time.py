"""A world in which time is a number: processes, tasks and a server, without sleeping and always the same.

What runs here is the package's own code: every caller goes through the same :class:`Acquisition` steps as in a real
process, only that this module carries them out.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.client.budget import Budget, BudgetExhaustedError, Clock
from airflow_provider_maestroqa.client.budget.acquisition import Acquisition, AskStore, Sleep
from airflow_provider_maestroqa.client.budget.limits import DEFAULT_LIMITS, Limits, make_rules
from airflow_provider_maestroqa.client.budget.stores.memory import MemoryStore

#: What a task does: yield seconds to let pass, or an :class:`Acquire` to wait for a slot.
Task = Generator[Any, Any, None]


@dataclass(frozen=True)
class Acquire:
    """A task waits for a slot; the seconds waited are sent back."""

    budget: Budget
    bucket: str = "normal"
    polling: bool = False
    deadline: float | None = None


class Running:
    """A task that runs in the world."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.steps: Generator[Any, Any, float] | None = None
        self.acquisition: Acquisition | None = None
        self.over = False


class World:
    """Time, and what happens in it.

    :param seed: of everything that is left to chance.
    :param late: a caller wakes up to so many seconds late.
    """

    def __init__(self, seed: int = 0, *, late: float = 0.0) -> None:
        self.now = 1_000_000.0
        self.chance = random.Random(seed)
        self.late = late
        self.clock = Clock(monotonic=lambda: self.now, wall=lambda: self.now)
        self.store = MemoryStore(lambda: self.now)
        self._budgets: list[Budget] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0

    def process(self, limits: Limits = DEFAULT_LIMITS, margins: dict[float, float] | None = None) -> Budget:
        """Return the budget as a process of its own sees it; all share one store."""
        return self._budget(self.store, limits, margins)

    def machine(self, limits: Limits = DEFAULT_LIMITS) -> Budget:
        """Return the budget of a machine that counts alone."""
        return self._budget(MemoryStore(lambda: self.now), limits, None)

    def _budget(self, store: MemoryStore, limits: Limits, margins: dict[float, float] | None) -> Budget:
        def store_factory() -> MemoryStore:
            return store

        self._budgets.append(Budget(store_factory, "token", make_rules(limits, margins), clock=self.clock))
        return self._budgets[-1]

    def close(self) -> None:
        """End all processes."""
        for budget in self._budgets:
            budget.close()

    def at(self, moment: float, event: Callable[[], None]) -> None:
        """Let something happen."""
        self._order += 1
        heapq.heappush(self._events, (moment, self._order, event))

    def spawn(self, task: Task, *, after: float = 0.0) -> Running:
        """Start a task."""
        running = Running(task)
        self.at(self.now + after, lambda: self._resume(running, None))
        return running

    def cancel(self, running: Running) -> None:
        """Stop a task as a cancelled coroutine stops: what it booked is given back."""
        self._leave(running, release=True)

    def kill(self, running: Running) -> None:
        """Stop a task as SIGKILL stops: nothing is given back."""
        self._leave(running, release=False)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            moment, _, event = heapq.heappop(self._events)
            self.now = max(self.now, moment)
            event()
        self.now = until

    def _leave(self, running: Running, *, release: bool) -> None:
        running.over = True
        acquisition = running.acquisition
        if acquisition is not None:
            acquisition.leave_queue()
            if release:
                acquisition.release()

    def _resume(self, running: Running, result: Any) -> None:
        if running.over:
            return
        while True:
            try:
                if running.steps is None:
                    step = running.task.throw(result) if isinstance(result, Exception) else running.task.send(result)
                else:
                    step = running.steps.send(result)
            except StopIteration as done:
                if running.steps is None:
                    running.over = True
                    return
                result = self._arrived(running, done.value)
                continue
            except BudgetExhaustedError as error:
                result = self._arrived(running, error)
                continue
            if isinstance(step, Acquire):
                running.acquisition = step.budget.start(step.bucket, deadline=step.deadline, polling=step.polling)
                running.steps, result = running.acquisition.steps(), None
            elif isinstance(step, AskStore):
                result = step.call()
            elif isinstance(step, Sleep):
                lateness = self.chance.random() * self.late
                self.at(self.now + step.seconds + lateness, lambda: self._resume(running, None))
                return
            elif isinstance(step, (int, float)):
                self.at(self.now + step, lambda: self._resume(running, None))
                return
            else:
                self._queue(running)
                return

    def _arrived(self, running: Running, result: Any) -> Any:
        acquisition, running.steps, running.acquisition = running.acquisition, None, None
        acquisition.leave_queue()
        if isinstance(result, Exception):
            acquisition.release()
        return result

    def _queue(self, running: Running) -> None:
        acquisition = running.acquisition
        acquisition.join_queue(lambda: self.at(self.now, lambda: self._resume(running, True)))


class Server:
    """Counts requests as MaestroQA may count them, and refuses those above.

    :param limits: windows as (requests, seconds).
    :param fixed: whether windows begin at full multiples of their length, rather than slide.
    :param counts_refused: whether a refused request uses up budget.
    """

    def __init__(self, limits: list[tuple[int, float]], *, fixed: bool = False, counts_refused: bool = False) -> None:
        self._limits = sorted(limits, key=lambda limit: limit[1])
        self._fixed = fixed
        self._counts_refused = counts_refused
        self._seen: deque[float] = deque()
        self.accepted = 0
        self.refused = 0

    def hit(self, now: float) -> float | None:
        """Take a request; return ``None`` or the window in seconds that is full."""
        longest = self._limits[-1][1]
        while self._seen and self._seen[0] <= now - 2 * longest:
            self._seen.popleft()
        for requests, seconds in self._limits:
            since = (now // seconds) * seconds if self._fixed else now - seconds
            if self._count(since) >= requests:
                self.refused += 1
                if self._counts_refused:
                    self._seen.append(now)
                return seconds
        self.accepted += 1
        self._seen.append(now)
        return None

    def _count(self, since: float) -> int:
        count = 0
        for moment in reversed(self._seen):
            if moment < since or (moment == since and not self._fixed):
                break
            count += 1
        return count
