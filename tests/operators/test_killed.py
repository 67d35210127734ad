"""A worker that dies without a word: what the next try does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASK, GET = "/api/v1/request-raw-export", "/api/v1/get-export-data"
TASK = """
import sys
from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
print("id", MaestroQARequestExportOperator(
    task_id="request", start="2026-01-01T00:00:00Z", end="2026-01-02T00:00:00Z",
    wait_for_completion=True, deferrable=False, poll_interval=0.05, timeout=60, state_path=sys.argv[1],
).execute({}))
"""


@pytest.fixture
def start(connection, tmp_path):
    """Start a try of the task in a process of its own."""
    started = []

    def run():
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-W", "ignore", "-c", TASK, str(tmp_path / "state.json")]
        started.append(
            subprocess.Popen(
                command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            kill(process)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()


def finish(process):
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return output


def test_killed_between_request_and_poll_it_takes_the_same_export_up_again(start, sandbox):
    sandbox.fault(kind="timeout", path=GET)
    first = start()
    sandbox.wait_for(lambda: sandbox.count("GET", GET), timeout=60)
    kill(first)
    output = finish(start())
    (export_id,) = sandbox.exports
    assert f"id {export_id}" in output
    assert sandbox.count("POST", ASK) == 1


def test_killed_before_the_answer_came_it_asks_again_and_says_so(start, sandbox):
    sandbox.fault(kind="timeout", path=ASK, done=True)
    first = start()
    sandbox.wait_for(lambda: sandbox.count("POST", ASK), timeout=60)
    kill(first)
    output = finish(start())
    assert sandbox.count("POST", ASK) == 2
    assert "there may be two exports" in output


def test_the_state_is_gone_when_the_task_has_succeeded(start, sandbox, tmp_path):
    finish(start())
    assert not (tmp_path / "state.json").exists()


def test_the_state_holds_no_secret(start, sandbox, tmp_path):
    sandbox.fault(kind="timeout", path=GET, after=1)
    first = start()
    sandbox.wait_for(lambda: sandbox.count("GET", GET) == 2, timeout=60)
    state = json.loads((tmp_path / "state.json").read_text())
    kill(first)
    (export_id,) = sandbox.exports
    assert state["value"] == {"export_id": export_id}
    assert not any(secret in json.dumps(state) for secret in sandbox.secrets)
