"""Time for tests."""

from __future__ import annotations


class FakeClock:
    """Time that passes only when somebody sleeps; with a ``step``, also with every look at it."""

    def __init__(self, now=1000.0):
        self.now = now
        self.step = 0.0
        self.slept = []

    def __call__(self):
        self.now += self.step
        return self.now

    monotonic = wall = __call__

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds):
        self.sleep(seconds)
