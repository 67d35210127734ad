"""The object of rejected records: what is written, what it costs, and what is left after a kill."""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import secrets

import pytest
from factories import many
from mortal_worker import KilledError

from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAError, MaestroQAValidationError
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.pushes.checkpoint import PositionTakenError
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.resources import resource_named
from airflow_provider_maestroqa.pushes.runner import run_push
from airflow_provider_maestroqa.storage.base import ABSENT, conflict
from airflow_provider_maestroqa.storage.open import StoredObject

NAME = "rejects.jsonl"
BAD = {"agent_id": "nobody"}


class MemoryStore:
    """A store that counts the bytes that are written to it."""

    def __init__(self, objects=None):
        self.objects = dict(objects or {})
        self.written = 0
        self.versions = {}
        self.on_change = lambda: None

    def uri(self, name=""):
        return f"state_store://{name}"

    def begin(self, name, *, size, **_):
        return MemoryUpload(self, name)

    def put_bytes(self, name, data, *, expected=None):
        self.require(name, expected)
        self.written += len(data)
        self.objects[name] = bytes(data)
        self.versions[name] = secrets.token_hex(8)
        self.on_change()
        return self.version(name)

    def get_bytes(self, name):
        return self.objects.get(name)

    def require(self, name, expected):
        if expected not in (None, self.version(name)):
            raise conflict(name)

    def get_versioned(self, name):
        return self.get_bytes(name), self.version(name)

    def version(self, name):
        return self.versions.get(name, "first") if name in self.objects else ABSENT

    def size(self, name):
        return len(self.objects[name]) if name in self.objects else None

    def delete(self, name, *, expected=None):
        self.require(name, expected)
        self.objects.pop(name, None)
        self.on_change()


class MemoryUpload:
    def __init__(self, store, name):
        self.store, self.name, self.data = store, name, b""

    def write(self, data):
        self.data += data

    def seal(self, crc32):
        pass

    def publish(self, **options):
        return self.store.put_bytes(self.name, self.data, **options)

    def discard(self):
        pass


def rejecting(request, *, on_in_flight):
    """MaestroQA, which knows no agent called nobody."""
    on_in_flight(True)
    batch = request.body["batch"]
    if any(record["agent_id"] == "nobody" for record in batch):
        on_in_flight(False)
        raise MaestroQAValidationError(400, request.method, request.path, "nobody is no agent", explained=True)
    return {"results": batch}


def push_metrics(store, state_store, metrics, **options):
    return run_push(
        resource_named("ticket_metrics"),
        metrics,
        send=rejecting,
        request_stats=RequestStats(),
        options=PushOptions(on_error="collect"),
        rejects_to=StoredObject(store, NAME),
        state_store=state_store,
        **options,
    )


def indexes(store):
    return [json.loads(line)["index"] for line in store.objects[NAME].splitlines()]


def bad_numbers(rejections):
    """Every second one, and of as many digits as possible, so that the lines are of one length."""
    return range(10, 10 + 2 * rejections, 2)


def metrics_with(rejections):
    return many("ticket_metrics", 10 + 2 * rejections, dict.fromkeys(bad_numbers(rejections), BAD))


def test_what_is_written_with_saved_state_grows_about_linearly(state_store):
    written = {}
    for rejections in (128, 256, 512):
        store = MemoryStore()
        assert push_metrics(store, copy.copy(state_store), metrics_with(rejections)).rejected == rejections
        assert indexes(store) == list(bad_numbers(rejections))
        written[rejections] = store.written
        assert store.written < 10 * len(store.objects[NAME])
    assert written[512] / written[256] < 2.5
    assert written[256] / written[128] < 2.5


def snapshots_of(store, state_store, push):
    """What a kill would leave behind at each change of the rejects or of the saved position."""
    snapshots = []

    def snapshot():
        snapshots.append((state_store.saved, dict(store.objects)))

    save, store.on_change = state_store.save, snapshot
    state_store.save = lambda value: (save(value), snapshot())
    push()
    return snapshots


def test_a_kill_at_any_time_loses_no_rejected_record(state_store):
    metrics = metrics_with(7)

    def push(saved, objects, check):
        store, again = MemoryStore(objects), type(state_store)()
        again.saved = saved
        snapshots = snapshots_of(store, again, lambda: check(push_metrics(store, again, iter(metrics))))
        assert indexes(store) == list(bad_numbers(7))
        assert list(store.objects) == [NAME], "nothing is left beside the one object"
        return snapshots

    def check(report):
        assert report.rejected == 7

    for first in push(None, {}, check):
        for second in push(*first, check):
            push(*second, check)


def test_what_a_killed_push_left_beside_the_rejects_is_removed_by_the_next_one(state_store):
    store = MemoryStore()
    snapshots = snapshots_of(store, state_store, lambda: push_metrics(store, state_store, metrics_with(7)))
    killed = MemoryStore(max((objects for _, objects in snapshots), key=len))
    assert sorted(killed.objects) == [NAME, f"{NAME}.part-1", f"{NAME}.part-2"]
    push_metrics(killed, None, metrics_with(0))
    assert killed.objects == {}


def test_a_record_that_was_corrected_before_the_retry_is_not_in_the_rejects_any_more(state_store):
    """A failing try also publishes the lines of records that its position has not passed."""
    store, bad = MemoryStore(), {"metric_value": "many"}

    def cut_off():
        yield from many("ticket_metrics", 2, {1: bad})
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        push_metrics(store, state_store, cut_off())
    assert indexes(store) == [1]
    assert push_metrics(store, state_store, many("ticket_metrics", 2)).rejected == 0
    assert store.objects == {}


def test_a_full_disk_is_explained(push, tmp_path, mocker):
    full = open("/dev/full", "r+b", buffering=0)  # noqa: PTH123, SIM115 - the push closes it
    mocker.patch("tempfile.TemporaryFile", return_value=full)
    with pytest.raises(MaestroQAError, match=r"The temporary folder .* is full .*TMPDIR") as caught:
        push("comments", [None], on_error="collect", rejects=tmp_path / NAME)
    assert caught.value.retryable


# -- What other tools can read --------------------------------------------------------------------------------------

STRANGE = {
    "half of a surrogate pair": ({"body": "a\ud83d"}, "body holds half of a surrogate pair", {"body": "a\\ud83d"}),
    "in a name": ({"x\ud83d": "a"}, "a field's name holds half of a surrogate pair", {"x\\ud83d": "a"}),
    "no number": ({"role": [float("nan")]}, "role must be 'customer' or 'agent', got list", {"role": ["NaN"]}),
    "infinite": ({"public": float("-inf")}, "public must be True or False, got float", {"public": "-Infinity"}),
    "no name": ({5: "x"}, "5 is no name of a field; names are text", {"5": "x"}),
    "bytes": ({"body": b"\xff"}, "body must be text, got bytes", {"body": "b'\\xff'"}),
}


@pytest.mark.parametrize("name", STRANGE)
def test_every_line_is_utf_8_and_json_and_its_reason_in_plain_words(push, state_store, tmp_path, name):
    fields, reason, written = STRANGE[name]
    rejects, records = tmp_path / "rejects.jsonl", many("comments", 3)
    records[1] |= fields
    push("comments", records, on_error="collect", rejects=rejects)

    def no_json(constant):
        raise ValueError(constant)

    (line,) = rejects.read_bytes().decode("utf-8", "strict").splitlines()
    parsed = json.loads(line, parse_constant=no_json)
    assert parsed["record"] == {**many("comments", 3)[1], **written}
    assert reason in parsed["reason"]
    json.dumps(parsed, ensure_ascii=False).encode("utf-8", "strict")


def test_a_record_that_is_no_json_at_all_is_written_as_text(push, tmp_path):
    rejects, deep = tmp_path / "rejects.jsonl", []
    for _ in range(5_000):
        deep = [deep]
    push("comments", [{"body": deep}, {"body": 10**5000}], on_error="collect", rejects=rejects)
    assert [json.loads(line)["index"] for line in rejects.read_bytes().splitlines()] == [0, 1]


@pytest.mark.parametrize("content", [b"no json\n", b"[1]\n", b'{"reason": "x"}\n', b'{"index": 0}\n\xff\xfe\n'])
def test_rejects_that_somebody_has_changed_are_told_in_words(push, sandbox, state_store, tmp_path, content):
    rejects, records = tmp_path / "rejects.jsonl", many("comments", 600, {1: {"role": "x"}})
    sandbox.fault(kind="status", status=401, path="/api/v1/comments-batch", after=1)
    options = {"on_error": "collect", "rejects": rejects, "state_store": state_store}
    with pytest.raises(MaestroQAError):
        push("comments", records, **options)
    rejects.write_bytes(content)
    with pytest.raises(MaestroQADataError, match=r"is not what an earlier try has written.*delete it and clear"):
        push("comments", records, **options)
    rejects.unlink()
    assert push("comments", records, **options).confirmed == 599


def test_a_source_that_breaks_while_it_is_read_again_costs_no_line(push, sandbox, state_store, tmp_path):
    bad = {1: {"role": "x"}, 400: {"agent_id": "nobody"}, 450: {"agent_id": "nobody"}}
    rejects, records = tmp_path / "rejects.jsonl", many("ticket_metrics", 1100, bad)
    options = {"on_error": "collect", "rejects": rejects, "state_store": state_store}

    def broken(at):
        yield from records[:at]
        raise ConnectionResetError

    for at in (1050, 300, 420):
        with pytest.raises(ConnectionResetError):
            push("ticket_metrics", broken(at), **options)
    report = push("ticket_metrics", iter(records), **options)
    assert (report.confirmed, report.rejected) == (1097, 3)
    assert [json.loads(line)["index"] for line in rejects.read_bytes().splitlines()] == [1, 400, 450]


def test_a_try_that_is_killed_before_it_publishes_costs_no_line(push, state_store, tmp_path):
    """All records are committed; the rejected one is found again when they are read again."""
    rejects, records = tmp_path / "rejects.jsonl", many("comments", 3, {1: {"role": "x"}})
    options = {"on_error": "collect", "rejects": rejects, "state_store": state_store}
    save = state_store.save

    def last_save(value):
        save(value)
        if value["done"] == 3:
            state_store.save = lambda value: None
            raise KeyboardInterrupt

    state_store.save = last_save
    with pytest.raises(KeyboardInterrupt):
        push("comments", records, **options)
    rejects.unlink()
    state_store.save = save
    assert push("comments", records, **options).rejected == 1
    assert json.loads(rejects.read_text())["index"] == 1


# -- A worker that was given up -------------------------------------------------------------------------------------


class Position:
    """A saved position as one process sees it: it may replace only what it has seen."""

    is_persistent = True
    where = "the test's store"

    def __init__(self, shared):
        self.shared, self.version = shared, None

    def load(self):
        self.version, saved = self.shared.get("position", (None, None))
        return saved

    def save(self, value):
        if self.version != self.shared.get("position", (None, None))[0]:
            raise conflict("the position")
        self.version = secrets.token_hex(8)
        self.shared["position"] = self.version, json.loads(json.dumps(value))

    def clear(self):
        self.shared.clear()


class World:
    """What outlives a process."""

    def __init__(self):
        self.objects, self.versions, self.shared = {}, {}, {}

    def views(self):
        """The rejects and the position as a new process sees them."""
        store = MemoryStore()
        store.objects, store.versions = self.objects, self.versions
        return store, Position(self.shared)


def park(store, position, at, happens):
    """Let something happen just before a change of the rejects or of the saved position, counted from 0."""
    changes = itertools.count()

    def watch(change):
        def call(*args, **options):
            if next(changes) == at:
                happens()
            return change(*args, **options)

        return call

    for watched, name in ((store, "put_bytes"), (store, "delete"), (position, "save"), (position, "clear")):
        setattr(watched, name, watch(getattr(watched, name)))
    return changes


def kill():
    raise KilledError


@pytest.mark.parametrize("killed_at", [None, *range(1, 16, 2)])
def test_a_worker_that_was_given_up_costs_the_next_one_no_line(killed_at):
    """It goes on when the next try has ended, wherever it was: while it wrote a part, the object, or the position."""
    metrics, stopped = metrics_with(6), 0
    for parked_at in itertools.count():
        world = World()

        def next_try(views=world.views):
            store, position = views()
            park(store, position, killed_at, kill)
            with contextlib.suppress(KilledError):
                push_metrics(store, position, metrics)

        store, position = world.views()
        changes = park(store, position, parked_at, next_try)
        try:
            push_metrics(store, position, metrics)
        except PositionTakenError:
            stopped += 1
        if next(changes) <= parked_at:
            break
        store, position = world.views()
        assert push_metrics(store, position, metrics).rejected == 6
        assert indexes(store) == list(bad_numbers(6))
    assert stopped > 10
