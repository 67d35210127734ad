"""Read a temporary file from its first byte on, in a thread, while it is still being downloaded."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self


class Follower:
    """A thread that reads what was downloaded, and waits for more. Use it in a ``with`` block.

    When the download starts over, all that the thread has done is void, and it ends.

    :param fd: the temporary file, which grows.
    :param name: of the thread.
    :param early: whether to begin before the download is complete; else there is no thread.
    """

    def __init__(self, fd: int, name: str, *, early: bool) -> None:
        self._fd = fd
        self._changed = threading.Condition()
        self._available = 0
        self._is_complete = False
        self._stopped = not early
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        if not self._stopped:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()
        if self._thread.ident is not None:
            self._thread.join()

    def bytes_available(self, size: int) -> None:
        """Report that the first ``size`` bytes of the file are there."""
        with self._changed:
            self._available = size
            self._changed.notify_all()

    def reset(self) -> None:
        """Report that the file begins anew; what was done so far is void."""
        self._stop()

    def complete(self) -> None:
        """Report that the download is complete."""
        with self._changed:
            self._is_complete = True
            self._changed.notify_all()

    def _run(self) -> None:
        """What the thread does."""
        raise NotImplementedError

    def _stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _read(self, offset: int, size: int) -> bytes:
        """Read up to ``size`` bytes, waiting until that many are available or the file is complete."""
        with self._changed:
            while not (self._stopped or self._is_complete or self._available >= offset + size):
                self._changed.wait()
            readable = self._available - offset
        return os.pread(self._fd, min(size, readable), offset) if readable > 0 and not self._stopped else b""
