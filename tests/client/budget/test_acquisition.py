"""How callers wait: in threads and coroutines alike, cancelled, interrupted, late, and in a line."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from airflow_provider_maestroqa.client.budget import BudgetExhaustedError, Wait, open_budget
from airflow_provider_maestroqa.client.budget.slot_log import SlotRequest

LIMITS = {"normal": [(2, 10.0)]}
EXACT = {10.0: 0.0}


@pytest.fixture
def waits():
    return []


@pytest.fixture(params=["memory", "sqlite"])
def budget(request, tmp_path, fake_time, waits):
    store = "memory" if request.param == "memory" else str(tmp_path / "budget.sqlite3")
    opened = open_budget(
        store=store, base_url="https://x.com", token="t", limits=LIMITS, margins=EXACT, on_wait=waits.append,
        clock=fake_time.clock(),
    )  # fmt: skip
    yield opened
    opened.close()


@pytest.fixture(params=["sync", "async"])
def acquire(request, budget):
    """Acquire in a thread, or in an event loop."""
    if request.param == "sync":
        return budget.acquire
    return lambda bucket, **options: asyncio.run(budget.acquire_async(bucket, **options))


def test_waiting_returns_the_seconds_that_it_took(acquire):
    assert [acquire("normal") for _ in range(5)] == [0, 0, 10, 0, 10]


def test_who_has_to_wait_is_told_why_how_long_and_behind_how_many(acquire, waits):
    for _ in range(3):
        acquire("normal")
    assert waits == [Wait("normal", 10.0, (2, 10.0), 0)]
    assert str(waits[0]) == (
        "waiting 10 s for the normal request budget (2 requests in 10 s are all that the token may send; 0 ahead)"
    )


def test_a_poll_is_told_once_that_it_stands_behind_others(budget, waits, fake_time):
    for _ in range(2):
        budget.acquire("normal")
    budget.acquire("normal", polling=True)
    waits.clear()
    poll_queue = budget.store_handle.poll_queue(budget.log_name("normal"))
    poll_queue.join("another poll", lambda: None)
    with pytest.raises(BudgetExhaustedError) as error:
        budget.acquire("normal", polling=True, deadline=fake_time.wall)
    poll_queue.leave("another poll")
    assert waits == [Wait("normal", 5.0, (2, 10.0), 1)]
    assert error.value.needed_s == 10.0


def test_a_pause_that_maestroqa_asked_for_is_called_so(acquire, budget, waits):
    budget.pause("normal", 3)
    acquire("normal")
    assert waits == [Wait("normal", 3.0, None, 0)]
    assert "MaestroQA asked for a pause" in str(waits[0])


def test_a_slot_after_the_deadline_is_not_booked(acquire, fake_time):
    acquire("normal")
    acquire("normal")
    with pytest.raises(BudgetExhaustedError) as error:
        acquire("normal", deadline=fake_time.wall + 9)
    assert error.value.needed_s == pytest.approx(10)
    assert acquire("normal", deadline=fake_time.wall + 10.001) == 10


def test_the_deadline_error_survives_pickling():
    error = pickle.loads(pickle.dumps(BudgetExhaustedError("hard", 12.5)))
    assert (error.bucket, error.needed_s) == ("hard", 12.5)


def test_a_penalty_that_comes_while_waiting_makes_the_wait_longer(acquire, budget, fake_time):
    acquire("normal")
    acquire("normal")
    fake_time.meanwhile = lambda: budget.pause("normal", 30)
    assert acquire("normal") == 5 + 30


def test_a_penalty_beyond_the_deadline_ends_the_wait_and_gives_the_slot_back(acquire, budget, fake_time):
    acquire("normal")
    acquire("normal")
    fake_time.meanwhile = lambda: budget.pause("normal", 60)
    with pytest.raises(BudgetExhaustedError) as error:
        acquire("normal", deadline=fake_time.wall + 20)
    assert error.value.needed_s == pytest.approx(55)
    assert [acquire("normal"), acquire("normal"), acquire("normal")] == [55, 0, 10]


def test_who_wakes_so_late_that_its_slot_is_stale_books_again(acquire, budget, fake_time):
    acquire("normal")
    acquire("normal")

    def stopped():
        fake_time.pass_by(12)
        budget.store.book(budget.log_name("normal"), budget.rules("normal"), SlotRequest())
        budget.store.book(budget.log_name("normal"), budget.rules("normal"), SlotRequest())

    fake_time.meanwhile = stopped
    assert acquire("normal") == 5 + 12 + 10


def test_on_a_machine_that_is_always_late_everybody_still_gets_on(acquire, fake_time, monkeypatch):
    acquire("normal")
    acquire("normal")
    sleep = fake_time.sleep
    monkeypatch.setattr(fake_time, "sleep", lambda seconds: sleep(seconds + 0.5))
    assert acquire("normal") < 60


def test_a_log_that_is_lost_while_waiting_costs_a_window_and_not_the_limit(budget, fake_time, tmp_path):
    if budget.store.name == "memory":
        lose = budget.store._logs.clear
    else:
        lose = (tmp_path / "budget.sqlite3").unlink
    used = []
    for turn in range(6):
        if turn == 4:
            fake_time.meanwhile = lose
        budget.acquire("normal")
        used.append(fake_time.monotonic)
    assert all(later - earlier >= 10 for earlier, later in zip(used, used[2:], strict=False)), used


def test_an_interrupted_wait_gives_its_slot_back(budget, fake_time, monkeypatch):
    budget.acquire("normal")
    budget.acquire("normal")

    def interrupted(seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fake_time, "sleep", interrupted)
        budget.clock.__dict__["sleep"] = interrupted
        with pytest.raises(KeyboardInterrupt):
            budget.acquire("normal")
    budget.clock.__dict__["sleep"] = fake_time.sleep
    assert [budget.acquire("normal"), budget.acquire("normal"), budget.acquire("normal")] == [10, 0, 10]


def test_a_callback_that_fails_gives_the_slot_back(budget, acquire):
    acquire("normal")
    acquire("normal")
    on_wait, budget.on_wait = budget.on_wait, lambda wait: 1 / 0
    with pytest.raises(ZeroDivisionError):
        acquire("normal")
    budget.on_wait = on_wait
    assert [acquire("normal"), acquire("normal"), acquire("normal")] == [10, 0, 10]
