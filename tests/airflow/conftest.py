from __future__ import annotations

import asyncio
import logging

import pytest


class Stored:
    """Stands in for Airflow 3.3's task state store, which lasts from one try to the next."""

    def __init__(self):
        self.values = {}

    def get(self, key, default=None):
        return self.values.get(key, default)

    def set(self, key, value):
        self.values[key] = value

    def delete(self, key):
        self.values.pop(key, None)


@pytest.fixture
def task_state_store():
    return Stored()


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
def said(log, capsys):
    """All that was logged; newer Airflows write it to the standard output."""
    return lambda: log.text + capsys.readouterr().out
