"""Real Redis and PostgreSQL servers, processes that share a budget, and a world without waiting."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from clocks import FakeTime
from cloud_servers import s3_client
from postgres_server import PostgresServer, make_template
from redis_server import RedisServer

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SUPPORT = ROOT / "tests" / "support"


def load(name, path):
    """Import a file that lies outside of the package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def virtual_time():
    """The world of the simulations, with the package's own code in it."""
    return load("virtual_time", ROOT / "benchmarks" / "virtual_time.py")


@pytest.fixture(scope="session")
def alone(virtual_time):
    """The benchmark of machines that count alone."""
    load("results", ROOT / "benchmarks" / "results.py")
    return load("counting_alone", ROOT / "benchmarks" / "counting_alone.py")


@pytest.fixture
def fake_time():
    return FakeTime()


@pytest.fixture(scope="session")
def running_redis(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(running_redis):
    """An empty Redis server."""
    with running_redis.client() as client:
        client.flushall()
    return running_redis


@pytest.fixture
def own_redis(tmp_path):
    """A Redis server that the test may break."""
    server = RedisServer(tmp_path)
    yield server.start()
    server.stop()


@pytest.fixture
def locked_redis(tmp_path):
    """A Redis server with a password."""
    server = RedisServer(tmp_path, password="open-sesame")
    yield server.start()
    server.stop()


@pytest.fixture(scope="session")
def postgres_template():
    folder = make_template()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def running_postgres(postgres_template):
    server = PostgresServer(postgres_template).start()
    yield server
    server.remove()


@pytest.fixture
def postgres_server(running_postgres):
    """An empty PostgreSQL server."""
    running_postgres.run("DROP SCHEMA IF EXISTS maestroqa_budget CASCADE")
    return running_postgres


@pytest.fixture
def own_postgres(postgres_template):
    """A PostgreSQL server that the test may break."""
    server = PostgresServer(postgres_template)
    yield server.start()
    server.remove()


@pytest.fixture
def object_url(request, s3_server):
    """Make the URL of an empty prefix in one of the clouds' storages: ``s3``, ``gs`` or ``abfs``."""

    def make(scheme):
        if scheme == "s3":
            client, port = s3_client(s3_server), s3_server.rpartition(":")[2]
            client.create_bucket(Bucket="lake")
            client.close()
        else:
            port = request.getfixturevalue({"gs": "google_storage", "abfs": "azure_storage"}[scheme]).port
        return f"{scheme}://{port}@lake/budget-{secrets.token_hex(4)}"

    return make


@pytest.fixture(params=["sqlite", "redis", "postgres", "gs"])
def shared_store(request, tmp_path):
    """Each of the places where processes can meet; Google's stands for all object storages, being fast here."""
    if request.param == "sqlite":
        return str(tmp_path / "budget.sqlite3")
    if request.param == "gs":
        return request.getfixturevalue("object_url")("gs")
    return request.getfixturevalue(f"{request.param}_server").url


class Sharer:
    """A process of its own that uses a budget; see ``sharer.py`` for what it takes and tells."""

    def __init__(self, nursery, settings):
        their_in, my_out = os.pipe()
        my_in, their_out = os.pipe()
        socket.send_fds(nursery, [json.dumps(settings).encode()], [their_in, their_out])
        self.pid = int.from_bytes(nursery.recv(8), "big")
        os.close(their_in)
        os.close(their_out)
        self._commands, self._answers = os.fdopen(my_out, "w"), os.fdopen(my_in)
        assert self.readline() == "ready"

    def readline(self):
        return self._answers.readline().strip()

    def go(self):
        self._commands.write("go\n")
        self._commands.flush()

    def result(self):
        return json.loads(self.readline())

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def end(self):
        if self._answers.closed:
            return
        self.signal(signal.SIGKILL)
        self._answers.read()
        self._commands.close()
        self._answers.close()


@pytest.fixture(scope="session")
def nursery():
    """The process that all sharers are forked from."""
    mine, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, str(HERE / "sharer.py")],
        stdin=theirs,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{SUPPORT}"},
    )
    theirs.close()
    yield mine
    mine.close()
    process.wait()


@pytest.fixture
def sharers(nursery):
    """Start processes that share a budget; none outlives the test."""
    started = []

    def start(count=1, **settings):
        group = [Sharer(nursery, settings) for _ in range(count)]
        started.extend(group)
        return group

    yield start
    for sharer in started:
        sharer.end()


def worst(slots, seconds):
    """Count the most slots in any window of a length."""
    slots = sorted(slots)
    most, begin = 0, 0
    for end, slot in enumerate(slots):
        while slots[begin] <= slot - seconds:
            begin += 1
        most = max(most, end - begin + 1)
    return most


@pytest.fixture(name="worst")
def worst_fixture():
    return worst
