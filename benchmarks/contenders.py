"""What is compared: this package's budget, pyrate-limiter with the same windows, and back-off alone."""

from __future__ import annotations

import asyncio
import random
import time

from budget_stores import open_prefix

from airflow_provider_maestroqa.client.budget import Refusal, open_budget
from airflow_provider_maestroqa.client.budget.limits import make_rules


class Meter:
    """How long bookings take, and how many calls go to where the log is kept.

    :param store: a store, whose calls are measured from now on.
    """

    @classmethod
    def of(cls, store):
        """Return the meter of a store: the callers of a process share it, and its calls are to be counted once."""
        if not hasattr(store, "meter"):
            store.meter = cls(store)
        return store.meter

    def __init__(self, store):
        self.seconds = []
        self._count = 0
        self._objects = getattr(store, "calls", None)
        if hasattr(store, "_connection"):
            self._measure(store._connection, "execute")  # PostgreSQL: a booking is two of them
        else:
            for name in ("remaining", "release", "pause"):
                self._measure(store, name)
        self._measure(store, "book", self.seconds, counts=int(not hasattr(store, "_connection")))

    def _measure(self, target, name, seconds=None, *, counts=1):
        call = getattr(target, name)

        def measured(*arguments):
            self._count += counts
            began = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                if seconds is not None:
                    seconds.append(time.perf_counter() - began)

        setattr(target, name, measured)

    def figures(self):
        """Return what was measured."""
        if self._objects is not None:
            return {"book_s": self.seconds, "reads": self._objects["read"], "writes": self._objects["write"]}
        return {"book_s": self.seconds, "calls": self._count}


class BudgetContender:
    """This package."""

    def __init__(self, limits, store, margins=None):
        self._windows = sorted(seconds for _, seconds in limits)
        self._budget = open_budget(
            store=store, base_url="https://x.com", token="t", limits={"normal": limits}, margins=margins,
            open_objects=open_prefix,
        )  # fmt: skip
        self._meter = Meter.of(self._budget.store)

    def figures(self):
        return self._meter.figures()

    def wait(self, polling=False):
        self._budget.acquire("normal", polling=polling)

    async def wait_async(self, polling=False):
        await self._budget.acquire_async("normal", polling=polling)

    def refused(self, window, _tries):
        self._budget.pause("normal", window, Refusal(window, 0.0))

    async def refused_async(self, window, _tries):
        await self._budget.pause_async("normal", window, Refusal(window, 0.0))

    def close(self):
        self._budget.close()


class Peer:
    """Another way of sharing, whose inner life is not measured."""

    def figures(self):
        return {}


class PyrateContender(Peer):
    """pyrate-limiter, with windows stretched as this package stretches them."""

    def __init__(self, limits, store):
        from pyrate_limiter import Limiter, Rate, SQLiteBucket

        windows = make_rules({"normal": limits})["normal"].windows
        rates = [Rate(requests, int(seconds * 1000)) for requests, seconds in windows]
        if store.startswith("redis://"):
            import redis
            from pyrate_limiter import RedisBucket

            self._redis = redis.Redis.from_url(store)
            bucket = RedisBucket.init(rates, self._redis, "pyrate")
        else:
            self._redis = None
            bucket = SQLiteBucket.init_from_file(rates, db_path=store + ".pyrate", use_file_lock=True)
        self._limiter = Limiter(bucket)

    def wait(self):
        self._limiter.try_acquire("token", blocking=True)

    async def wait_async(self):
        await self._limiter.try_acquire_async("token", blocking=True)

    def refused(self, window, _tries):
        time.sleep(min(1.0, window))

    async def refused_async(self, window, _tries):
        await asyncio.sleep(min(1.0, window))

    def close(self):
        self._limiter.close()
        if self._redis is not None:
            self._redis.close()


class BackOffContender(Peer):
    """tenacity's random exponential back-off after a 429, and nothing before."""

    def __init__(self, limits, _store):
        import tenacity

        longest = max(seconds for _, seconds in limits)
        self._backoff = tenacity.wait_random_exponential(multiplier=0.25, max=longest)
        self._state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
        random.seed()

    def wait(self):
        pass

    async def wait_async(self):
        pass

    def refused(self, _window, attempts):
        self._state.attempt_number = attempts
        time.sleep(self._backoff(self._state))

    async def refused_async(self, _window, attempts):
        self._state.attempt_number = attempts
        await asyncio.sleep(self._backoff(self._state))

    def close(self):
        pass


#: Name, class, and which store it uses.
CONTENDERS = [
    ("budget, SQLite", BudgetContender, "sqlite"),
    ("budget, Redis", BudgetContender, "redis"),
    ("budget, PostgreSQL", BudgetContender, "postgres"),
    ("budget, S3", BudgetContender, "s3"),
    ("budget, Google", BudgetContender, "gs"),
    ("budget, Azure", BudgetContender, "abfs"),
    ("budget, bucket, 30 ms a call", BudgetContender, "gs+30"),
    ("budget, bucket, 100 ms a call", BudgetContender, "gs+100"),
    ("pyrate-limiter, SQLite + file lock", PyrateContender, "sqlite"),
    ("pyrate-limiter, Redis", PyrateContender, "redis"),
    ("back-off alone (tenacity)", BackOffContender, "none"),
]
