"""Run the DAG of a file once, deferring for real, and report how it ended.

    python scripts/run_dag.py --json ended.json dags_examples/maestroqa_groups_export.py

Needs the environment of an Airflow (``AIRFLOW_HOME``, connections). The JSON holds, for each DAG, the run's state,
each task's state, and what each task returned.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timezone
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.pytest_plugin import run_dag, set_argument

if TYPE_CHECKING:
    from airflow import DAG

LOGICAL_DATE = datetime(2026, 3, 2, tzinfo=timezone.utc)


def prepare_airflow() -> None:
    """Make the database of ``AIRFLOW_HOME`` if it is not there yet: a copy of an empty one, which is made once."""
    home = Path(os.environ["AIRFLOW_HOME"])
    if (home / "migrated").exists():
        return
    home.mkdir(parents=True, exist_ok=True)
    url = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{home}/airflow.db")
    empty = Path(sys.prefix, f"airflow-{version('apache-airflow')}-empty.db")
    if not empty.exists():
        _migrate()
        _copy(Path(url.removeprefix("sqlite:///")), empty)
    else:
        shutil.copy(empty, url.removeprefix("sqlite:///"))
    (home / "migrated").touch()


def _migrate() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "airflow", "db", "migrate"]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise SystemExit(f"`airflow db migrate` failed:\n{process.stdout}\n{process.stderr}")


def _copy(database: Path, empty: Path) -> None:
    """Copy a database as a whole or not at all: others may want it at the same moment."""
    unfinished = empty.with_suffix(f".{os.getpid()}")
    with closing(sqlite3.connect(database)) as from_, closing(sqlite3.connect(unfinished)) as to:
        from_.backup(to)
    unfinished.replace(empty)


def share_api() -> None:
    """Let all tasks share the API inside this process, as newer versions do: Airflow 3.0 makes one for each task."""
    try:
        from airflow.sdk.execution_time import supervisor
    except ImportError:  # Airflow 2, or one that has it elsewhere
        return
    supervisor.in_process_api_server = lru_cache(maxsize=1)(supervisor.in_process_api_server)


def load_dag(path: Path, *, poll_interval: float) -> DAG:
    """Import the one DAG of a file, and let its waits poll more often than is good for the real MaestroQA."""
    from airflow import DAG

    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (dag,) = (value for value in vars(module).values() if isinstance(value, DAG))
    for name in ("poke_interval", "poll_interval"):
        set_argument(dag, name, poll_interval)
        # An operator of one's own may have it without an argument.
        for task in dag.tasks:
            if hasattr(task, name):
                setattr(task, name, poll_interval)
    return dag


def hand_over_events(dag: DAG) -> None:
    """Give the run of a DAG that is scheduled by assets their events, as the scheduler would."""
    from airflow.models.dagrun import DagRun
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    try:
        from airflow.models.asset import AssetEvent as Event

        name, condition = "consumed_asset_events", getattr(dag.timetable, "asset_condition", None)
    except ImportError:  # Airflow 2
        from airflow.models.dataset import DatasetEvent as Event

        name, condition = "consumed_dataset_events", getattr(dag.timetable, "dataset_condition", None)
    uris = {asset.uri for asset in getattr(condition, "objects", ()) if hasattr(asset, "uri")}
    if not uris:
        return

    def add(session: Session, *_: Any) -> None:
        for run in session.new:
            if isinstance(run, DagRun) and run.dag_id == dag.dag_id:
                setattr(run, name, [event for event in session.query(Event) if event.uri in uris])

    event.listen(Session, "before_flush", add)


def run(dag: DAG, *, logical_date: datetime = LOGICAL_DATE) -> dict[str, Any]:
    """Run a DAG once.

    :return: ``{"state", "tasks": {task: state}, "returned": {task: XCom}}``; mapped tasks are named ``task[index]``.
    """
    if hasattr(dag, "sync_to_db"):  # Airflow 2, which else forgets the events of assets
        dag.sync_to_db()
    hand_over_events(dag)
    outcome = run_dag(dag, logical_date=logical_date)
    returned = {name: value for name, value in outcome.returned.items() if isinstance(value, (str, dict, list))}
    return {"state": outcome.state, "tasks": outcome.tasks, "returned": returned}


def main() -> int:
    """Run from the command line; 0 when every DAG succeeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--json", type=Path, required=True, help="where to write how the runs ended")
    parser.add_argument("--poll-interval", type=float, default=0.1)
    arguments = parser.parse_args()
    prepare_airflow()
    share_api()
    results = {}
    for path in arguments.files:
        results[path.stem] = run(load_dag(path, poll_interval=arguments.poll_interval))
    arguments.json.write_text(json.dumps(results))
    return 0 if all(result["state"] == "success" for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
