"""Run partitioned DAGs as Airflow itself starts them: by schedule, by backfill, by hand and by an asset's event.

    python partition_process.py answer.json folder_of_dags

The runs are made by Airflow's own scheduler, backfill and trigger code, in the database of AIRFLOW_HOME; their tasks
run in this process, as `dag.test()` does it.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from run_dag import prepare_airflow

MIDNIGHT = datetime(2026, 3, 2, tzinfo=timezone.utc)
KEY = "2026-03-05"


def main(answer: str, folder: str) -> None:
    prepare_airflow()
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models.asset import AssetEvent
    from airflow.models.backfill import _create_backfill
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunTriggeredByType
    from sqlalchemy import select

    bag = BundleDagBag(Path(folder), bundle_path=Path(folder), bundle_name="dags-folder")
    assert not bag.import_errors, bag.import_errors
    with create_session() as session:
        DagBundlesManager().sync_bundles_to_db(session=session)
        session.commit()
        sync_bag_to_db(bag, "dags-folder", None, session=session)
        session.commit()
        scheduler = SchedulerJobRunner(Job(), num_runs=1)
        for model in session.scalars(select(DagModel)).all():
            model.is_paused = False
        for offset in (-1, 0, 1):
            date = MIDNIGHT + timedelta(days=offset)
            scheduled = session.get(DagModel, f"scheduled_{offset}")
            scheduler._create_dag_runs([scheduled], session)
            key = f"{date:%Y-%m-%dT%H:%M:%S}"
            trigger_dag(
                f"manual_{offset}", partition_key=key, triggered_by=DagRunTriggeredByType.TEST, session=session
            )
            session.commit()
            # Airflow 3.3 walks along the partitions, and 3.2 along the runs.
            ticks = (date, date) if hasattr(scheduler, "_resolve_partition_date") else (MIDNIGHT, MIDNIGHT)
            _create_backfill(
                dag_id=f"backfill_{offset}",
                from_date=ticks[0],
                to_date=ticks[1],
                max_active_runs=1,
                reverse=False,
                dag_run_conf=None,
                triggering_user_name=None,
            )
        trigger_dag(
            "maestroqa_partitioned_export",
            partition_key=KEY,
            triggered_by=DagRunTriggeredByType.TEST,
            session=session,
        )
        trigger_dag(
            "maestroqa_partitioned_export", run_id="no_key", triggered_by=DagRunTriggeredByType.TEST, session=session
        )
        session.commit()
    results = [run for dag in bag.dags.values() for run in run_all(dag)]
    with create_session() as session:
        scheduler._create_dagruns_for_partitioned_asset_dags(session)
    results += [run for name in ("asset", "same") for run in run_all(bag.dags[name])]
    with create_session() as session:
        events = [
            {"key": event.partition_key, "extra": event.extra} for event in session.scalars(select(AssetEvent)).all()
        ]
    Path(answer).write_text(json.dumps({"runs": results, "events": events}, default=str))


def run_all(dag):
    """Run what stands to be run of a DAG."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        runs = session.scalars(select(DagRun).where(DagRun.dag_id == dag.dag_id)).all()
        waiting = [(run.run_id, run.partition_key, run.run_type) for run in runs if run.state == "queued"]
    return [
        {"dag": dag.dag_id, "run": run_id, "key": key, "type": kind, "tasks": run_tasks(dag, run_id)}
        for run_id, key, kind in waiting
    ]


def run_tasks(dag, run_id):
    """Run the tasks of a run, each after those before it; return what each of them left."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.sdk.definitions.dag import _run_task
    from airflow.utils.session import create_session
    from sqlalchemy import select

    left = {}
    for task in sorted(dag.tasks, key=lambda task: len(task.upstream_list)):
        if any(left[one.task_id]["state"] != "success" for one in task.upstream_list):
            left[task.task_id] = {"state": "upstream_failed"}
            continue
        of_task = select(TaskInstance).where(TaskInstance.run_id == run_id, TaskInstance.task_id == task.task_id)
        with create_session() as session:
            ti = session.scalars(of_task.where(TaskInstance.dag_id == dag.dag_id)).one()
            ti.try_number += 1
            # What is read now can be read when the session is gone.
            ti.dag_run, ti.dag_version_id, ti.rendered_map_index  # noqa: B018
        _run_task(ti=ti, task=task, run_triggerer=True)
        with create_session() as session:
            ti = session.scalars(of_task.where(TaskInstance.dag_id == dag.dag_id)).one()
            left[task.task_id] = {
                "state": ti.state,
                "window": ti.xcom_pull(task_ids=task.task_id, key="window", session=session),
                "value": ti.xcom_pull(task_ids=task.task_id, session=session),
            }
    return left


if __name__ == "__main__":
    main(*sys.argv[1:])
