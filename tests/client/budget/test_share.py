"""Machines without a common store slow down together where they meet 429s, and one that is alone never does."""

from __future__ import annotations

import contextlib
import random
import sqlite3

import pytest

from airflow_provider_maestroqa.client.budget import Refusal, open_budget
from airflow_provider_maestroqa.client.budget.limits import make_rules
from airflow_provider_maestroqa.client.budget.slot_log import SlotRequest
from airflow_provider_maestroqa.client.budget.stores.memory import MemoryStore
from airflow_provider_maestroqa.client.budget.stores.sqlite import SqliteStore

LIMITS = [(10, 1.0), (100, 60.0)]
RULES = make_rules({"normal": LIMITS})["normal"]
OTHERS = Refusal(60.0, 0.3)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "budget.sqlite3"


@pytest.fixture(params=["memory", "sqlite"])
def store(request, fake_time, file):
    """Each of the stores that other machines do not see."""
    if request.param == "memory":
        opened = MemoryStore(lambda: fake_time.monotonic)
    else:
        opened = SqliteStore(file, fake_time.clock(), timeout=5)
    yield opened
    opened.close()


@pytest.fixture
def refuse(store, fake_time):
    """Let 429s come, each for a request that was sent after the one before was answered."""

    def come(times=1, refusal=OTHERS):
        for _ in range(times):
            fake_time.pass_by(1.0)
            share = store.learn("log", RULES, refusal)
        return share

    return come


@pytest.fixture
def send(store, fake_time):
    """Send requests as fast as the log allows; return the seconds from the first to the last."""

    def go(count):
        moments = []
        for _ in range(count):
            fake_time.pass_by(max(0.0, store.book("log", RULES, SlotRequest()).wait))
            moments.append(fake_time.monotonic)
        return moments[-1] - moments[0]

    return go


def test_a_429_that_the_log_itself_explains_changes_nothing(store, refuse, send):
    send(10)
    assert refuse(1, Refusal(1.0, 1.0)) is None  # the tenth request of a second
    send(91)
    assert refuse(5) is None
    assert send(201) == pytest.approx(2 * 60.5, abs=4)
    assert store.book("log", RULES, SlotRequest()).share == 1.0


def test_the_first_429_that_others_may_have_caused_only_spreads_the_requests_for_a_while(refuse, send, fake_time):
    assert refuse() is None
    assert 60 <= send(101) <= 61.5
    assert send(1001 - 101) < 9.1 * 60.5
    fake_time.pass_by(2 * 60.5)
    assert send(10) < 1


def test_the_second_one_halves_the_share_and_further_ones_decrease_it_to_a_smallest_one(store, refuse, send):
    assert refuse(2) == 0.5
    assert send(11) == pytest.approx(10 * 60.5 / 50, rel=0.02)
    assert refuse() == pytest.approx(0.85 * 0.5, abs=0.01)
    assert refuse(40) == 0.05
    store.book("log", RULES, SlotRequest())
    waited = store.book("log", RULES, SlotRequest())
    assert (waited.share, RULES.limits[waited.window]) == (pytest.approx(0.05, abs=0.001), (100, 60.0))


def test_a_share_grows_to_all_within_an_hour_or_so_while_nothing_is_refused(store, refuse, fake_time):
    refuse(2)
    shares = []
    for _ in range(80):
        fake_time.pass_by(60)
        booked = store.book("log", RULES, SlotRequest())
        shares.append(booked.share)
    assert shares == sorted(shares)
    assert shares[10] < 0.52
    assert shares[70] == 1.0


def test_many_429s_of_one_moment_count_once(store, fake_time):
    fake_time.pass_by(1.0)
    assert [store.learn("log", RULES, OTHERS) for _ in range(8)] == [None] * 8
    fake_time.pass_by(1.0)
    assert [store.learn("log", RULES, OTHERS) for _ in range(8)] == [0.5] + [None] * 7


@pytest.mark.parametrize("limits", [[(1, 1.0), (30, 60.0)], [(1, 60.0)], [(5, 10.0)]])
def test_a_share_of_any_limits_never_makes_a_slot_further_away_than_a_window(limits, store, fake_time):
    rules = make_rules({"normal": limits})["normal"]
    for _ in range(60):
        fake_time.pass_by(100.0)
        store.learn("log", rules, Refusal(None, 0.1))
    store.book("log", rules, SlotRequest())
    assert store.book("log", rules, SlotRequest()).wait < rules.longest + 0.001


@pytest.mark.parametrize("seed", range(4))
def test_the_limits_hold_whatever_is_learnt(seed, store, fake_time, worst):
    chance, slots, held = random.Random(seed), [], []
    for _ in range(400):
        fake_time.pass_by(chance.choice([0, 0, 0.1, 1.0, 30.0]))
        event = chance.random()
        if event < 0.9:
            held.append(store.book("log", RULES, SlotRequest(polling=event < 0.2)))
        elif event < 0.97:
            store.learn("log", RULES, Refusal(chance.choice([None, 1.0, 60.0]), chance.random()))
        else:
            store.pause("log", RULES, chance.choice([1.0, 60.0]))
        for booked in list(held):
            left = store.remaining("log", booked.handle) if hasattr(booked, "handle") else None
            if left is None or left <= 0:
                held.remove(booked)
                slots += [] if left is None else [fake_time.monotonic + left]
    assert worst(slots, 1.0) <= 10
    assert worst(slots, 60.0) <= 100


def test_the_processes_of_a_machine_learn_together_and_later_ones_know_it(file, fake_time):
    first = SqliteStore(file, fake_time.clock(), timeout=5)
    for _ in range(2):
        fake_time.pass_by(1.0)
        first.learn("log", RULES, OTHERS)
    first.close()
    second = SqliteStore(file, fake_time.clock(), timeout=5)
    second._clock_name = "after a restart of the machine"
    fake_time.monotonic -= 4000
    assert second.book("log", RULES, SlotRequest()).share == pytest.approx(0.5, abs=0.01)
    second.close()


def test_a_file_of_an_earlier_version_is_read(file, fake_time):
    store = SqliteStore(file, fake_time.clock(), timeout=5)
    store.book("log", RULES, SlotRequest())
    store.close()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE share")
    store = SqliteStore(file, fake_time.clock(), timeout=5)
    for _ in range(2):
        fake_time.pass_by(1.0)
        share = store.learn("log", RULES, OTHERS)
    booked = store.book("log", RULES, SlotRequest())
    store.close()
    assert share == 0.5
    assert booked.ahead == 0


def test_the_log_says_once_what_to_configure_and_a_wait_says_why(fake_time, caplog):
    waits = []
    budget = open_budget(
        store="memory", base_url="https://x.com", token="s3cr3t", limits={"normal": LIMITS}, on_wait=waits.append,
        clock=fake_time.clock(),
    )  # fmt: skip
    for _ in range(4):
        budget.acquire("normal")
        fake_time.pass_by(0.3)
        budget.pause("normal", 1.0, OTHERS)
    budget.acquire("normal")
    [record] = [record for record in caplog.records if record.name.endswith("budget.share")]
    assert "50 of the token's 100 requests in 60 s are used here" in record.getMessage()
    assert "set rate_limit_store" in record.getMessage()
    assert "s3cr3t" not in caplog.text
    budget.acquire("normal")
    assert "of which 36% are taken here, because others use it" in str(waits[-1])


@pytest.mark.parametrize("server", [{}, {"fixed": True}, {"counts_refused": True}])
def test_machines_that_count_alone_share_a_token_with_few_429s(alone, server):
    figures = alone.run(alone.Polite, 4, 1.0, 1, hours=1, **server)
    assert figures["rate"] > 0.8
    assert figures["refused_in_1000"] < 15
    assert figures["fairness"] > 0.5


def test_a_machine_that_is_alone_sends_what_it_sent_before(alone):
    polite, pausing = (alone.run(kind, 1, 0.0, 1, hours=1) for kind in (alone.Polite, alone.Pausing))
    assert polite == pausing
    assert polite["refused_in_1000"] == 0
