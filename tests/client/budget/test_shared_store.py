"""What the callers of one process share: one store, one thread for event loops, and what is given back."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import time

import pytest
from cloud_servers import open_objects

from airflow_provider_maestroqa.client.budget import BudgetExhaustedError, open_budget
from airflow_provider_maestroqa.client.budget import shared_store as sharing
from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError


def real_budget(store, **options):
    settings = {
        "open_objects": open_objects,
        "base_url": "https://x.com",
        "token": "t",
        "limits": {"normal": [(2, 0.5)]},
        **options,
    }
    return open_budget(store=store, **settings)


def open_stores(store):
    address = store.rpartition("@")[2].removesuffix("/0")
    return [handle for handle in sharing._open.values() if address in handle.store.name]


def test_a_cancelled_coroutine_ends_at_once_and_its_slot_goes_to_the_next(shared_store):
    async def story():
        budget = real_budget(shared_store, limits={"normal": [(1, 0.4)]})
        await budget.acquire_async("normal")
        first = asyncio.create_task(budget.acquire_async("normal"))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(budget.acquire_async("normal"))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        cancelled_in = time.monotonic() - began
        third = await budget.acquire_async("normal")
        fourth_waits_for_second = await second
        budget.close()
        return cancelled_in, third, fourth_waits_for_second

    cancelled_in, third, second = asyncio.run(story())
    assert cancelled_in < 0.05
    assert third < 0.35
    assert 0.6 < second < 1.15


def test_a_coroutine_that_is_cancelled_while_its_slot_is_being_booked_leaves_no_booking(shared_store):
    budget = real_budget(shared_store, limits={"normal": [(1, 30.0)]})
    store = budget.store
    book, entered, go_on = store.book, threading.Event(), threading.Event()

    def slow(*arguments):
        result = book(*arguments)
        entered.set()
        go_on.wait(5)
        return result

    async def story():
        store.book = slow
        task = asyncio.create_task(budget.acquire_async("normal"))
        await asyncio.to_thread(entered.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        store.book = book
        go_on.set()
        return await budget.acquire_async("normal", deadline=time.time() + 5)

    assert asyncio.run(story()) < 1
    budget.close()


def test_the_event_loop_never_touches_the_store(shared_store):
    budget = real_budget(shared_store)
    store, threads = budget.store, set()
    for name in ("book", "remaining", "release", "pause"):
        call = getattr(store, name)

        def noted(*arguments, call=call):
            threads.add(threading.current_thread())
            return call(*arguments)

        setattr(store, name, noted)

    async def story():
        await asyncio.gather(*[budget.acquire_async("normal") for _ in range(4)])
        task = asyncio.create_task(budget.acquire_async("normal"))
        await asyncio.sleep(0.05)
        task.cancel()
        await budget.pause_async("normal", 0.1)

    asyncio.run(story())
    budget.close()
    assert len(threads) == 1
    assert threading.main_thread() not in threads


def test_a_thousand_coroutines_need_one_thread_and_one_connection(shared_store):
    async def story():
        before = threading.active_count()
        budgets = [real_budget(shared_store, limits={"normal": [(500, 60)]}) for _ in range(1000)]
        tasks = [asyncio.create_task(budget.acquire_async("normal")) for budget in budgets]
        until = time.monotonic() + 15
        while sum(task.done() for task in tasks) < 500 and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert threading.active_count() == before + 1
        assert len({id(budget.store_handle) for budget in budgets}) == 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for budget in budgets:
            budget.close()

    asyncio.run(story())
    assert not open_stores(shared_store)


def test_threads_share_one_budget_without_ever_exceeding_it(shared_store, worst):
    budget = real_budget(shared_store, limits={"normal": [(5, 0.3)]}, margins={0.3: 0.1})
    slots = []

    def work():
        for _ in range(3):
            budget.acquire("normal")
            slots.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    budget.close()
    assert len(slots) == 12
    assert worst(slots, 0.3) <= 5


def test_one_budget_serves_event_loops_one_after_the_other_and_threads_beside(shared_store):
    budget = real_budget(shared_store, limits={"normal": [(100, 0.5)]})
    for _ in range(3):
        assert asyncio.run(budget.acquire_async("normal", polling=True)) < 0.4
        assert budget.acquire("normal") < 0.4
    budget.close()


def test_a_budget_that_nobody_closed_is_closed_by_the_next_user(shared_store):
    real_budget(shared_store).acquire("normal")
    gc.collect()
    assert len(open_stores(shared_store)) == 1
    other = real_budget("memory")
    other.acquire("normal")
    assert not open_stores(shared_store)
    other.close()


def test_what_was_sent_is_remembered_though_every_budget_of_the_process_was_closed():
    for _ in range(2):
        budget = real_budget("memory", token="remember me", limits={"normal": [(2, 60)]})
        assert budget.acquire("normal", deadline=time.time() + 5) < 1
        budget.close()
    with pytest.raises(BudgetExhaustedError):
        budget.acquire("normal", deadline=time.time() + 5)
    budget.close()


def test_closing_does_not_wait_for_a_store_that_hangs(tmp_path):
    budget = real_budget(str(tmp_path / "budget.sqlite3"))
    go_on = threading.Event()

    async def story():
        budget.store.book = lambda *arguments: go_on.wait(5)
        task = asyncio.create_task(budget.acquire_async("normal"))
        await asyncio.sleep(0.05)
        task.cancel()
        began = time.monotonic()
        budget.close()
        return time.monotonic() - began

    assert asyncio.run(story()) < 1
    go_on.set()


def test_a_closed_budget_opens_again_when_it_is_used(shared_store):
    budget = real_budget(shared_store)
    budget.acquire("normal")
    budget.close()
    budget.close()
    budget.acquire("normal")
    assert len(open_stores(shared_store)) == 1
    budget.close()
    assert not open_stores(shared_store)


def test_two_connections_share_when_token_and_host_are_the_same_and_only_then(shared_store):
    hosts = {"https://app.maestroqa.com": "t", "https://APP.rippit.com/": "t", "https://eu.maestroqa.com": "t"}
    budgets = [
        real_budget(shared_store, base_url=host, token=token, limits={"normal": [(1, 30)]})
        for host, token in [*hosts.items(), ("https://app.maestroqa.com", "other")]
    ]
    ends = []
    for budget in budgets:
        try:
            ends.append(budget.acquire("normal", deadline=time.time() + 5) < 1)
        except BudgetExhaustedError:
            ends.append(False)
        budget.close()
    assert ends == [True, False, True, True]


def test_a_pickled_budget_draws_on_the_same_log(shared_store):
    budget = real_budget(shared_store, limits={"normal": [(1, 30)]}, on_wait=lambda wait: None)
    copied = pickle.loads(pickle.dumps(budget))
    budget.acquire("normal")
    with pytest.raises(BudgetExhaustedError):
        copied.acquire("normal", deadline=time.time() + 5)
    budget.close()
    copied.close()


def test_when_the_store_fails_a_hundred_waiting_coroutines_fail_with_it_and_not_one_after_the_other(tmp_path):
    budget = real_budget(str(tmp_path / "budget.sqlite3"))
    calls = []

    def broken(*arguments):
        calls.append(1)
        time.sleep(0.1)
        raise MaestroQAConnectionError("gone", sent=False)

    budget.store.book = broken

    async def story():
        return await asyncio.gather(*[budget.acquire_async("normal") for _ in range(100)], return_exceptions=True)

    began = time.monotonic()
    errors = asyncio.run(story())
    assert all(isinstance(error, MaestroQAConnectionError) for error in errors)
    assert time.monotonic() - began < 1
    assert len(calls) == 1
    budget.close()
