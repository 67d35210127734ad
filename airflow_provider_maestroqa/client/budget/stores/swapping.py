"""Small objects that are replaced by compare and swap: what a log in an object storage needs of the storage."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAConnectionError, MaestroQAError

# How long to leave an object alone that could not be written again at once. Seconds.
_REWRITE_S = 1.05


class SwapLostError(Exception):
    """Somebody else has written the object since it was read."""


@dataclass(frozen=True)
class StoredDocument:
    """An object as it was read or written.

    :param content: its bytes; ``None`` when there is none.
    :param version: what the next write must name; changes with every write.
    :param date: the service's time of the response in whole Unix seconds, if it says.
    """

    content: bytes | None
    version: str
    date: float | None


class SwapObjects(Protocol):
    """Small objects below a prefix, each replaced by compare and swap. Every call ends within a bounded time."""

    @property
    def name(self) -> str:
        """The prefix, for messages."""

    def read(self, name: str) -> StoredDocument:
        """Read an object."""

    def swap(self, name: str, content: bytes, version: str) -> StoredDocument:
        """Replace an object that has a version, or create it if the version is that of no object.

        :raises SwapLostError: another version is there.
        """

    def delete(self, name: str) -> None:
        """Delete an object."""


def probe(objects: SwapObjects, name: str, sleep: Callable[[float], None]) -> None:
    """Make sure that the service compares versions, before a log is created in it.

    Some that are otherwise compatible ignore the conditions without a word, and bookings would be lost.

    :param name: the object that the log will be; others beside it are written and deleted.
    :param sleep: lets some seconds pass.
    :raises MaestroQAConfigError: it does not.
    """
    name = f"{name}.probe-{os.urandom(6).hex()}"
    nothing = objects.read(name)
    first = objects.swap(name, b"1", nothing.version)
    try:
        refused = _is_refused(objects, name, b"2", nothing.version)
        second = _swap_again(objects, name, b"3", first.version, sleep)
        refused = _is_refused(objects, name, b"4", first.version) and refused and second.version != first.version
    except SwapLostError:
        refused = False
    finally:
        with contextlib.suppress(MaestroQAError):
            _delete_again(objects, name, sleep)
    if not refused:
        raise MaestroQAConfigError(
            f"The storage of {objects.name} does not compare versions when it replaces an object (If-Match and "
            "If-None-Match), so bookings would be lost. Keep the request budget in another storage, in Redis or "
            "in PostgreSQL: set rate_limit_store."
        )


def _swap_again(
    objects: SwapObjects, name: str, content: bytes, version: str, sleep: Callable[[float], None]
) -> StoredDocument:
    """Replace an object that was just written: Google allows one write a second, and says so with a 429."""
    try:
        return objects.swap(name, content, version)
    except MaestroQAConnectionError:
        sleep(_REWRITE_S)
    stored = objects.read(name)
    # Unless only the response was lost.
    return stored if stored.content == content else objects.swap(name, content, stored.version)


def _delete_again(objects: SwapObjects, name: str, sleep: Callable[[float], None]) -> None:
    try:
        objects.delete(name)
    except MaestroQAConnectionError:
        sleep(_REWRITE_S)
        objects.delete(name)


def _is_refused(objects: SwapObjects, name: str, content: bytes, version: str) -> bool:
    try:
        objects.swap(name, content, version)
    except SwapLostError:
        return True
    return False
