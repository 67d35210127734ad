"""Durations and sizes as people write them."""

import pytest

from airflow_provider_maestroqa.client.formatting import format_duration, format_size


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
