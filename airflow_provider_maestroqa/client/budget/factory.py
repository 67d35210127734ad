"""From a connection's settings to a budget: which store, and under which key."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from airflow_provider_maestroqa.client.budget.acquisition import Wait
from airflow_provider_maestroqa.client.budget.budget import Budget
from airflow_provider_maestroqa.client.budget.limits import DEFAULT_LIMITS, Limits, make_rules
from airflow_provider_maestroqa.client.budget.shared_store import Store
from airflow_provider_maestroqa.client.budget.stores.memory import MemoryStore
from airflow_provider_maestroqa.client.budget.stores.postgres_url import is_postgres, server_name
from airflow_provider_maestroqa.client.budget.stores.redis import MISSING, RedisStore, store_name
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.hosts import account_host

if TYPE_CHECKING:
    from airflow_provider_maestroqa.client.budget.stores.swapping import SwapObjects

log = logging.getLogger(__name__)

#: Schemes of object storages, by which a log can be swapped.
OBJECT_SCHEMES = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "wasb", "wasbs")
_KNOWN_STORES = (
    "Leave it out for a file on this machine, or set it to redis://host:6379/0, rediss://…, unix:///path/to/socket, "
    "postgresql://host:5432/database, s3://bucket/prefix, gs://…, abfs://…, airflow://connection_id, "
    "sqlite:///absolute/path or memory."
)


@dataclass(frozen=True)
class MemoryStoreFactory:
    """Opens the store of a single process."""

    clock: Clock

    def __call__(self) -> Store:
        """Open it."""
        return MemoryStore(self.clock.monotonic)


@dataclass(frozen=True)
class FileStoreFactory:
    """Opens a SQLite file that the user named."""

    path: str
    clock: Clock
    timeout: float

    def __call__(self) -> Store:
        """Open it."""
        from airflow_provider_maestroqa.client.budget.stores.sqlite import SqliteStore

        return SqliteStore(Path(self.path), self.clock, timeout=self.timeout)


@dataclass(frozen=True)
class DefaultFileStoreFactory:
    """Opens the SQLite file of this machine, in Airflow's home or else in the temporary folder."""

    home: str | None
    clock: Clock
    timeout: float

    def __call__(self) -> Store:
        """Open it."""
        from airflow_provider_maestroqa.client.budget.stores.sqlite import SqliteStore

        return SqliteStore(default_file(self.home), self.clock, timeout=self.timeout, disposable=True)


@dataclass(frozen=True, repr=False)
class RedisStoreFactory:
    """Opens a Redis or Valkey server."""

    url: str
    timeout: float

    def __call__(self) -> Store:
        """Open it."""
        return RedisStore(self.url, timeout=self.timeout)


@dataclass(frozen=True, repr=False)
class PostgresStoreFactory:
    """Opens a PostgreSQL database."""

    url: str
    timeout: float

    def __call__(self) -> Store:
        """Open it."""
        from airflow_provider_maestroqa.client.budget.stores.postgres import PostgresStore

        return PostgresStore(self.url, timeout=self.timeout)


@dataclass(frozen=True, repr=False)
class ObjectStoreFactory:
    """Opens a prefix in an object storage."""

    url: str
    open_objects: Callable[[str], SwapObjects]
    clock: Clock
    timeout: float

    def __call__(self) -> Store:
        """Open it."""
        from airflow_provider_maestroqa.client.budget.stores.object_store import ObjectStore

        return ObjectStore(self.url, partial(self.open_objects, self.url), self.clock, timeout=self.timeout)


def open_budget(
    *,
    store: str | None = None,
    base_url: str,
    token: str,
    limits: Limits = DEFAULT_LIMITS,
    margins: Mapping[float, float] | None = None,
    home: str | Path | None = None,
    on_wait: Callable[[Wait], None] | None = None,
    store_timeout: float = 10.0,
    clock: Clock | None = None,
    open_objects: Callable[[str], SwapObjects] | None = None,
) -> Budget:
    """Make the request budget of a token. Nothing is opened before the first request.

    :param store: where the sharers meet: ``None`` for a SQLite file on this machine, ``memory`` for this process
        alone, ``redis://``, ``rediss://`` or ``unix://`` for Redis or Valkey, ``postgresql://`` for PostgreSQL,
        ``s3://``, ``gs://`` or ``abfs://`` for an object storage, or the path of a file (``sqlite:///path``).
    :param base_url: MaestroQA's address.
    :param token: the API token; only a hash of it is kept.
    :param limits: for each bucket the windows as (requests, seconds).
    :param margins: seconds to add to windows, by the window's length in seconds; see :func:`.limits.make_rules`.
    :param home: folder for the file when ``store`` is ``None``; default is ``AIRFLOW_HOME``, else the temporary
        folder.
    :param on_wait: called when a caller has to wait.
    :param store_timeout: how many seconds a store that does not answer is waited for, before an error says so.
    :param clock: the time, for tests.
    :param open_objects: opens the prefix of an object storage by its URL; a function of a module, so that it can be
        pickled.
    :raises MaestroQAConfigError: the store or the limits cannot be understood.
    """
    clock = clock or Clock()
    rules = make_rules(limits, margins)
    return Budget(
        _store_factory(store, home, clock, store_timeout, open_objects),
        budget_key(base_url, token),
        rules,
        on_wait=on_wait,
        clock=clock,
    )


def budget_key(base_url: str, token: str) -> str:
    """Return the name under which all users of a token meet: a hash of host and token.

    Nothing else makes it. The two hosts of the service give the same one, since a token has one limit at both.

    :param base_url: MaestroQA's address; only scheme, host and port count.
    :param token: the API token.
    """
    from urllib.parse import urlsplit

    url = urlsplit(base_url.strip())
    port = url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
    host = f"{url.scheme}://{account_host((url.hostname or '').rstrip('.'))}:{port}"
    return hashlib.sha256(f"maestroqa budget\n{host}\n{token}".encode()).hexdigest()[:32]


def _store_factory(
    store: str | None,
    home: str | Path | None,
    clock: Clock,
    timeout: float,
    open_objects: Callable[[str], SwapObjects] | None,
) -> Callable[[], Store]:
    if store is None:
        return DefaultFileStoreFactory(None if home is None else str(home), clock, timeout)
    if store == "memory":
        return MemoryStoreFactory(clock)
    scheme, separator, rest = store.partition("://")
    if separator and scheme in ("redis", "rediss", "unix"):
        store_name(store)
        if importlib.util.find_spec("redis") is None:
            raise MaestroQAConfigError(MISSING)
        return RedisStoreFactory(store, timeout)
    if separator and is_postgres(scheme):
        server_name(store)
        return PostgresStoreFactory(store, timeout)
    if is_object_storage(store) and open_objects is not None:
        return ObjectStoreFactory(store, open_objects, clock, timeout)
    if separator and scheme != "sqlite":
        raise MaestroQAConfigError(f"rate_limit_store has the unknown scheme {scheme!r}. {_KNOWN_STORES}")
    path = Path(rest if separator else store).expanduser()
    if not path.name or not path.is_absolute():
        raise MaestroQAConfigError(f"rate_limit_store is neither a store nor an absolute path. {_KNOWN_STORES}")
    return FileStoreFactory(str(path), clock, timeout)


def is_object_storage(store: str | None) -> TypeGuard[str]:
    """Whether a store is a prefix in an object storage."""
    scheme, separator, _ = (store or "").partition("://")
    return bool(separator) and scheme in OBJECT_SCHEMES


def default_file(home: str | None) -> Path:
    """Return the file in which the processes of this machine meet when the connection names none.

    A home that cannot be written to, as in a container with a read-only disk, is no obstacle: all processes of the
    same user then meet in the temporary folder.

    :param home: Airflow's home; ``None`` to take it from the environment.
    :raises MaestroQAConfigError: there is a file that this process may not use.
    """
    folder = home or os.environ.get("AIRFLOW_HOME")
    reason = "AIRFLOW_HOME is not set"
    if folder:
        path = Path(folder).expanduser() / "maestroqa_budget.sqlite3"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                if not os.access(path, os.R_OK | os.W_OK):
                    raise _foreign_file_error(path)
                return path
            if os.access(path.parent, os.W_OK | os.X_OK):
                return path
            reason = f"{path.parent} cannot be written to"
        except OSError as error:
            reason = str(error)
    path = Path(tempfile.gettempdir()) / f"maestroqa_budget_{os.getuid()}.sqlite3"
    try:
        status = path.lstat()
    except FileNotFoundError:
        pass
    else:
        # Anybody may put a file into the temporary folder: only a plain file of this user is trusted.
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            raise _foreign_file_error(path)
    if folder:
        log.warning("The request budget is kept in %s, because %s.", path, reason)
    return path


def _foreign_file_error(path: Path) -> MaestroQAConfigError:
    return MaestroQAConfigError(
        f"The request budget's file {path} belongs to another user or may not be written by this one, so "
        "that the two would not share the token's budget. Set rate_limit_store to a Redis that both can reach."
    )
