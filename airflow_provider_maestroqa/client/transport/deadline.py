"""Bounds how long a request may take as a whole: a socket's own time-out starts again with each byte that comes.

And nothing else bounds the lookup of a host's name, or what a proxy says before the request.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any

_SECONDS_LEFT: ContextVar[Callable[[], float] | None] = ContextVar("maestroqa_seconds_left", default=None)


@contextlib.contextmanager
def total_timeout(seconds: float) -> Iterator[None]:
    """Let no response of a request that is sent now take longer than some seconds, from now on."""
    deadline = time.monotonic() + seconds
    with _limited(lambda: deadline - time.monotonic()):
        yield


@contextlib.contextmanager
def response_timeout(seconds: float) -> Iterator[None]:
    """Let no response take longer than some seconds from when all of its request was sent."""
    with _limited(lambda: seconds):
        yield


@contextlib.contextmanager
def _limited(seconds_left: Callable[[], float]) -> Iterator[None]:
    token = _SECONDS_LEFT.set(seconds_left)
    try:
        yield
    finally:
        _SECONDS_LEFT.reset(token)


class NotConnectedError(TimeoutError):
    """There is no connection, and the request may take no longer."""


def connect_in_time(connect: Callable[[], None], close: Callable[[], None]) -> None:
    """Connect, unless it takes longer than the request may.

    Nothing can interrupt the lookup of a name, so it happens in a thread, which nobody waits for in the end.

    :param connect: looks up the host's name, connects, and agrees on TLS.
    :param close: closes the connection, should it come too late.
    :raises NotConnectedError: it takes too long.
    """
    seconds_left = _SECONDS_LEFT.get()
    if seconds_left is None:
        connect()
        return
    lock, errors, has_ended = threading.Lock(), list[BaseException](), threading.Event()
    is_too_late = False

    def run() -> None:
        try:
            connect()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            errors.append(error)
        with lock:
            has_ended.set()
            if is_too_late:
                close()

    threading.Thread(target=copy_context().run, args=(run,), name="maestroqa-connect", daemon=True).start()
    try:
        has_ended.wait(max(seconds_left(), 0))
    finally:
        with lock:
            is_too_late = not has_ended.is_set()
    if is_too_late:
        raise NotConnectedError
    if errors:
        raise errors[0]


class TimedResponse(http.client.HTTPResponse):
    """A response whose head and body end at the deadline that holds when it begins."""

    def __init__(self, sock: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        seconds_left = _SECONDS_LEFT.get()
        if seconds_left is not None and isinstance(self.fp, io.BufferedReader):
            self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock, time.monotonic() + seconds_left()))


class _TimedReader(io.RawIOBase):
    """Reads a socket until a deadline on the monotonic clock."""

    def __init__(self, raw: io.RawIOBase, sock: Any, deadline: float) -> None:
        self._raw = raw
        self._socket = sock
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def readinto(self, buffer: Any) -> int | None:
        seconds_left = self._deadline - time.monotonic()
        if seconds_left <= 0:
            raise TimeoutError("the response took too long")
        silence = self._socket.gettimeout()
        self._socket.settimeout(seconds_left if silence is None else min(silence, seconds_left))
        try:
            return self._raw.readinto(buffer)
        finally:
            with contextlib.suppress(OSError):
                self._socket.settimeout(silence)

    def close(self) -> None:
        self._raw.close()
        super().close()
