"""What can happen to any server that keeps the log: it stops, freezes, comes back, or its clock is set back."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback

import pytest

from airflow_provider_maestroqa.client.budget.limits import make_rules
from airflow_provider_maestroqa.client.budget.slot_log import SlotRequest
from airflow_provider_maestroqa.client.budget.stores.postgres import PostgresStore
from airflow_provider_maestroqa.client.budget.stores.redis import RedisStore
from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError

RULES = make_rules({"normal": [(2, 10.0)]}, {10.0: 0.0})["normal"]
STORES = {"redis": RedisStore, "postgres": PostgresStore}


@pytest.fixture(params=STORES)
def kind(request):
    return request.param


@pytest.fixture
def own_server(kind, request):
    """A server that the test may break."""
    return request.getfixturevalue(f"own_{kind}")


@pytest.fixture
def store(kind, request):
    """Make a store on a server that other tests use too."""
    opened = []

    def make(**options):
        url = request.getfixturevalue(f"{kind}_server").url
        opened.append(STORES[kind](url, timeout=2, **options))
        return opened[0]

    yield make
    for made in opened:
        made.close()


@pytest.mark.parametrize(("fail", "recover"), [("stop", "start"), ("freeze", "thaw")])
def test_a_server_that_is_gone_or_does_not_answer_is_a_clear_error_within_the_time(
    own_server, on_server, fail, recover
):
    budget = on_server(own_server.url)
    budget.acquire("normal")
    getattr(own_server, fail)()
    began = time.monotonic()
    with pytest.raises(MaestroQAConnectionError, match=rf"://127.0.0.1:{own_server.port}/(0|postgres)\b") as error:
        budget.acquire("normal")
    assert 0.1 < time.monotonic() - began < 4
    assert error.value.retryable
    assert not error.value.sent
    assert "open-sesame" not in "".join(traceback.format_exception(error.value))
    getattr(own_server, recover)()
    budget.acquire("normal")


def test_a_hundred_coroutines_fail_together_when_the_server_does_not_answer(own_server, on_server):
    budget = on_server(own_server.url)
    budget.acquire("normal")
    own_server.freeze()

    async def story():
        return await asyncio.gather(*[budget.acquire_async("normal") for _ in range(100)], return_exceptions=True)

    began = time.monotonic()
    errors = asyncio.run(story())
    own_server.thaw()
    assert all(isinstance(error, MaestroQAConnectionError) for error in errors)
    assert time.monotonic() - began < 4


def test_a_server_that_restarts_is_waited_for_and_the_limit_holds(own_server, on_server, worst):
    budget, slots = on_server(own_server.url, timeout=10.0, limits={"normal": [[4, 0.8]]}), []

    def take(count):
        for _ in range(count):
            budget.acquire("normal")
            slots.append(time.monotonic())

    take(4)
    own_server.stop()
    back = threading.Timer(0.2, own_server.start)
    back.start()
    take(4)
    back.join()
    assert worst(slots, 0.7) <= 4
    assert slots[-1] - slots[0] < 8


@pytest.mark.parametrize("scheme", ["redis", "postgresql"])
def test_a_name_that_cannot_be_resolved_is_a_clear_error(scheme, on_server):
    with pytest.raises(MaestroQAConnectionError, match=r"no-such-host\.invalid"):
        on_server(f"{scheme}://no-such-host.invalid/0", timeout=0.2).acquire("normal")


def test_a_server_clock_that_is_set_back_does_not_keep_anybody_waiting(store, fake_time):
    log = store(now=lambda: fake_time.monotonic)
    handles = [log.book("log", RULES, SlotRequest()).handle for _ in range(3)]
    fake_time.pass_by(4)
    log.book("log", RULES, SlotRequest())
    fake_time.monotonic -= 1000
    assert log.book("log", RULES, SlotRequest()).wait == pytest.approx(16.0)
    assert log.remaining("log", handles[2]) == pytest.approx(6.0)


def test_the_store_uses_the_servers_clock_and_not_its_own(store, monkeypatch):
    log = store()
    log.book("log", RULES, SlotRequest())
    monkeypatch.setattr(time, "time", lambda: 0.0)
    log.book("log", RULES, SlotRequest())
    assert 9 < log.book("log", RULES, SlotRequest()).wait <= 10
