"""The request log: every request to either host, in the order of arrival."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from airflow_provider_maestroqa.sandbox.validation import parse_json

_T = TypeVar("_T")


@dataclass(frozen=True)
class LoggedRequest:
    """One request.

    :param method: HTTP method.
    :param path: path without the query.
    :param query: query parameters.
    :param headers: request headers by lower-case name.
    :param raw: its body as it came; empty at the storage host, for a large one without a valid token, and once newer
        ones needed its room.
    :param host: ``api`` or ``storage``.
    :param at: when it came, Unix seconds by the sandbox's clock.
    :param status: the response's status; ``None`` when there is none (yet): held, or the connection was dropped.
    :param received: bytes of the request's body received so far.
    :param sent: bytes of the response's body sent so far (downloads only).
    :param held: whether the response is held by a ``timeout`` or ``stall_at_byte`` fault.
    :param done: whether the sandbox has finished with it.
    :param number: position in the log, from 0.
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
        # A parsed batch takes ten times the memory of its text, and most are never read.
        return parse_json(self.raw) if self.raw else None


@dataclass
class RequestLog:
    """Keeps the last requests, and wakes those who wait for something to happen. Thread-safe."""

    max_requests: int = 100_000
    max_bytes: int = 64 << 20
    _requests: deque[LoggedRequest] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _first: int = 0
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _bytes: int = 0
    _first_with_body: int = 0
    _generation: int = 0
    _changes: int = 0

    def add(self, request: LoggedRequest) -> tuple[int, int]:
        """Add a request; returns its key for :meth:`update`."""
        with self._changed:
            if len(self._requests) >= self.max_requests:
                self._bytes -= len(self._requests.popleft().raw)
                self._first += 1
            number = self._first + len(self._requests)
            self._requests.append(replace(request, number=number))
            self._counts[request.method, request.path] += 1
            self._drop_bodies(len(request.raw))
            self._notify()
            return self._generation, number

    def update(self, key: tuple[int, int], **changes: Any) -> None:
        """Change a request, if it is still in the log."""
        generation, number = key
        with self._changed:
            if generation == self._generation and number >= self._first:
                self._requests[number - self._first] = replace(self._requests[number - self._first], **changes)
            self._notify()

    def clear(self) -> None:
        """Remove everything."""
        with self._changed:
            self._requests.clear()
            self._first = self._first_with_body = self._bytes = 0
            self._counts.clear()
            self._generation += 1
            self._notify()

    def all(self) -> list[LoggedRequest]:
        """A copy of the log."""
        with self._changed:
            return list(self._requests)

    def count(self, method: str, path: str) -> int:
        """How many requests came with this method and path, dropped ones too."""
        with self._changed:
            return self._counts[method, path]

    def _drop_bodies(self, added: int) -> None:
        self._bytes += added
        while self._bytes > self.max_bytes:
            self._first_with_body = max(self._first_with_body, self._first)
            index = self._first_with_body - self._first
            self._bytes -= len(self._requests[index].raw)
            self._requests[index] = replace(self._requests[index], raw=b"")
            self._first_with_body += 1

    def _notify(self) -> None:
        self._changes += 1
        self._changed.notify_all()

    def wait_for(self, predicate: Callable[[], _T], timeout: float) -> _T:
        """Wait until the predicate holds; it is called again whenever something changes."""
        until = time.monotonic() + timeout
        while True:
            last_try = time.monotonic() >= until
            with self._changed:
                changes = self._changes
            # Called without the lock, so that it may use the sandbox in any way.
            outcome = predicate()
            if outcome:
                return outcome
            if last_try:
                last = ", ".join(f"{one.method} {one.path} -> {one.status}" for one in self.all()[-8:])
                raise TimeoutError(f"It did not happen within {timeout} s. Last requests: {last or 'none'}.")
            with self._changed:
                self._changed.wait_for(lambda: self._changes != changes, until - time.monotonic())  # noqa: B023
