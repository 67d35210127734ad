"""How far a long job is, in words."""

import pytest

from airflow_provider_maestroqa.client.formatting import format_duration
from airflow_provider_maestroqa.landing.progress import Progress, megabytes


def test_a_line_comes_every_twenty_seconds_with_rate_and_time_left(clock, said):
    progress = Progress("Moving", total=100_000_000, say=said.append, clock=clock)
    for _ in range(8):
        clock.now += 5
        progress.advance(5_000_000)
    assert said == [
        "Moving: 20.0 MB of 100.0 MB (20 %), 1.0 MB/s, 1 min 20 s left",
        "Moving: 40.0 MB of 100.0 MB (40 %), 1.0 MB/s, 1 min 0 s left",
    ]


def test_a_job_of_unknown_size_tells_what_it_knows(clock, said):
    progress = Progress("Moving", total=None, say=said.append, clock=clock)
    clock.now += 20
    progress.advance(2_000_000)
    assert said == ["Moving: 2.0 MB so far, 0.1 MB/s, total unknown"]


def test_a_job_that_stands_still_says_so(clock, said):
    progress = Progress("Moving", total=10, say=said.append, clock=clock)
    clock.now += 30
    progress.tick()
    assert said == ["Moving: 0.0 MB of 0.0 kB (0 %), 0.0 MB/s, nothing new"]


def test_a_summary_tells_size_time_and_rate(clock, said):
    progress = Progress("Moving", total=None, say=said.append, clock=clock)
    clock.now += 4
    progress.advance(8_000_000)
    assert progress.summary() == "8.0 MB in 4.0 s, 2.0 MB/s"


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
def test_durations_are_told_as_people_do(seconds, text):
    assert format_duration(seconds) == text


def test_bytes_are_told_in_megabytes():
    assert megabytes(1_234_567_890) == "1,234.6 MB"
