from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COUNT = 200_000


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("source_process.py"))]
    done = subprocess.run(
        [*command, str(tmp_path_factory.mktemp("source")), str(COUNT)],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("source", ["csv", "sql"])
def test_memory_stays_flat_over_200_000_rows(told, source):
    assert told[source]["read"] == COUNT
    assert told[source]["grown_mb"] < 10
