"""Several requests of one push under way at once: what may be, what must wait, and what is left when it stops."""

from __future__ import annotations

import itertools
import json
import queue
import threading
from types import SimpleNamespace

import pytest
from clocks import FakeTime
from factories import many, numbered
from mortal_worker import KilledError

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import (
    MaestroQAAuthError,
    MaestroQAConfigError,
    MaestroQADataError,
)
from airflow_provider_maestroqa.pushes.bisect import Piece
from airflow_provider_maestroqa.pushes.confirmation import Confirmation
from airflow_provider_maestroqa.pushes.options import MAX_CONCURRENCY, PushOptions
from airflow_provider_maestroqa.pushes.window import PACE_S, AbandonedError, Flight, Window

METRICS = "/api/v1/ticket-metrics-batch"


class Traffic:
    """Lets each request wait until as many are under way as are expected, and remembers how many there were."""

    def __init__(self, together):
        self.barrier = threading.Barrier(together)
        self.sent = []

    def __call__(self, call):
        self.sent.append([one.get("metric_value") for one in call.body["batch"]])
        self.barrier.wait(10)


class Alone:
    """Finds out whether two requests were under way at once."""

    def __init__(self):
        self.lock, self.overlapped, self.sent = threading.Lock(), False, []

    def __call__(self, call):
        if not self.lock.acquire(blocking=False):
            self.overlapped = True
        self.sent.append(len(call.body["batch"]))
        threading.Event().wait(0.05)
        if self.lock.locked():
            self.lock.release()


def values(sandbox):
    return sorted(metric["metric_value"] for metric in sandbox.ticket_metrics.values())


def test_requests_are_under_way_at_once(push, sandbox):
    report = push("ticket_metrics", many("ticket_metrics", 1500), concurrency=3, leaving=Traffic(3))
    assert (report.confirmed, report.requests) == (1500, 3)
    assert values(sandbox) == list(range(1500))


def test_comments_are_sent_one_request_at_a_time(push, sandbox):
    traffic = Alone()
    push("comments", many("comments", 1500), concurrency=5, leaving=traffic)
    assert not traffic.overlapped
    assert [one["body"] for one in sandbox.comments] == [f"comment {number}" for number in range(1500)]


def test_a_record_of_the_same_key_waits_for_the_one_before(push, sandbox):
    records = [*many("ticket_metrics", 500), numbered("ticket_metrics", 3, metric_value=9999)]
    traffic = Alone()
    push("ticket_metrics", records, concurrency=3, leaving=traffic)
    assert not traffic.overlapped
    assert traffic.sent == [500, 1]
    assert values(sandbox) == [*range(3), *range(4, 500), 9999]


@pytest.mark.parametrize("bad", [[0], [499], [500], [1999], [3, 501, 1001, 1501], [700, 701], range(480, 520)])
def test_bad_records_are_found_as_in_a_push_of_one_request_at_a_time(push, sandbox, state_store, tmp_path, bad):
    rejects = tmp_path / "rejects.jsonl"
    changes = {1200: {"metric_value": "x"}, **{number: {"agent_id": "nobody"} for number in bad}}
    records = many("ticket_metrics", 2000, changes)
    report = push(
        "ticket_metrics",
        iter(records),
        concurrency=4,
        on_error="collect",
        rejects=rejects,
        state_store=state_store,
    )
    expected = sorted([*bad, 1200])
    assert (report.sent, report.confirmed, report.rejected) == (1999, 2000 - len(expected), len(expected))
    assert [json.loads(line)["index"] for line in rejects.read_text().splitlines()] == expected
    assert values(sandbox) == [number for number in range(2000) if number not in expected]
    done = [saved["done"] for saved in state_store.history]
    assert done == sorted(done), "the position never goes back"


def test_a_batch_that_is_too_large_is_sent_in_pieces_before_the_next_one_is_committed(push, sandbox, state_store):
    sandbox.fault(kind="status", status=413, path=METRICS, times=2)
    report = push("ticket_metrics", many("ticket_metrics", 2000), concurrency=4, state_store=state_store)
    assert report.confirmed == 2000
    assert values(sandbox) == list(range(2000))


def test_what_stops_a_push_leaves_the_position_before_it(push, sandbox, state_store):
    """Later batches may have arrived by then; the next try sends them again."""
    sandbox.fault(kind="status", status=401, path=METRICS, after=1)
    records = many("ticket_metrics", 2500)
    with pytest.raises(MaestroQAAuthError):
        push("ticket_metrics", iter(records), concurrency=3, state_store=state_store)
    assert state_store.load()["done"] in (0, 500, 1000)
    report = push("ticket_metrics", iter(records), concurrency=3, state_store=state_store)
    assert report.confirmed == 2500
    assert values(sandbox) == list(range(2500))


def test_what_was_sent_before_a_bad_record_is_settled_before_the_push_fails(push, sandbox, state_store):
    records = many("ticket_metrics", 2000, {1700: {"metric_value": "x"}})
    with pytest.raises(MaestroQADataError, match="Record 1700"):
        push("ticket_metrics", iter(records), concurrency=4, state_store=state_store)
    assert state_store.load()["done"] == 1500
    assert values(sandbox) == list(range(1500))


@pytest.mark.parametrize("fault", [None, {"kind": "reset_after"}, {"kind": "status", "status": 500, "done": True}])
def test_a_kill_at_any_time_loses_no_record(push, sandbox, state_store, tmp_path, fault):
    records = many("ticket_metrics", 1500, {7: {"agent_id": "nobody"}, 900: {"agent_id": "nobody"}})
    rejects = tmp_path / "rejects.jsonl"
    options = {"on_error": "collect", "rejects": rejects, "state_store": state_store, "concurrency": 4}
    save, kills = state_store.save, 0
    for after in (1, 2, 1, 3):
        saves = iter(range(after))

        def die(value, saves=saves):
            if next(saves, None) is None:
                raise KilledError
            save(value)

        state_store.save = die
        if fault:
            sandbox.fault(path=METRICS, after=1, **fault)
        try:
            push("ticket_metrics", iter(records), **options)
        except KilledError:
            kills += 1
        sandbox.clear_faults()
    state_store.save = save
    report = push("ticket_metrics", iter(records), **options)
    assert kills == 4
    assert (report.confirmed, report.rejected) == (1498, 2)
    assert values(sandbox) == [number for number in range(1500) if number not in (7, 900)]
    assert [json.loads(line)["index"] for line in rejects.read_text().splitlines()] == [7, 900]


def test_a_request_that_waits_for_the_budget_does_not_leave_after_the_push_has_stopped():
    ready, go, left = threading.Event(), threading.Event(), []

    def send(note):
        ready.set()
        go.wait(10)
        try:
            note(True)
        except AbandonedError:
            left.append(False)
            raise
        left.append(True)

    window = Window(2, (), Clock())
    flight = Flight(Piece([]), send, Clock())
    window.add(flight)
    assert ready.wait(10)
    window.abandon()
    go.set()
    with pytest.raises(AbandonedError):
        flight.result()
    assert (left, len(window)) == ([False], 0)


class Held:
    """Sends a flight step by step: it leaves, meets a 429, and ends when the test says so."""

    def __init__(self, clock):
        self.steps, self.flight = queue.Queue(), Flight(Piece([]), self.send, clock)
        self.done = threading.Semaphore(0)

    def send(self, note):
        while (step := self.steps.get(timeout=10)) is not None:
            note(step)
            self.done.release()
        return Confirmation()

    def step(self, is_in_flight):
        self.steps.put(is_in_flight)
        assert self.done.acquire(timeout=10)

    def end(self):
        self.steps.put(None)
        self.flight.result()


@pytest.fixture
def held():
    """A window whose size is picked, its time, and what makes a flight in it."""
    time, made = FakeTime(), []
    window = Window(None, (), time.clock())

    def add():
        made.append(Held(time.clock()))
        window.add(made[-1].flight)
        return made[-1]

    yield SimpleNamespace(window=window, time=time, add=add)
    for one in made:
        one.end()


def test_a_request_that_waits_for_its_slot_gets_no_company_and_one_without_a_response_does(held):
    """So a push has one place in the queue for the budget, however long responses take."""
    one = held.add()
    held.time.pass_by(60)
    assert not held.window.has_room, "it waits for the budget"
    one.step(True)
    assert not held.window.has_room, "it may be answered soon"
    held.time.pass_by(PACE_S)
    assert held.window.has_room
    one.step(False)
    assert not held.window.has_room, "it was rate limited and waits again"
    one.step(True)
    one.end()
    assert held.window.has_room
    assert held.window.has_result


def test_no_more_than_ten_are_under_way(held):
    for number in range(MAX_CONCURRENCY):
        assert held.window.has_room, number
        held.add().step(True)
        held.time.pass_by(PACE_S)
    assert not held.window.has_room


def test_a_push_picks_how_many_while_it_goes(push, sandbox):
    """Each look at the clock takes a second, so that no response comes in time, and three are soon under way."""
    seconds, traffic = itertools.count(), Traffic(3)
    clock = Clock(monotonic=lambda: float(next(seconds)), sleep=lambda _: None)
    report = push("ticket_metrics", many("ticket_metrics", 1500), leaving=traffic, clock=clock)
    assert (report.confirmed, report.requests) == (1500, 3)


def test_a_push_with_quick_responses_sends_one_request_at_a_time(push, sandbox):
    """Time stands still between a request and its response."""
    traffic = Alone()
    push("ticket_metrics", many("ticket_metrics", 2000), leaving=traffic, clock=FakeTime().clock())
    assert not traffic.overlapped


def test_others_are_sent_while_a_search_goes_on(push, sandbox):
    """The suspect alone, what is left of its batch and two batches behind it are on their way with one bad record."""
    records = many("ticket_metrics", 2500, {3: {"agent_id": "nobody"}})
    searching, sent = threading.Event(), []

    def leaving(call):
        batch = call.body["batch"]
        sent.append(len(batch))
        if len(batch) == 1:
            searching.set()
        elif batch[0]["metric_value"] >= 1000:
            assert searching.wait(10), "this batch was not waited for"

    report = push("ticket_metrics", records, concurrency=3, on_error="collect", leaving=leaving)
    assert (report.confirmed, report.rejected, report.requests) == (2499, 1, 7)
    assert sorted(sent) == [1, 499, 500, 500, 500, 500, 500]


@pytest.mark.parametrize("concurrency", [1, 4, None])
def test_a_suspect_is_not_sent_before_an_earlier_record_of_its_key(push, sandbox, concurrency):
    """Both have a bad agent, who is there when they are sent again: the last of a key stays the last."""
    sandbox.fault(kind="status", status=400, body={"error": "batch[7] is wrong: T-3"}, path=METRICS)
    records = many("ticket_metrics", 1000, {7: {"ticket_id": "T-3", "metric_value": 9999}})
    report = push("ticket_metrics", records, concurrency=concurrency, on_error="collect")
    assert (report.confirmed, report.rejected) == (1000, 0)
    assert values(sandbox) == sorted([*range(3), *range(4, 7), *range(8, 1000), 9999])


def is_about_what_is_done(state_store):
    """Whether each position that was saved is where as many records were confirmed or rejected as are before it."""
    reports = [(saved["done"], saved["report"]) for saved in state_store.history]
    return all(done == report.get("confirmed", 0) + report.get("rejected", 0) for done, report in reports)


@pytest.mark.parametrize("concurrency", [1, 4, None])
def test_a_good_record_that_is_named_is_stored_and_counted_once(push, sandbox, state_store, concurrency):
    """It is sent before those in front of it, which count first."""
    sandbox.fault(kind="status", status=400, body={"error": "batch[300] is wrong"}, path=METRICS)
    records = many("ticket_metrics", 1000, {250: {"agent_id": "nobody"}})
    report = push(
        "ticket_metrics", iter(records), concurrency=concurrency, on_error="collect", state_store=state_store
    )
    assert (report.sent, report.confirmed, report.rejected) == (1000, 999, 1)
    assert values(sandbox) == [number for number in range(1000) if number != 250]
    assert is_about_what_is_done(state_store)


@pytest.mark.parametrize("concurrency", [1, 4, None])
def test_records_with_a_value_that_was_rejected_before_cost_one_request_each(
    push, sandbox, state_store, tmp_path, concurrency
):
    bad = [100, 1700, 1800, 2300, 2499]
    records = many("ticket_metrics", 2500, {number: {"agent_id": "nobody"} for number in bad})
    options = {"concurrency": concurrency, "on_error": "collect", "rejects": tmp_path / "rejects.jsonl"}
    report = push("ticket_metrics", iter(records), state_store=state_store, **options)
    assert (report.confirmed, report.rejected) == (2495, 5)
    lines = (tmp_path / "rejects.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines] == bad
    assert is_about_what_is_done(state_store)
    if concurrency == 1:
        assert report.requests == 5 + 1 + len(bad)


@pytest.mark.parametrize("value", [0, 11, "many", True])
def test_a_concurrency_that_makes_no_sense_is_an_error(value):
    with pytest.raises(MaestroQAConfigError, match="concurrency"):
        PushOptions.parse(concurrency=value)


@pytest.mark.parametrize(("value", "parsed"), [(1, 1), ("4", 4), (None, None), ("", None), ("None", None)])
def test_a_concurrency_may_come_from_a_template(value, parsed):
    assert PushOptions.parse(concurrency=value).concurrency == parsed
