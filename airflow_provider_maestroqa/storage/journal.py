"""An object that one process replaces often, in a storage that allows one write of a name in a second.

What is saved goes to entries beside the object, in turn, so that none is written twice too soon. The object itself,
the head, says whose entries count. A process takes over by replacing the head, in one step and only if it is as it
was read; each process has entries of its own. So that no two go on side by side, each looks again after it has
written: who takes over, whether the entries are still those that it has read; who adds an entry, whether the head is
still its own. One of the two finds out.

At its end a process writes the state into the head, as other storages have it, and deletes its entries.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from math import inf
from typing import Any, TypeVar

from airflow_provider_maestroqa.client.budget.stores.swapping import StoredDocument, SwapLostError, SwapObjects
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAError
from airflow_provider_maestroqa.storage.base import ABSENT, best_effort, conflict

T = TypeVar("T")

#: How long one name is left alone after a write of it, in seconds: Google allows one a second.
REWRITE_S = 1.05
_ATTEMPTS = 6
_MAX_PAUSE_S = 10.0
_KEY = "journal"


@dataclass
class _Entry:
    """An object that takes entries in turn.

    :param name: its name.
    :param version: as this process has left it; ``None`` where that is not known.
    :param written_at: when that was.
    """

    name: str
    version: str | None = ABSENT
    written_at: float = -inf


class Journal:
    """One object, which one process at a time replaces often.

    :param objects: the prefix in which it is.
    :param name: its name there.
    :param clock: for the time between two writes of one name, and before a request is repeated.
    """

    def __init__(self, objects: SwapObjects, name: str, *, clock: Clock | None = None) -> None:
        self._objects = objects
        self._name = name
        self._clock = clock or Clock()
        #: Names the entries of this process; empty until it has taken over.
        self._writer = ""
        self._entries: list[_Entry] = []
        self._number = 0
        self._content: bytes | None = None
        #: The head as this process has seen or left it: its version, its journal, and which entries it had.
        self._version = ABSENT
        self._journal: Mapping[str, Any] | None = None
        self._seen: dict[str, int] = {}
        self._replaced_at = -inf

    @property
    def uri(self) -> str:
        """The object's address."""
        return f"{self._objects.name}/{self._name}"

    def read(self) -> bytes | None:
        """Read what was saved last; ``None`` when nothing is there."""
        head = self._read(self._name)
        journal = _journal_of(head.content)
        if self._is_own(journal):
            return self._content
        self._writer = ""
        self._version, self._journal, self._seen = head.version, journal, {}
        if journal is None:
            return head.content
        state, self._seen = self._resolve(journal)
        return json.dumps(state).encode()

    def write(self, content: bytes) -> None:
        """Save a JSON value.

        :raises StorageConflictError: somebody else has saved another since it was last read or written here.
        """
        if self._writer:
            self._append(content)
        else:
            self._take_over(content)
        self._content = content

    def close(self) -> None:
        """Leave the state in the object alone, if it is this process's own. Never raises."""
        if self._writer and best_effort(self._fold):
            self._writer, self._journal, self._seen = "", None, {}

    def delete(self) -> None:
        """Delete the object, and the entries of this process."""
        self._wait()
        self._call(lambda: self._objects.delete(self._name))
        self._delete_entries(self._writer)
        self._writer, self._version, self._journal, self._seen = "", ABSENT, None, {}

    # -- Writing ----------------------------------------------------------------------------------------------------

    def _take_over(self, content: bytes) -> None:
        before, seen = self._journal, self._seen
        self._wait()
        writer = secrets.token_hex(8)
        journal = {"writer": writer, "state": json.loads(content), "before": before, "seen": seen}
        self._replace_head(json.dumps({_KEY: journal}).encode())
        self._journal, self._seen, self._entries, self._number = journal, {**seen, writer: 0}, [], 0
        if before is not None:
            if self._resolve(before)[1] != seen:
                raise conflict(self.uri)
            self._writer = writer
            # An entry of its own says that all before is settled.
            self._append(content)
            for former in _writers(before):
                self._delete_entries(former)
        self._writer = writer

    def _append(self, content: bytes) -> None:
        self._number += 1
        entry = min(self._entries, key=lambda one: one.written_at, default=None)
        if entry is None or self._clock.monotonic() - entry.written_at < REWRITE_S:
            entry = _Entry(_entry_name(self._name, self._writer, len(self._entries) + 1))
            self._entries.append(entry)
        line = json.dumps({"number": self._number, "state": json.loads(content)}).encode()
        version, entry.version = entry.version, None
        if version is None:
            version = self._read(entry.name).version
        entry.version = self._swap(entry.name, line, version)
        entry.written_at = self._clock.monotonic()
        if not self._is_own(_journal_of(self._read(self._name).content)):
            raise conflict(self.uri)

    def _fold(self) -> None:
        if self._content is not None:
            self._wait()
            self._replace_head(self._content)
            self._delete_entries(self._writer)

    def _wait(self) -> None:
        """Wait until every name may be written or deleted."""
        last = max(self._replaced_at, *(entry.written_at for entry in self._entries), -inf)
        self._clock.sleep(max(0.0, last + REWRITE_S - self._clock.monotonic()))

    def _replace_head(self, content: bytes) -> None:
        self._version = self._swap(self._name, content, self._version)
        self._replaced_at = self._clock.monotonic()

    def _swap(self, name: str, content: bytes, version: str) -> str:
        try:
            return self._call(lambda: self._objects.swap(name, content, version)).version
        except SwapLostError:
            stored = self._read(name)
        if stored.content != content:
            raise conflict(f"{self._objects.name}/{name}")
        # The response to an earlier attempt was lost.
        return stored.version

    def _delete_entries(self, writer: str) -> None:
        """Delete the entries of a process, from the last one, so that those that a kill leaves are still counted."""
        names = [name for name, _ in self._entries_of(writer)] if writer else []
        for name in reversed(names):
            best_effort(lambda name=name: self._objects.delete(name))  # type: ignore[misc]

    # -- Reading ----------------------------------------------------------------------------------------------------

    def _is_own(self, journal: Mapping[str, Any] | None) -> bool:
        return bool(self._writer) and journal is not None and journal.get("writer") == self._writer

    def _resolve(self, journal: Mapping[str, Any]) -> tuple[Any, dict[str, int]]:
        """The newest state below a head, and the number of the newest entry of each process."""
        writer = str(journal["writer"])
        newest = max((entry for _, entry in self._entries_of(writer)), key=lambda one: one["number"], default=None)
        if newest is not None:
            return newest["state"], {writer: newest["number"]}
        before, state, seen = journal.get("before"), journal["state"], dict[str, int]()
        if before is not None:
            # Whoever took over has not settled what was before, and may have missed an entry.
            former, seen = self._resolve(before)
            state = state if seen == journal["seen"] else former
        return state, {**seen, writer: 0}

    def _entries_of(self, writer: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for number in count(1):
            name = _entry_name(self._name, writer, number)
            content = self._read(name).content
            if content is None:
                return
            entry = _as_object(content)
            if not isinstance(entry.get("number"), int) or "state" not in entry:
                raise MaestroQADataError(
                    f"{self._objects.name}/{name} is damaged, so it is not known what an earlier try has saved. "
                    f"Restore it; or, to start over, delete {self.uri}."
                )
            yield name, entry

    def _read(self, name: str) -> StoredDocument:
        return self._call(lambda: self._objects.read(name))

    def _call(self, request: Callable[[], T]) -> T:
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_fixed, wait_random_exponential

        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, MaestroQAError) and error.retryable),
            wait=wait_fixed(REWRITE_S) + wait_random_exponential(max=_MAX_PAUSE_S),
            stop=stop_after_attempt(_ATTEMPTS),
            sleep=self._clock.sleep,
            reraise=True,
        )
        return retrying(request)


def _entry_name(name: str, writer: str, number: int) -> str:
    return f"{name}.{writer}.entry-{number}"


def _writers(journal: Mapping[str, Any] | None) -> Iterator[str]:
    while journal is not None:
        yield str(journal["writer"])
        journal = journal.get("before")


def _journal_of(content: bytes | None) -> Mapping[str, Any] | None:
    journal = _as_object(content).get(_KEY)
    return journal if isinstance(journal, Mapping) and {"writer", "state"} <= journal.keys() else None


def _as_object(content: bytes | None) -> Mapping[str, Any]:
    try:
        parsed = json.loads(content or b"")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
