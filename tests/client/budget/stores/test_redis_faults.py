"""What can happen to a Redis server: it stops, freezes, restarts, forgets, refuses, or its clock is set back."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from pathlib import Path

import pytest

from airflow_provider_maestroqa.client.budget.limits import make_rules
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAConnectionError

ROOT = Path(__file__).parents[4]
RULES = make_rules({"normal": [(2, 10.0)]}, {10.0: 0.0})["normal"]


def budget_keys(server):
    with server.client() as client:
        return {key: client.dump(key) for key in client.scan_iter()}


class Forgetful:
    """The ways in which a server forgets what came after a moment; ``keys`` are of that moment."""

    @staticmethod
    def lags(server, keys):
        with server.client() as client:
            client.flushall()
            for key, value in keys.items():
                client.restore(key, 60_000, value)

    @staticmethod
    def fails_over(server, keys):
        server.stop()
        Forgetful.lags(server.start(), keys)

    @staticmethod
    def evicts(server, _keys):
        with server.client() as client:
            client.delete(*client.keys("*:log"))

    @staticmethod
    def evicts_all_but_the_log(server, _keys):
        with server.client() as client:
            client.delete(*(key for key in client.scan_iter() if not key.endswith(":log")))


@pytest.mark.parametrize(
    ("forget", "is_new"),
    [
        (Forgetful.lags, False),
        (Forgetful.fails_over, False),
        (Forgetful.fails_over, True),
        (Forgetful.evicts, False),
        (Forgetful.evicts, True),
        (Forgetful.evicts_all_but_the_log, False),
        (Forgetful.evicts_all_but_the_log, True),
    ],
)
def test_the_limit_holds_though_the_server_forgets_a_part(own_redis, on_server, worst, forget, is_new):
    budget, slots = on_server(own_redis.url, timeout=5.0, limits={"normal": [[20, 0.8]]}), []

    def take(count):
        for _ in range(count):
            budget.acquire("normal")
            slots.append(time.monotonic())

    take(5)
    keys = budget_keys(own_redis)
    take(14)
    forget(own_redis, keys)
    if is_new:  # a process that knows nothing of what was forgotten
        budget.close()
        budget = on_server(own_redis.url, timeout=5.0, limits={"normal": [[20, 0.8]]})
    take(20)
    assert worst(slots, 0.7) <= 20
    assert slots[-1] - slots[0] < 4


def test_one_who_waits_for_a_slot_that_the_server_forgot_is_a_witness_too(own_redis, on_server):
    budget = on_server(own_redis.url, timeout=5.0, limits={"normal": [[1, 0.4]]})
    budget.acquire("normal")
    keys = budget_keys(own_redis)
    forgets = threading.Timer(0.1, Forgetful.lags, (own_redis, keys))
    forgets.start()
    waited = budget.acquire("normal")
    forgets.join()
    assert 0.7 < waited < 3


@pytest.mark.parametrize(
    ("maxmemory", "policy", "is_warned"),
    [("100mb", "allkeys-lru", True), ("100mb", "volatile-ttl", True), ("100mb", "noeviction", False),
     ("0", "allkeys-lru", False)],
)  # fmt: skip
def test_a_server_that_may_evict_the_log_is_warned_of(own_redis, on_server, caplog, maxmemory, policy, is_warned):
    with own_redis.client() as client:
        client.config_set("maxmemory", maxmemory)
        client.config_set("maxmemory-policy", policy)
    budget = on_server(own_redis.url)
    with caplog.at_level(logging.WARNING):
        budget.acquire("normal")
        budget.acquire("normal")
    assert [f"maxmemory-policy {policy}" in record.getMessage() for record in caplog.records] == [True] * is_warned


def test_a_user_without_permission_to_ask_about_the_server_has_a_budget_all_the_same(own_redis, on_server):
    with own_redis.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-info")
    budget = on_server(own_redis.url)
    budget.acquire("normal")
    assert budget.acquire("normal") < 0.4


def test_one_who_sleeps_while_the_server_restarts_books_again(own_redis, on_server):
    budget = on_server(own_redis.url, timeout=5.0, limits={"normal": [[1, 0.5]]})
    budget.acquire("normal")
    restart = threading.Timer(0.1, lambda: (own_redis.stop(), own_redis.start()))
    restart.start()
    waited = budget.acquire("normal")
    restart.join()
    assert 0.4 < waited < 3


def test_scripts_that_were_flushed_are_loaded_again(redis_server, on_server):
    budget = on_server(redis_server.url)
    budget.acquire("normal")
    with redis_server.client() as client:
        client.script_flush()
        client.client_kill_filter(_type="normal", skipme=True)
    assert budget.acquire("normal") < 0.5


@pytest.mark.parametrize("password", ["", "wr0ng-s3cret"])
def test_a_wrong_password_is_an_error_at_once_that_repeats_neither_password(locked_redis, on_server, password):
    login = f":{password}@" if password else ""
    began = time.monotonic()
    with pytest.raises(MaestroQAConfigError, match="rejected user or password") as error:
        on_server(f"redis://{login}127.0.0.1:{locked_redis.port}/0", timeout=5.0).acquire("normal")
    assert time.monotonic() - began < 3
    assert not error.value.retryable
    message = "".join(traceback.format_exception(error.value)) + repr(error.value)
    assert "wr0ng-s3cret" not in message
    assert locked_redis.password not in message
    assert error.value.__cause__ is None
    assert error.value.__context__ is None


def test_the_right_password_works_and_an_error_does_not_repeat_it(locked_redis, on_server):
    budget = on_server(locked_redis.url, timeout=0.2)
    assert budget.acquire("normal") < 1
    locked_redis.stop()
    with pytest.raises(MaestroQAConnectionError) as error:
        budget.acquire("normal")
    assert locked_redis.password not in "".join(traceback.format_exception(error.value))
    assert locked_redis.password not in repr(budget) + repr(budget._store_factory)


def test_a_server_that_is_out_of_memory_still_keeps_the_small_log(own_redis, on_server, worst):
    with own_redis.client() as client:
        client.config_set("maxmemory", "1")
        client.config_set("maxmemory-policy", "noeviction")
    budget, slots = on_server(own_redis.url), []
    for _ in range(6):
        budget.acquire("normal")
        slots.append(time.monotonic())
    assert worst(slots, 0.45) <= 4


def test_a_replica_is_waited_for_until_it_becomes_the_master(own_redis, on_server):
    with own_redis.client() as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(MaestroQAConnectionError, match=r"(?i)read.?only"):
            on_server(own_redis.url, timeout=0.4).acquire("normal")
        takes_over = threading.Timer(0.3, lambda: client.execute_command("REPLICAOF", "NO", "ONE"))
        takes_over.start()
        assert on_server(own_redis.url, timeout=5.0).acquire("normal") < 3
        takes_over.join()


def test_keys_that_somebody_else_has_written_are_a_clear_error(redis_server, on_server):
    budget = on_server(redis_server.url)
    with redis_server.client() as client:
        client.set(f"maestroqa:budget:{{{budget.log_name('normal')}}}:log", "something else")
    with pytest.raises(MaestroQAConnectionError, match="WRONGTYPE"):
        budget.acquire("normal")


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0?socket_timeout=never", "redis://127.0.0.1:1/0?nonsense=1"])
def test_options_that_redis_does_not_know_are_a_clear_error(on_server, url):
    with pytest.raises(MaestroQAConfigError, match="cannot be used as a Redis URL"):
        on_server(url, timeout=0.2).acquire("normal")


def test_making_a_budget_in_an_event_loop_does_not_import_redis_there(redis_server):
    script = """
        import asyncio, sys, threading
        from airflow_provider_maestroqa.client.budget import open_budget
        from airflow_provider_maestroqa.client.budget.stores import redis

        connect, seen = redis._connect, []
        redis._connect = lambda *arguments: (seen.append(threading.current_thread()), connect(*arguments))[1]

        async def story():
            budget = open_budget(store=sys.argv[1], base_url="https://x.com", token="t")
            await budget.acquire_async("normal")
            assert "redis" in sys.modules
            assert seen and threading.main_thread() not in seen
            budget.close()

        asyncio.run(story())
        print("done")
    """
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), redis_server.url],
        capture_output=True, text=True, timeout=30, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert result.stdout == "done\n", result.stderr
