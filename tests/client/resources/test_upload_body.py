"""What a file holds is found out in one look, in constant memory."""

from __future__ import annotations

import hashlib
import io
import os
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.formatting import format_size
from airflow_provider_maestroqa.client.resources.upload_body import MAX_BYTES, FileDigest, compute_digest

ROOT = Path(__file__).resolve().parents[3]
DATA = bytes(range(256)) * 1000


class Source:
    """A file in memory."""

    name = "calls/one.mp3"

    def __init__(self, data, size=None):
        self.data = data
        self.announced = size
        self.opened = 0

    def size(self):
        return self.announced

    def open(self):
        self.opened += 1
        return io.BytesIO(self.data)


def test_it_finds_size_and_digest():
    assert compute_digest(Source(DATA)) == FileDigest(len(DATA), hashlib.sha256(DATA).hexdigest())


@pytest.mark.parametrize("size", [None, 0])
def test_an_empty_file_is_refused(size):
    with pytest.raises(errors.MaestroQADataError, match=r"one\.mp3 is empty"):
        compute_digest(Source(b"", size=size))


def test_a_file_too_large_is_refused_without_reading_it():
    source = Source(b"x", size=MAX_BYTES + 1)
    with pytest.raises(errors.MaestroQADataError, match="larger than the 5 GB"):
        compute_digest(source)
    assert source.opened == 0


def test_a_file_too_large_whose_size_nobody_knows_is_refused_while_it_is_read(mocker):
    mocker.patch("airflow_provider_maestroqa.client.resources.upload_body.MAX_BYTES", len(DATA) - 1)
    with pytest.raises(errors.MaestroQADataError, match="larger than"):
        compute_digest(Source(DATA))


@pytest.mark.parametrize(
    ("size", "text"),
    [(1, "1 bytes"), (999, "999 bytes"), (3_900, "3.9 kB"), (12_500_000, "12.5 MB"), (1_250_000_000, "1,250.0 MB")],
)
def test_sizes_are_told_as_people_read_them(size, text):
    assert format_size(size) == text


MEMORY = """
import sys
from pathlib import Path
import requests
from airflow_provider_maestroqa.client.resources.upload_body import compute_digest
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.client.transport.session import make_session
from airflow_provider_maestroqa.client.resources.uploads import upload
from airflow_provider_maestroqa.storage.open import open_file

def send(path):
    source = open_file(path)
    with make_session(read_settings("c", password="t")) as session:
        upload(source, compute_digest(source), attachment="a", content_type="audio/mpeg", url=sys.argv[1],
               fresh_url=None, session=session, timeouts=(10, 10), log=print)
    # Not getrusage: its peak begins with that of the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

before = send(sys.argv[2])
print(send(sys.argv[3]) - before)
"""


def test_memory_does_not_grow_with_the_file(tmp_path):
    size = 300 << 20
    with (tmp_path / "small").open("wb") as file:
        file.write(b"x")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    taken = []

    class Sink(socketserver.StreamRequestHandler):
        def handle(self):
            length, line = 0, b"first"
            while line.strip():
                line = self.rfile.readline()
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            left, room = length, bytearray(1 << 20)
            while left:
                left -= self.rfile.readinto(memoryview(room)[: min(left, len(room))])
            taken.append(length)
            self.wfile.write(b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')

    with socketserver.TCPServer(("127.0.0.1", 0), Sink) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/x"
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, url, str(tmp_path / "small"), str(tmp_path / "large")],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        server.shutdown()
        thread.join()
    assert done.returncode == 0, done.stderr
    assert taken == [1, size]
    assert int(done.stdout.splitlines()[-1]) < 40_000, "kB"
