"""Polls are polite: they leave the budget to those who want it, take it when nobody does, and never starve."""

from __future__ import annotations

import asyncio
import time

import pytest

from airflow_provider_maestroqa.client.budget import BudgetExhaustedError, open_budget

#: Seconds for each request when the real limits are used up.
INTERVAL = 0.605


class Scene:
    """A day at the desk: pushes and polls on one token, at the real limits, in virtual time."""

    def __init__(self, virtual_time, seed=1):
        self.kit = virtual_time
        self.world = virtual_time.World(seed, late=0.003)
        self.server = virtual_time.Server([(10, 1), (100, 60)])
        self.pushed, self.polled, self.push_waits = [], [], []
        self.served = {}
        self.push_pause = 0.3

    def push(self, count, *, begin=0.0, end=1e9):
        for _ in range(count):
            self.world.spawn(self._push(self.world.process(), self.world.now + end), after=begin)

    def push_once(self, begin):
        self.push(1, begin=begin, end=begin + 0.01)

    def poll(self, count, *, processes=1, every=30.0, begin=0.0):
        budgets = [self.world.process() for _ in range(processes)]
        running = []
        for number in range(count):
            name = len(self.served)
            self.served[name] = 0
            task = self._poll(budgets[number % processes], name, every)
            running.append(self.world.spawn(task, after=begin + self.world.chance.random()))
        return running

    def run(self, seconds):
        begin = self.world.now
        self.world.run(seconds)
        assert self.server.refused == 0
        return [sum(begin <= moment for moment in moments) for moments in (self.pushed, self.polled)]

    def _push(self, budget, until):
        while self.world.now < until:
            self.push_waits.append((yield self.kit.Acquire(budget)))
            self.pushed.append(self.world.now)
            self.server.hit(self.world.now)
            yield self.push_pause

    def _poll(self, budget, name, every):
        while True:
            yield self.kit.Acquire(budget, polling=True)
            self.polled.append(self.world.now)
            self.served[name] += 1
            self.server.hit(self.world.now)
            yield 0.2
            yield every


@pytest.fixture
def scene(virtual_time):
    made = Scene(virtual_time)
    yield made
    made.world.close()


@pytest.mark.parametrize("pushing", [1, 8, 50])
@pytest.mark.parametrize("processes", [1, 20])
def test_a_push_keeps_nine_tenths_of_the_budget_while_a_thousand_exports_wait(scene, pushing, processes):
    scene.poll(1000, processes=processes)
    scene.run(300)
    scene.push(pushing)
    for _ in range(10):
        pushed, _ = scene.run(60)
        assert pushed >= 90


def test_the_waiting_exports_still_move_while_a_push_runs(scene):
    scene.push(8)
    scene.poll(1000)
    scene.run(60)
    _, polled = scene.run(600)
    assert polled >= 70
    assert max(scene.served.values()) <= 1


def test_polls_take_the_whole_budget_when_nobody_else_wants_it(scene):
    scene.poll(1000)
    scene.run(60)
    _, polled = scene.run(600)
    assert polled >= 0.97 * 1000


def test_polls_take_the_whole_budget_again_soon_after_a_push_has_ended(scene):
    scene.poll(1000)
    scene.push(8, end=300)
    scene.run(300 + 60)
    _, polled = scene.run(300)
    assert polled >= 0.97 * 500


def test_a_request_that_comes_once_a_minute_does_not_slow_the_polls_down(scene):
    scene.poll(1000)
    for minute in range(15):
        scene.push_once(minute * 60.0 + 30.0)
    scene.run(120)
    pushed, polled = scene.run(600)
    assert pushed == 10
    assert polled >= 0.96 * 1000


def test_a_push_that_begins_among_saturating_polls_waits_a_few_seconds_at_most(scene):
    scene.poll(1000)
    scene.run(600)
    scene.push(1)
    scene.run(120)
    assert max(scene.push_waits) < 4


def test_polls_of_one_process_come_in_the_order_in_which_they_asked(scene):
    scene.poll(300, every=1.0)
    scene.run(1200)
    assert max(scene.served.values()) - min(scene.served.values()) <= 1


@pytest.mark.parametrize("push", [0, 8])
def test_polls_of_many_processes_share_fairly_and_none_starves(scene, push):
    scene.push(push)
    scene.poll(50, processes=50, every=1.0)
    scene.run(1800)
    shares = sorted(scene.served.values())
    assert shares[0] >= (0.8 if push else 0.9) * shares[-1], shares


def test_polls_are_spread_and_not_bunched(scene):
    scene.poll(200)
    scene.run(240)
    ahead = [moment - number * INTERVAL for number, moment in enumerate(scene.polled)]
    # Late ones are made up for, but never is one more than two others before its time.
    assert all(moment > max(ahead[:number]) - 2.1 * INTERVAL for number, moment in enumerate(ahead) if number)


@pytest.mark.parametrize("processes", [1, 4])
def test_polls_that_come_late_are_made_up_for(scene, processes):
    scene.world.late = 0.15
    scene.poll(1000, processes=processes)
    scene.run(120)
    _, polled = scene.run(600)
    assert polled >= 0.99 * 600 / INTERVAL


@pytest.mark.parametrize("others_a_minute", [2, 12, 30, 52, 72])
def test_polls_take_what_sparse_requests_leave_and_those_need_not_wait(scene, others_a_minute):
    scene.poll(1000, processes=2)
    at = 120.0
    while at < 720:
        scene.push_once(at)
        at += scene.world.chance.expovariate(others_a_minute / 60)
    scene.run(180)
    scene.push_waits.clear()
    pushed, polled = scene.run(540)
    assert pushed + polled >= 0.97 * 540 / INTERVAL
    assert max(scene.push_waits) < 8
    assert sum(scene.push_waits) / len(scene.push_waits) < 1.5


@pytest.mark.parametrize("pause", [0.8, 1.1, 2.0, 5.0])
def test_a_push_slower_than_the_budget_is_not_slowed_down_and_polls_take_the_rest(scene, pause):
    scene.push_pause = pause
    scene.poll(1000, processes=2)
    scene.run(120)
    scene.push(1)
    scene.run(60)
    pushed, polled = scene.run(600)
    assert pushed >= 0.97 * 600 / pause
    assert pushed + polled >= 0.96 * 600 / INTERVAL


def test_a_few_polls_do_not_wait_for_each_other(scene):
    scene.poll(3)
    scene.run(1.5)
    assert sorted(scene.served.values()) == [1, 1, 1]


def test_cancelled_and_killed_polls_do_not_hold_up_those_behind_them(scene):
    running = scene.poll(500)
    scene.run(30)
    before = sum(scene.served.values())
    for number, task in enumerate(running[:400]):
        (scene.world.cancel if number % 2 else scene.world.kill)(task)
    scene.run(120)
    assert sum(scene.served.values()) > before + 100
    assert all(scene.served[name] >= 1 for name in range(400, 500))


def test_a_poll_gives_up_at_its_deadline_even_in_the_line(virtual_time):
    world = virtual_time.World()
    budget, ends = world.process(), []

    def poll():
        try:
            yield virtual_time.Acquire(budget, polling=True, deadline=world.now + 20)
        except BudgetExhaustedError as error:
            ends.append(error.needed_s)

    for _ in range(60):
        world.spawn(poll())
    world.run(120)
    world.close()
    assert 15 <= len(ends) <= 40


@pytest.fixture(params=["thread", "coroutine"])
def line(request):
    """Two polls of one process, of which the first holds the turn; how the second ends, and what it took."""
    budget = open_budget(
        store="memory", base_url="https://x.com", token=f"line {time.time()}", limits={"normal": [(1, 0.2)]}
    )
    for _ in range(3):
        budget.acquire("normal", polling=False)

    async def poll(deadline=None):
        began, ended = time.monotonic(), "slot"
        try:
            if request.param == "thread":
                await asyncio.to_thread(budget.acquire, "normal", polling=True, deadline=deadline)
            else:
                await budget.acquire_async("normal", polling=True, deadline=deadline)
        except BudgetExhaustedError:
            ended = "deadline"
        return ended, time.monotonic() - began

    async def both(deadline):
        first = asyncio.create_task(poll())
        await asyncio.sleep(0.05)
        second = await poll(deadline)
        await first
        return second

    yield lambda deadline: asyncio.run(both(deadline))
    budget.close()


def test_the_second_in_line_follows_the_first(line):
    ended, took = line(None)
    assert ended == "slot"
    assert took > 0.1


def test_the_second_in_line_leaves_at_its_deadline(line):
    ended, took = line(time.time() + 0.1)
    assert ended == "deadline"
    assert took < 0.25
