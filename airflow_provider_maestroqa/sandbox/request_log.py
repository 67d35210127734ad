"""What the sandbox saw: every request to either host, in the order of arrival."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from airflow_provider_maestroqa.sandbox.strict_json import parse_json

_T = TypeVar("_T")


@dataclass(frozen=True)
class Seen:
    """One request.

    :param method: HTTP method.
    :param path: path without the query.
    :param query: query parameters.
    :param headers: request headers by lower-case name.
    :param raw: its body as it came; nothing at the storage host, and when it was too long ago.
    :param host: ``api`` or ``storage``.
    :param at: when it came, Unix seconds by the sandbox's clock.
    :param status: the status answered; ``None`` when none was (yet): held, or the connection was dropped.
    :param received: bytes of the request's body that have come so far.
    :param sent: bytes of the answer's body that are on their way so far (downloads only).
    :param held: whether the answer is being held back by a ``timeout`` or ``stall_at_byte`` fault.
    :param done: whether the sandbox has finished with it.
    :param number: position in the record, from 0.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes = field(repr=False)
    host: str
    at: float
    status: int | None = None
    received: int = 0
    sent: int = 0
    held: bool = False
    done: bool = False
    number: int = 0

    @property
    def body(self) -> Any:
        """The parsed JSON body, parsed again each time; ``None`` when there was none, or it was no JSON."""
        # A parsed batch takes ten times the memory of its text, and most are never looked at.
        return parse_json(self.raw) if self.raw else None


@dataclass
class Record:
    """Keeps the last requests, and wakes those who wait for something to happen. Thread-safe."""

    keep: int = 100_000
    keep_bytes: int = 256 << 20
    _seen: deque[Seen] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _first: int = 0
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _bytes: int = 0
    _first_with_body: int = 0
    _generation: int = 0
    _changes: int = 0

    def add(self, seen: Seen) -> tuple[int, int]:
        """Write a request down; the answer is the key for :meth:`update`."""
        with self._changed:
            if len(self._seen) >= self.keep:
                self._bytes -= len(self._seen.popleft().raw)
                self._first += 1
            number = self._first + len(self._seen)
            self._seen.append(replace(seen, number=number))
            self._counts[seen.method, seen.path] += 1
            self._forget_bodies(len(seen.raw))
            self._tell()
            return self._generation, number

    def update(self, key: tuple[int, int], **changes: Any) -> None:
        """Change what is known of a request that may by now have been forgotten."""
        generation, number = key
        with self._changed:
            if generation == self._generation and number >= self._first:
                self._seen[number - self._first] = replace(self._seen[number - self._first], **changes)
            self._tell()

    def clear(self) -> None:
        """Forget everything."""
        with self._changed:
            self._seen.clear()
            self._first = self._first_with_body = self._bytes = 0
            self._counts.clear()
            self._generation += 1
            self._tell()

    def all(self) -> list[Seen]:
        """A copy of the record."""
        with self._changed:
            return list(self._seen)

    def count(self, method: str, path: str) -> int:
        """How many requests came with this method and path, forgotten ones too."""
        with self._changed:
            return self._counts[method, path]

    def _forget_bodies(self, added: int) -> None:
        self._bytes += added
        while self._bytes > self.keep_bytes:
            self._first_with_body = max(self._first_with_body, self._first)
            index = self._first_with_body - self._first
            self._bytes -= len(self._seen[index].raw)
            self._seen[index] = replace(self._seen[index], raw=b"")
            self._first_with_body += 1

    def _tell(self) -> None:
        self._changes += 1
        self._changed.notify_all()

    def wait_for(self, predicate: Callable[[], _T], timeout: float) -> _T:
        """Wait until the predicate holds; it is asked again whenever something changes.

        :param timeout: seconds, after which ``TimeoutError`` is raised with the last requests seen.
        :return: what the predicate returned.
        """
        until = time.monotonic() + timeout
        while True:
            last_look = time.monotonic() >= until
            with self._changed:
                looked_at = self._changes
            # Asked without the lock, so that it may do whatever it likes with the sandbox.
            outcome = predicate()
            if outcome:
                return outcome
            if last_look:
                last = ", ".join(f"{seen.method} {seen.path} -> {seen.status}" for seen in self.all()[-8:])
                raise TimeoutError(f"It did not happen within {timeout} s. Last requests: {last or 'none'}.")
            with self._changed:
                self._changed.wait_for(lambda: self._changes != looked_at, until - time.monotonic())  # noqa: B023
