from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.times import format_time, parse_time


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z"),
        ("2026-01-31 01:30:00+01:30", "2026-01-31T00:00:00Z"),
        ("2026-01-31T00:00:00.120Z", "2026-01-31T00:00:00.120Z"),
        ("2026-01-31T00:00:00.1239999+00:00", "2026-01-31T00:00:00.123Z"),
        ("2026-01-31T00:00:00.000000Z", "2026-01-31T00:00:00Z"),
        (datetime(2026, 1, 31, tzinfo=timezone(timedelta(hours=-5))), "2026-01-31T05:00:00Z"),
        (datetime(2026, 1, 31, 0, 0, 0, 7000, tzinfo=timezone.utc), "2026-01-31T00:00:00.007Z"),
    ],
)
def test_a_time_with_a_zone_is_written_in_utc(given, written):
    assert format_time(parse_time(given, "start")) == written


@pytest.mark.parametrize(
    "given", [datetime(2026, 1, 31), "2026-01-31T00:00:00", "2026-01-31", "yesterday", "", 1700000000, None]
)
def test_a_time_without_a_zone_is_refused_and_the_error_names_field_and_remedy(given):
    with pytest.raises(MaestroQAConfigError, match=r"start.*(aware datetime)"):
        parse_time(given, "start")
