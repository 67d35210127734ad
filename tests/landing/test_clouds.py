"""A process that lands in Google's and in Azure's storage: flat memory, and nothing partial when it is killed.

``MAESTROQA_CLOUD_MEGABYTES`` sets the size of the export.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
import zlib
from pathlib import Path

import pytest
from cloud_servers import azure_filesystem, google_filesystem

ROOT = Path(__file__).resolve().parents[2]
MEGABYTES = int(os.environ.get("MAESTROQA_CLOUD_MEGABYTES", "64"))
#: What one upload and one download keep, and what the allocator rounds up.
MAX_GROWTH_MB = 48


@pytest.fixture(params=["gs", "abfs"])
def scheme(request):
    return request.param


@pytest.fixture
def server(scheme, request):
    return request.getfixturevalue("google_storage" if scheme == "gs" else "azure_storage")


@pytest.fixture
def fs(scheme, server):
    return (google_filesystem if scheme == "gs" else azure_filesystem)(server)


def test_memory_stays_flat_and_a_kill_leaves_nothing_partial(scheme, server, fs, origin, make_zip, part):
    data = os.urandom(2**20) * MEGABYTES
    origin.body = make_zip(part(name=b"a.csv", data=data, method=0), part(name=b"x/b.csv"))
    folder = f"lake/{uuid.uuid4().hex}"
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "support", ROOT / "tests" / "landing")))
    script, step = str(ROOT / "tests/landing/cloud_process.py"), "publish x/b.csv"
    done = subprocess.run(
        [sys.executable, script, origin.link, scheme, server.url, folder, step],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120 * max(1, MEGABYTES // 64),
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert float(done.stdout) < MAX_GROWTH_MB
    names = {name.removeprefix(f"{folder}/"): fs.info(name)["size"] for name in fs.find(folder)}
    whole = {"whole/_manifest.json", "whole/a.csv", "whole/x/b.csv", "first/x"}
    # The first file of the second landing was published whole before the kill.
    assert set(names) == whole | {"killed/a.csv"}
    assert names["killed/a.csv"] == len(data)
    crc32 = 0
    with fs.open(f"{folder}/whole/a.csv") as file:
        while block := file.read(2**20):
            crc32 = zlib.crc32(block, crc32)
    assert crc32 == zlib.crc32(data)
