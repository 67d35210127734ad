"""The API's rate limits: a number of requests in a number of seconds, for each token and bucket."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Limits = Mapping[str, Sequence[Sequence[float]]]

REAL_LIMITS: Limits = {"normal": [[10, 1], [100, 60]], "hard": [[1, 1], [30, 60]]}


@dataclass(frozen=True)
class OverLimit:
    """A request exceeds a limit."""

    window_name: str
    wait: float


class Limiter:
    """Counts requests of each token."""

    def __init__(
        self, limits: Limits, *, window_kind: str = "sliding", count_refused: bool = False, clock: Callable[[], float]
    ) -> None:
        self.limits = limits
        self._fixed = window_kind == "fixed"
        self._count_refused = count_refused
        self._clock = clock
        self._log: dict[tuple[str, str], deque[float]] = {}

    def clear(self) -> None:
        """Remove all requests."""
        self._log.clear()

    def check(self, token: str, bucket: str) -> OverLimit | None:
        """Count a request; returns why it is rate limited, or ``None``."""
        windows = self.limits.get(bucket) or ()
        if not windows:
            return None
        now = self._clock()
        log = self._log.setdefault((token, bucket), deque())
        while log and log[0] <= now - 2 * max(window for _, window in windows):
            log.popleft()
        waits = ((window, self._wait(log, now, int(number), window)) for number, window in windows)
        over = next(((window, wait) for window, wait in waits if wait is not None), None)
        if over is None or self._count_refused:
            log.append(now)
        if over is None:
            return None
        window, wait = over
        return OverLimit(_window_name(window, [window for _, window in windows]), wait)

    def _wait(self, log: deque[float], now: float, number: int, window: float) -> float | None:
        """Seconds until a window has room, or ``None`` when it has."""
        start = now // window * window if self._fixed else now - window
        inside = [at for at in log if (at >= start if self._fixed else at > start)]
        if len(inside) < number:
            return None
        if self._fixed:
            return start + window - now
        return inside[-number] + window - now if number else math.inf


def _window_name(window: float, windows: list[float]) -> str:
    """Scaled-down limits keep the real names: the shortest of several windows is the second."""
    return "second" if window <= 1 or (len(windows) > 1 and window == min(windows)) else "minute"
