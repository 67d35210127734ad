"""A thousand exports wait in one process: what does it cost, and what is left for a push beside it?

::

    python benchmarks/waiting.py             # 1,000 waiting coroutines, SQLite and Redis, about 2 minutes
    python benchmarks/waiting.py --callers 5000
    python benchmarks/waiting.py --only busy # the event loop beside processes that only compute, half a minute

Each coroutine has a budget of its own, as each trigger has, and polls again and again. The limits are scaled to 10/s
and 40 per 5 s. First the polls are alone, then four processes push beside them, then they are alone again. With
``--only busy`` they run beside four processes that only compute, and beside an event loop in which nothing happens.
How soon an export's end is noticed at the real limits is worked out by ``benchmarks/simulate.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import tempfile
import time
from pathlib import Path

from budget import SCALED, Stores, Worker, in_process
from contenders import BudgetContender
from limit_server import LimitServer
from loop_lag import LoopWatch
from results import OURS, Results, add_option

PHASE_S = 15.0
BUSY = 4
LAGS = ("lag_ms", "lag_queue_ms", "lag_own_ms", "own_most_ms", "lag_99_ms")


def resident():
    """Return the memory that this process holds, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Waiting:
    """The process with the waiting coroutines."""

    def __init__(self, store, port, callers):
        self.store, self.port, self.callers = store, port, callers
        self.watch = LoopWatch()

    async def run(self, seconds):
        gc.collect()
        before = resident()
        contenders = [BudgetContender(SCALED, self.store) for _ in range(self.callers)]
        free = asyncio.Queue()
        for _ in range(4):
            free.put_nowait(await asyncio.open_connection("127.0.0.1", self.port))
        tasks = [asyncio.create_task(self._poll(contender, free)) for contender in contenders]
        await asyncio.sleep(1.0)
        memory = (resident() - before) / self.callers
        watch = asyncio.create_task(self.watch.run())
        await asyncio.sleep(seconds)
        cancelled = time.monotonic()
        for task in [watch, *tasks]:
            task.cancel()
        await asyncio.gather(watch, *tasks, return_exceptions=True)
        cancelled = time.monotonic() - cancelled
        for contender in contenders:
            contender.close()
        while not free.empty():
            free.get_nowait()[1].close()
        return {
            "KiB for each": memory / 1024,
            **self.watch.figures(),
            "all cancelled in ms": 1000 * cancelled,
        }

    async def _poll(self, contender, free):
        while True:
            await contender.wait_async(polling=True)
            reader, writer = await free.get()
            try:
                writer.write(b"GET /poll HTTP/1.1\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
            finally:
                free.put_nowait((reader, writer))
            await asyncio.sleep(0.1)


def measure(server, store, callers, case, results):
    server.begin(limits=SCALED)
    folder = tempfile.mkdtemp()
    lines = Path(folder, "lines")
    store_factory = store(folder)
    begin = time.monotonic()
    waiting = Waiting(store_factory, server.port, callers)
    children = [in_process(lambda: asyncio.run(waiting.run(3 * PHASE_S)), lines)]
    time.sleep(1 + PHASE_S)
    pushes = [Worker(BudgetContender, SCALED, store_factory, server.port, f"push{number}") for number in range(4)]
    until = time.monotonic() + PHASE_S
    children += [in_process(lambda push=push: push.run(until, None) or {}, f"{folder}/pushes") for push in pushes]
    for child in children[::-1]:
        os.waitpid(child, 0)
    samples, report = json.loads(lines.read_text()), server.report()
    shares, parts = [], []
    for phase in range(3):
        since = begin + 1 + phase * PHASE_S + 5
        names = [name for at, name in report["accepted"] if since <= at < since + 10]
        polls = names.count("poll")
        parts.append((polls / 80, (len(names) - polls) / 80))
        shares.append(f"{polls / 80:.2f} polls + {(len(names) - polls) / 80:.2f} push")
    busy = 100 * samples["cpu"] / (3 * PHASE_S)
    print(f"  memory for each waiting caller {samples['KiB for each']:.1f} KiB, CPU {busy:.1f} %")
    print(f"  event loop lag: longest {samples['lag_ms']:.1f} ms, 99 of 100 below {samples['lag_99_ms']:.1f} ms")
    print(f"  all cancelled within {samples['all cancelled in ms']:.0f} ms; 429s: {report['refused']}")
    print(f"  share of the budget: alone {shares[0]}; with a push {shares[1]}; alone again {shares[2]}", flush=True)
    results.add(
        case,
        OURS,
        kib_each=samples["KiB for each"],
        cpu_percent=busy,
        **{name: samples[name] for name in LAGS},
        refused=report["refused"],
        polls_alone=parts[0][0],
        polls_beside_a_push=parts[1][0],
        push=parts[1][1],
    )


def measure_beside_busy(server, store, callers, case, results):
    """The polls, and at the same time a loop in which nothing happens, beside processes that only compute."""
    server.begin(limits=SCALED)
    folder = tempfile.mkdtemp()
    waiting = Waiting(store(folder), server.port, callers)
    work = {"ours": lambda: asyncio.run(waiting.run(PHASE_S)), "empty": lambda: asyncio.run(do_nothing(PHASE_S))}
    children = [in_process(work[name], f"{folder}/{name}") for name in work]
    children += [in_process(lambda: compute(PHASE_S + 2) or {}, f"{folder}/busy") for _ in range(BUSY)]
    for child in children:
        os.waitpid(child, 0)
    for name, by in (("ours", OURS), ("empty", "an event loop that does nothing")):
        samples = json.loads(Path(folder, name).read_text())
        figures = {figure: samples[figure] for figure in LAGS}
        shown = ", ".join(f"{figure} {value:.1f}" for figure, value in figures.items())
        print(f"  {by}: {shown}", flush=True)
        results.add(case, by, **figures)


async def do_nothing(seconds):
    watch = LoopWatch()
    running = asyncio.create_task(watch.run())
    await asyncio.sleep(seconds)
    running.cancel()
    return watch.figures()


def compute(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--callers", type=int, default=1000)
    arguments.add_argument("--only", choices=("shares", "busy"), default="shares", help="which of the two")
    add_option(arguments)
    options = arguments.parse_args()
    is_busy = options.only == "busy"
    results, server, stores = Results("waiting_busy" if is_busy else "waiting"), LimitServer(), Stores()
    try:
        for kind in ("sqlite", "redis"):
            case = f"{options.callers} waiting, {kind}" + (f", beside {BUSY} busy processes" if is_busy else "")
            print(f"{case}, load {os.getloadavg()[0]:.1f} before")
            (measure_beside_busy if is_busy else measure)(server, stores.of(kind), options.callers, case, results)
        results.write(options.json)
    finally:
        server.close()
        stores.close()


if __name__ == "__main__":
    main()
