"""Imports everything once and then runs each task in a fork of its own, so that a test can kill it at little cost.

Reads a job in JSON from each line of its input. Answers with the process id of the task, and, when the task has
ended, with its exit status.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from push_operators import OPERATORS

from airflow_provider_maestroqa.hooks import maestroqa as _warm  # noqa: F401
from airflow_provider_maestroqa.pushes.resources import RESOURCES


def records_of(job):
    """The records of a job; the file `marker` appears when record number `mark` is asked for."""
    for number, record in enumerate(job["records"]):
        if number == job.get("mark"):
            Path(job["marker"]).touch()
            if job.get("hang"):
                time.sleep(600)
        yield record


def run(job):
    os.environ.update(job["environment"])
    operator, argument = OPERATORS[job["resource"]]
    RESOURCES[job["resource"]].batch_size = job["batch_size"]
    task = operator(task_id="push", state_path=job["state_path"], **{argument: []})
    setattr(task, argument, records_of(job))
    task.execute({"ti": SimpleNamespace(**job["ti"])})


def main():
    for line in sys.stdin:
        job = json.loads(line)
        task = os.fork()
        if task == 0:
            try:
                run(job)
            except BaseException:
                os._exit(1)
            os._exit(0)
        tell(task)
        tell(os.waitstatus_to_exitcode(os.waitpid(task, 0)[1]))


def tell(number):
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
