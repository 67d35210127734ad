"""Random histories of pushes: faults, kills, workers that were given up, clears, changed sources, lost positions.

After each history what the sandbox holds equals the source, or every difference was told. A history is made from its
seed alone, but for the order of what is under way at once. The environment sets where the seeds begin, for how many
seconds they are tried, and what is pushed: ``MAESTROQA_HISTORY_SEED``, ``MAESTROQA_HISTORY_SECONDS`` and
``MAESTROQA_HISTORY_KIND``.
"""

from __future__ import annotations

import copy
import itertools
import json
import logging
import os
import random
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest
from clocks import SkippingTime
from history_kinds import KINDS
from mortal_worker import KilledError, Watched, Worker
from push_truth import PushTruth, numbers_told
from swap_memory import SwapMemory

from airflow_provider_maestroqa.client.budget import open_budget
from airflow_provider_maestroqa.client.errors import MaestroQAAPIError, MaestroQAError
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.client.transport.sync_client import SyncClient
from airflow_provider_maestroqa.pushes.checkpoint import PositionTakenError
from airflow_provider_maestroqa.pushes.options import MAX_CONCURRENCY, PushOptions
from airflow_provider_maestroqa.pushes.resources import resource_named
from airflow_provider_maestroqa.pushes.runner import announce, run_push
from airflow_provider_maestroqa.runtime import retry_state
from airflow_provider_maestroqa.runtime.retry_state import RetryState
from airflow_provider_maestroqa.sandbox import Sandbox
from airflow_provider_maestroqa.storage.journal import Journal
from airflow_provider_maestroqa.storage.open import open_object

SECONDS = float(os.environ.get("MAESTROQA_HISTORY_SECONDS", "40"))
FIRST_SEED = int(os.environ.get("MAESTROQA_HISTORY_SEED", "1"))
#: Seeds that have found something.
FOUND = (58, 491, 201467, 402869)
BATCH = 4
MAX_TRIES = 9
WIDE = {"normal": [[100000, 0.01]], "hard": [[100000, 0.01]]}
FAULTS = [
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 500, "done": True},
    {"kind": "html", "done": True},
    {"kind": "malformed_json"},
    {"kind": "empty_body", "done": True},
    {"kind": "status", "status": 401},
    {"kind": "status", "status": 403},
    {"kind": "status", "status": 413},
    {"kind": "status", "status": 421},
    {"kind": "rate_limited"},
    {"kind": "unconfirmed", "at": 1},
    {"kind": "unconfirmed", "at": 3},
    {"kind": "lost", "at": 1},
    {"kind": "no_results"},
]
#: Words that point at a record that is good.
WRONG_WORDS = {"kind": "status", "status": 400, "body": {"error": "batch[1] is wrong"}}


#: Scores are pushed with every so many seeds; the others keep the histories that they had before.
SCORES_EVERY = 3


class History:
    """One history: its source, its tries, and what they told."""

    def __init__(self, seed, sandbox, folder):
        self.random = random.Random(seed)
        #: For what was added later, so that the seeds that have found something still do the same.
        self.more = random.Random(f"more {seed}")
        self.sandbox = sandbox
        self.seed = seed
        kind = self.random.choice(["comments", "ticket_metrics", "comments"])
        kind = "csat_scores" if seed % SCORES_EVERY == 0 else kind
        self.kind = os.environ.get("MAESTROQA_HISTORY_KIND", kind)
        self.of_kind = KINDS[self.kind]
        self.versions = Counter()
        self.source = []
        for number in range(self.random.randint(1, 22)):
            self.source.append(self.record(number))
        self.state_path, self.rejects_path = folder / f"{seed}.json", folder / f"{seed}.jsonl"
        #: Where the position is, in every other history, as it is saved in Google's storage.
        self.google = SwapMemory() if seed % 2 else None
        self.worker = None
        self.on_error = self.random.choice(["fail", "collect", "collect"])
        self.tries = 0
        self.log = []
        #: What tells records apart that were changed or removed: they may be there as they were before.
        self.former = set()
        #: Which records were told to be in doubt, and which may be there twice by choice.
        self.told, self.doubled = set(), set()
        #: Which ones MaestroQA once rejected alone in their request: a push may reject them, however good.
        self.rejected_alone = set()
        self.nesting = 0
        #: How often a worker was killed or given up.
        self.kills = self.given_up = 0

    # -- The source -------------------------------------------------------------------------------------------------

    def record(self, number):
        text = f"h{self.seed} r{number} v{self.versions[number]}"
        bad = self.random.random()
        made = self.of_kind.make(number, text)
        if self.kind == "ticket_metrics" and number and self.more.random() < 0.2:
            # It replaces an earlier one.
            earlier = self.source[self.more.randrange(number)]
            made |= {name: earlier[name] for name in ("ticket_id", "metric_id")}
        if self.random.random() < 0.1:
            made |= self.of_kind.bad_here
        elif bad < 0.07:
            made |= self.of_kind.bad_there
        return made

    def text_of(self, record):
        return record[self.of_kind.text]

    def is_good(self, record):
        wrong = {**self.of_kind.bad_here, **self.of_kind.bad_there}
        return all(record.get(name) != value for name, value in wrong.items())

    def change_source(self):
        what = self.random.choice(["append", "change", "remove"])
        self.log.append(f"source: {what}")
        if what == "append":
            self.source.append(self.record(len(self.source)))
        elif what == "change":
            number = self.random.randrange(len(self.source))
            self.versions[number] += 1
            self.former.add(self.text_of(self.source[number]))
            self.source[number] = self.record(number)
        elif len(self.source) > 1:
            self.former.add(self.text_of(self.source.pop()))

    def read(self, breaks_at):
        for number, record in enumerate(self.source):
            if number == breaks_at:
                raise ConnectionResetError("the source is gone")
            yield record

    # -- One try ----------------------------------------------------------------------------------------------------

    def push(self, outcome, worker, breaks_at):
        self.tries += 1
        is_first_try = self.tries == 1
        settings = read_settings(
            "test", host=self.sandbox.url, password=self.sandbox.token, extra={"rate_limits": WIDE, "timeout": 20}
        )
        clock = SkippingTime().clock()
        concurrency = self.more.choice([1, 3, MAX_CONCURRENCY, None])
        self.log.append(f"concurrency {concurrency}")
        address = {"base_url": settings.base_url, "token": settings.token}
        budget = open_budget(store="memory", limits=settings.limits, clock=clock, **address)
        client = SyncClient(settings, budget)
        options = PushOptions.parse(on_error=self.on_error, on_unknown_outcome=outcome, concurrency=concurrency)
        # To half of those that pick how many are under way no response seems to come in time.
        looks = itertools.count() if concurrency is None and self.more.random() < 0.5 else None
        others = set(threading.enumerate())
        resource = copy.copy(resource_named(self.kind))
        resource.batch_size = BATCH
        rejects = open_object(str(self.rejects_path))

        def send(call, *, on_in_flight=None):
            flights = []
            (bodies,) = call.body.values()

            def note(is_in_flight):
                flights.append(is_in_flight)
                if flights[-2:] == [True, True] and options.resends:
                    self.doubled |= {self.number_of(one) for one in bodies}
                on_in_flight(is_in_flight)

            call = replace(call, resend=True) if options.resends else call
            try:
                return worker.do(lambda: client.send(call, on_in_flight=note))
            except MaestroQAAPIError as error:
                if error.status in (400, 413) and len(bodies) == 1:
                    self.rejected_alone.add(self.number_of(bodies[0]))
                raise

        def open_state():
            self.worker = worker
            opened = RetryState({}, key="push", arguments={}, state_path=str(self.state_path), exclusive=True)
            return opened if self.google else Watched(opened, worker)

        state = open_state()
        try:
            announce(state, resource, run="run", is_first_try=is_first_try)
            return run_push(
                resource,
                self.read(breaks_at),
                send=send,
                request_stats=RequestStats(),
                options=options,
                rejects_to=Watched(rejects, worker),
                state_store=state,
                run="run",
                is_first_try=is_first_try,
                clock=replace(clock, monotonic=lambda: clock.monotonic() + next(looks)) if looks else clock,
            )
        finally:
            # What is under way when a worker is killed arrives before the next one begins.
            for thread in threading.enumerate():
                if thread.name == "maestroqa-push" and thread not in others:
                    thread.join()
            state.close()
            client.close()
            budget.close()

    def open_journal(self, _url):
        """Each request to Google's storage is one thing that the worker does."""
        if self.google is None:
            return None
        return Journal(Watched(self.google, self.worker), "state.json", clock=SkippingTime().clock())

    def saved_position(self):
        if self.google is None:
            return self.state_path.read_bytes() if self.state_path.exists() else None
        return Journal(self.google, "state.json").read()

    def lose_position(self):
        if self.google is None:
            self.state_path.unlink()
        else:
            del self.google.objects["state.json"]

    def number_of(self, body):
        if self.kind == "ticket_metrics":
            return body["metric_value"]
        return int(self.text_of(body).split()[1][1:])

    def attempt(self, *, is_calm=False):
        """One try; the report, or the error."""
        draw = self.random
        outcome = draw.choice(["fail", "fail", "resend", "skip"])
        worker = Worker(0, False, None)
        breaks_at = None
        if not is_calm:
            for _ in range(draw.choice([0, 1, 1, 2])):
                fault = draw.choice(FAULTS)
                if self.more.random() < 0.1:
                    fault = WRONG_WORDS
                self.log.append(f"fault {fault}")
                self.sandbox.fault(path=self.of_kind.path, after=draw.randint(0, 4), **fault)
            if draw.random() < 0.5:
                happens = draw.choice([self.kill, self.kill, self.give_up])
                worker = Worker(draw.randint(1, 40), draw.random() < 0.5, happens)
                self.log.append(f"worker: {happens.__name__} at {worker.at}{' after' if worker.is_after else ''}")
            if draw.random() < 0.1:
                breaks_at = draw.randrange(len(self.source) + 1)
        if outcome == "resend":
            self.expect_doubles()
        self.log.append(f"try {self.tries + 1}: {outcome}, breaks at {breaks_at}")
        try:
            result = self.push(outcome, worker, breaks_at)
        except (MaestroQAError, KilledError, ConnectionResetError) as error:
            result = error
            self.note(str(error))
        self.sandbox.clear_faults()
        self.log.append(f"-> {result!r}"[:600])
        return result

    def expect_doubles(self):
        """What a try that sends unknown records again may double."""
        position = self.saved_position()
        saved = json.loads(position)["value"] if position else {"finished": True}
        if saved["finished"]:
            self.doubled |= set(range(100))
        elif saved["in_flight"]:
            self.doubled |= set(range(saved["done"], saved["done"] + saved["in_flight"][0]))

    def kill(self, worker):
        """The worker ends, at whatever it does."""
        self.kills += 1
        worker.is_dead = True
        raise KilledError

    def give_up(self, worker):
        """Airflow takes the worker for dead and starts another try; the worker goes on when that one has ended."""
        if self.nesting < 2:
            self.given_up += 1
            self.nesting += 1
            self.attempt(is_calm=self.random.random() < 0.5)
            self.nesting -= 1

    def note(self, text):
        self.told |= numbers_told(text)

    # -- The whole of it --------------------------------------------------------------------------------------------

    def run(self):
        for _ in range(MAX_TRIES):
            self.attempt()
            if self.random.random() < 0.08:
                self.change_source()
            if self.random.random() < 0.04 and self.saved_position() is not None:
                self.log.append("the position is lost")
                self.lose_position()
            if self.random.random() < 0.25:
                break
        self.check(self.attempt(is_calm=True))

    def check(self, result):
        mine = f"h{self.seed} "
        stored = self.of_kind.there(self.sandbox)
        there = Counter(text for text in map(self.text_of, stored) if text.startswith(mine))
        truth = PushTruth(
            total=len(self.source),
            bad={number for number, record in enumerate(self.source) if not self.is_good(record)},
            # A record that was changed may be there as it was before, too.
            stored={number for number, one in enumerate(self.source) if self.text_of(one) in there},
            twice={int(text.split()[1][1:]) for text, count in there.items() if count > 1},
            told=self.told,
            may_be_twice=self.doubled,
            may_be_rejected=self.rejected_alone,
        )
        if isinstance(result, Exception):
            assert isinstance(result, MaestroQAError)
            assert not isinstance(result, PositionTakenError), "nobody else is there any more"
            broken = truth.broken_by_doubles()
        else:
            lines = self.rejects_path.read_bytes().splitlines() if self.rejects_path.exists() else []
            rejected = [json.loads(line)["index"] for line in lines]
            broken = truth.broken_by(result.as_dict(), rejected)
            if self.kind == "ticket_metrics" and not self.given_up:
                broken += self.not_last(set(rejected), {one["metric_id"]: one["metric_value"] for one in stored})
        assert not broken, broken

    def not_last(self, rejected, there):
        """The keys whose last good record is not the one that is there. A worker that was given up may repeat one."""
        good = [number for number in range(len(self.source)) if number not in rejected]
        doubtful = {self.text_of(self.source[number]) for number in self.told if number < len(self.source)}
        doubtful |= self.former
        last = {text: number for number in good if (text := self.text_of(self.source[number])) not in doubtful}
        return [
            f"{text}: {there.get(text)} instead of {last[text]}" for text in last if there.get(text) != last[text]
        ]


class Notes(logging.Handler):
    """Hands what is logged to the history that runs."""

    history = None

    def emit(self, record):
        if self.history is not None and record.levelno >= logging.WARNING:
            self.history.note(record.getMessage())


@pytest.fixture
def notes():
    handler, logger = Notes(), logging.getLogger("airflow_provider_maestroqa.pushes")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_every_history_ends_with_the_truth_or_has_told(tmp_path, notes, monkeypatch):
    monkeypatch.setattr(retry_state, "open_journal", lambda url: notes.history.open_journal(url))
    until, totals = time.monotonic() + SECONDS, Counter()
    with (
        Sandbox(limits={}, unknown_tickets="accept") as sandbox,
        Sandbox(limits={}, unknown_tickets="accept", csat_results="texts") as with_texts,
    ):
        for seed in itertools.chain(FOUND, itertools.count(FIRST_SEED)):
            # Responses to scores have one of two forms.
            here = with_texts if seed // SCORES_EVERY % 2 else sandbox
            notes.history = history = History(seed, here, tmp_path)
            try:
                history.run()
            except BaseException as error:
                raise AssertionError(f"seed {seed} ({history.kind}): {error!r}\n" + "\n".join(history.log)) from error
            totals.update({history.kind: 1}, histories=1)
            totals.update(tries=history.tries, kills=history.kills, given_up=history.given_up)
            if totals["histories"] % 25 == 0:
                sandbox.reset()
                with_texts.reset()
            if time.monotonic() > until:
                break
            print(f"\r{dict(totals)}, last seed {seed}", end="")  # noqa: T201 - for a long run with -s
    assert totals["histories"] > len(FOUND)
