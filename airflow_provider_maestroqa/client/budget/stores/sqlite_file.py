"""The budget's file: made safely, found again when it was replaced, put aside when it is damaged."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import platform
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError

log = logging.getLogger(__name__)

_APPLICATION_ID = 0x4D514142
_VERSION = 1
_TABLES = """
CREATE TABLE state (
  id INTEGER PRIMARY KEY, budget TEXT NOT NULL UNIQUE, generation TEXT NOT NULL,
  not_before REAL, wanted_until REAL, keep REAL, clock TEXT NOT NULL, to_wall REAL NOT NULL);
CREATE TABLE booking (
  number INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL,
  at REAL NOT NULL, polling INTEGER NOT NULL, freed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE line (
  state INTEGER NOT NULL, ticket TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL,
  PRIMARY KEY (state, ticket));
CREATE INDEX booking_at ON booking (state, at);
CREATE INDEX booking_poll ON booking (state, at) WHERE polling = 1;
CREATE INDEX booking_freed ON booking (state, at) WHERE freed = 1;
"""
# Files of earlier versions get it when they are opened.
_SHARE_TABLE = """
CREATE TABLE IF NOT EXISTS share (state INTEGER PRIMARY KEY, level REAL, since REAL)
"""

#: The row of the table ``state`` that says when a damaged log was put aside.
LOST = "(lost)"


def clock_name() -> str:
    """Name the monotonic clock of this machine: two processes with the same name read the same clock."""
    parts = []
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/time").readlink()))
    return " ".join(parts) or platform.node()


_SIGNS_OF_DAMAGE = ("not a database", "malformed", "no such table", "no such column", "Could not decode", "too big")


class BudgetFile:
    """An open connection to the file at a path, opened again whenever the path leads to another file.

    :param path: the file.
    :param timeout: how long to wait, in seconds, for other processes.
    :param disposable: whether a damaged file may be put aside and replaced.
    """

    def __init__(self, path: Path, *, timeout: float, disposable: bool) -> None:
        self.path = path
        self._timeout = timeout
        self._disposable = disposable
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def connection(self) -> sqlite3.Connection:
        """Return a connection to the file that is at the path now.

        :raises MaestroQAConfigError: there is something else at the path.
        :raises sqlite3.Error: the file cannot be opened, or is damaged.
        """
        if self._connection is not None and self._identify() == self._identity:
            return self._connection
        self.close()
        until = time.monotonic() + self._timeout
        while True:
            try:
                return self._open()
            except sqlite3.OperationalError as error:
                # Turning the write-ahead log on fails at once while others do the same.
                if not is_busy(error) or time.monotonic() > until:
                    raise
            time.sleep(0.01)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection, self._identity = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def recover(self, error: sqlite3.Error, now: float, to_wall: float) -> None:
        """Close the file after an error, and put it aside if it is damaged and may be replaced.

        The new file notes the moment, so that nobody goes on before all requests of the lost log are past.

        :param error: what went wrong.
        :param now: the moment, in the machine's monotonic clock.
        :param to_wall: what to add to that clock for Unix time.
        """
        damaged = self._identity
        self.close()
        if not (is_damage(error) and self._disposable):
            return
        with self._locked():
            if self._identify() != damaged:
                return  # another process has put it aside
            aside = self.path.with_name(self.path.name + ".damaged")
            for suffix in ("-wal", "-shm", "-journal"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            self.path.replace(aside)
            with contextlib.closing(self._open()) as connection:
                connection.execute(
                    "INSERT INTO state (budget, generation, not_before, clock, to_wall) VALUES (?, '', ?, ?, ?)",
                    (LOST, now, clock_name(), to_wall),
                )
            self._connection = None
        log.warning(
            "The request budget's file %s was damaged (%s). It is now %s; a new one begins.", self.path, error, aside
        )

    def _open(self) -> sqlite3.Connection:
        # Never open a file that exists other than through SQLite: closing it would drop this process's locks on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        # If the file was replaced just now, the first use sees it and opens the new one.
        self._identity = self._identify()
        connection = sqlite3.connect(
            self.path, timeout=self._timeout, isolation_level=None, check_same_thread=False, cached_statements=32
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")  # so that what is read belongs together while others make the tables
        ours = _versions(connection) == (_VERSION, _APPLICATION_ID)
        empty = _is_empty(connection)
        connection.execute("COMMIT")
        if not ours:
            if not empty:
                raise MaestroQAConfigError(
                    f"{self.path} is a SQLite file, but not the request budget of this version. "
                    "Set rate_limit_store to another path."
                )
            connection.execute("PRAGMA journal_mode = WAL")
            _make_tables(connection)
        connection.execute(_SHARE_TABLE)
        # Without this, a commit waits for the disk. What a power cut can take is a minute's log.
        connection.execute("PRAGMA synchronous = NORMAL")

    def _identify(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self.path)  # noqa: PTH116 - once for every request, so the fast way
        except OSError:
            return None
        return status.st_dev, status.st_ino

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + self._timeout
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise
                time.sleep(0.01)
            yield
        finally:
            os.close(lock)


@contextlib.contextmanager
def decoded() -> Iterator[None]:
    """Raise an error of SQLite where its text, which quotes a damaged file, cannot be decoded."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise sqlite3.DatabaseError("malformed text") from error


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether others hold the file."""
    return "locked" in str(error)


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether what is in the file makes no sense."""
    text = str(error)
    return any(sign in text for sign in _SIGNS_OF_DAMAGE)


def _versions(connection: sqlite3.Connection) -> tuple[int, int]:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    return version, application


def _is_empty(connection: sqlite3.Connection) -> bool:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    return not tables and _versions(connection) == (0, 0)


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _is_empty(connection):
            for statement in _TABLES.split(";"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
