"""A process that pushes many records and prints what came of it, and by how many MB its memory has grown at most.

python push_process.py COUNT URL-OF-A-SANDBOX
python push_process.py COUNT FOLDER-FOR-REJECTS
python push_process.py COUNT REQUESTS-UNDER-WAY-AT-ONCE
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import fsspec

from airflow_provider_maestroqa.client.budget import open_budget
from airflow_provider_maestroqa.client.errors import MaestroQAValidationError
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.client.transport.sync_client import SyncClient
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.resources import resource_named
from airflow_provider_maestroqa.pushes.runner import run_push
from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore

BALLAST = 50_000_000


class StateStore:
    """Lasts until the process ends."""

    is_persistent = True
    where = "the process"
    saved = None

    def load(self):
        return self.saved

    def save(self, value):
        self.saved = value

    def clear(self):
        self.saved = None


class Rejects:
    """An object for refused records, made without Airflow."""

    name = "rejects.jsonl"

    def __init__(self, folder):
        self.store = FilesystemStore(fsspec.filesystem("file"), folder, "file")
        self.uri = self.store.uri(self.name)


def metrics(count, *, some_bad):
    for number in range(count):
        bad = {}
        if some_bad and number % 500 == 321:
            bad = {"agent_id": "nobody"} if number % 1000 > 500 else {"metric_value": "much"}
        yield {
            "ticket_id": f"T-{number}",
            "source_id": "desk",
            "agent_id": "agent-1",
            "metric_id": "handle_time",
            "metric_value": number,
            "timestamp": "2026-01-31T12:00:00Z",
            **bad,
        }


def push_to(url, count):
    wide = {"normal": [[1_000_000, 1]], "hard": [[1_000_000, 1]]}
    settings = read_settings("test", host=url, password="sandbox-token", extra={"rate_limits": wide})
    budget = open_budget(store="memory", base_url=url, token=settings.token, limits=settings.limits)
    request_stats = RequestStats()
    client = SyncClient(settings, budget, stats=request_stats)
    try:
        return run_push(
            resource_named("ticket_metrics"),
            metrics(count, some_bad=False),
            send=client.send,
            request_stats=request_stats,
            options=PushOptions(),
        )
    finally:
        client.close()
        budget.close()


def push_to_nobody(folder, count):
    """MaestroQA refuses some as well: here a function that answers as it would."""

    def send(call, *, on_in_flight):
        on_in_flight(True)
        batch = call.body["batch"]
        if any(one["agent_id"] == "nobody" for one in batch):
            raise MaestroQAValidationError(400, call.method, call.path, "nobody is no agent", explained=True)
        return {"results": [{"ticket_id": one["ticket_id"], "metric_id": one["metric_id"]} for one in batch]}

    return run_push(
        resource_named("ticket_metrics"),
        metrics(count, some_bad=True),
        send=send,
        request_stats=RequestStats(),
        options=PushOptions(on_error="collect"),
        rejects_to=Rejects(folder),
        state_store=StateStore(),
    )


def push_at_once(together, count):
    """Each request has its response when as many are under way as may be."""
    barrier = threading.Barrier(together)

    def send(call, *, on_in_flight):
        on_in_flight(True)
        barrier.wait(60)
        return {
            "results": [{"ticket_id": one["ticket_id"], "metric_id": one["metric_id"]} for one in call.body["batch"]]
        }

    return run_push(
        resource_named("ticket_metrics"),
        metrics(count, some_bad=False),
        send=send,
        request_stats=RequestStats(),
        options=PushOptions(concurrency=together),
    )


def push(where, count):
    if where.isdigit():
        return push_at_once(int(where), count)
    return push_to(where, count) if where.startswith("http") else push_to_nobody(where, count)


def megabytes(field):
    # Not getrusage: its peak begins with that of the process that started this one.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1000
    raise LookupError(field)


def main():
    count, where = int(sys.argv[1]), sys.argv[2]
    before = megabytes("VmRSS")
    report = push(where, count)
    grown = megabytes("VmHWM") - before
    ballast = bytearray(b"x" * BALLAST)
    noticed = megabytes("VmHWM") - before
    del ballast
    sys.stdout.write(json.dumps({**report.as_dict(), "grown_mb": grown, "noticed_mb": noticed}))


if __name__ == "__main__":
    main()
