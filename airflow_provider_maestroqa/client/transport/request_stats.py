"""What a client has used of the token's request budget."""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Takes a counter's name, its bucket and by how much it grew: ``requests``, ``refusals`` (429s) or ``waited_s``.
Report = Callable[[str, str, float], None]


class RequestStats:
    """Counts requests, 429s and the seconds waited for the budget.

    :param report: called with every count as it happens.
    """

    def __init__(self, report: Report | None = None) -> None:
        self.requests = 0
        self.rate_limited = 0
        self.waited_s = 0.0
        self._report = report
        self._lock = threading.Lock()

    def count_request(self, bucket: str, *, waited_s: float) -> None:
        """Count a request that is sent now, and how long it has waited for its slot."""
        with self._lock:
            self.requests += 1
            self.waited_s += waited_s
        self._emit("requests", bucket, 1)
        if waited_s > 0:
            self._emit("waited_s", bucket, waited_s)

    def count_rate_limited(self, bucket: str) -> None:
        """Count a 429."""
        with self._lock:
            self.rate_limited += 1
        self._emit("refusals", bucket, 1)

    def _emit(self, name: str, bucket: str, amount: float) -> None:
        if self._report is not None:
            self._report(name, bucket, amount)
