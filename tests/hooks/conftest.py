from __future__ import annotations

import pytest
from clocks import FakeTime

from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook


@pytest.fixture
def hook(connection, monkeypatch):
    """The hook of the connection, in whose time no pause takes any."""
    monkeypatch.setattr(MaestroQAHook, "clock", FakeTime().clock())
    with MaestroQAHook(connection) as opened:
        yield opened
