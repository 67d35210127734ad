"""Airflow on Celery, as ``make cluster`` starts it, with one worker that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def start():
    """Start the short form in a folder."""
    pytest.importorskip("airflow.providers.celery", reason="Celery's provider needs Python 3.11.")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    started = []

    def start(folder):
        command = [sys.executable, ROOT / "scripts" / "cluster", "--short", "--folder", folder / "cluster", "--json",
                   folder / "figures.json"]  # fmt: skip
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture(scope="module")
def done(start, tmp_path_factory):
    """The short form, when it has ended."""
    folder = tmp_path_factory.mktemp("cluster")
    process = start(folder)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    process.output, process.folder = output, folder
    process.figures = {row["by"]: row["figures"] for row in json.loads((folder / "figures.json").read_text())["rows"]}
    return process


def processes_in(folder):
    """The processes that work in a folder, or name it on their command line."""
    processes = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in f"{(path / 'cwd').readlink()} {(path / 'cmdline').read_text()}":
                processes.append(int(path.name))
        except OSError:
            continue
    return processes


def test_a_worker_is_killed_and_nothing_is_lost_or_doubled(done):
    assert "worker-1 was killed while a batch of comments was in flight" in done.output
    for name in ("exports", "metrics", "comments"):
        assert (done.figures[name]["lost"], done.figures[name]["doubled"]) == (0, 0), name
        assert done.figures[name]["arrived"] == done.figures[name]["wanted"] > 0


def test_the_comments_in_flight_are_named(done):
    assert done.figures["comments"]["unknown"] >= 500


def test_no_process_is_left_behind(done):
    assert processes_in(done.folder) == []


def test_ctrl_c_leaves_no_process_behind(start, tmp_path):
    import psutil

    process, until = start(tmp_path), time.monotonic() + 120
    # Redis is there, PostgreSQL, and the process that forks Airflow's parts.
    while len(children := psutil.Process(process.pid).children(recursive=True)) < 3 and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert (process.returncode, output.endswith("Stopped.\n")) == (130, True), output
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert processes_in(tmp_path) == []
