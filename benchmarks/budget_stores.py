"""Where the contenders keep their budget: a file, and servers on this machine, each started when it is first needed.

The servers are those of the tests: Redis, PostgreSQL, moto for S3, and the emulators of Google's and Azure's storage.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "support"))
DELAY = re.compile(r"delay-(\d+)")


class Stores:
    """All stores of a run of the benchmark; each use gets an empty one."""

    def __init__(self):
        self._servers = {}

    def of(self, kind):
        """Return a function from the folder of a run to the store's URL.

        :param kind: ``none``, ``sqlite``, ``redis``, ``postgres``, or a storage's scheme with the milliseconds that
            each call to it takes longer.
        """
        if kind in ("none", "sqlite"):
            return {"none": str, "sqlite": lambda folder: f"{folder}/budget.sqlite3"}[kind]
        scheme, _, delay = kind.partition("+")
        if scheme not in self._servers:
            self._servers[scheme] = getattr(self, f"_start_{scheme}")()
        return lambda _: getattr(self, f"_empty_{scheme}")(self._servers[scheme], delay)

    def close(self):
        """Stop the servers."""
        for server in self._servers.values():
            server.remove()

    def _start_redis(self):
        return RedisServer()

    def _empty_redis(self, server, _delay):
        import redis

        with redis.Redis.from_url(server.url) as client:
            client.flushall()
        return server.url

    def _start_postgres(self):
        from postgres_server import PostgresServer, make_template

        return PostgresServer(make_template()).start()

    def _empty_postgres(self, server, _delay):
        server.run("DROP SCHEMA IF EXISTS maestroqa_budget CASCADE")
        return server.url

    def _start_s3(self):
        from cloud_servers import CloudServer, s3_client

        os.environ.update(
            AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing", AWS_DEFAULT_REGION="us-east-1"
        )

        def command(port, _folder):
            return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]

        server = CloudServer(command).start()
        client = s3_client(server.url)  # also reads once what all forked processes need to know of S3
        client.create_bucket(Bucket="lake")
        client.close()
        return server

    def _start_gs(self):
        from cloud_servers import google_filesystem, google_server

        server = google_server().start()
        google_filesystem(server).mkdir("lake")
        return server

    def _start_abfs(self):
        from cloud_servers import azure_filesystem, azure_server

        server = azure_server().start()
        azure_filesystem(server).mkdir("lake")
        return server

    def _empty_s3(self, server, delay):
        return f"s3://{server.port}@lake/delay-{delay or 0}-{secrets.token_hex(4)}"

    def _empty_gs(self, server, delay):
        return self._empty_s3(server, delay).replace("s3", "gs", 1)

    def _empty_abfs(self, server, delay):
        return self._empty_s3(server, delay).replace("s3", "abfs", 1)


class RedisServer:
    """A Redis server that keeps nothing on disk."""

    def __init__(self):
        binary = shutil.which("redis-server") or str(Path(sys.executable).parent / "redis-server")
        self._folder = tempfile.mkdtemp()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}/0"
        self._process = subprocess.Popen(
            [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
            cwd=self._folder, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(1)

    def remove(self):
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class SlowObjects:
    """A prefix in a storage, each call to which takes longer.

    :param objects: the prefix.
    :param delay: seconds.
    """

    def __init__(self, objects, delay):
        self.name = objects.name
        self._objects = objects
        self._delay = delay

    def __getattr__(self, name):
        def call(*arguments):
            time.sleep(self._delay)
            return getattr(self._objects, name)(*arguments)

        return call


def open_prefix(url):
    """Open a prefix by a URL that :class:`Stores` has made."""
    from cloud_servers import open_objects

    delay = int(DELAY.search(url)[1]) / 1000
    return SlowObjects(open_objects(url), delay) if delay else open_objects(url)
