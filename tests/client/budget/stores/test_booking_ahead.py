"""Many processes that book ahead in one log, in virtual time: each gets its share, and nothing is left over."""

from __future__ import annotations

import heapq
from collections import Counter
from itertools import count
from random import Random

import pytest
from swap_memory import SwapMemory

from airflow_provider_maestroqa.client.budget import open_budget
from airflow_provider_maestroqa.client.budget.acquisition import Acquisition, AskStore, Sleep
from airflow_provider_maestroqa.client.budget.limits import make_rules
from airflow_provider_maestroqa.client.budget.stores.log_document import LogDocument
from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError

REAL = {"normal": [(10, 1.0), (100, 60.0)]}
SCALED = {"normal": [(10, 1.0), (40, 5.0)]}


class Callers:
    """Processes that send again as soon as they have sent, each with a store of its own."""

    def __init__(self, fake_time, limits):
        self.time = fake_time
        self.limits = limits
        self.storage = SwapMemory()
        self.sent = []
        self._budgets = []
        self._events = []
        self._order = count()

    def begin(self, name, *, until, after=0.0):
        """Let one more process send until a moment, from so many seconds on."""
        budget = open_budget(
            store="s3://lake/budget", base_url="https://x.com", token="t", limits=self.limits,
            clock=self.time.clock(), open_objects=lambda _: self.storage,
        )  # fmt: skip
        self._budgets.append(budget)
        self._wake(self._send(name, budget, until), after)

    def run(self):
        """Let time pass until all have ended."""
        while self._events:
            at, _, process = heapq.heappop(self._events)
            self.time.pass_by(max(0.0, at - self.time.monotonic))
            for seconds in process:
                self._wake(process, seconds)
                break
        for budget in self._budgets:
            budget.close()

    def shares(self, begin, end):
        """Count the requests of each process in a stretch of time."""
        return Counter(name for at, name in self.sent if begin <= at < end)

    def _wake(self, process, seconds):
        heapq.heappush(self._events, (self.time.monotonic + seconds, next(self._order), process))

    def _send(self, name, budget, until):
        while self.time.monotonic < until:
            yield from self._wait(budget)
            self.sent.append((self.time.monotonic, name))
            yield 0.05

    def _wait(self, budget):
        acquisition = Acquisition(
            budget.store_handle, "log", bucket="normal", rules=make_rules(self.limits)["normal"], deadline=None,
            polling=False, clock=self.time.clock(), on_wait=None,
        )  # fmt: skip
        steps, result = acquisition.steps(), None
        while True:
            try:
                step = steps.send(result)
            except StopIteration:
                return
            assert isinstance(step, (AskStore, Sleep))
            result = step.call() if isinstance(step, AskStore) else (yield step.seconds)


@pytest.mark.parametrize(("limits", "window"), [(REAL, 60.0), (SCALED, 5.0)], ids=["real", "scaled"])
@pytest.mark.parametrize("processes", [2, 8])
def test_those_who_send_all_the_time_get_alike_and_use_the_budget_up(fake_time, worst, limits, window, processes):
    callers, begin = Callers(fake_time, limits), fake_time.monotonic
    for number in range(processes):
        callers.begin(number, until=begin + 6 * window)
    callers.run()
    requests, _ = limits["normal"][1]
    moments = [at for at, _ in callers.sent]
    assert worst(moments, window) <= requests
    assert worst(moments, 1.0) <= 10
    shares = callers.shares(begin + window, begin + 6 * window)
    counted = make_rules(limits)["normal"].longest
    assert shares.total() >= 0.97 * 5 * requests * window / counted
    assert min(shares.values()) >= 0.75 * max(shares.values())


def test_one_who_comes_late_gets_as_much_at_once_and_one_who_goes_leaves_its_part(fake_time):
    callers, begin = Callers(fake_time, REAL), fake_time.monotonic
    callers.begin("first", until=begin + 480)
    callers.begin("second", until=begin + 240)
    callers.begin("late", until=begin + 480, after=120.0)
    callers.run()
    both = callers.shares(begin + 180, begin + 240)
    assert set(both) == {"first", "second", "late"}
    assert min(both.values()) >= 0.7 * max(both.values())
    left = callers.shares(begin + 300, begin + 480)
    assert left.total() >= 0.97 * 300
    assert min(left.values()) >= 0.75 * max(left.values())


def test_bookings_of_earlier_versions_are_those_of_one_process():
    log = LogDocument(7)
    for number in range(5):
        log._insert(number << 32 | 12345, 10.0 + number, False)
    log.add(20.0, False)
    assert log.count_others(0.0) == 1
    assert log.count_others(15.0) == 0


def test_no_slot_is_late_where_the_storage_is_slow_now_and_then(fake_time, worst):
    callers = Callers(fake_time, REAL)
    times, read = Random(5), callers.storage.read

    def read_slowly(name):
        fake_time.pass_by(times.choice([0.02] * 10 + [0.05] * 9 + [3.0]))
        return read(name)

    callers.storage.read = read_slowly
    callers.begin("only", until=fake_time.monotonic + 400)
    callers.run()
    moments = [at for at, _ in callers.sent]
    assert worst(moments, 60.0) <= 100
    assert worst(moments, 1.0) <= 10
    assert len(moments) > 350


def test_who_has_a_slot_keeps_it_when_the_storage_fails_while_more_are_booked(fake_time, worst):
    callers, begin = Callers(fake_time, REAL), fake_time.monotonic
    read, swap = callers.storage.read, callers.storage.swap

    def sometimes(call):
        def made(*arguments):
            fake_time.pass_by(0.01)
            if (fake_time.monotonic - begin) % 3.0 > 2.5:
                raise MaestroQAConnectionError("The storage is away.", sent=False)
            return call(*arguments)

        return made

    callers.storage.read, callers.storage.swap = sometimes(read), sometimes(swap)
    callers.begin("first", until=begin + 400)
    callers.begin("second", until=begin + 400)
    callers.run()
    moments = [at for at, _ in callers.sent]
    assert worst(moments, 60.0) <= 100
    assert worst(moments, 1.0) <= 10
    assert len(moments) > 550
