"""What can happen to a log in an object storage: answers get lost, others write first, the service is slow, away,
forgetful, refuses, or ignores conditions; and clocks differ."""

from __future__ import annotations

import time
from functools import partial

import pytest
from cloud_servers import open_objects

from airflow_provider_maestroqa.client.budget import Clock, open_budget, slot_log
from airflow_provider_maestroqa.client.budget.limits import make_rules
from airflow_provider_maestroqa.client.budget.slot_log import SlotRequest
from airflow_provider_maestroqa.client.budget.stores.booking_ahead import BookedAhead
from airflow_provider_maestroqa.client.budget.stores.log_document import LogDocument
from airflow_provider_maestroqa.client.budget.stores.object_store import ObjectStore
from airflow_provider_maestroqa.client.budget.stores.service_clock import ServiceClock
from airflow_provider_maestroqa.client.budget.stores.swapping import StoredDocument, SwapLostError
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAConnectionError

RULES = make_rules({"normal": [(2, 10.0)]}, {10.0: 0.0})["normal"]
REAL = make_rules({"normal": [(10, 1.0), (100, 60.0)]})["normal"]
NAME = "maestroqa_budget_log.json"


class Memory:
    """An object storage in memory, in virtual time, with the faults that a test asks for."""

    name = "s3://lake/budget"

    def __init__(self, fake_time, takes=0.0):
        self.time = fake_time
        self.takes = takes
        self.objects = {}
        self.writes = 0
        self.fails = []
        self.ignores_conditions = False
        self.ahead_s = 0.0

    def read(self, name):
        self._pass()
        content, version = self.objects.get(name, (None, ""))
        return StoredDocument(content, version, self._date())

    def swap(self, name, content, version):
        self._pass()
        if not self.ignores_conditions and self.objects.get(name, (None, ""))[1] != version:
            raise SwapLostError
        self.writes += 1
        self.objects[name] = (content, str(self.writes))
        if self.fails and self.fails.pop(0):
            raise MaestroQAConnectionError("The answer was lost.", retryable=True)
        return StoredDocument(content, str(self.writes), self._date())

    def delete(self, name):
        self.objects.pop(name, None)

    def _pass(self):
        self.time.pass_by(self.takes)

    def _date(self):
        return float(int(self.time.wall + self.ahead_s))


@pytest.fixture
def memory(fake_time):
    return Memory(fake_time)


@pytest.fixture
def make(fake_time, memory):
    def store(objects=memory, **options):
        return ObjectStore(memory.name, lambda: objects, fake_time.clock(), timeout=10, **options)

    return store


def test_a_swap_whose_answer_was_lost_is_not_made_twice(make, memory):
    store = make()
    store.book("log", RULES, SlotRequest())
    memory.fails = [True]
    assert store.book("log", RULES, SlotRequest()).wait == 0
    assert len(LogDocument.parse(memory.objects[NAME][0])._log) == 2


@pytest.mark.parametrize("call", ["book", "remaining", "release", "pause"])
def test_every_call_waits_for_a_storage_that_is_away_for_a_moment(make, memory, fake_time, call):
    store = make()
    store.book("log", RULES, SlotRequest())
    store.book("log", RULES, SlotRequest())
    handle, slot = store.book("log", RULES, SlotRequest()).handle, fake_time.monotonic + 10.0
    arguments = {"book": (RULES, SlotRequest()), "pause": (RULES, 1.0)}.get(call, (handle,))
    fake_time.pass_by(1.0)
    back_at = fake_time.monotonic + 5.0

    class Away:
        delete = memory.delete

        def __getattr__(self, name):
            def answer(*arguments):
                fake_time.pass_by(0.1)
                if fake_time.monotonic < back_at:
                    raise MaestroQAConnectionError("503: SlowDown", retryable=True)
                return getattr(memory, name)(*arguments)

            return answer

    store._objects = Away()
    getattr(store, call)("log", *arguments)
    assert back_at <= fake_time.monotonic < back_at + 2.5
    if call == "remaining":
        assert store.remaining("log", handle) == pytest.approx(slot - fake_time.monotonic, abs=0.1)


class Google(Memory):
    """It allows one write of an object a second."""

    def __init__(self, fake_time):
        super().__init__(fake_time)
        self.changed_at = {}

    def swap(self, name, content, version):
        if self.objects.get(name, (None, ""))[1] == version:
            self._require_pause(name)
        return super().swap(name, content, version)

    def delete(self, name):
        self._require_pause(name)
        super().delete(name)

    def _require_pause(self, name):
        if self.time.monotonic - self.changed_at.get(name, -1) < 1:
            raise MaestroQAConnectionError("429: rateLimitExceeded", retryable=True)
        self.changed_at[name] = self.time.monotonic


@pytest.mark.parametrize("fails", [[], [False, True]], ids=["", "the response to the probe is lost"])
def test_one_write_of_an_object_a_second_is_enough(make, fake_time, fails):
    google = Google(fake_time)
    google.fails = fails
    store = make(google)
    assert store.book("log", RULES, SlotRequest()).wait == 0
    assert store.book("log", RULES, SlotRequest()).wait < 3
    assert list(google.objects) == [NAME]


def test_one_who_loses_every_swap_says_so_within_the_time_and_comes_back_at_other_moments(make, memory, fake_time):
    store = make()
    store.book("log", RULES, SlotRequest())

    class Losing:
        read = memory.read

        def swap(self, *_):
            fake_time.pass_by(0.05)
            raise SwapLostError

    store._objects = Losing()
    began = fake_time.monotonic
    with pytest.raises(MaestroQAConnectionError, match="too many processes write it at the same time"):
        store.book("log", RULES, SlotRequest())
    assert 58 < fake_time.monotonic - began <= 60.5  # the storage is there, and others go on
    assert store.calls["lost"] > 8
    assert len(set(fake_time.slept)) == len(fake_time.slept)


def test_a_storage_that_ignores_conditions_is_refused_before_a_log_is_in_it(make, memory):
    memory.ignores_conditions = True
    with pytest.raises(MaestroQAConfigError, match="does not compare versions"):
        make().book("log", RULES, SlotRequest())
    assert memory.objects == {}


def test_a_real_s3_api_that_never_sees_the_conditions_is_refused(object_url, fake_time):
    url = object_url("s3")
    objects = open_objects(url)

    def strip(request, **_):
        for name in ("If-Match", "If-None-Match"):
            request.headers.pop(name, None)

    objects._objects.client.meta.events.register("before-send.s3.PutObject", strip)
    store = ObjectStore(url, lambda: objects, Clock(), timeout=5)
    with pytest.raises(MaestroQAConfigError, match="does not compare versions"):
        store.book("log", RULES, SlotRequest())


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_each_storage_refuses_what_is_out_of_date_and_what_exists(object_url, scheme):
    objects = open_objects(object_url(scheme))
    nothing = objects.read("x")
    assert (nothing.content, nothing.version) == (None, "")
    assert abs(nothing.date - time.time()) < 5
    first = objects.swap("x", b"1", nothing.version)
    second = objects.swap("x", b"1", first.version)
    for version in (nothing.version, first.version):
        if version != second.version:  # S3's version is the content's hash: hence the nonce in a log
            with pytest.raises(SwapLostError):
                objects.swap("x", b"2", version)
    assert objects.read("x").version == second.version
    objects.delete("x")
    objects.delete("x")
    with pytest.raises(SwapLostError):
        objects.swap("x", b"3", second.version)


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_a_bucket_that_is_not_there_is_a_clear_error_at_once(object_url, scheme):
    url = object_url(scheme).replace("@lake/", "@no-such-lake/")
    store = ObjectStore(url, partial(open_objects, url), Clock(), timeout=5)
    began = time.monotonic()
    with pytest.raises(MaestroQAConfigError, match=r"Check the bucket|Check that the bucket"):
        store.book("log", RULES, SlotRequest())
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_a_service_out_of_reach_is_a_clear_error_within_the_time(scheme):
    url = f"{scheme}://1@lake/budget"  # nothing listens on that port
    store = ObjectStore(url, partial(open_objects, url), Clock(), timeout=1)
    began = time.monotonic()
    with pytest.raises(MaestroQAConnectionError, match="cannot be used") as error:
        store.book("log", RULES, SlotRequest())
    assert time.monotonic() - began < 6
    assert not error.value.sent


def test_an_object_that_somebody_else_has_written_is_a_clear_error_and_stays(make, memory):
    memory.objects[NAME] = (b"something else", "7")
    with pytest.raises(MaestroQAConfigError, match="no request budget of this version"):
        make().book("log", RULES, SlotRequest())
    assert memory.objects[NAME] == (b"something else", "7")


@pytest.mark.parametrize("is_older", [False, True])
def test_a_log_that_was_deleted_or_put_back_makes_those_wait_who_have_sent(memory, fake_time, is_older):
    budget = open_budget(
        store=memory.name, base_url="https://x.com", token="t", limits={"normal": [(6, 10.0)]},
        clock=fake_time.clock(), open_objects=lambda _: memory,
    )  # fmt: skip
    budget.acquire("normal")
    copies = dict(memory.objects)
    for _ in range(4):
        budget.acquire("normal")
    memory.objects = copies if is_older else {}
    assert budget.acquire("normal") == pytest.approx(10.0, abs=0.2)
    budget.close()


def test_a_slot_that_passes_while_it_is_written_is_booked_again(make, memory, fake_time):
    store = make()
    store.book("log", RULES, SlotRequest())
    memory.takes = 3.0
    booked = store.book("log", RULES, SlotRequest())
    log = LogDocument.parse(memory.objects[NAME][0])
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


@pytest.mark.parametrize("is_away", [False, True])
def test_a_thousand_releases_take_few_writes_and_do_not_queue_up_for_a_storage_that_is_away(
    make, memory, fake_time, is_away
):
    store = make()
    handles = [store.book("log", RULES, SlotRequest()).handle for _ in range(300)]
    writes, began = memory.writes, fake_time.monotonic

    class Away:
        def swap(self, *_):
            fake_time.pass_by(0.1)
            raise MaestroQAConnectionError("Away.", retryable=True)

        read = swap

    if is_away:
        store._objects = Away()
    for handle in handles[2:]:
        try:
            store.release("log", handle)
        except MaestroQAConnectionError:
            assert is_away
    store.close()
    assert fake_time.monotonic - began < 15
    assert memory.writes - writes <= 3
    if not is_away:
        assert len(LogDocument.parse(memory.objects[NAME][0])._log) == 2
