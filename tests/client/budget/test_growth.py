"""Stores hold what the windows need, however long they are used."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from clocks import FakeTime

from airflow_provider_maestroqa.client.budget import BudgetExhaustedError, open_budget

ROUNDS = 5000
#: SQLite begins its write-ahead log again after a thousand pages.
WAL_BYTES = 1100 * 4096


@pytest.fixture
def time():
    return FakeTime()


@pytest.fixture
def budget(time, tmp_path):
    budget = open_budget(
        store=str(tmp_path / "budget.sqlite3"), base_url="https://x.example.com", token="t", clock=time.clock()
    )
    yield budget
    budget.close()


def use(budget, time, rounds):
    """A push, polls, callers that give up and a pause now and then; and nights without a request."""
    for number in range(rounds):
        budget.acquire("normal", polling=number % 3 == 0)
        if number % 100 == 0:
            budget.acquire("hard")
            with pytest.raises(BudgetExhaustedError):
                budget.acquire("normal", deadline=time.wall - 1)
        if number % 500 == 0:
            budget.pause("normal", 60)
            time.pass_by(12 * 3600)


def test_the_file_of_a_budget_does_not_grow(budget, time, tmp_path):
    path = tmp_path / "budget.sqlite3"
    use(budget, time, ROUNDS // 5)
    before = path.stat().st_size
    use(budget, time, ROUNDS)
    assert path.stat().st_size == before
    assert path.with_name(path.name + "-wal").stat().st_size < WAL_BYTES
    with closing(sqlite3.connect(path)) as file:
        rows = {name: file.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("booking", "line")}
    assert rows["booking"] <= 150
    assert rows["line"] == 0
    budget.close()
    assert {one.name for one in tmp_path.iterdir()} == {path.name}
