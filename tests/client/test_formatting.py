"""Durations and sizes as people write them."""

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_maestroqa.client.formatting import format_duration, format_number, format_size, format_time


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.03, "less than 0.1 s"),
        (0.25, "0.2 s"),
        (9.99, "10 s"),
        (59, "59 s"),
        (60, "1 min 0 s"),
        (3725, "1 h 2 min"),
    ],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


def test_sizes():
    assert format_size(1_234_567_890) == "1,234.6 MB"


@pytest.mark.parametrize("year", [1, 42, 842, 999, 1000, 9999])
def test_every_year_has_four_digits(year):
    assert format_time(datetime(year, 1, 2, tzinfo=timezone.utc)) == f"{year:04d}-01-02T00:00:00Z"
    moment = datetime(year, 1, 2, 1, 0, 0, 7_999, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(moment) == f"{year:04d}-01-02T00:00:00.007Z"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1050.0, "1050"),
        (15, "15"),
        (15.25, "15.2"),
        (0.01, "0.01"),
        (1e-7, "0.0000001"),
        (1e12, "1000000000000"),
        (3.0, "3"),
    ],
)
def test_no_number_is_written_with_an_exponent(number, text):
    assert format_number(number) == text
