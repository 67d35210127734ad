import os
import sqlite3
from datetime import datetime, timezone

import pytest

DAY = datetime(2026, 3, 2, tzinfo=timezone.utc)


def runs_in_the_database():
    database = sqlite3.connect(f"{os.environ['AIRFLOW_HOME']}/airflow.db")
    try:
        return database.execute("SELECT count(*) FROM dag_run").fetchone()[0]
    finally:
        database.close()


@pytest.mark.parametrize("again", range(2))
def test_each_test_has_a_database_and_a_sandbox_of_its_own(maestroqa_sandbox, maestroqa_run_dag, again):
    assert runs_in_the_database() == 0
    assert maestroqa_sandbox.requests == []
    run = maestroqa_run_dag("errands", logical_date=DAY, conf={"agent_id": "desk-1"})
    assert run.state == "success"
    assert maestroqa_sandbox.agents["agent-1@example.com"]["agentId"] == "desk-1"
    assert runs_in_the_database() == 1


def test_a_dag_can_run_twice_in_one_test(maestroqa_sandbox, maestroqa_run_dag):
    for _ in range(2):
        assert maestroqa_run_dag("errands", logical_date=DAY, conf={"agent_id": "desk-1"}).state == "success"


def test_arguments_reach_mapped_tasks_and_only_for_this_run(maestroqa_sandbox, maestroqa_run_dag):
    run = maestroqa_run_dag("errands", conf={"agent_id": "desk-1"}, task_arguments={"available": True})
    assert run.tasks == {"add": "success", "away[0]": "success", "away[1]": "success"}
    assert maestroqa_sandbox.agents["agent-2@example.com"]["available"] is True
    assert maestroqa_run_dag("errands", conf={"agent_id": "desk-2"}).state == "success"
    assert maestroqa_sandbox.agents["agent-2@example.com"]["available"] is False


def test_an_unknown_dag(maestroqa_run_dag):
    maestroqa_run_dag("erands")


@pytest.mark.parametrize("date", [datetime(2026, 3, 2), "2026-03-02T00:00:00Z"])
def test_a_date_that_is_not_aware(maestroqa_run_dag, date):
    maestroqa_run_dag("errands", logical_date=date)


def test_an_unknown_argument(maestroqa_run_dag):
    maestroqa_run_dag("errands", task_arguments={"pol_interval": 0.1})
