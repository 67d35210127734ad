"""What a refused record costs in requests, and what a record costs in processor time before it is sent."""

from __future__ import annotations

import json
import math
import os
import random
import time
from datetime import datetime, timezone
from decimal import Decimal

from push_senders import BATCH, PackageSender, Source, comment, metric
from results import OURS

from airflow_provider_maestroqa.client.resources.models import AGENT, COMMENT, TICKET, TICKET_METRIC
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.pushes import bisect
from airflow_provider_maestroqa.pushes.hints import find_suspects
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.resources import resource_named
from airflow_provider_maestroqa.pushes.runner import run_push

BATCHES = 10
HALVES = "this package, no record named"
WIDE = [(1_000_000, 1.0)]
RECORDS = 20_000
ROUNDS = 3


class OneInEachBatch(Source):
    """As many records as there are in some batches, with one bad record in each 500."""

    def __init__(self, places):
        super().__init__("ticket_metrics", 0, 1, 0.0, 0)
        self._places = places

    def __iter__(self):
        for number in range(len(self._places) * BATCH):
            record = metric(self.name(number), number)
            bad = number % BATCH == self._places[number // BATCH]
            # A value of its own: what is known of one bad record must not help with the next.
            yield {**record, "ticket_id": f"nobody's {number}"} if bad else record


def refusals(server, results):
    """Print how many requests more a push takes for each record that MaestroQA refuses."""
    chosen = random.Random(4)
    print(f"requests spent for each refused record, one in {BATCH}:")
    for name, places in {
        "first": [0] * BATCHES,
        "middle": [BATCH // 2] * BATCHES,
        "last": [BATCH - 1] * BATCHES,
        "random": [chosen.randrange(BATCH) for _ in range(2 * BATCHES)],
    }.items():
        # The sandbox names the record in its response. A server that names none takes the search by halves.
        for by, find, most in ((OURS, find_suspects, 3), (HALVES, find_none, 2 + math.log2(BATCH))):
            bisect.find_suspects = find
            server.begin(limits=None)
            report = PackageSender(server.url, WIDE, "memory").push("ticket_metrics", OneInEachBatch(places))
            requests = len(server.report()["requests"])
            stored = sum(server.report()["stored"].values())
            assert report["rejected"] == len(places), report
            assert stored == len(places) * (BATCH - 1), stored
            spent = (requests - len(places)) / len(places)
            too_many = "" if spent <= most else f"  MORE THAN {most:.2f}"
            print(f"  {name:8}{by:30}{spent:6.2f}{too_many}", flush=True)
            results.add(f"refused, {name}", by, requests=spent)
    bisect.find_suspects = find_suspects


def find_none(_batch, _message):
    """The response names no record."""
    return []


def local(results):
    """Print how many records a second one processor checks, and takes through a whole push into a stub."""
    load = os.getloadavg()[0]
    print(f"\nrecords in a second of one processor, best of {ROUNDS} times {RECORDS:,} (load {load:.1f}):")
    tickets = {"ticket_id": "T-1", "type": "phone", "subject": "S", "agents": ["agent-1"], "link": "L", "tags": ["a"]}
    agents = {"name": "Ann", "available": True, "email": "ann@example.com"}
    for kind, record in (
        (TICKET_METRIC, metric("e", 1)),
        (COMMENT, comment("text", 1)),
        (TICKET, tickets),
        (AGENT, agents),
    ):
        tell(
            results,
            f"models: {kind.name}",
            lambda kind=kind, record=record: [kind.check(record) for _ in range(RECORDS)],
        )
    sources = {
        "metrics": ("ticket_metrics", [metric(f"e{number}", number) for number in range(RECORDS)]),
        "metrics as a database gives them": ("ticket_metrics", [from_database(number) for number in range(RECORDS)]),
        "comments": ("comments", [comment(f"text {number}", number) for number in range(RECORDS)]),
    }
    for name, (resource, records) in sources.items():
        tell(results, f"whole push: {name}", lambda resource=resource, records=records: push(resource, iter(records)))
    tell(results, "whole push: metrics in a list", lambda: push("ticket_metrics", sources["metrics"][1]))
    tell(results, "plain loop of json.dumps: metrics", lambda: dump_all(sources["metrics"][1]))


def from_database(number):
    row = metric(f"e{number}", number)
    return {
        **row,
        "metric_value": Decimal(number) / 4,
        "timestamp": datetime(2026, 1, 31, 12, number % 60, tzinfo=timezone.utc),
        "metric_deleted": None,
    }


def push(resource, records):
    """Push into a stub that writes the request, as it would travel, and confirms it."""

    def send(call, *, on_in_flight):
        on_in_flight(True)
        json.dumps(call.body).encode()
        return {"results": [{"ticket_id": record["ticket_id"]} for record in call.body["batch"]]}

    report = run_push(
        resource_named(resource), records, send=send, request_stats=RequestStats(), options=PushOptions()
    )
    assert report.confirmed == RECORDS, report


def dump_all(records):
    for first in range(0, len(records), BATCH):
        json.dumps({"batch": records[first : first + BATCH]}).encode()


def tell(results, name, work):
    best = math.inf
    for _ in range(ROUNDS):
        before = time.process_time()
        work()
        best = min(best, time.process_time() - before)
    print(f"  {name:46}{RECORDS / best:10,.0f}", flush=True)
    peer = name.startswith("plain loop")
    results.add(name, "json.dumps" if peer else OURS, records_s=round(RECORDS / best))
