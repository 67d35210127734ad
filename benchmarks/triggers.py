"""A thousand real triggers in one event loop, on a sandbox in a process of its own.

    python benchmarks/triggers.py [--triggers 1000] [--json FILE]
    python benchmarks/triggers.py --finished 10000 [--json FILE]

Prints the memory of each waiting trigger, how long the event loop was held up, how long after its completion an
export's event came, and what a push beside the triggers kept of the rate that it has alone. Limits are scaled: 100
requests a second, and exports that take half a minute. With ``--finished``, and without limits: what a wait of one
poll costs in the beginning, and after so many that have ended.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from memory import memory, reset_peak
from results import OURS, Results, add_option

PORT, STORAGE_PORT = 18765, 18766
WIDE = {"normal": [[100_000, 1]], "hard": [[100_000, 1]]}
LIMITS = {"normal": [[100, 1]], "hard": [[100, 1]]}
EXPORT_S = 30.0
POLL_S = 5.0
#: Waits that are measured, and that run at the same time.
SAMPLE, AT_ONCE = 1000, 50


async def measure(count: int, results: Results) -> None:
    """Run the triggers, once alone and once beside a push."""
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

    hook = MaestroQAHook()
    alone = await push(hook, 5.0)
    print(f"a push alone sends {alone:.0f} requests a second")
    results.add("a push alone", OURS, requests_s=alone)
    for beside in (False, True):
        requested = {await asyncio.to_thread(hook.request_groups_export): time.time() for _ in range(count)}
        gc.collect()
        before = reset_peak()
        started, lags = time.time(), []

        watch = asyncio.create_task(watch_lag(lags))
        waits = asyncio.gather(*(wait(export_id, max(at + EXPORT_S, started)) for export_id, at in requested.items()))
        rate = await push(hook, 20.0) if beside else 0.0
        late = sorted(await waits)
        watch.cancel()
        memory_each = (memory("VmHWM") - before) / count
        lag_99 = statistics.quantiles(lags, n=100)[98]
        print(
            f"{count} triggers {'beside a push' if beside else 'alone'}, all ended in {time.time() - started:.0f} s"
        )
        print(f"  memory for each at the peak {memory_each:.1f} KiB; loop held up {max(lags) * 1000:.0f} ms at most,")
        print(f"  99 of 100 times below {lag_99 * 1000:.1f} ms")
        print(f"  from completion to event: half within {late[count // 2]:.1f} s, all within {late[-1]:.1f} s")
        if beside:
            print(f"  the push kept {rate:.0f} requests a second, {rate / alone:.2f} of what it has alone")
        results.add(
            f"{count} triggers {'beside a push' if beside else 'alone'}",
            OURS,
            loop_held_up_ms=max(lags) * 1000,
            loop_held_up_99_ms=lag_99 * 1000,
            noticed_half_s=late[count // 2],
            noticed_all_s=late[-1],
            # The second time there is room left of the first, so only the first peak means anything.
            **({"push_kept": rate / alone} if beside else {"kib_each": memory_each}),
        )
    hook.close()


async def wait(export_id: str, complete_at: float, poll_s: float = POLL_S) -> float:
    """Run one trigger to its event; seconds from the export's completion to the event."""
    from airflow_provider_maestroqa.triggers.exports import MaestroQAExportTrigger

    async for _ in MaestroQAExportTrigger(export_id, poll_s, time.time() + 600).run():
        return time.time() - complete_at
    raise AssertionError("the trigger ended without an event")


async def measure_finished(finished: int, results: Results) -> None:
    """Run many short waits; what one costs first, and what it costs after them."""
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

    with MaestroQAHook() as hook:
        export_id = await asyncio.to_thread(hook.request_groups_export)
    await wait_often(export_id, SAMPLE)  # imports, and what is made once
    for case, before in (("first", 0), (f"after {finished:,}", finished)):
        await wait_often(export_id, before)
        gc.collect()
        rss, objects, cpu = memory("VmRSS"), len(gc.get_objects()), time.process_time()
        await wait_often(export_id, SAMPLE)
        cpu_ms = 1000 * (time.process_time() - cpu) / SAMPLE
        threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - as fast as it gets
        print(
            f"waits, {case}: {cpu_ms:.2f} ms of a processor each, {rss / 1024:.1f} MB, {objects:,} objects, "
            f"{threads} threads, {files} open files"
        )
        results.add(
            f"a wait, {case}",
            OURS,
            cpu_ms_each=cpu_ms,
            rss_mb=rss / 1024,
            objects=objects,
            threads=threads,
            files=files,
        )


async def wait_often(export_id: str, count: int) -> None:
    """Let waits of one poll end, some at a time."""
    for begun in range(0, count, AT_ONCE):
        await asyncio.gather(*(wait(export_id, 0, 0.05) for _ in range(min(AT_ONCE, count - begun))))


async def push(hook: object, seconds: float) -> float:
    """Take slots as fast as the budget gives them; requests a second."""
    budget, ends, sent = hook._budget, time.time() + seconds, 0
    while time.time() < ends:
        await asyncio.gather(*(budget.acquire_async("normal") for _ in range(20)))
        sent += 20
    return sent / seconds


async def watch_lag(lags: list[float]) -> None:
    """Note how much later than asked for a short sleep ends."""
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.01)
        lags.append(time.perf_counter() - before - 0.01)


def main() -> None:
    """Measure one part, with a sandbox and in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triggers", type=int, default=1000)
    parser.add_argument("--finished", type=int, help="measure waits after so many that have ended")
    add_option(parser)
    options = parser.parse_args()
    results = Results("triggers" if options.finished is None else "triggers_finished")
    if options.finished is None:
        run_part(lambda: measure(options.triggers, results), results, EXPORT_S, LIMITS)
    else:
        run_part(lambda: measure_finished(options.finished, results), results, 0.0, WIDE)
    results.write(options.json)


def run_part(
    part: Callable[[], Coroutine[Any, Any, None]], results: Results, export_s: float, limits: object
) -> None:
    """Run a part in a forked process, beside a sandbox; its rows come back through a pipe."""
    fields = {
        "conn_type": "maestroqa",
        "host": f"http://127.0.0.1:{PORT}",
        "password": "sandbox-token",
        "extra": {"rate_limits": limits},
    }
    with tempfile.TemporaryDirectory() as home:
        os.environ.update({"AIRFLOW_HOME": home, "AIRFLOW_CONN_MAESTROQA_DEFAULT": json.dumps(fields)})
        command = [sys.executable, "-m", "airflow_provider_maestroqa.sandbox", "--limits", "none", "--rows", "1"]
        command += ["--port", str(PORT), "--storage-port", str(STORAGE_PORT)]
        command += ["--polls", "0", "--seconds", str(export_s)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:
            try:
                sandbox.stdout.readline()
                rows = Path(home, "rows.json")
                child = os.fork()
                if not child:
                    asyncio.run(part())
                    rows.write_text(json.dumps(results.rows))
                    os._exit(0)
                _, status = os.waitpid(child, 0)
                if status:
                    raise SystemExit("the measurement failed")
                results.rows = json.loads(rows.read_text())
            finally:
                sandbox.terminate()


if __name__ == "__main__":
    main()
