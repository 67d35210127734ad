"""A process that lives for months holds as much at their end as in the beginning."""

from __future__ import annotations

import importlib
import json
import tempfile
from pathlib import Path

import pytest

from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
#: Operations before the first look and in all, and the polls of each wait.
WARM, ALL, POLLS = 400, 1600, 18
#: What the libraries may keep meanwhile, such as addresses that they have parsed.
MORE_OBJECTS, MORE_MB = 500, 8


@pytest.fixture
def month(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = importlib.import_module("month")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with script.sandbox(POLLS) as fields:
        fields["extra"] = {"rate_limit_store": str(tmp_path / script.FILE)}
        monkeypatch.setenv("AIRFLOW_CONN_MAESTROQA_DEFAULT", json.dumps(fields))
        month = script.Month(tmp_path, ALL, polls=POLLS)
        monkeypatch.setattr(MaestroQAHook, "clock", month.clock)
        yield month


def test_a_month_of_waits_polls_and_landings_leaves_nothing_behind(month):
    """The long form is benchmarks/month.py."""
    month.operate(WARM)
    before = month.figures()
    month.operate(ALL)
    after = month.figures()
    assert month.done == ALL
    assert after["days"] > 20
    # Fewer is none of this test's business: what earlier tests of the process have left open may end meanwhile.
    more = {name: after[name] - before[name] for name in ("files", "sockets", "threads", "masked", "store_kib")}
    assert max(more.values()) <= 0, more
    assert after["left_files"] == 0
    assert after["store_rows"] <= 110, "a minute's requests are all that the budget keeps"
    assert after["objects"] - before["objects"] < MORE_OBJECTS
    assert after["rss_mb"] - before["rss_mb"] < MORE_MB
