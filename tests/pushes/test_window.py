"""Several requests of one push under way at once: what may be, what must wait, and what is left when it stops."""

from __future__ import annotations

import itertools
import json
import threading

import pytest
from factories import many, numbered

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import (
    MaestroQAAuthError,
    MaestroQAConfigError,
    MaestroQADataError,
)
from airflow_provider_maestroqa.pushes.options import MAX_CONCURRENCY, PushOptions
from airflow_provider_maestroqa.pushes.window import AbandonedError, Flight, Window

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
    report = push("ticket_metrics", many("ticket_metrics", 1500), concurrency=3, before=Traffic(3))
    assert (report.confirmed, report.requests) == (1500, 3)
    assert values(sandbox) == list(range(1500))


def test_comments_are_sent_one_request_at_a_time(push, sandbox):
    traffic = Alone()
    push("comments", many("comments", 1500), concurrency=5, before=traffic)
    assert not traffic.overlapped
    assert [one["body"] for one in sandbox.comments] == [f"comment {number}" for number in range(1500)]


def test_a_record_of_the_same_key_waits_for_the_one_before(push, sandbox):
    records = [*many("ticket_metrics", 500), numbered("ticket_metrics", 3, metric_value=9999)]
    traffic = Alone()
    push("ticket_metrics", records, concurrency=3, before=traffic)
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


class KilledError(BaseException):
    """The worker is gone."""


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

    window = Window(2, ())
    flight = Flight([], send, Clock())
    window.add(flight)
    assert ready.wait(10)
    window.abandon()
    go.set()
    with pytest.raises(AbandonedError):
        flight.result()
    assert (left, len(window)) == ([False], 0)


@pytest.mark.parametrize(
    ("waited_s", "response_s", "size"), [(0, 0.1, 1), (0, 0.6, 2), (0, 1, 3), (0.5, 5, MAX_CONCURRENCY), (3, 2, 3)]
)
def test_how_many_is_picked_from_the_response_and_the_wait_for_the_budget(waited_s, response_s, size):
    window = Window(None, ())
    assert window.size == 1
    window.size = 4
    flight = Flight([], lambda note: None, Clock())
    flight.waited_s, flight.response_s = waited_s, response_s
    window.adapt(flight)
    assert window.size == size


def test_a_push_picks_it_while_it_goes(push, sandbox):
    """The first response takes a second of the push's own clock, so that three are under way after it."""
    seconds, numbers, traffic = itertools.count(), itertools.count(), Traffic(3)
    clock = Clock(monotonic=lambda: float(next(seconds)), sleep=lambda _: None)

    def before(call):
        if 1 <= next(numbers) <= 3:
            traffic(call)

    report = push("ticket_metrics", many("ticket_metrics", 2500), concurrency=None, before=before, clock=clock)
    assert (report.confirmed, report.requests) == (2500, 5)


@pytest.mark.parametrize("value", [0, 11, "many", True])
def test_a_concurrency_that_makes_no_sense_is_an_error(value):
    with pytest.raises(MaestroQAConfigError, match="concurrency"):
        PushOptions.parse(concurrency=value)


@pytest.mark.parametrize(("value", "parsed"), [(1, 1), ("4", 4), (None, None), ("", None), ("None", None)])
def test_a_concurrency_may_come_from_a_template(value, parsed):
    assert PushOptions.parse(concurrency=value).concurrency == parsed
