"""The places where the log can be kept give the same answers to the same calls."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial

import pytest
from cloud_servers import open_objects

from airflow_provider_maestroqa.client.budget.limits import make_rules
from airflow_provider_maestroqa.client.budget.slot_log import LogGeneration, Reservation, SlotRequest
from airflow_provider_maestroqa.client.budget.stores.log_document import LogDocument
from airflow_provider_maestroqa.client.budget.stores.memory import MemoryStore
from airflow_provider_maestroqa.client.budget.stores.object_store import ObjectStore
from airflow_provider_maestroqa.client.budget.stores.postgres import PostgresStore
from airflow_provider_maestroqa.client.budget.stores.redis import RedisStore
from airflow_provider_maestroqa.client.budget.stores.sqlite import SqliteStore

RULES = make_rules({"normal": [(3, 1.0), (12, 20.0)]})["normal"]
ONE_BY_ONE = make_rules({"normal": [(1, 2.0)]})["normal"]


@pytest.fixture
def cloud_store(fake_time, object_url):
    """Make the store in one of the clouds' storages, which books one slot at a time."""

    def make(scheme):
        url = object_url(scheme)
        return ObjectStore(
            url,
            partial(open_objects, url),
            fake_time.clock(),
            timeout=5,
            now=lambda: fake_time.monotonic,
            max_ahead=1,
        )

    return make


@pytest.fixture
def stores(fake_time, tmp_path, redis_server, postgres_server, cloud_store):
    """All stores with the same clock. In Google's storage calls are fast here, so it stands for the clouds."""
    opened = [
        MemoryStore(lambda: fake_time.monotonic),
        SqliteStore(tmp_path / "budget.sqlite3", fake_time.clock(), timeout=5),
        RedisStore(redis_server.url, timeout=5, now=lambda: fake_time.monotonic),
        PostgresStore(postgres_server.url, timeout=5, now=lambda: fake_time.monotonic),
        cloud_store("gs"),
    ]
    yield opened
    for store in opened:
        store.close()


def agree(answers):
    first = answers[0]
    for result in answers[1:]:
        if isinstance(first, Reservation):
            assert replace(result, handle=None, generation="", wait=0.0) == replace(
                first, handle=None, generation="", wait=0.0
            )
            assert result.wait == pytest.approx(first.wait, abs=1e-6)
        elif first is None or isinstance(first, float):
            assert result == (None if first is None else pytest.approx(first, abs=1e-6))
        else:
            assert (type(result), result.final) == (type(first), first.final)
            assert result.wait == pytest.approx(first.wait, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_all_stores_agree_on_every_answer(seed, stores, fake_time, cloud_store):
    stores += map(cloud_store, {0: ["s3"], 1: ["abfs"]}.get(seed, []))
    chance, rules = random.Random(seed), ONE_BY_ONE if seed % 3 == 2 else RULES
    held = []
    for _ in range(250):
        fake_time.pass_by(chance.choice([0, 0, 0.125, 0.5, 3.0]))
        event = chance.random()
        if event < 0.6 or not held:
            stale = held.pop(chance.randrange(len(held))) if held and chance.random() < 0.1 else None
            request = SlotRequest(
                polling=chance.random() < 0.4,
                max_wait=chance.choice([0.5, 15.0, float("inf")]),
                known_log=LogGeneration("lost", age=chance.choice([5.0, 500.0])) if chance.random() < 0.02 else None,
                waiter_id=chance.choice("abc"),
                waited=chance.random() * 5,
            )
            answers = [
                store.book("log", rules, replace(request, replaces=stale and stale[place]))
                for place, store in enumerate(stores)
            ]
            agree(answers)
            if isinstance(answers[0], Reservation):
                held.append([result.handle for result in answers])
        elif event < 0.75:
            mine = chance.choice(held)
            agree([store.remaining("log", handle) for store, handle in zip(stores, mine, strict=True)])
        elif event < 0.97:
            mine = held.pop(chance.randrange(len(held)))
            for store, handle in zip(stores, mine, strict=True):
                store.release("log", handle)
        else:
            pause = chance.choice([0.0, 2.0, 30.0])
            for store in stores:
                store.pause("log", rules, pause)
    for mine in held:
        agree([store.remaining("log", handle) for store, handle in zip(stores, mine, strict=True)])


def test_buckets_do_not_share_and_neither_do_tokens(stores):
    for store in stores:
        for _ in range(30):
            store.book("one:normal", RULES, SlotRequest())
        assert store.book("one:hard", RULES, SlotRequest()).wait == 0
        assert store.book("two:normal", RULES, SlotRequest()).wait == 0


def test_a_handle_of_a_log_that_was_lost_means_nothing_in_the_next(stores, tmp_path, running_redis, running_postgres):
    handles = [store.book("log", RULES, SlotRequest()).handle for store in stores[1:]]
    (tmp_path / "budget.sqlite3").unlink()
    with running_redis.client() as client:
        client.flushall()
    running_postgres.run("DROP SCHEMA maestroqa_budget CASCADE")
    stores[-1]._objects.delete("maestroqa_budget_log.json")
    for store, handle in zip(stores[1:], handles, strict=True):
        new = store.book("log", RULES, SlotRequest()).handle
        assert new != handle
        assert store.remaining("log", handle) is None
        store.release("log", handle)
        assert store.remaining("log", new) is not None


@pytest.mark.parametrize(
    ("lost", "slot_age", "wait"),
    [
        (True, 1.0, RULES.longest),
        (True, -3.0, RULES.longest),
        (True, RULES.longest, 0.0),  # so old that it may have been dropped
        (False, 1.0, 0.0),
    ],
)
def test_a_log_that_lacks_its_callers_last_booking_was_lost_in_part(stores, fake_time, lost, slot_age, wait):
    waits = []
    for store in stores:
        others, mine = (store.book("log", RULES, SlotRequest()) for _ in range(2))
        if lost:
            store.release("log", mine.handle)
        known_log = LogGeneration(mine.generation, 1.0, mine.handle, slot_age)
        booked = store.book("log", RULES, SlotRequest(known_log=known_log))
        waits.append(booked.wait)
        assert (booked.generation != mine.generation) == (wait > 0)
        assert (store.remaining("log", others.handle) is None) == (wait > 0)
        store.release("log", others.handle)
        assert store.remaining("log", booked.handle) == pytest.approx(wait, abs=1e-6)
        assert store.book("log", RULES, SlotRequest()).wait == pytest.approx(wait, abs=1e-6)
        # Whoever booked in the lost log and comes later makes nobody wait for longer.
        late = store.book("log", RULES, SlotRequest(known_log=replace(known_log, age=0.0)))
        assert not wait or late.wait == pytest.approx(wait, abs=1e-6)
    assert waits == pytest.approx([wait] * len(stores), abs=1e-6)


def test_the_stores_forget_what_is_past(stores, fake_time, tmp_path, running_redis, running_postgres):
    for store in stores:
        for _ in range(100):
            store.book("log", RULES, SlotRequest())
            fake_time.pass_by(5)
    with running_redis.client() as client:
        assert client.zcard("maestroqa:budget:{log}:log") < 20
    connection = stores[1]._file.connection()
    assert connection.execute("SELECT count(*) FROM booking").fetchone()[0] < 20
    [(document,)] = running_postgres.run("SELECT document FROM maestroqa_budget.log")
    for text in (document, stores[-1]._objects.read("maestroqa_budget_log.json").content):
        assert len(LogDocument.parse(text)._log) < 20


def test_redis_keys_expire_by_themselves(redis_server):
    store = RedisStore(redis_server.url, timeout=5)
    for _ in range(6):
        store.book("log", RULES, SlotRequest(polling=True))
        store.book("log", RULES, SlotRequest())
    store.pause("log", RULES, 100.0)
    with redis_server.client() as client:
        times = {key: client.ttl(key) for key in client.scan_iter()}
    store.close()
    assert len(times) == 5
    assert all(100 < seconds < 400 for seconds in times.values()), times
