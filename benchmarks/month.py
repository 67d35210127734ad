"""A month in one process: a hundred thousand waits, polls and landings, and what they leave behind.

    python benchmarks/month.py [--operations 100000] [--json FILE]

Real triggers wait for exports of a sandbox in a process of its own, fifty at a time in one event loop, and the real
transfer lands each in a folder, over HTTP and with the budget in a SQLite file at the real limits. Only time is
virtual: whoever sleeps lets it pass. A wait, each of its eight polls and a landing are ten
operations: ten thousand waits in all.

Prints what the process holds after 1 %, 10 % and more of them: memory, objects of the interpreter, open files and
sockets, threads, texts that Airflow masks, files in the temporary folder, the budget's file and its rows; and the
processor time of an operation since the line before.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import heapq
import itertools
import json
import os
import selectors
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from memory import memory
from results import OURS, Results, add_option

OPERATIONS = 100_000
MONTH_S = 30 * 86400.0
#: Seconds without a response after which none is expected, for time to pass.
IDLE_S = 0.002
POLLS, AT_ONCE = 8, 50
SHARES = (0.01, 0.1, 0.25, 0.5, 1.0)
FILE = "budget.sqlite3"


class Month:
    """The process, and the time in it.

    :param home: a folder of its own, which is the temporary folder, too.
    :param operations: how many there are in the month.
    :param polls: of each wait.
    """

    def __init__(self, home: Path, operations: int, *, polls: int = POLLS) -> None:
        from airflow_provider_maestroqa.client.clock import Clock

        self._home = home
        self._operations = operations
        self._per_wait = 1 + polls + 1
        self._passed = 0.0
        self._selector = Selector()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        #: Operations so far.
        self.done = 0
        self._cpu = (0, time.process_time())
        #: The time of this month, for the hook.
        self.clock = Clock(
            lambda: time.monotonic() + self._passed, lambda: time.time() + self._passed, self._sleep, self._asleep
        )

    def operate(self, until: int) -> None:
        """Wait and land until so many operations are done."""
        while self.done < until:
            self._passed = max(self._passed, MONTH_S * self.done / self._operations)
            ids = self._run(self._wait_for(min(AT_ONCE, max((until - self.done) // self._per_wait, 1))))
            for export_id in ids:
                self._land(export_id)
            self.done += self._per_wait * len(ids)

    def figures(self) -> dict[str, Any]:
        """What the process holds now."""
        gc.collect()
        operations, cpu = self._cpu
        self._cpu = (self.done, time.process_time())
        descriptors = [_target(one) for one in Path("/proc/self/fd").iterdir()]
        return {
            "rss_mb": memory("VmRSS") / 1024,
            "objects": len(gc.get_objects()),
            "files": len(descriptors),
            "sockets": sum(target.startswith("socket:") for target in descriptors),
            "threads": threading.active_count(),
            "masked": sum(len(masker.patterns) for masker in _maskers()),
            "left_files": sum(path.is_file() for path in self._home.rglob("*") if not path.name.startswith(FILE)),
            "store_kib": sum(path.stat().st_size for path in self._home.glob(f"{FILE}*")) / 1024,
            "store_rows": self._rows(),
            "cpu_ms_each": 1000 * (self._cpu[1] - cpu) / max(self.done - operations, 1),
            "days": self._passed / 86400,
        }

    def _run(self, waits: Coroutine[Any, Any, list[str]]) -> list[str]:
        self._selector = Selector()
        loop = asyncio.SelectorEventLoop(self._selector)
        try:
            return loop.run_until_complete(waits)
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    async def _wait_for(self, number: int) -> list[str]:
        from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
        from airflow_provider_maestroqa.triggers.exports import MaestroQAExportTrigger

        def request() -> list[str]:
            with MaestroQAHook() as hook:
                return [hook.request_groups_export() for _ in range(number)]

        async def wait(export_id: str) -> str:
            trigger = MaestroQAExportTrigger(export_id, 0.05, self.clock.wall() + 2 * 86400)
            (event,) = [event async for event in trigger.run()]
            if event.payload["status"] != "complete":
                raise AssertionError(event.payload)
            return export_id

        ids = await asyncio.to_thread(request)
        time_passes = asyncio.create_task(self._let_time_pass())
        try:
            return list(await asyncio.gather(*map(wait, ids)))
        finally:
            time_passes.cancel()

    def _land(self, export_id: str) -> None:
        from airflow_provider_maestroqa.transfers.export_to_object_storage import (
            MaestroQAExportToObjectStorageOperator,
        )

        folder = self._home / "landed"
        operator = MaestroQAExportToObjectStorageOperator(
            task_id="land", export_id=export_id, destination=folder.as_uri()
        )
        if not operator.execute({})["files"]:
            raise AssertionError("nothing was landed")
        shutil.rmtree(folder)

    def _rows(self) -> int:
        with closing(sqlite3.connect(self._home / FILE)) as file:
            return sum(file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("booking", "line"))

    def _sleep(self, seconds: float) -> None:
        self._passed += max(seconds, 0)

    async def _asleep(self, seconds: float) -> None:
        awake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed + seconds, next(self._order), awake))
        await awake

    async def _let_time_pass(self) -> None:
        """Wake the next sleeper whenever no request is under way, as far as one can see."""
        while True:
            self._selector.was_busy = False
            await asyncio.sleep(IDLE_S)
            if self._sleepers and not self._selector.was_busy:
                until, _, awake = heapq.heappop(self._sleepers)
                self._passed = max(self._passed, until)
                if not awake.done():
                    awake.set_result(None)


class Selector(selectors.DefaultSelector):
    """Notes whether anything has come in."""

    was_busy = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for what comes in."""
        events = super().select(timeout)
        self.was_busy = self.was_busy or bool(events)
        return events


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:  # the folder itself, which was open while it was listed
        return ""


def _maskers() -> list[Any]:
    """Airflow's maskers, of which newer ones have two."""
    modules = [module for name, module in sys.modules.items() if name.endswith("secrets_masker")]
    return list({id(masker): masker for masker in (module._secrets_masker() for module in modules)}.values())


@contextmanager
def sandbox(polls: int = POLLS) -> Iterator[dict[str, Any]]:
    """A MaestroQA in a process of its own; the fields of a connection to it."""
    code = (
        "from airflow_provider_maestroqa.sandbox import Sandbox\n"
        f"with Sandbox(limits={{}}, rows=1, polls={polls - 1}) as sandbox:\n"
        "    print(sandbox.connection_json(rate_limit_store=None, rate_limits=None), flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield json.loads(process.stdout.readline())
        process.communicate("\n")


def main() -> None:
    """Run the month."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=OPERATIONS)
    add_option(parser)
    options, results = parser.parse_args(), Results("month")
    # In memory, where there is such a folder: a disk that is waited for says nothing about this package.
    in_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else None) as folder, sandbox() as fields:
        home = Path(folder)
        fields["extra"] = {"rate_limit_store": str(home / FILE)}
        os.environ.update(
            {
                "AIRFLOW_HOME": folder,
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
                "TMPDIR": folder,
                "AIRFLOW_CONN_MAESTROQA_DEFAULT": json.dumps(fields),
            }
        )
        tempfile.tempdir = None
        from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

        month = Month(home, options.operations)
        MaestroQAHook.clock = month.clock
        for share in SHARES:
            month.operate(round(share * options.operations))
            figures = month.figures()
            shown = ", ".join(f"{name} {value:,.1f}".removesuffix(".0") for name, value in figures.items())
            print(f"{share:4.0%}, {month.done:,} operations: {shown}", flush=True)
            results.add(f"after {month.done:,}", OURS, **figures)
            results.write(options.json)


if __name__ == "__main__":
    main()
