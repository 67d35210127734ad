"""Hands out the tries and the waits, lets things go wrong, and tries again, as Airflow would."""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import wait
from typing import Any

from airflow_provider_maestroqa.sandbox import Sandbox
from soak.crew import Crew, Member
from soak.plan import Doom, Job, make_doom, make_fault, make_job
from soak.triggerer import run_triggers
from soak.worker import Try, try_tasks

#: Tries of one task, after which it is taken for one that never ends.
MAX_TRIES = 40
#: After so many faults those that no request has met are forgotten, or they would pile up for a rare kind of request.
FORGET_EVERY = 40


@dataclass
class Run:
    """How far a job has come.

    :param values: what its tasks have returned, in their order.
    :param changes: arguments that a user has changed since the first try.
    :param resume: with what it goes on after a wait.
    :param tries: processes that have tried the task so far.
    """

    job: Job
    stage: int = 0
    number: int = 1
    changes: dict[str, Any] = field(default_factory=dict)
    resume: tuple[str, Any] | None = None
    values: list[Any] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    tries: int = 0
    ended: bool = False

    def attempt(self, doom: Doom | None) -> Try:
        """The next try."""
        given = self.values[0] if self.values else None
        if isinstance(given, dict):
            given = given["export_id"]
        return Try(self.job, self.stage, self.number, given, self.changes, self.resume, doom)


class Director:
    """Runs a soak from its first task to its last.

    :param seed: decides what is done and what goes wrong.
    :param busy: how many jobs are under way at once.
    :param fault_every_s: the mean time between two faults.
    :param look: called now and then: a reader of what was landed.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        crew: Crew,
        seed: int,
        *,
        workers: int,
        busy: int,
        fault_every_s: float,
        look: Callable[[], None],
    ) -> None:
        self.sandbox, self.crew, self.seed = sandbox, crew, seed
        self.runs: list[Run] = []
        self.counts: Counter[str] = Counter()
        self._busy, self._fault_every_s, self._look = busy, fault_every_s, look
        self._draw = random.Random(f"{seed}:faults")
        self._ready: list[Run] = []
        self._waits: dict[int, tuple[Run, str, Any, Member]] = {}
        self._numbers = itertools.count()
        self._actions: list[tuple[float, int, Callable[[], None]]] = []
        self._is_calm = False
        for number in range(workers):
            crew.start(f"worker {number}", try_tasks, steady=number < workers // 2)
        for number in range(2):
            crew.start(f"triggerer {number}", run_triggers, steady=number == 0)

    # -- Time -------------------------------------------------------------------------------------------------------

    def run(self, seconds: float, patience: float) -> None:
        """Do it.

        :param seconds: how long new jobs begin and things go wrong.
        :param patience: how many seconds the last ones have after that.
        """
        until = time.monotonic() + seconds
        self._later(1.0, self._fault)
        self._later(3.0, self._release)
        self._later(20.0, self._kill_triggerer)
        self._later(2.0, self._read)
        while time.monotonic() < until:
            while sum(not run.ended for run in self.runs) < self._busy:
                run = Run(make_job(self.seed, len(self.runs) + 1))
                self.runs.append(run)
                self._ready.append(run)
            self._step(until)
        self._calm_down()
        until = time.monotonic() + patience
        while any(not run.ended for run in self.runs) and time.monotonic() < until:
            self._step(until)
        self._look()

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._actions, (time.monotonic() + seconds, next(self._numbers), action))

    def _step(self, until: float) -> None:
        self._hand_out()
        next_at = min(until, self._actions[0][0]) if self._actions else until
        pipes = {member.pipe: member for member in self.crew.members}
        sentinels = {member.process.sentinel: member for member in self.crew.members}
        for one in wait([*pipes, *sentinels], max(0.0, next_at - time.monotonic())):
            member = pipes.get(one) or sentinels[one]  # type: ignore[call-overload]
            if member in self.crew.members:
                self._hear(member)
        while self._actions and self._actions[0][0] <= time.monotonic():
            heapq.heappop(self._actions)[2]()

    def _hear(self, member: Member) -> None:
        try:
            message = member.pipe.recv()
        except (EOFError, ConnectionError):
            self._replace(member)
            return
        member.sample(message)
        if "event" in message:
            if wait_of := self._waits.pop(message["trigger"], None):
                run, method, _, _ = wait_of
                run.resume = (method, message["event"])
                self._ready.append(run)
        elif "outcome" in message:
            (run, _), member.work = member.work, None
            # What nobody waits for any more is no answer.
            if not member.is_given_up:
                self._judge(run, message, member)
            member.is_given_up = False

    # -- Tries ------------------------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        idle = [one for one in self.crew.members if one.name.startswith("worker") and one.work is None]
        while self._ready and idle:
            run = self._ready.pop(0)
            member = idle.pop(self._draw.randrange(len(idle)))
            doom = None if self._is_calm or member.steady else make_doom(self.seed, run.job, run.stage, run.tries)
            attempt = run.attempt(doom)
            run.tries += 1
            self.counts["tries"] += 1
            member.work = work = (run, attempt)
            member.give(attempt)
            if doom is not None and doom.kind in ("kill", "freeze"):
                happens = self._kill if doom.kind == "kill" else self._freeze
                self._later(doom.at, partial(self._doom, member, work, happens))

    def _judge(self, run: Run, message: dict[str, Any], member: Member) -> None:
        run.resume = None
        if message["outcome"] == "success":
            if run.job.stages[run.stage].arguments.get("file_format") == "parquet":
                member.watch_from_now()
            run.values.append(message["value"])
            run.stage, run.number, run.changes, run.tries = run.stage + 1, 1, {}, 0
            run.ended = run.stage == len(run.job.stages)
            self.counts["tasks"] += 1
            if not run.ended:
                self._ready.append(run)
        elif message["outcome"] == "deferred":
            self.counts["waits"] += 1
            self._wait(run, message["method"], message["trigger"])
        else:
            run.errors.append(message["error"])
            self.counts["failed for good" if message["for_good"] else "failed tries"] += 1
            if message["for_good"] and run.job.total and "not known" in message["error"]:
                # A user has read it, and clears the task.
                run.changes = {"on_unknown_outcome": "skip"}
            if message["for_good"] and "failed at MaestroQA" in message["error"]:
                # Then the user clears the request of the export, with all that follows.
                run.stage, run.values = 0, []
            self._try_again(run)

    def _try_again(self, run: Run) -> None:
        run.number += 1
        run.resume = None
        if run.number > MAX_TRIES:
            run.ended = True
            run.errors.append(f"has not ended after {MAX_TRIES} tries")
            return
        self._later(self._draw.uniform(0.2, 1.0), lambda: self._ready.append(run))

    def _wait(self, run: Run, method: str, serialized: tuple[str, Any]) -> None:
        triggerers = [one for one in self.crew.members if one.name.startswith("triggerer")]
        member = self._draw.choice(triggerers)
        number = next(self._numbers)
        self._waits[number] = (run, method, serialized, member)
        member.give((number, *serialized))

    # -- What goes wrong --------------------------------------------------------------------------------------------

    def _replace(self, member: Member) -> None:
        """A process is gone: Airflow takes its tries for failed, and gives its waits to another triggerer."""
        work, is_given_up = member.work, member.is_given_up
        self.crew.bury(member)
        is_worker = member.name.startswith("worker")
        self.counts["killed workers" if is_worker else "killed triggerers"] += 1
        self.crew.start(member.name, try_tasks if is_worker else run_triggers, steady=member.steady)
        if work is not None and not is_given_up:
            self._try_again(work[0])
        for number, (run_of, method, serialized, of) in [*self._waits.items()]:
            if of is member:
                del self._waits[number]
                self._wait(run_of, method, serialized)

    def _doom(self, member: Member, work: tuple[Run, Try], happens: Callable[[Member], None]) -> None:
        if member.work is work and not (self._is_calm or member.is_given_up):
            happens(member)

    def _kill(self, member: Member) -> None:
        member.process.kill()

    def _freeze(self, member: Member) -> None:
        """The worker seems dead, and is not: another try begins while it sleeps, and then it goes on."""
        member.freeze()
        member.is_given_up = True
        self.counts["given up"] += 1
        self._try_again(member.work[0])
        self._later(self._draw.uniform(1.0, 8.0), partial(self._thaw, member))

    def _thaw(self, member: Member) -> None:
        if member in self.crew.members and member.is_frozen:
            member.thaw()

    def _kill_triggerer(self) -> None:
        if self._is_calm:
            return
        member = next(one for one in self.crew.members if one.name == "triggerer 1")
        member.process.kill()
        self._later(self._draw.uniform(10.0, 40.0), self._kill_triggerer)

    def _fault(self) -> None:
        if self._is_calm:
            return
        if self.counts["faults"] % FORGET_EVERY == 0:
            self.sandbox.clear_faults()
        fault = make_fault(self._draw)
        self.sandbox.fault(**fault)
        self.counts["faults"] += 1
        self._later(self._draw.expovariate(1 / self._fault_every_s), self._fault)

    def _release(self) -> None:
        """What is held goes on after some seconds; some clients have given up by then."""
        self.sandbox.release()
        self._later(1.0 if self._is_calm else self._draw.uniform(1.0, 9.0), self._release)

    def _read(self) -> None:
        self._look()
        self._later(1.5, self._read)

    def _calm_down(self) -> None:
        self._is_calm = True
        self.sandbox.clear_faults()
        self.sandbox.release()
        for member in self.crew.members:
            self._thaw(member)
