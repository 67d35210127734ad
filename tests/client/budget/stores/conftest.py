"""Budgets on servers that the tests break."""

from __future__ import annotations

import pytest

from airflow_provider_maestroqa.client.budget import open_budget

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
