"""The time, handed down to whatever waits, so that tests bring their own."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


async def _sleep_async(seconds: float) -> None:
    """Suspend the coroutine; asyncio is imported only where there is a loop."""
    import asyncio

    await asyncio.sleep(seconds)


@dataclass(frozen=True)
class Clock:
    """Reads the time and lets it pass. The default is the real time.

    :param monotonic: seconds that never go back, for measuring.
    :param wall: Unix time in seconds, for deadlines.
    :param sleep: blocks the thread for some seconds.
    :param sleep_async: suspends the coroutine for some seconds.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = _sleep_async
