"""Fixtures for whatever runs inside Airflow."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

TESTS = Path(__file__).resolve().parents[1]


class FakeTaskStateStore:
    """Stands in for Airflow 3.3's task state store, which lasts from one try to the next."""

    def __init__(self):
        self.values = {}

    def get(self, key, default=None):
        return self.values.get(key, default)

    def set(self, key, value):
        self.values[key] = value

    def delete(self, key):
        self.values.pop(key, None)


def task_context(*, try_number=1, map_index=-1, **others):
    """The context of a task instance."""
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=map_index, try_number=try_number)
    return {"ti": ti, **others}


@pytest.fixture
def task_state_store():
    return FakeTaskStateStore()


@pytest.fixture
def context(task_state_store):
    """The context of a task's first try, with a store that lasts until the next one."""
    return task_context(task_state_store=task_state_store)


@pytest.fixture
def log(caplog):
    """All that is logged, as one text; whatever way this Airflow logs."""
    for name in (
        "airflow",
        "airflow.task",
        "airflow_provider_maestroqa",
        "airflow.task.operators",
        "airflow.task.hooks",
    ):
        logging.getLogger(name).propagate = True
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def run_task():
    """Run a task's execute, and in the triggerer's stead its trigger, until it ends."""
    try:
        from airflow.sdk.exceptions import TaskDeferred
    except ImportError:  # Airflow 2
        from airflow.exceptions import TaskDeferred

    def run(operator, context=None):
        context = {} if context is None else context
        try:
            return operator.execute(context)
        except TaskDeferred as deferred:
            event = asyncio.run(first_event(deferred.trigger))
            return getattr(operator, deferred.method_name)(context, event)

    async def first_event(trigger):
        path, arguments = trigger.serialize()
        module, _, name = path.rpartition(".")
        again = getattr(__import__(module, fromlist=[name]), name)(**arguments)
        async for event in again.run():
            return event.payload
        raise AssertionError("the trigger ended without an event")

    return run


@pytest.fixture
def land(connection, tmp_path):
    """Land records in a folder; the manifest."""

    from airflow_provider_maestroqa.transfers.records_to_object_storage import (
        MaestroQARecordsToObjectStorageOperator,
    )

    def run(resource="todos", context=None, **arguments):
        arguments = {"destination": f"file://{tmp_path}/landed", **arguments}
        task = MaestroQARecordsToObjectStorageOperator(task_id="land", resource=resource, **arguments)
        return task.execute({} if context is None else context)

    return run


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "landed"


@pytest.fixture
def logged(log, capsys):
    """All that was logged; newer Airflows write it to the standard output."""
    return lambda: log.text + capsys.readouterr().out


@pytest.fixture(scope="session")
def provider_path(tmp_path_factory):
    """A PYTHONPATH on which Airflow finds this package as a provider, installed or not."""
    root = TESTS.parent
    try:
        importlib.metadata.distribution("airflow-provider-maestroqa")
    except importlib.metadata.PackageNotFoundError:
        folder = tmp_path_factory.mktemp("provider")
        info = folder / "airflow_provider_maestroqa-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: airflow-provider-maestroqa\nVersion: 0\n")
        entry = "provider_info = airflow_provider_maestroqa.get_provider_info:get_provider_info"
        (info / "entry_points.txt").write_text(f"[apache_airflow_provider]\n{entry}\n")
        return f"{root}{os.pathsep}{folder}"
    return str(root)


@pytest.fixture(scope="session")
def airflow_process(provider_path):
    """Ask an Airflow of its own, in a process of its own: see connection_process.py."""

    def ask(asked, folder, config="", **variables):
        home = folder / "airflow"
        home.mkdir()
        if config:
            (home / "airflow.cfg").write_text(config)
        answer = folder / "answer.json"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        environment |= {
            "PYTHONPATH": provider_path,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API_AUTH__JWT_ISSUER": "airflow",
            "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-for-one-test-" * 3,
            **variables,
        }
        script = TESTS / "hooks" / "connection_process.py"
        done = subprocess.run(
            [sys.executable, str(script), str(answer)],
            input=json.dumps(asked),
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
        return json.loads(answer.read_text())

    return ask
