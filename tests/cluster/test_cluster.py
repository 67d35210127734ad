"""Airflow on Celery, as ``make cluster`` starts it, with one worker that is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The short form, when it has ended."""
    pytest.importorskip("airflow.providers.celery", reason="Celery's provider needs Python 3.11.")
    folder = tmp_path_factory.mktemp("cluster")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    process = subprocess.run(
        [sys.executable, ROOT / "scripts" / "cluster", "--short", "--folder", folder / "cluster", "--json",
         folder / "figures.json"],
        env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout + process.stderr
    process.figures = {row["by"]: row["figures"] for row in json.loads((folder / "figures.json").read_text())["rows"]}
    process.folder = folder
    return process


def test_a_worker_is_killed_and_nothing_is_lost_or_doubled(done):
    assert "worker-1 was killed while a batch of comments was in flight" in done.stdout
    for name in ("exports", "metrics", "comments"):
        assert (done.figures[name]["lost"], done.figures[name]["doubled"]) == (0, 0), name
        assert done.figures[name]["arrived"] == done.figures[name]["wanted"] > 0


def test_the_comments_in_flight_are_named(done):
    assert done.figures["comments"]["unknown"] >= 500


def test_no_process_is_left_behind(done):
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK)]
    assert not [command for command in commands if str(done.folder).encode() in command]
    homes = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            homes.append(str((path / "cwd").readlink()))
        except OSError:
            continue
    assert not [home for home in homes if home.startswith(str(done.folder))]
