"""What is logged about a long job."""

import pytest
from clocks import FakeClock

from airflow_provider_maestroqa.client.progress import BYTES, RECORDS, Progress


@pytest.fixture
def lines():
    return []


@pytest.fixture
def make(lines):
    def make(total=None, unit=BYTES):
        return Progress("Moving", total=total, log=lines.append, clock=FakeClock(), unit=unit)

    return make


def run(progress, *amounts, seconds):
    for amount in amounts:
        progress._clock.now += seconds
        progress.advance(amount)


def test_a_line_comes_every_twenty_seconds_with_rate_and_time_left(make, lines):
    run(make(100_000_000), *[5_000_000] * 8, seconds=5)
    assert lines == [
        "Moving: 20.0 MB of 100.0 MB (20 %), 1.0 MB/s, 1 min 20 s left",
        "Moving: 40.0 MB of 100.0 MB (40 %), 1.0 MB/s, 1 min 0 s left",
    ]


def test_records_are_counted_alike(make, lines):
    progress = make(lambda: 1000, RECORDS)
    run(progress, *[1] * 100, seconds=1)
    assert lines[0] == "Moving: 20 of 1,000 records (2 %), 1/s, 16 min 20 s left"
    assert len(lines) == 5
    assert progress.summary() == "100 records in 1 min 40 s, 1/s"


@pytest.mark.parametrize(
    ("total", "unit", "amount", "line"),
    [
        (None, BYTES, 2_000_000, "Moving: 2.0 MB so far, 0.1 MB/s, total unknown"),
        (10, BYTES, 0, "Moving: 0 bytes of 10 bytes (0 %), 0 bytes/s, nothing new"),
        (0, BYTES, 0, "Moving: 0 bytes of 0 bytes (100 %), 0 bytes/s, finishing"),
        (lambda: None, RECORDS, 20, "Moving: 20 records so far, 1/s, total unknown"),
        (lambda: 3, RECORDS, 20, "Moving: 20 records so far, 1/s, total unknown"),
    ],
)
def test_a_line_says_what_is_known(make, lines, total, unit, amount, line):
    run(make(total, unit), amount, seconds=20)
    assert lines == [line]


def test_a_quick_job_logs_no_progress(make, lines):
    run(make(1000), *[1] * 100, seconds=0.001)
    assert lines == []


@pytest.mark.parametrize(
    ("unit", "amount", "text"),
    [(BYTES, 8_000_000, "8.0 MB in 4.0 s, 2.0 MB/s"), (RECORDS, 1, "1 record in 4.0 s, 0/s")],
)
def test_a_summary_has_amount_time_and_rate(make, unit, amount, text):
    progress = make(unit=unit)
    run(progress, amount, seconds=4)
    assert progress.summary() == text
