"""Random histories of landings at one destination: faults, kills, zombies and two at once, each fixed by its seed.

Each landing is a thread that does one step at the storage at a time, when the history says that it is its turn. One
that is not given its turn for long is a zombie. After every step, what a reader sees must be true: each file that the
manifest names is there, with the bytes that it names.

MAESTROQA_HISTORIES is the number of histories of each kind of store; a failure names its seed.
"""

from __future__ import annotations

import gzip
import os
import random
import threading
import time
from collections import Counter

import fsspec
import pytest
from landed_truth import read_landed

from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError, MaestroQAError
from airflow_provider_maestroqa.landing.records import land_records
from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore
from airflow_provider_maestroqa.storage.local_store import Leftovers, LocalUpload

HISTORIES = int(os.environ.get("MAESTROQA_HISTORIES", "150"))
FIRST_SEED = int(os.environ.get("MAESTROQA_FIRST_SEED", "0"))


class Killed(BaseException):
    """The process is gone: nothing that it would still do happens."""


class Landing:
    """One landing in a thread that waits for its turn before each step."""

    def __init__(self, number, store, rng):
        self.number, self.store = number, store
        self.kill_at = rng.randrange(1, 40) if rng.random() < 0.3 else 0
        self.fault_at, self.fault_after = (
            (rng.randrange(1, 40), rng.random() < 0.5) if rng.random() < 0.3 else (0, False)
        )
        self.split, self.rows = rng.random() < 0.8, rng.randrange(4)
        self.steps, self.dead, self.outcome, self.manifest = 0, False, "", None
        self.uploads = []
        self.turn, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.done.acquire()

    def run(self):
        self.done.release()
        self.turn.acquire()
        sessions = [
            {
                "_id": f"{self.number}-{row}",
                "todos": [{"by": self.number}] * row,
                "coachingPoints": [],
                "activityLog": [],
            }
            for row in range(self.rows)
        ]
        try:
            self.manifest = land_records(
                sessions,
                resource="coaching_sessions_export",
                store=Stepwise(self),
                log=lambda line: None,
                split_nested=self.split,
            )
            self.outcome = "landed"
        except Killed:
            self.outcome = "killed"
        except MaestroQAError as error:
            self.outcome = type(error).__name__ if error.retryable else f"raw: {error!r}"
        except BaseException as error:
            self.outcome = f"raw: {error!r}"
        self.done.release()

    def go_on(self):
        """Let it do one step."""
        self.turn.release()
        assert self.done.acquire(timeout=60), "a landing hangs"

    def step(self, action):
        """Wait for the turn, and do something at the storage."""
        self.done.release()
        self.turn.acquire()
        if self.dead:
            raise Killed
        self.steps += 1
        if self.steps == self.kill_at:
            self.die()
            raise Killed
        is_faulty = self.steps == self.fault_at
        if is_faulty and not self.fault_after:
            raise MaestroQAConnectionError("the storage is busy")
        result = action()
        if is_faulty:
            raise MaestroQAConnectionError("the response was lost")
        return result

    def die(self):
        self.dead = True
        for upload in self.uploads:
            if isinstance(upload, LocalUpload):
                upload._close()


class Stepwise:
    """A store, of which each call is one step of a landing."""

    def __init__(self, landing):
        self.landing = landing
        self.is_conditional = landing.store.is_conditional

    def uri(self, name=""):
        return self.landing.store.uri(name)

    def __getattr__(self, name):
        call = getattr(self.landing.store, name)
        return lambda *args, **kwargs: self.landing.step(lambda: call(*args, **kwargs))

    def begin(self, name, **arguments):
        upload = self.landing.step(lambda: self.landing.store.begin(name, **arguments))
        self.landing.uploads.append(upload)
        return StepwiseUpload(self.landing, upload)


class StepwiseUpload:
    def __init__(self, landing, upload):
        self.landing, self.upload = landing, upload

    def write(self, data):
        self.upload.write(data)

    def seal(self, crc32):
        self.landing.step(lambda: self.upload.seal(crc32))

    def publish(self, **condition):
        return self.landing.step(lambda: self.upload.publish(**condition))

    def discard(self):
        if not self.landing.dead:
            self.upload.discard()


def check(store, history):
    """What a reader sees is true."""
    manifest, wrong = read_landed(store.get_bytes)
    assert not wrong, (history, wrong)
    return manifest


def go_on(landing, running, store, history):
    landing.go_on()
    history.append(landing.number)
    manifest = check(store, history)
    if landing.outcome:
        history.append(landing.outcome)
        running.remove(landing)
    if landing.outcome == "landed":
        assert manifest == landing.manifest, (history, "the manifest that was returned is not there")


def play(seed, store, counts):
    rng = random.Random(seed)
    history = [f"seed {seed}"]
    landings, running = [], []
    for _ in range(rng.randrange(2, 5)):
        landings.append(Landing(len(landings), store, rng))
        running.append(landings[-1])
        # One that does not end in its time goes on beside the next one, or wakes up after it.
        switches = rng.choice((0, 0, 0.05, 0.5))
        for _ in range(rng.choice((rng.randrange(1, 40), 200))):
            if not running:
                break
            go_on(rng.choice(running) if rng.random() < switches else running[-1], running, store, history)
    landing = None
    while running:
        landing = landing if landing in running and rng.random() < 0.8 else rng.choice(running)
        go_on(landing, running, store, history)
    for landing in landings:
        counts[landing.outcome] += 1
        assert not landing.outcome.startswith("raw"), history
    # Whatever has happened, the next try lands.
    store._leftovers = Leftovers()
    last = land_records(
        [{"_id": "last"}], resource="coaching_sessions_export", store=store, log=lambda line: None, split_nested=True
    )
    assert check(store, history) == last
    assert b"last" in gzip.decompress(store.get_bytes("sessions.jsonl.gz"))
    return history


@pytest.fixture
def make_store(request, tmp_path, monkeypatch):
    # No history has a power failure.
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    if request.param == "s3":
        s3_store = request.getfixturevalue("s3_store")
        return lambda seed: type(s3_store)(s3_store.client, s3_store.bucket, f"h{seed}")
    protocol = "file" if request.param == "local" else "memory"
    return lambda seed: FilesystemStore(fsspec.filesystem(protocol), f"{tmp_path}/h{seed}", protocol)


@pytest.mark.parametrize(("make_store", "share"), [("local", 1), ("memory", 1), ("s3", 10)], indirect=["make_store"])
def test_whatever_happens_no_manifest_names_a_file_that_is_not_there_as_it_says(make_store, share):
    counts: Counter[str] = Counter()
    give_up_at = time.monotonic() + float(os.environ.get("MAESTROQA_HISTORIES_S", "inf"))
    for seed in range(FIRST_SEED, FIRST_SEED + max(1, HISTORIES // share)):
        if time.monotonic() > give_up_at:
            break
        play(seed, make_store(seed), counts)
        counts["histories"] += 1
    print(dict(counts))  # noqa: T201 - how much was tried
    if HISTORIES // share >= 100:
        assert counts.keys() >= {"landed", "killed", "StorageConflictError", "MaestroQAConnectionError"}
