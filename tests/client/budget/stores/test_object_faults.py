"""What may happen to a log in an object storage: answers get lost, others write first, the service is away, or
ignores conditions."""

from __future__ import annotations

import pytest
from swap_memory import LOG, FaultyMemory

from airflow_provider_maestroqa.client.budget import open_budget
from airflow_provider_maestroqa.client.budget.limits import make_rules
from airflow_provider_maestroqa.client.budget.slot_log import SlotRequest
from airflow_provider_maestroqa.client.budget.stores.log_document import LogDocument
from airflow_provider_maestroqa.client.budget.stores.swapping import SwapLostError
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAConnectionError

RULES = make_rules({"normal": [(2, 10.0)]}, {10.0: 0.0})["normal"]


def test_a_swap_whose_answer_was_lost_is_not_made_twice(make, memory):
    store = make()
    store.book("log", RULES, SlotRequest())
    memory.fails = [True]
    assert store.book("log", RULES, SlotRequest()).wait == 0
    assert len(LogDocument.parse(memory.objects[LOG][0])._log) == 2


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


class Google(FaultyMemory):
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
    assert list(google.objects) == [LOG]


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


def test_an_object_that_somebody_else_has_written_is_a_clear_error_and_stays(make, memory):
    memory.objects[LOG] = (b"something else", "7")
    with pytest.raises(MaestroQAConfigError, match="no request budget of this version"):
        make().book("log", RULES, SlotRequest())
    assert memory.objects[LOG] == (b"something else", "7")


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
        assert len(LogDocument.parse(memory.objects[LOG][0])._log) == 2
