from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.windows import resolve_window

DAY_1, DAY_2, DAY_3 = (datetime(2026, 1, day, tzinfo=timezone.utc) for day in (1, 2, 3))
INTERVAL = {"data_interval_start": DAY_1, "data_interval_end": DAY_2}
POINT = {"data_interval_start": DAY_2, "data_interval_end": DAY_2}
MANUAL = {"dag_run": SimpleNamespace(run_after=DAY_3, data_interval_start=None, data_interval_end=None)}


@pytest.mark.parametrize(
    ("context", "arguments", "start", "end"),
    [
        (INTERVAL, {}, DAY_1, DAY_2),
        (INTERVAL, {"start": "2026-01-02T00:00:00Z", "end": DAY_3}, DAY_2, DAY_3),
        (INTERVAL, {"start": "", "end": "None"}, DAY_1, DAY_2),
        (INTERVAL, {"lookback": timedelta(hours=1)}, DAY_2 - timedelta(hours=1), DAY_2),
        (POINT, {"lookback": timedelta(days=1)}, DAY_1, DAY_2),
        (POINT, {"start": DAY_1}, DAY_1, DAY_2),
        (MANUAL, {"lookback": timedelta(days=1)}, DAY_2, DAY_3),
        (MANUAL, {"start": DAY_1}, DAY_1, DAY_3),
        (MANUAL, {"end": DAY_2, "lookback": timedelta(days=1)}, DAY_1, DAY_2),
        ({}, {"start": DAY_1, "end": DAY_2}, DAY_1, DAY_2),
        ({"dag_run": SimpleNamespace(**INTERVAL)}, {}, DAY_1, DAY_2),
    ],
)
def test_the_window_is_as_given_else_looked_back_else_the_data_interval(context, arguments, start, end):
    window = resolve_window(context, **arguments)
    assert (window.start, window.end) == (start, end)


@pytest.mark.parametrize("context", [POINT, MANUAL, {}])
def test_a_run_without_an_interval_names_three_remedies(context):
    with pytest.raises(MaestroQAConfigError) as caught:
        resolve_window(context)
    for remedy in ("start and end", "lookback", "CronDataIntervalTimetable"):
        assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("context", "arguments", "named"),
    [
        (INTERVAL, {"start": DAY_1, "lookback": timedelta(days=1)}, "start or lookback, not both"),
        (INTERVAL, {"end": DAY_1}, "end is given without a start"),
        (INTERVAL, {"start": DAY_2, "end": DAY_1}, "must be before its end"),
        (INTERVAL, {"start": DAY_2, "end": DAY_2}, "must be before its end"),
        (INTERVAL, {"start": DAY_3}, "must be before its end"),
        (INTERVAL, {"lookback": 86400}, "lookback must be a timedelta"),
        (INTERVAL, {"lookback": timedelta(0)}, "lookback must be a timedelta"),
        (INTERVAL, {"start": datetime(2026, 1, 1), "end": DAY_2}, "start.*has no time zone"),
        (INTERVAL, {"start": DAY_1, "end": "2026-01-02"}, "end.*has no time zone"),
        ({}, {"lookback": timedelta(days=1)}, "Pass end"),
    ],
)
def test_a_window_that_cannot_be_is_refused_with_its_remedy(context, arguments, named):
    with pytest.raises(MaestroQAConfigError, match=named):
        resolve_window(context, **arguments)
