"""The algorithm, with time as a number and everything else left to chance."""

from __future__ import annotations

import random

import pytest

from airflow_provider_maestroqa.client.budget.limits import MAX_PAUSE_S, make_rules
from airflow_provider_maestroqa.client.budget.slot_log import Denied, LogGeneration, Reservation, SlotRequest
from airflow_provider_maestroqa.client.budget.stores.memory import MemoryStore


class Machine:
    """A store, a clock that the test moves, and who holds which slot."""

    def __init__(self, limits):
        self.now = 100.0
        self.rules = make_rules({"normal": limits}, {window: 0.0 for _, window in limits})["normal"]
        self.store = MemoryStore(lambda: self.now)

    def book(self, **request):
        return self.store.book("log", self.rules, SlotRequest(**request))

    def slot(self, booked):
        left = self.store.remaining("log", booked.handle)
        return None if left is None else self.now + left


def random_limits(chance):
    limits = [(chance.randint(1, 4), chance.choice([0.5, 1.0]))]
    if chance.random() < 0.8:
        limits.append((chance.randint(limits[0][0], 12), chance.choice([5.0, 10.0])))
    return limits


def random_life(seed, worst):
    """Let callers arrive, wait, cancel and be refused at random; return all slots that were used."""
    chance = random.Random(seed)
    limits = random_limits(chance)
    machine = Machine(limits)
    waiting, used = {}, []
    for step in range(300):
        machine.now += chance.choice([0, 0, 0.01, 0.1, 1.0, chance.random() * 8])
        for name, booked in list(waiting.items()):
            slot = machine.slot(booked)
            assert slot is not None
            if slot <= machine.now:
                used.append(slot)
                del waiting[name]
        event = chance.random()
        if event < 0.75:
            result = machine.book(polling=chance.random() < 0.3, max_wait=chance.choice([1.0, 20.0, float("inf")]))
            if isinstance(result, Reservation):
                assert result.wait >= 0
                waiting[step] = result
        elif event < 0.9 and waiting:
            machine.store.release("log", waiting.pop(chance.choice(list(waiting))).handle)
        elif event > 0.97:
            order = sorted(waiting, key=lambda name: machine.slot(waiting[name]))
            pause = chance.random() * 3
            machine.store.pause("log", machine.rules, pause)
            slots = [machine.slot(waiting[name]) for name in order]
            assert slots == sorted(slots)
            assert all(slot >= machine.now + pause for slot in slots)
    used.extend(machine.slot(booked) for booked in waiting.values())
    return [worst(used, window - 1e-6) - requests for requests, window in limits]


@pytest.mark.parametrize("block", range(10))
def test_no_window_ever_holds_more_than_its_limit_whatever_arrives_cancels_or_is_refused(block, worst):
    for seed in range(block * 30, block * 30 + 30):
        assert max(random_life(seed, worst)) <= 0, f"seed {seed}"


def test_callers_get_their_slots_in_the_order_in_which_they_came():
    chance = random.Random(1)
    machine = Machine([(3, 1.0), (10, 8.0)])
    slots = []
    for _ in range(200):
        machine.now += chance.random() * 0.3
        slots.append(machine.now + machine.book().wait)
    assert slots == sorted(slots)


def test_a_waiting_caller_is_never_put_off_by_those_who_come_later():
    machine = Machine([(2, 1.0), (10, 20.0)])
    for _ in range(30):
        mine = machine.book()
    promised = machine.slot(mine)
    for _ in range(500):
        machine.book(polling=bool(machine.now % 2))
        machine.now += 0.05
    assert machine.slot(mine) == promised


def test_every_slot_is_used_when_there_is_always_somebody_who_wants_it():
    machine = Machine([(10, 1.0), (100, 60.0)])
    last = [machine.now + machine.book().wait for _ in range(1000)][-1]
    assert last - 100.0 == pytest.approx(9 * 60.0 + 9.0, abs=1.0)


def test_a_freed_slot_goes_to_the_next_caller_and_moves_nobody():
    machine = Machine([(1, 1.0)])
    first, second, third = (machine.book() for _ in range(3))
    slots = machine.slot(second), machine.slot(third)
    machine.store.release("log", second.handle)
    newcomer = machine.book()
    assert (machine.slot(newcomer), machine.slot(third)) == slots
    assert machine.slot(first) == 100.0


def test_freed_slots_at_the_end_of_the_log_are_as_if_they_had_never_been():
    machine = Machine([(1, 1.0)])
    booked = [machine.book() for _ in range(50)]
    chance = random.Random(3)
    rest = booked[5:]
    chance.shuffle(rest)
    for result in rest:
        machine.store.release("log", result.handle)
    assert machine.book().wait == pytest.approx(5.0)


def test_a_slot_that_passed_without_being_used_costs_nothing():
    machine = Machine([(2, 10.0)])
    machine.book()
    machine.now += 1
    unused = machine.book()
    machine.now += 1
    machine.store.release("log", unused.handle)
    assert machine.book().wait == 0


def test_giving_a_slot_back_twice_frees_it_once():
    machine = Machine([(1, 1.0)])
    machine.book()
    mine, _ = machine.book(), machine.book()
    machine.store.release("log", mine.handle)
    machine.store.release("log", mine.handle)
    assert [machine.book().wait, machine.book().wait] == [pytest.approx(1.0), pytest.approx(3.0)]


def test_a_caller_without_the_patience_is_told_how_long_it_would_be_and_books_nothing():
    machine = Machine([(1, 10.0)])
    machine.book()
    assert machine.book(max_wait=9.0) == Denied(wait=10.0, final=True)
    assert machine.book().wait == 10.0


def test_a_poll_without_the_patience_does_not_stand_in_the_way_of_others():
    machine = Machine([(1, 60.0)])
    while isinstance(machine.book(polling=True), Reservation):
        pass
    machine.now += 59.5
    assert machine.book(polling=True, waiter_id="impatient", max_wait=0.0).final
    machine.now += 0.6
    assert isinstance(machine.book(polling=True, waiter_id="later"), Reservation)


@pytest.mark.parametrize(
    ("pauses", "wait"), [([7.0], 7.0), ([30.0, 1.0], 30.0), ([1.0, 30.0], 30.0), ([1e9], MAX_PAUSE_S)]
)
def test_the_longest_penalty_holds_up_everyone_for_an_hour_at_most(pauses, wait):
    machine = Machine([(5, 1.0)])
    machine.book()
    for seconds in pauses:
        machine.store.pause("log", machine.rules, seconds)
    result = machine.book()
    assert (result.wait, result.window) == (wait, None)


def test_a_penalty_moves_the_bookings_ahead_and_newcomers_stay_behind_them():
    machine = Machine([(1, 1.0)])
    booked = [machine.book() for _ in range(4)]
    machine.now += 0.5
    machine.store.pause("log", machine.rules, 10.0)
    newcomer = machine.book()
    slots = [machine.slot(result) for result in [*booked, newcomer]]
    assert slots == [100.0, 110.5, 111.5, 112.5, 113.5]


def test_who_missed_its_slot_gives_it_up_when_it_books_again():
    machine = Machine([(2, 10.0)])
    missed = machine.book()
    machine.now += 5
    again = machine.book(replaces=missed.handle)
    assert again.wait == 0
    assert machine.book().wait == 0
    assert machine.slot(missed) is None


@pytest.mark.parametrize(("age", "wait"), [(3.0, 7.0), (11.0, 0.0)])
def test_one_who_knows_of_requests_that_the_log_has_lost_makes_everybody_wait_until_they_are_past(age, wait):
    machine = Machine([(5, 10.0)])
    assert machine.book(known_log=LogGeneration("a log that is lost", age=age)).wait == wait
    assert machine.book().wait == wait


def test_two_sharers_with_different_windows_both_keep_their_own():
    machine = Machine([(2, 1.0)])
    other = make_rules({"normal": [(3, 100.0)]}, {100.0: 0.0})["normal"]
    assert machine.store.book("log", other, SlotRequest()).wait == 0
    for _ in range(2):
        machine.now += 2
        assert machine.book().wait == 0
    machine.now += 50
    assert machine.store.book("log", other, SlotRequest(max_wait=1.0)) == Denied(wait=46.0, final=True)
    assert machine.book().wait == 0


def test_the_answer_says_which_window_decided_and_how_many_are_ahead():
    machine = Machine([(2, 1.0), (4, 60.0)])
    answers = [machine.book() for _ in range(7)]
    assert [result.window for result in answers] == [None, None, 0, 0, 1, 1, 0]
    assert [result.ahead for result in answers] == [0, 0, 0, 1, 2, 3, 4]


def test_the_log_does_not_grow_for_ever():
    machine = Machine([(10, 1.0), (100, 60.0)])
    for _ in range(3000):
        machine.now += 1.0
        machine.book()
    log = machine.store._log_of("log")
    assert log.count(-1.0, 1e9) <= 101
