"""What goes wrong while the cluster works: machines are lost, servers restart."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from requests import RequestException

from cluster.load import DAG_ID, Run, part_of
from cluster.services import Cluster, Part
from cluster.surroundings import Surroundings

#: Seconds for which a machine or a server is gone.
GONE_S = 3.0
#: Seconds between two looks at Airflow, which has enough to do.
_LOOK_EVERY_S = 2.0
_METRICS = ("POST", "/api/v1/ticket-metrics-batch")


@dataclass
class Faults:
    """Inflicts each of some faults once, when its moment has come.

    :param kinds: names of what shall go wrong: ``worker``, ``triggerer``, ``redis``, ``postgres``.
    :param done: what has been inflicted, as sentences.
    """

    cluster: Cluster
    around: Surroundings
    run: Run
    kinds: tuple[str, ...]
    done: list[str] = field(default_factory=list)
    _pending: dict[str, Callable[[], bool]] = field(default_factory=dict)
    _again: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    _next_look: float = 0.0
    _came_before: int = 0

    def __post_init__(self) -> None:
        self._came_before = self.around.sandbox.count(*_METRICS)
        every = {
            "worker": self._kill_worker,
            "triggerer": self._kill_triggerer,
            "redis": self._restart_redis,
            "postgres": self._restart_postgres,
        }
        self._pending = {kind: every[kind] for kind in self.kinds}
        if "worker" in self._pending:
            # A response that does not come: its worker dies while comments are in flight, after they were stored.
            self.around.sandbox.fault("timeout", path="/api/v1/comments-batch", done=True, after=1)

    @property
    def missing(self) -> list[str]:
        """What has not been inflicted: its moment has not come."""
        return list(self._pending)

    def inflict(self) -> None:
        """Inflict what is due, and start again what has been gone for long enough."""
        for due in [one for one in self._again if one[0] <= time.monotonic()]:
            self._again.remove(due)
            due[1]()
        if self._again:
            # One thing at a time.
            return
        for kind, fault in list(self._pending.items()):
            with suppress(RequestException):
                if fault():
                    del self._pending[kind]
                    return

    def _kill_worker(self) -> bool:
        """Kill the worker that waits for a response to a batch of comments."""
        held = next((one for one in self.around.sandbox.requests if one.held), None)
        if held is None:
            return False
        number = int(held.body["batch"][0]["body"].rpartition(" ")[2])
        files = self.run.load.comments_files
        part = next(one for one in range(files) if number in part_of(self.run.load.comments, files, one))
        for task in self.cluster.api.tasks(DAG_ID, self.run.run_id, state="running"):
            if (task["task_id"], task["map_index"]) == ("comments", part):
                self._lose(self.cluster.parts[task["hostname"]], "while a batch of comments was in flight")
                return True
        return False

    def _kill_triggerer(self) -> bool:
        """Kill the triggerer where most exports are waited for."""
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + _LOOK_EVERY_S
        deferred = self.cluster.api.tasks(DAG_ID, self.run.run_id, state="deferred")
        waits = Counter(one["triggerer_job"]["hostname"] for one in deferred if one["triggerer_job"])
        if not waits or waits.most_common(1)[0][1] < min(3, self.run.load.exports):
            return False
        name, count = waits.most_common(1)[0]
        self._lose(self.cluster.parts[name], f"while {count} exports waited in it")
        return True

    def _restart_redis(self) -> bool:
        if self._pushed() < 0.3:
            return False
        self.around.redis.stop()
        self._say(f"Redis was gone for {GONE_S:.0f} s")
        self._later(self.around.redis.start)
        return True

    def _restart_postgres(self) -> bool:
        if self._pushed() < 0.6:
            return False
        self.cluster.postgres.stop()
        self._say(f"PostgreSQL was gone for {GONE_S:.0f} s")
        self._later(self.cluster.postgres.start)
        return True

    def _pushed(self) -> float:
        """The share of the metrics' batches that have come."""
        came = self.around.sandbox.count(*_METRICS) - self._came_before
        return came / (self.run.load.metrics_batches or 1)

    def _lose(self, part: Part, when: str) -> None:
        part.kill()
        self._say(f"{part.name} was killed {when}")
        self._later(part.start)

    def _later(self, start: Callable[[], object]) -> None:
        self._again.append((time.monotonic() + GONE_S, start))

    def _say(self, what: str) -> None:
        self.done.append(what)
        print(f"  {time.time() - self.run.began:5.0f} s  {what}", flush=True)
