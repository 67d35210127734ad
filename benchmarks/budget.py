"""How well do processes share a token's budget? Several ways of doing it, side by side in the same run.

::

    python benchmarks/budget.py                  # all scenarios at limits scaled to 10/s and 40 per 5 s, half an hour
    python benchmarks/budget.py --quick          # the two hardest scenarios, shorter
    python benchmarks/budget.py --long           # a thousand requests with each store, a quarter of an hour
    python benchmarks/budget.py --real           # three minutes at 10/s and 100/min, all stores at once
    python benchmarks/budget.py --only Redis     # those with that in their names; results are merged into --json FILE

Needs ``pip install pyrate-limiter filelock`` beside the package and what its tests need. The server is a process of
its own that counts every request. A rate of 1 is all that the limits allow.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import http.client
import json
import math
import os
import shutil
import tempfile
import time
import traceback
from pathlib import Path

from budget_stores import Stores
from contenders import CONTENDERS
from limit_server import LimitServer
from results import Results, add_option

SCALED = [(10, 1.0), (40, 5.0)]
REAL = [(10, 1.0), (100, 60.0)]
#: Name, plain processes, coroutines in one more process, and requests after which a process ends.
SCENARIOS = [
    ("1 process", 1, 0, None),
    ("4 processes", 4, 0, None),
    ("8 processes", 8, 0, None),
    ("4 processes and 50 coroutines", 4, 50, None),
    ("4 short-lived processes at a time", 4, 0, 3),
]

#: Rate 1 is all that is allowed; fairness is the least served caller's share of the best served one's; longest is
#: the longest time from wanting to send until being accepted; lag is the event loop's; CPU is of all callers.
#: Calls go to where the log is kept, for each request; the milliseconds are those of half and of 95 of 100 bookings.
COLUMNS = (
    *("rate", "429s", "requests", "fairness", "longest s", "lag ms", "CPU %", "failed"),
    *("calls", "writes", "p50 ms", "p95 ms"),
)


class Worker:
    """One process of a scenario: sends requests until it is time, and tells what it saw."""

    def __init__(self, contender, limits, store, port, name):
        self._make = lambda: contender(limits, store)
        self._port = port
        self._name = name
        self.longest, self.lag = 0.0, 0.0

    def run(self, until, requests):
        contender = self._make()
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        while time.monotonic() < until and requests != 0:
            requested_at, attempts = time.monotonic(), 0
            while True:
                contender.wait()
                connection.request("GET", "/" + self._name)
                result = connection.getresponse()
                body = result.read()
                if result.status == 200:
                    break
                attempts += 1
                contender.refused(json.loads(body)["window"], attempts)
            self.longest = max(self.longest, time.monotonic() - requested_at)
            requests = None if requests is None else requests - 1
        connection.close()
        contender.close()
        return {"longest": self.longest, **contender.figures()}

    async def run_many(self, until, coroutines):
        contender = self._make()
        watch = asyncio.create_task(self._watch())
        tasks = [asyncio.create_task(self._one(contender, until, number)) for number in range(coroutines)]
        await asyncio.wait(tasks, timeout=until - time.monotonic())
        for task in [watch, *tasks]:
            task.cancel()
        await asyncio.gather(watch, *tasks, return_exceptions=True)
        contender.close()
        return {"longest": self.longest, "lag": self.lag, **contender.figures()}

    async def _one(self, contender, until, number):
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while time.monotonic() < until:
                requested_at, attempts = time.monotonic(), 0
                while True:
                    await contender.wait_async()
                    writer.write(f"GET /{self._name}.{number} HTTP/1.1\r\n\r\n".encode())
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    body = await reader.readexactly(int(head.partition("Content-Length: ")[2].split("\r\n")[0]))
                    if " 200 " in head:
                        break
                    attempts += 1
                    await contender.refused_async(json.loads(body)["window"], attempts)
                self.longest = max(self.longest, time.monotonic() - requested_at)
        finally:
            writer.close()

    async def _watch(self):
        await asyncio.sleep(1.0)  # opening fifty connections is not what is measured
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            self.lag = max(self.lag, time.monotonic() - before - 0.005)


def in_process(work, results, begin=0.0):
    """Run work in a forked process, from a moment on; what it tells is appended to a file."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        time.sleep(max(0.0, begin - time.monotonic()))
        samples = work()
        samples["cpu"] = time.process_time()
        with Path(results).open("a") as lines:
            lines.write(json.dumps(samples) + "\n")
        status = 0
    except KeyboardInterrupt:
        pass
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(status)


def plain(worker, until, requests):
    if requests is None:
        return worker.run(until, None)
    own = tempfile.mktemp()
    while time.monotonic() < until:
        os.waitpid(in_process(lambda: worker.run(until, requests), own), 0)
    samples = [json.loads(line) for line in Path(own).read_text().splitlines()]
    Path(own).unlink()
    return {
        "longest": max(one["longest"] for one in samples),
        "children_cpu": sum(one["cpu"] for one in samples),
        "book_s": [seconds for one in samples for seconds in one.get("book_s", ())],
        **{name: sum(one[name] for one in samples) for name in ("calls", "reads", "writes") if name in samples[0]},
    }


def coroutines(worker, until, count):
    gc.freeze()  # what the benchmark has imported is not what is measured
    return asyncio.run(worker.run_many(until, count))


def start(server, contender, store, scenario, limits, warm, measured):
    """Start one scenario for one contender; return a function that waits for it and returns the row of figures."""
    _, processes, many, requests = scenario
    folder = tempfile.mkdtemp()
    results = Path(folder, "results")
    store_factory = store(folder)
    begin = time.monotonic() + 0.5
    until = begin + warm + measured
    workers = [
        Worker(contender, limits, store_factory, server.port, f"w{number}")
        for number in range(processes + bool(many))
    ]
    children = [
        in_process(lambda worker=worker: plain(worker, until, requests), results, begin)
        for worker in workers[:processes]
    ]
    if many:
        children.append(in_process(lambda: coroutines(workers[-1], until, many), results, begin))

    def finish():
        failed = wait_for(children, until + 200)
        report = server.report()
        samples = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
        shutil.rmtree(folder)
        return row(report, samples, workers, limits, begin, warm, measured, failed)

    return finish


def wait_for(children, deadline):
    """Wait for processes; return how many of them have failed."""
    failed = 0
    for child in children:
        while time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                failed += status != 0
                break
            time.sleep(0.05)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
            failed += 1
    return failed


def row(report, samples, workers, limits, begin, warm, measured, failed):
    accepted = [(at, name) for at, name in report["accepted"] if begin + warm <= at < begin + warm + measured]
    requests, seconds = max(limits, key=lambda limit: limit[1] / limit[0])
    callers = {}
    for _, name in accepted:
        callers[name] = callers.get(name, 0) + 1
    names = {worker._name for worker in workers if not any(n.startswith(worker._name + ".") for n in callers)}
    shares = [callers.get(name, 0) for name in names | set(callers)]
    return {
        "rate": pace([at for at, _ in accepted], requests, measured) * seconds / requests,
        "429s": report["refused"],
        "requests": len(report["accepted"]),
        "fairness": min(shares) / max(shares) if shares and max(shares) else 0.0,
        "longest s": max((one["longest"] for one in samples), default=float("nan")),
        "lag ms": max((one["lag"] * 1000 for one in samples if "lag" in one), default=float("nan")),
        "CPU %": 100 * sum(one["cpu"] + one.get("children_cpu", 0) for one in samples) / (warm + measured),
        "failed": failed,
        **costs(samples, len(report["accepted"]) + report["refused"]),
    }


def costs(samples, requests):
    """Return the calls to the store for each request, and how long bookings took."""
    told = {name for one in samples for name in one}
    total = {name: sum(one.get(name, 0) for one in samples) for name in ("calls", "reads", "writes")}
    bookings = sorted(seconds for one in samples for seconds in one.get("book_s", ()))
    return {
        "calls": sum(total.values()) / requests if {"calls", "reads"} & told else float("nan"),
        "writes": total["writes"] / requests if "writes" in told else float("nan"),
        "p50 ms": 1000 * bookings[len(bookings) // 2] if bookings else float("nan"),
        "p95 ms": 1000 * bookings[int(len(bookings) * 0.95)] if bookings else float("nan"),
    }


def pace(moments, requests, measured):
    """Requests a second; over whole windows where there are some, because requests come in bursts."""
    whole = requests * ((len(moments) - 1) // requests)
    if whole < 1 or measured > 100:
        return len(moments) / measured
    spans = [later - earlier for earlier, later in zip(moments, moments[whole:], strict=False)]
    return whole * len(spans) / sum(spans)


def _number(value):
    """JSON has no word for what could not be measured."""
    return None if isinstance(value, float) and math.isnan(value) else value


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--long", action="store_true")
    arguments.add_argument("--real", action="store_true")
    arguments.add_argument("--only", action="append", help="a part of the contenders' names; may be repeated")
    arguments.add_argument("--seconds", type=float, help="how long to measure each run")
    add_option(arguments)
    options, results = arguments.parse_args(), Results("budget")
    limits, warm, measured, scenarios, kinds = SCALED, 5.0, 10.0, SCENARIOS, (False, True)
    contenders = [one for one in CONTENDERS if any(part in one[0] for part in options.only or [""])]
    if options.quick:
        measured, scenarios, kinds = 5.0, SCENARIOS[2:4], (False,)
    is_part = options.long or options.real
    if is_part:
        limits, warm, measured = (REAL, 0.0, 180.0) if options.real else (SCALED, 5.0, 125.0)
        kinds, scenarios = (False,), SCENARIOS[2:3]
        contenders = [one for one in contenders if one[0].startswith("budget")]
    measured = options.seconds or measured
    stores = Stores()
    at_once = contenders if options.real else [None]
    length = ", real limits" if options.real else ", two minutes" if options.long else ""
    servers = [LimitServer() for _ in at_once]
    print(f"limits {limits}, {warm:g} s to warm up, {measured:g} s measured, load {os.getloadavg()[0]:.1f} before")
    try:
        for fixed in kinds:
            for scenario in scenarios:
                print(f"\n{scenario[0]}, {'fixed' if fixed else 'sliding'} windows")
                print(" " * 36 + "".join(f"{column:>10}" for column in COLUMNS))
                case = f"{scenario[0]}, {'fixed' if fixed else 'sliding'} windows{length}"
                for first in range(0, len(contenders), len(servers)):
                    group = contenders[first : first + len(servers)]
                    opened = [stores.of(store) for _, _, store in group]
                    running = []
                    for server, store, (_, contender, _) in zip(servers, opened, group, strict=True):
                        server.begin(limits=limits, fixed=fixed)
                        running.append(start(server, contender, store, scenario, limits, warm, measured))
                    for finish, (name, _, _) in zip(running, group, strict=True):
                        report(results, case, name, finish())
                        results.write(options.json, merge=bool(options.only or is_part))
    finally:
        for server in servers:
            server.close()
        stores.close()


def report(results, case, name, figures):
    """Print a row of figures and add it to the results."""
    print(f"{name:36}" + "".join(f"{figures[column]:10.3g}" for column in COLUMNS), flush=True)
    values = {column.replace(" ", "_"): value for column, value in figures.items()}
    results.add(case, name, **{column: _number(value) for column, value in values.items()})


if __name__ == "__main__":
    main()
