"""Budgets on servers and in storages that the tests break."""

from __future__ import annotations

import pytest
from swap_memory import FaultyMemory

from airflow_provider_maestroqa.client.budget import open_budget
from airflow_provider_maestroqa.client.budget.stores.object_store import ObjectStore

LIMITS = {"normal": [[4, 0.5]]}


@pytest.fixture
def on_server():
    """Open a budget on a server; it is closed when the test ends."""
    opened = []

    def budget(url, *, timeout=0.5, limits=LIMITS):
        made = open_budget(store=url, base_url="https://x.com", token="t", limits=limits, store_timeout=timeout)
        opened.append(made)
        return made

    yield budget
    for made in opened:
        made.close()


@pytest.fixture
def memory(fake_time):
    return FaultyMemory(fake_time)


@pytest.fixture
def make(fake_time, memory):
    def store(objects=memory, **options):
        return ObjectStore(memory.name, lambda: objects, fake_time.clock(), timeout=10, **options)

    return store
