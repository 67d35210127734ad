"""What a client has used of the token's request budget."""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Takes a counter's name, its bucket and by how much it grew: ``requests``, ``refusals`` or ``waited_s``.
Report = Callable[[str, str, float], None]


class Usage:
    """Counts requests, refusals for the rate (429) and the seconds waited for the budget.

    :param report: told of every count as it happens.
    """

    def __init__(self, report: Report | None = None) -> None:
        self.requests = 0
        self.refusals = 0
        self.waited_s = 0.0
        self._report = report
        self._lock = threading.Lock()

    def sent(self, bucket: str, *, waited_s: float) -> None:
        """Count a request that is sent now, and how long it has waited for its slot."""
        with self._lock:
            self.requests += 1
            self.waited_s += waited_s
        self._tell("requests", bucket, 1)
        if waited_s > 0:
            self._tell("waited_s", bucket, waited_s)

    def refused(self, bucket: str) -> None:
        """Count a 429."""
        with self._lock:
            self.refusals += 1
        self._tell("refusals", bucket, 1)

    def _tell(self, name: str, bucket: str, amount: float) -> None:
        if self._report is not None:
            self._report(name, bucket, amount)
