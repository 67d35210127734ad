"""Clocks for tests: nobody sleeps."""

from __future__ import annotations

import time

from airflow_provider_maestroqa.client.clock import Clock


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


class FakeTime:
    """Time that passes only while somebody sleeps, or when told to; wall and monotonic time differ."""

    def __init__(self):
        self.monotonic = 5_000.0
        self.wall = 1_767_225_600.0  # 2026-01-01T00:00:00Z
        self.slept = []
        self.meanwhile = None

    def pass_by(self, seconds):
        self.monotonic += seconds
        self.wall += seconds

    def sleep(self, seconds):
        """Let time pass; halfway, once, something else may happen."""
        self.slept.append(seconds)
        until = self.monotonic + seconds
        if self.meanwhile is not None:
            happen, self.meanwhile = self.meanwhile, None
            self.pass_by(seconds / 2)
            happen()
        self.pass_by(max(0.0, until - self.monotonic))

    async def sleep_async(self, seconds):
        self.sleep(seconds)

    def clock(self):
        return Clock(lambda: self.monotonic, lambda: self.wall, self.sleep, self.sleep_async)


class SkippingTime(FakeTime):
    """The real time, in which a sleep takes none: for tasks that run beside a real server."""

    def __init__(self):
        super().__init__()
        self.monotonic = self.wall = 0.0

    def clock(self):
        return Clock(
            lambda: time.monotonic() + self.monotonic, lambda: time.time() + self.wall, self.sleep, self.sleep_async
        )
