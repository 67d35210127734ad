"""The processes of a soak: started, given work, killed, stopped for a while, and watched."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from soak.measures import cpu_s

#: Imported once, in the process from which all others are forked.
PRELOAD = [
    "airflow.sdk",
    "pyarrow.parquet",
    "push_operators",
    "soak.worker",
    "soak.triggerer",
    "airflow_provider_maestroqa.hooks.maestroqa",
    "airflow_provider_maestroqa.operators.attachments",
    "airflow_provider_maestroqa.operators.exports",
    "airflow_provider_maestroqa.sensors.exports",
    "airflow_provider_maestroqa.transfers.export_to_object_storage",
    "airflow_provider_maestroqa.transfers.records_to_object_storage",
    "airflow_provider_maestroqa.triggers.exports",
]


@dataclass
class Member:
    """A process and what it does.

    :param name: of its place; the process that takes the place of a killed one has the same.
    :param steady: whether it is never killed, so that what it holds can be watched.
    :param work: what it does now.
    :param is_given_up: whether nobody waits for that any more.
    """

    name: str
    steady: bool
    process: Any
    pipe: Connection
    work: Any = None
    is_given_up: bool = False
    is_frozen: bool = False
    has_parquet: bool = False
    samples: list[tuple[float, int, int]] = field(default_factory=list)

    def sample(self, message: dict[str, Any]) -> None:
        """Note what it holds."""
        if "kib" in message:
            self.samples.append((time.monotonic(), message["kib"], message["files"]))

    def watch_from_now(self) -> None:
        """It has landed Parquet. What it loads to do so for the first time is no growth."""
        if not self.has_parquet:
            self.has_parquet = True
            self.samples.clear()

    def give(self, message: Any) -> None:
        """Send it something to do; what has just been killed is replaced, and its work done by another."""
        with contextlib.suppress(ConnectionError):
            self.pipe.send(message)

    def kill(self) -> None:
        """End it as a machine does that loses its power."""
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def freeze(self) -> None:
        """Stop it where it is."""
        self.is_frozen = True
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.is_frozen = False
        os.kill(self.process.pid, signal.SIGCONT)


class Crew:
    """All processes but the sandbox's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOAD)
        self.members: list[Member] = []
        #: Seconds of a processor that all of them have used, known when they have ended.
        self.cpu_s = 0.0

    def start(self, name: str, target: Callable[..., None], *, steady: bool) -> Member:
        """Start a process in this place."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=target, args=(theirs, self._folder), name=name, daemon=True)
        process.start()
        theirs.close()
        member = Member(name, steady, process, ours)
        self.members.append(member)
        return member

    def bury(self, member: Member) -> None:
        """End a process, and forget it."""
        member.kill()
        self.members.remove(member)

    def close(self) -> None:
        """End all of them, gently where they listen."""
        for member in self.members:
            if member.is_frozen:
                member.thaw()
            member.pipe.close()
        for member in self.members:
            member.process.join(timeout=10)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()
        # It has started them, and waited for them.
        self.cpu_s = cpu_s(forkserver._forkserver._forkserver_pid)
