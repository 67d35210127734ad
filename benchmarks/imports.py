"""How long importing this package's operators, sensors, triggers and transfers takes on top of Airflow itself.

    python benchmarks/imports.py [--json FILE]

The peer is the HTTP provider's hook, which a DAG file would pay for if anything here imported it early. Each figure
is the median of several fresh processes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

from results import OURS as US
from results import Results, add_option

OURS = (
    "airflow_provider_maestroqa.operators.exports",
    "airflow_provider_maestroqa.sensors.exports",
    "airflow_provider_maestroqa.triggers.exports",
    "airflow_provider_maestroqa.transfers.export_to_s3",
    "airflow_provider_maestroqa.transfers.export_to_object_storage",
)
PEER = ("airflow.providers.http.hooks.http",)
HEAVY = ("requests", "aiohttp", "boto3", "pyarrow")
RUNS = 7
MEASURE = """
import importlib, json, sys, time
try:
    import airflow.sdk
    from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator
except ImportError:
    import airflow
    from airflow.models import BaseOperator
    from airflow.sensors.base import BaseSensorOperator
import airflow.triggers.base
before = set(sys.modules)
started = time.perf_counter()
for name in {names!r}:
    importlib.import_module(name)
taken = time.perf_counter() - started
print(json.dumps([taken * 1000, sorted(set({heavy!r}) & (set(sys.modules) - before))]))
"""


def measure(names: tuple[str, ...]) -> tuple[float, list[str]]:
    """Milliseconds, and which heavy libraries came along."""
    runs = []
    for _ in range(RUNS):
        code = MEASURE.format(names=names, heavy=HEAVY)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return statistics.median(seconds for seconds, _ in runs), runs[0][1]


def main() -> None:
    """Print both figures and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_option(parser)
    options, results = parser.parse_args(), Results("imports")
    ours, ours_heavy = measure(OURS)
    peer, peer_heavy = measure(PEER)
    print(f"all of this package  {ours:7.1f} ms  brings {', '.join(ours_heavy) or 'nothing heavy'}")
    print(f"HTTP provider's hook {peer:7.1f} ms  brings {', '.join(peer_heavy) or 'nothing heavy'}")
    print(f"ratio                {ours / peer:7.3f}")
    results.add("imports", US, ms=ours, heavy=ours_heavy)
    results.add("imports", "HTTP provider's hook", ms=peer, heavy=peer_heavy)
    results.write(options.json)


if __name__ == "__main__":
    main()
