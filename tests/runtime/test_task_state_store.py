"""What Airflow's own store protects: a try that was given up finds and saves nothing there."""

from __future__ import annotations

import datetime
from uuid import uuid4

import pytest

from airflow_provider_maestroqa.pushes.checkpoint import Checkpoint, PositionTakenError
from airflow_provider_maestroqa.pushes.records import read_records
from airflow_provider_maestroqa.pushes.report import Report
from airflow_provider_maestroqa.runtime.retry_state import RetryState

routes = pytest.importorskip("airflow.api_fastapi.execution_api.routes.task_state_store", reason="Airflow 3.3")


class Store:
    """The accessor of one try: the same requests, to the server's own functions."""

    def __init__(self, ti_id, session):
        self.ti_id, self.session = ti_id, session

    def get(self, key, default=None):
        from fastapi import HTTPException

        try:
            return routes.get_task_state_store(self.ti_id, key, self.session).value
        except HTTPException as error:
            # The client of the worker takes each 404 for a key that is not there.
            if error.status_code != 404:
                raise
            return default

    def set(self, key, value):
        from airflow.api_fastapi.execution_api.datamodels.task_state_store import TaskStateStorePutBody

        routes.set_task_state_store(self.ti_id, key, TaskStateStorePutBody(value=value), self.session)


@pytest.fixture
def session():
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    import_all_models()
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def task_instance(session):
    """A task instance in Airflow's database."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import insert

    now = datetime.datetime.now(datetime.timezone.utc)
    session.add(DagRun(dag_id="d", run_id="r", run_type="manual", run_after=now))
    session.flush()
    ids = {"id": uuid4(), "dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1, "try_number": 1}
    others = {"pool": "p", "pool_slots": 1, "priority_weight": 1, "executor_config": {}, "max_tries": 1, "queue": "q"}
    texts = {"hostname": "", "unixname": "", "custom_operator_name": ""}
    session.execute(insert(TaskInstance.__table__).values(**ids, **others, **texts))
    return session.get(TaskInstance, ids["id"])


def test_a_try_that_was_given_up_finds_the_position_taken(session, task_instance):
    def begin():
        context = {"task_state_store": Store(task_instance.id, session)}
        checkpoint = Checkpoint(RetryState(context, key="push", arguments={}), run="r", idempotent=False)
        state = checkpoint.load()
        checkpoint.claim(state)
        return checkpoint, state

    records = list(read_records([{"a": 1}, {"a": 2}], dict))
    former, _ = begin()
    former.mark(records[:1], is_in_flight=True)
    former.commit(records[0], Report("comments", sent=1, confirmed=1), rejected=0)
    task_instance.prepare_db_for_next_try(session)
    session.flush()
    latter, state = begin()
    assert (state.done, state.report["confirmed"]) == (1, 1)
    for attempt in (lambda: former.mark(records[1:], is_in_flight=True), lambda: former.stop(Report("comments"))):
        with pytest.raises(PositionTakenError):
            attempt()
    latter.mark(records[1:], is_in_flight=True)
    assert begin()[1].in_flight[0] == 1
