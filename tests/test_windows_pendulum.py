"""Airflow's own datetimes are pendulum's, and a worker's clock may stand in any time zone."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import parse_time
from airflow_provider_maestroqa.windows import resolve_window, split_windows

pendulum = pytest.importorskip("pendulum")


@pytest.fixture(autouse=True, params=["UTC", "America/New_York", "Asia/Tokyo"])
def local_zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_time_of_pendulum_becomes_a_plain_one_that_keeps_its_zone():
    moment = parse_time(pendulum.datetime(2026, 3, 2, 9, 30, 15, 123456, tz="Asia/Tokyo"), "start")
    assert type(moment) is datetime
    assert moment == datetime(2026, 3, 2, 0, 30, 15, 123000, tzinfo=timezone.utc)
    assert format_time(moment - timedelta(days=7)) == "2026-02-23T00:30:15.123Z"


def test_the_window_is_the_same_wherever_the_worker_stands():
    end = pendulum.datetime(2026, 3, 2, tz="UTC")
    context = {"data_interval_start": end.subtract(days=1), "data_interval_end": end}
    assert resolve_window(context).as_text() == {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
    looked_back = resolve_window(context, lookback=timedelta(days=7)).as_text()
    assert looked_back == {"start": "2026-02-23T00:00:00Z", "end": "2026-03-02T00:00:00Z"}


def test_so_are_the_windows_of_a_stretch():
    cut = split_windows(pendulum.datetime(2026, 3, 1, tz="UTC"), pendulum.datetime(2026, 3, 3, tz="UTC"), 1)
    assert [one["start"] for one in cut] == ["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"]
