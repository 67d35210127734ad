"""A push takes the same memory however many records there are."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from factories import numbered

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAValidationError
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.pushes.options import MAX_CONCURRENCY, PushOptions
from airflow_provider_maestroqa.pushes.resources import resource_named
from airflow_provider_maestroqa.pushes.runner import run_push

ROOT = Path(__file__).resolve().parents[2]
RECORDS = 200_000
MOST_MB = 40

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")


@pytest.fixture
def sandbox_elsewhere():
    """A sandbox in a process of its own, because it keeps all that it is sent."""
    command = [sys.executable, "-m", "airflow_provider_maestroqa.sandbox", "--port", "0", "--storage-port", "0"]
    command += ["--limits", "none", "--unknown-tickets", "accept"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            yield next(word for line in process.stdout for word in line.split() if word.startswith("http://"))
        finally:
            process.terminate()


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def push(where, count=RECORDS):
    command = [sys.executable, str(ROOT / "tests/pushes/push_process.py"), str(count), str(where)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["noticed_mb"] > 50, "what the process takes on purpose is noticed"
    return told


def test_200_000_records_take_less_than_40_mb(sandbox_elsewhere):
    told = push(sandbox_elsewhere)
    assert (told["confirmed"], told["requests"]) == (RECORDS, RECORDS / 500)
    with urllib.request.urlopen(f"{sandbox_elsewhere}/sandbox/state", timeout=30) as answer:
        assert json.load(answer)["records"]["ticket_metrics"] == RECORDS
    assert told["grown_mb"] < MOST_MB


def test_200_000_records_with_one_in_500_refused_take_less_than_40_mb(tmp_path):
    told = push(tmp_path)
    refused = RECORDS // 500
    assert (told["confirmed"], told["rejected"]) == (RECORDS - refused, refused)
    indexes = [json.loads(line)["index"] for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert indexes == list(range(321, RECORDS, 500))
    assert told["grown_mb"] < MOST_MB


def test_50_000_records_with_ten_requests_under_way_take_less_than_40_mb():
    told = push(MAX_CONCURRENCY, RECORDS // 4)
    assert told["confirmed"] == RECORDS // 4
    assert told["grown_mb"] < MOST_MB


@pytest.mark.parametrize("concurrency", [1, 4, None])
def test_no_more_is_read_than_may_be_under_way(concurrency):
    """Also while the first batch is searched and all behind it wait for it."""
    seconds, most = itertools.count(), 0
    store = SimpleNamespace(done=0, is_persistent=False, where="", load=lambda: None, clear=lambda: None)
    store.save = lambda value: setattr(store, "done", value["done"])

    def source():
        nonlocal most
        for number in range(10_000):
            most = max(most, number + 1 - store.done)
            yield numbered("ticket_metrics", number, **({"agent_id": "nobody"} if number % 3000 == 7 else {}))

    def send(call, *, on_in_flight):
        on_in_flight(True)
        batch = call.body["batch"]
        if any(one["agent_id"] == "nobody" for one in batch):
            raise MaestroQAValidationError(400, call.method, call.path, "wrong", explained=True)
        return {"results": batch}

    report = run_push(
        resource_named("ticket_metrics"),
        source(),
        send=send,
        request_stats=RequestStats(),
        options=PushOptions(on_error="collect", concurrency=concurrency),
        state_store=store,
        clock=Clock(monotonic=lambda: float(next(seconds)), sleep=lambda _: None),
    )
    assert (report.confirmed, report.rejected) == (9_996, 4)
    assert most <= ((concurrency or MAX_CONCURRENCY) + 1) * 500
