"""Which slots are booked in an object storage, how many at once, and by whose clock."""

from __future__ import annotations

import pytest
from swap_memory import LOG

from airflow_provider_maestroqa.client.budget import Clock, open_budget, slot_log
from airflow_provider_maestroqa.client.budget.limits import make_rules
from airflow_provider_maestroqa.client.budget.slot_log import SlotRequest
from airflow_provider_maestroqa.client.budget.stores.booking_ahead import BookedAhead
from airflow_provider_maestroqa.client.budget.stores.log_document import LogDocument
from airflow_provider_maestroqa.client.budget.stores.object_store import ObjectStore
from airflow_provider_maestroqa.client.budget.stores.service_clock import ServiceClock

RULES = make_rules({"normal": [(2, 10.0)]}, {10.0: 0.0})["normal"]
REAL = make_rules({"normal": [(10, 1.0), (100, 60.0)]})["normal"]


def test_a_slot_that_passes_while_it_is_written_is_booked_again(make, memory, fake_time):
    store = make()
    store.book("log", RULES, SlotRequest())
    memory.takes = 3.0
    booked = store.book("log", RULES, SlotRequest())
    log = LogDocument.parse(memory.objects[LOG][0])
    assert log.find(booked.handle) >= fake_time.wall - RULES.margin
    assert len(log._log) == 2


def test_one_who_sends_all_the_time_books_several_slots_at_once_and_uses_the_budget_up(memory, fake_time, worst):
    memory.takes = 0.05
    budget = open_budget(
        store=memory.name, base_url="https://x.com", token="t", clock=fake_time.clock(), open_objects=lambda _: memory
    )
    slots = []
    for _ in range(600):
        budget.acquire("normal")
        slots.append(fake_time.monotonic)
        fake_time.pass_by(0.2)
    steady = slots[100:]
    assert worst(slots, 60.0) <= 100
    assert worst(slots, 1.0) <= 10
    assert 60 * (len(steady) - 1) / (steady[-1] - steady[0]) >= 97
    assert memory.writes < 0.35 * len(slots)
    budget.close()
    # What was booked ahead and not used has been given back.
    log = LogDocument.parse(next(iter(memory.objects.values()))[0])
    assert log.count(fake_time.wall, 1e12) == 0


@pytest.mark.parametrize("takes", [0.03, 0.1, 0.4])
def test_a_storage_that_is_slower_than_a_margin_makes_no_slot_late(memory, fake_time, worst, takes):
    memory.takes = takes
    budget = open_budget(
        store=memory.name, base_url="https://x.com", token="t", limits={"normal": [(10, 1.0), (40, 5.0)]},
        clock=fake_time.clock(), open_objects=lambda _: memory,
    )  # fmt: skip
    slots = []
    for _ in range(300):
        budget.acquire("normal")
        slots.append(fake_time.monotonic)
        fake_time.pass_by(0.05)
    calls = budget.store.calls
    budget.close()
    assert worst(slots, 1.0) <= 10
    assert worst(slots, 5.0) <= 40
    steady = slots[50:]
    assert calls["read"] + calls["write"] < 2 * len(slots)
    assert (len(steady) - 1) / (steady[-1] - steady[0]) >= min(0.95 * 8, 0.6 / takes)


def test_those_who_wake_at_the_same_moment_look_at_the_log_once(make, memory, fake_time):
    memory.takes = 0.1
    store = make()
    handles = [store.book("log", RULES, SlotRequest()).handle for _ in range(40)]
    fake_time.pass_by(10.0)
    before = store.calls["read"]
    for handle in handles:
        store.remaining("log", handle)
    assert store.calls["read"] <= before + 1
    fake_time.pass_by(0.11)
    store.pause("log", RULES, 30.0)
    assert store.remaining("log", handles[-1]) > 30


def test_one_who_loses_swaps_books_further_ahead_until_it_loses_none():
    log, ahead = LogDocument(), BookedAhead(8)
    rules = make_rules({"normal": [(10, 1.0), (40, 5.0)]})["normal"]
    lengths = []
    for lost in (0, 2, 0, *[0] * 20):
        for _ in range(40):
            slot_log.book(log, rules, SlotRequest(), 0.0)
        for _ in range(12):
            ahead.asked(100.0, rules, polling=False)
            ahead.gave(99.5)
        ahead.wrote(lost)
        ahead.book(log, rules, 0.0, slot_log.book(log, rules, SlotRequest(), 0.0))
        lengths.append(len(ahead.drop_all()))
        log = LogDocument()
    assert lengths[0] == lengths[-1] == 1
    assert lengths[1] >= lengths[2] >= 2


def test_one_who_sends_seldom_books_nothing_ahead(make, memory, fake_time):
    store = make()
    for _ in range(200):
        store.book("log", REAL, SlotRequest())
    store = make()
    booked = store.book("log", REAL, SlotRequest())
    fake_time.pass_by(booked.wait + 30)
    booked = store.book("log", REAL, SlotRequest())
    assert store._ahead["log"].drop_all() == []


@pytest.mark.parametrize("off", [0.0, 0.4, -5.0, 3600.0])
def test_a_wrong_clock_is_measured_and_one_that_agrees_is_used_as_it_is(memory, fake_time, off, caplog):
    memory.takes, memory.ahead_s = 0.04, off
    clock = ServiceClock(fake_time.clock(), "s3://lake")

    def ask():
        sent = fake_time.monotonic
        return sent, fake_time.monotonic, memory.read("time").date

    def ask_and_tell():
        sent = fake_time.monotonic
        date = memory.read("time").date
        return sent, fake_time.monotonic, date

    for _ in range(3):
        if not clock.observe(*ask_and_tell()):
            clock.measure(ask_and_tell)
        fake_time.pass_by(0.37)
    error = clock.now() - (fake_time.wall + off)
    if abs(off) < 1:
        assert abs(error) <= max(abs(off), 0.15)
    else:
        assert abs(error) < 0.15
        assert "off the clock" in caplog.text
    began = fake_time.monotonic
    fake_time.wall += 100  # the machine's clock is set while the process runs
    assert clock.now() - (fake_time.wall - 100 + off) == pytest.approx(error)
    assert fake_time.monotonic == began


def test_processes_whose_clocks_are_wrong_share_one_log(make, memory, fake_time, worst):
    """Each has its own idea of the time; the service's decides."""
    slots = []
    stores = []
    for off in (0.0, 7.0, -3600.0):
        clock = Clock(
            lambda: fake_time.monotonic, lambda off=off: fake_time.wall + off, fake_time.sleep, fake_time.sleep_async
        )
        stores.append(ObjectStore(memory.name, lambda: memory, clock, timeout=10, max_ahead=1))
    memory.takes = 0.02
    rules = make_rules({"normal": [(4, 5.0)]}, {5.0: 0.4})["normal"]
    for _ in range(8):
        for store in stores:
            booked = store.book("log", rules, SlotRequest())
            slots.append(fake_time.monotonic + booked.wait)
    assert worst(slots, 5.0) <= 4
    assert slots[-1] - slots[0] < 1.15 * len(slots) / 4 * 5.4
