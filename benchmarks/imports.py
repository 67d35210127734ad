"""How long imports of this package take: those of a DAG file, and those of a task that runs.

    python benchmarks/imports.py [--json FILE]

The peer is the HTTP provider's hook alone: what a DAG file would pay for if anything here imported it early, and what
a task pays that sends its requests with it. Each figure is processor time, the median of several fresh processes;
ours and the peer take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

from results import OURS as US
from results import Results, add_option

PEER = "HTTP provider's hook"
PEERS_HOOK = ("airflow.providers.http.hooks.http",)
HOOK = ("airflow_provider_maestroqa.hooks.maestroqa",)
DAG_FILE = (
    "airflow_provider_maestroqa.operators.exports",
    "airflow_provider_maestroqa.sensors.exports",
    "airflow_provider_maestroqa.triggers.exports",
    "airflow_provider_maestroqa.transfers.export_to_s3",
    "airflow_provider_maestroqa.transfers.export_to_object_storage",
)
HEAVY = ("requests", "aiohttp", "boto3", "pyarrow")
RUNS = 5
#: What is in a process that reads DAG files.
AIRFLOW = """
try:
    import airflow.sdk
    from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator
except ImportError:
    import airflow
    from airflow.models import BaseOperator
    from airflow.sensors.base import BaseSensorOperator
import airflow.triggers.base
"""
#: What is in a process that runs a task, before it has read the DAG file.
TASK_RUNNER = """
try:
    import airflow.sdk.execution_time.task_runner
except ImportError:
    import airflow.task.standard_task_runner
"""
MEASURE = """
import importlib, json, sys, time
{first}
before = set(sys.modules)
started = time.process_time()
for name in {names!r}:
    importlib.import_module(name)
taken = time.process_time() - started
print(json.dumps([taken * 1000, sorted(set({heavy!r}) & (set(sys.modules) - before))]))
"""
#: Case → what is in the process already, and what it imports of ours.
CASES = {
    "a DAG file": (AIRFLOW, DAG_FILE),
    "the hook in a task": (AIRFLOW + TASK_RUNNER, HOOK),
    "the hook and Airflow, in a new interpreter": ("", HOOK),
}


def measure(first: str, names: tuple[str, ...]) -> tuple[float, list[str]]:
    """Milliseconds of a processor in one fresh process, and which heavy libraries came along."""
    code = MEASURE.format(first=first, names=names, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    taken, heavy = json.loads(done.stdout.splitlines()[-1])
    return taken, heavy


def main() -> None:
    """Print the figures and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_option(parser)
    options, results = parser.parse_args(), Results("imports")
    for case, (first, names) in CASES.items():
        runs = [(measure(first, names), measure(first, PEERS_HOOK)) for _ in range(RUNS)]
        medians = []
        for by, of_one in ((US, [ours for ours, _ in runs]), (PEER, [peer for _, peer in runs])):
            taken, heavy = [milliseconds for milliseconds, _ in of_one], of_one[0][1]
            medians.append(statistics.median(taken))
            spread = f"{min(taken):.0f} to {max(taken):.0f}"
            print(f"{case}: {by:22} {medians[-1]:7.1f} ms ({spread}), brings {', '.join(heavy) or 'nothing heavy'}")
            results.add(case, by, ms=medians[-1], least_ms=min(taken), most_ms=max(taken), heavy=heavy)
        print(f"{case}: ratio {medians[0] / medians[1]:.3f}")
    results.write(options.json)


if __name__ == "__main__":
    main()
