"""A thousand exports wait in one process: what does it cost, and what is left for a push beside it?

::

    python benchmarks/waiting.py             # 1,000 waiting coroutines, SQLite and Redis, about 2 minutes
    python benchmarks/waiting.py --callers 5000

Each coroutine has a budget of its own, as each trigger has, and polls again and again. The limits are scaled to 10/s
and 40 per 5 s. First the polls are alone, then four processes push beside them, then they are alone again.
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
from results import OURS, Results, add_option

PHASE_S = 15.0


def resident():
    """Return the memory that this process holds, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Waiting:
    """The process with the waiting coroutines."""

    def __init__(self, store, port, callers):
        self.store, self.port, self.callers = store, port, callers
        self.lags, self.polls = [], 0

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
        watch = asyncio.create_task(self._watch())
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
        self.lags.sort()
        return {
            "KiB for each": memory / 1024,
            "lag ms": 1000 * self.lags[-1],
            "lag p99 ms": 1000 * self.lags[int(len(self.lags) * 0.99)],
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

    async def _watch(self):
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            self.lags.append(time.monotonic() - before - 0.005)


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
    print(f"  event loop lag: longest {samples['lag ms']:.1f} ms, 99 of 100 below {samples['lag p99 ms']:.1f} ms")
    print(f"  all cancelled within {samples['all cancelled in ms']:.0f} ms; 429s: {report['refused']}")
    print(f"  share of the budget: alone {shares[0]}; with a push {shares[1]}; alone again {shares[2]}", flush=True)
    results.add(
        case,
        OURS,
        kib_each=samples["KiB for each"],
        cpu_percent=busy,
        lag_ms=samples["lag ms"],
        lag_99_ms=samples["lag p99 ms"],
        refused=report["refused"],
        polls_alone=parts[0][0],
        polls_beside_a_push=parts[1][0],
        push=parts[1][1],
    )


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--callers", type=int, default=1000)
    add_option(arguments)
    options, results = arguments.parse_args(), Results("waiting")
    server, stores = LimitServer(), Stores()
    try:
        for kind in ("sqlite", "redis"):
            print(f"{options.callers} waiting callers, {kind}, load {os.getloadavg()[0]:.1f} before")
            measure(server, stores.of(kind), options.callers, f"{options.callers} waiting, {kind}", results)
        results.write(options.json)
    finally:
        server.close()
        stores.close()


if __name__ == "__main__":
    main()
