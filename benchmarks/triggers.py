"""A thousand real triggers in one event loop, on a sandbox in a process of its own.

    python benchmarks/triggers.py [--triggers 1000] [--json FILE]

Prints the memory of each waiting trigger, how long the event loop was held up, how long after its completion an
export's event came, and what a push beside the triggers kept of the rate that it has alone. Limits are scaled: 100
requests a second, and exports that take half a minute.
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
import time

from memory import memory, reset_peak
from results import OURS, Results, add_option

PORT, STORAGE_PORT = 18765, 18766
LIMITS = {"normal": [[100, 1]], "hard": [[100, 1]]}
EXPORT_S = 30.0
POLL_S = 5.0


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


async def wait(export_id: str, complete_at: float) -> float:
    """Run one trigger to its event; seconds from the export's completion to the event."""
    from airflow_provider_maestroqa.triggers.exports import MaestroQAExportTrigger

    async for _ in MaestroQAExportTrigger(export_id, POLL_S, time.time() + 600).run():
        return time.time() - complete_at
    raise AssertionError("the trigger ended without an event")


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
    """Start the sandbox, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triggers", type=int, default=1000)
    add_option(parser)
    options, results = parser.parse_args(), Results("triggers")
    fields = {
        "conn_type": "maestroqa",
        "host": f"http://127.0.0.1:{PORT}",
        "password": "sandbox-token",
        "extra": {"rate_limits": LIMITS},
    }
    with tempfile.TemporaryDirectory() as home:
        os.environ.update({"AIRFLOW_HOME": home, "AIRFLOW_CONN_MAESTROQA_DEFAULT": json.dumps(fields)})
        command = [sys.executable, "-m", "airflow_provider_maestroqa.sandbox", "--limits", "none", "--rows", "1"]
        command += [
            "--port",
            str(PORT),
            "--storage-port",
            str(STORAGE_PORT),
            "--polls",
            "0",
            "--seconds",
            str(EXPORT_S),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:
            try:
                sandbox.stdout.readline()
                asyncio.run(measure(options.triggers, results))
            finally:
                sandbox.terminate()
    results.write(options.json)


if __name__ == "__main__":
    main()
