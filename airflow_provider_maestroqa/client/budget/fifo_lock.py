"""A queue within this process: of a thousand waiting polls, one at a time asks the store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable


class Turns:
    """First come, first served. Serves threads and event loops alike, because it only calls ``wake``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: OrderedDict[object, Callable[[], None]] = OrderedDict()

    def join(self, ticket: object, wake: Callable[[], None]) -> int:
        """Stand in line; ``wake`` is called, from any thread, when it is this ticket's turn.

        :param ticket: any object that names this place in the line.
        :return: how many stand before.
        """
        with self._lock:
            ahead = len(self._queue)
            self._queue[ticket] = wake
        if not ahead:
            wake()
        return ahead

    def leave(self, ticket: object) -> None:
        """Leave the line, whether or not the turn has come; doing it twice does no harm."""
        with self._lock:
            first = next(iter(self._queue), None)
            self._queue.pop(ticket, None)
            upcoming = next(iter(self._queue.items()), None) if first is ticket else None
        if upcoming is not None:
            try:
                upcoming[1]()
            except RuntimeError:  # its event loop is closed: nobody is there any more
                self.leave(upcoming[0])
