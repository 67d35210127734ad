"""A worker: a process that tries one task after the other, and may be killed at a request."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow_provider_maestroqa.pushes.resources import RESOURCES
from soak.logs import log_into, log_to_stdout
from soak.measures import open_files, resident_kib
from soak.plan import Doom, Job
from soak.pushes import PUSHES, mark
from soak.sent import mark_requests


@dataclass(frozen=True)
class Try:
    """One try of a task.

    :param stage: which task of the job.
    :param number: from 1.
    :param given: what the tasks before have returned.
    :param changes: arguments that a user has changed since the first try.
    :param resume: the method and the event with which a task goes on after its wait.
    """

    job: Job
    stage: int
    number: int
    given: Any = None
    changes: dict[str, Any] | None = None
    resume: tuple[str, Any] | None = None
    doom: Doom | None = None


class FileStore:
    """Stands in for Airflow's task state store, which lasts from one try to the next."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str, default: Any = None) -> Any:
        return self._all().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self._write({**self._all(), key: value})

    def delete(self, key: str) -> None:
        self._write({name: value for name, value in self._all().items() if name != key})

    def _all(self) -> dict[str, Any]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}

    def _write(self, values: dict[str, Any]) -> None:
        # As a database would: all or nothing.
        new = self._path.with_suffix(f".{os.getpid()}")
        new.write_text(json.dumps(values))
        new.replace(self._path)


def try_tasks(pipe: Connection, folder: Path) -> None:
    """Try what comes through the pipe, until it is closed."""
    temporary = folder / "tmp" / str(os.getpid())
    temporary.mkdir(parents=True)
    tempfile.tempdir = str(temporary)
    log_to_stdout()
    for name, push in PUSHES.items():
        RESOURCES[name].batch_size = push.batch_size
    current = SimpleNamespace(doom=None)
    requests_of_try = mark_requests(lambda: current.doom)
    while True:
        try:
            attempt = pipe.recv()
        except EOFError:
            return
        requests_of_try.restart()
        current.doom = attempt.doom
        with log_into(folder / "logs" / f"{attempt.job.name}.log"):
            result = run(attempt, folder)
        current.doom = None
        gc.collect()
        with contextlib.suppress(BrokenPipeError):
            pipe.send({**result, "kib": resident_kib(), "files": open_files()})


def run(attempt: Try, folder: Path) -> dict[str, Any]:
    """One try, from its arguments to what became of it."""
    from airflow.sdk.exceptions import TaskDeferred

    from airflow_provider_maestroqa._compat import AirflowFailException

    print(f"--- try {attempt.number} of {attempt.job.stages[attempt.stage].name}", flush=True)
    try:
        task, context = make_task(attempt, folder)
        if attempt.resume is None:
            return {"outcome": "success", "value": task.execute(context)}
        method, event = attempt.resume
        return {"outcome": "success", "value": getattr(task, method)(context, event)}
    except TaskDeferred as deferred:
        return {
            "outcome": "deferred",
            "trigger": deferred.trigger.serialize(),
            "method": deferred.method_name,
        }
    except Exception as error:
        # What Airflow would write into the task's log.
        print(f"ERROR {type(error).__name__}: {error}", flush=True)
        return {"outcome": "failed", "for_good": isinstance(error, AirflowFailException), "error": str(error)}


def make_task(attempt: Try, folder: Path) -> tuple[Any, dict[str, Any]]:
    """The operator, and Airflow's context."""
    job, stage = attempt.job, attempt.job.stages[attempt.stage]
    state = folder / "state" / f"{job.name}-{stage.name}"
    ti = SimpleNamespace(dag_id="soak", run_id=job.name, task_id=stage.name, map_index=-1, try_number=attempt.number)
    context: dict[str, Any] = {"ti": ti}
    arguments = {"task_id": stage.name, **stage.arguments, **(attempt.changes or {})}
    if "destination" in arguments:
        arguments["destination"] = (folder / "landed" / arguments["destination"]).as_uri()
    if stage.name in ("push", "request"):
        if job.keeps_state_at == "path":
            arguments["state_path"] = state.with_suffix(".json").as_uri()
        else:
            context["task_state_store"] = FileStore(state.with_suffix(".store"))
    return MAKERS[stage.name](attempt, arguments, folder), context


def _push(attempt: Try, arguments: dict[str, Any], folder: Path) -> Any:
    from push_operators import OPERATORS

    operator, argument = OPERATORS[attempt.job.kind]
    rejects = (folder / "rejects" / f"{attempt.job.name}.jsonl").as_uri()
    task = operator(rejects_path=rejects, **{argument: []}, **arguments)
    setattr(task, argument, records_of(attempt.job))
    return task


def records_of(job: Job) -> Iterator[dict[str, Any]]:
    """The records of a task, the same at each try."""
    for number in range(job.total):
        yield {**PUSHES[job.kind].make(job.name, number, mark(job.name, number)), **job.bad.get(number, {})}


def _request(_attempt: Try, arguments: dict[str, Any], _folder: Path) -> Any:
    from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator

    return MaestroQARequestExportOperator(**arguments)


def _sense(attempt: Try, arguments: dict[str, Any], _folder: Path) -> Any:
    from airflow_provider_maestroqa.sensors.exports import MaestroQAExportSensor

    return MaestroQAExportSensor(export_id=attempt.given, **arguments)


def _land(attempt: Try, arguments: dict[str, Any], _folder: Path) -> Any:
    from airflow_provider_maestroqa.transfers.export_to_object_storage import MaestroQAExportToObjectStorageOperator

    return MaestroQAExportToObjectStorageOperator(export_id=attempt.given, **arguments)


def _land_records(_attempt: Try, arguments: dict[str, Any], _folder: Path) -> Any:
    from airflow_provider_maestroqa.transfers.records_to_object_storage import MaestroQARecordsToObjectStorageOperator

    return MaestroQARecordsToObjectStorageOperator(**arguments)


def _attach(attempt: Try, arguments: dict[str, Any], folder: Path) -> Any:
    from airflow_provider_maestroqa.operators.attachments import MaestroQACreateAttachmentOperator

    file = folder / "files" / attempt.job.name
    file.write_bytes(content_of(attempt.job))
    del arguments["bytes"]
    return MaestroQACreateAttachmentOperator(
        ticket_id=attempt.job.name, content_type="audio/mpeg", file=str(file), **arguments
    )


def content_of(job: Job) -> bytes:
    """The file that a task attaches."""
    size = job.stages[0].arguments["bytes"]
    return (f"{job.name} ".encode() * (size // len(job.name) + 1))[:size]


MAKERS = {
    "push": _push,
    "request": _request,
    "sense": _sense,
    "land": _land,
    "land_records": _land_records,
    "attach": _attach,
}
