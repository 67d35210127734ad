"""Both drivers, as the tests of this folder see them."""

from __future__ import annotations

import asyncio

import pytest
from clocks import FakeTime

from airflow_provider_maestroqa.client.budget import open_budget
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.client.transport.async_client import AsyncClient
from airflow_provider_maestroqa.client.transport.sync_client import SyncClient

WIDE = {"normal": [[100000, 1]], "hard": [[100000, 1]]}


class CountingBudget:
    """The real budget, and how many slots were taken from it."""

    def __init__(self, budget):
        self.budget = budget
        self.slots = 0

    def acquire(self, *arguments, **options):
        self.slots += 1
        return self.budget.acquire(*arguments, **options)

    async def acquire_async(self, *arguments, **options):
        self.slots += 1
        return await self.budget.acquire_async(*arguments, **options)

    def __getattr__(self, name):
        return getattr(self.budget, name)


class Driver:
    """One of the two drivers, seen from outside."""

    slots = 0

    def __init__(self, kind, settings):
        self.kind = kind
        self.settings = settings
        self.time = FakeTime()

    def send(self, call, **options):
        budget = open_budget(
            store="memory",
            base_url=self.settings.base_url,
            token=self.settings.token,
            limits=self.settings.limits,
            clock=self.time.clock(),
        )
        budget = CountingBudget(budget)
        try:
            if self.kind == "async":
                return asyncio.run(self._send(budget, call, options))
            client = SyncClient(self.settings, budget)
            try:
                return client.send(call, **options)
            finally:
                client.close()
        finally:
            self.slots += budget.slots
            budget.close()

    async def _send(self, budget, call, options):
        try:
            async with AsyncClient(self.settings, budget) as client:
                return await client.send(call, **options)
        finally:
            await asyncio.wait_for(_no_connection_is_open(), 30)


async def _no_connection_is_open():
    """Wait until asyncio has closed all connections: one with TLS waits for its peer, and the loop must live on."""
    transports = asyncio.get_running_loop()._transports
    while any(transport._sock is not None for transport in transports.values()):  # noqa: ASYNC110
        await asyncio.sleep(0.001)


@pytest.fixture(params=["sync", "async"])
def make_driver(request, sandbox):
    def make(host=None, password=None, **extra):
        settings = read_settings(
            "c",
            host=host or sandbox.url,
            password=password or sandbox.token,
            extra={"rate_limits": WIDE, "timeout": 5, **extra},
        )
        return Driver(request.param, settings)

    return make


@pytest.fixture
def driver(make_driver):
    return make_driver()
