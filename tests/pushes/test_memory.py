"""A push takes the same memory however many records there are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

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


def push(where):
    command = [sys.executable, str(ROOT / "tests/pushes/push_process.py"), str(RECORDS), str(where)]
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
