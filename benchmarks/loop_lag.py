"""How long an event loop is held up, and by what: its own work, or the kernel, which lets others run.

Where the two do not add up, the loop has waited for another thread of its process.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Lag:
    """One time that a short sleep ended too late, in milliseconds.

    :param lag_ms: how much too late.
    :param own_ms: of it, processor time of the loop's own thread.
    :param queue_ms: of it, the thread could run and no processor was free for it; 0 where the system does not say.
    """

    lag_ms: float
    own_ms: float
    queue_ms: float


class LoopWatch:
    """Measures the event loop that it runs in."""

    def __init__(self) -> None:
        self.lags: list[Lag] = []

    async def run(self, step_s: float = 0.005) -> None:
        """Sleep again and again, until cancelled."""
        queue = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        while True:
            before, own, queued = time.perf_counter(), time.thread_time(), _queued_ms(queue)
            await asyncio.sleep(step_s)
            lag = time.perf_counter() - before - step_s
            self.lags.append(Lag(1000 * lag, 1000 * (time.thread_time() - own), _queued_ms(queue) - queued))

    def figures(self) -> dict[str, float]:
        """The longest, what it was made of, the bound of 99 in 100, and the most that the loop itself computed."""
        lags = sorted(self.lags)
        longest = lags[-1]
        return {
            "lag_ms": longest.lag_ms,
            "lag_queue_ms": longest.queue_ms,
            "lag_own_ms": longest.own_ms,
            "own_most_ms": max(lag.own_ms for lag in lags),
            "lag_99_ms": lags[int(len(lags) * 0.99)].lag_ms,
        }


def _queued_ms(path: Path) -> float:
    try:
        return int(path.read_text().split()[1]) / 1e6
    except OSError:
        return 0.0
