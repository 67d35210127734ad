"""Airflow on Celery with Redis and PostgreSQL, on this machine: a load, and the same with faults.

    python scripts/cluster                   # the load, then the same with faults: about six minutes on two cores
    python scripts/cluster --short           # little, with one fault: about a minute
    python scripts/cluster --backfill 365    # a year of exports, day by day

Run it with ``make cluster``. The exit code is 1 if a promise of the package is broken.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:1] = [str(ROOT / place) for place in ("scripts", "benchmarks", "tests/support", "")]

from cluster.faults import Faults  # noqa: E402
from cluster.load import Load, Run, run_load  # noqa: E402
from cluster.memory import Memory  # noqa: E402
from cluster.services import running_cluster  # noqa: E402
from cluster.surroundings import FAST, REAL_PACE, surroundings  # noqa: E402
from cluster.table import Table  # noqa: E402

LONG = Load(exports=30, metrics=50_000, metrics_files=8, comments=5_000, comments_files=4)
SHORT = Load(exports=2, metrics=3_000, metrics_files=1, comments=1_500, comments_files=1, poll_interval=2)
#: Seconds that a run may take.
PATIENCE_S = 600.0


def main() -> int:
    """Run until the end, Ctrl-C or SIGTERM; no process is left behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_true", help="one worker, one triggerer, one killed worker")
    form.add_argument("--backfill", type=int, metavar="DAYS", help="exports of so many days, without faults")
    parser.add_argument("--folder", type=Path, default=ROOT / ".cluster", help="for homes and logs; made anew")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures as well")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    folder = options.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        table = _run(folder, options)
    except KeyboardInterrupt:
        print("\nStopped.")
        return 130
    table.write(options.json)
    return 1 if table.broken else 0


def _run(folder: Path, options: argparse.Namespace) -> Table:
    machines = 1 if options.short else 2
    if options.short:
        runs = [(Run("faults", SHORT), ("worker",))]
    elif options.backfill:
        runs = [(Run("backfill", Load(exports=options.backfill, poll_interval=15)), ())]
    else:
        runs = [(Run("calm", LONG), ()), (Run("faults", LONG), ("worker", "triggerer", "redis", "postgres"))]
    limits, export_s = (REAL_PACE, 60.0) if options.backfill else (FAST, 15.0)
    print(f"Starting Airflow with {machines} worker(s) and triggerer(s). Limits: {limits['normal']}.", flush=True)
    began, table = time.monotonic(), Table("cluster_backfill" if options.backfill else "cluster", _command(options))
    with (
        surroundings(folder, limits, export_s=export_s) as around,
        running_cluster(
            folder, around.connections, workers=machines, triggerers=machines, redis=around.redis
        ) as cluster,
    ):
        print(f"Ready after {time.monotonic() - began:.0f} s. Logs: {folder}", flush=True)
        for run, kinds in runs:
            print(f"{run.run_id}: {run.load}", flush=True)
            faults, memory = Faults(cluster, around, run, kinds), Memory(cluster)
            run_load(cluster.api, around, run, PATIENCE_S + 6 * run.load.exports, faults.inflict, memory.look)
            print(table.add(around, run, faults, cluster, memory), flush=True)
    return table


def _command(options: argparse.Namespace) -> str:
    if options.short:
        return "python scripts/cluster --short"
    return f"make cluster BACKFILL={options.backfill}" if options.backfill else "make cluster"


if __name__ == "__main__":
    sys.exit(main())
