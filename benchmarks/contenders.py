"""What is compared: this package's budget, pyrate-limiter with the same windows, and back-off alone."""

from __future__ import annotations

import asyncio
import random
import time

from airflow_provider_maestroqa.client.budget import open_budget
from airflow_provider_maestroqa.client.budget.limits import make_rules


class BudgetContender:
    """This package."""

    def __init__(self, limits, store, margins=None):
        self._windows = sorted(seconds for _, seconds in limits)
        self._budget = open_budget(
            store=store, base_url="https://x.com", token="t", limits={"normal": limits}, margins=margins
        )

    def wait(self, polling=False):
        self._budget.acquire("normal", polling=polling)

    async def wait_async(self, polling=False):
        await self._budget.acquire_async("normal", polling=polling)

    def refused(self, window, _tries):
        self._budget.pause("normal", window)

    async def refused_async(self, window, _tries):
        await self._budget.pause_async("normal", window)

    def close(self):
        self._budget.close()


class PyrateContender:
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


class BackOffContender:
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
    ("pyrate-limiter, SQLite + file lock", PyrateContender, "sqlite"),
    ("pyrate-limiter, Redis", PyrateContender, "redis"),
    ("back-off alone (tenacity)", BackOffContender, "none"),
]
