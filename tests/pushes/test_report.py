"""What a push logs while it runs, and reports at its end."""

from __future__ import annotations

import pytest
from clocks import FakeClock

from airflow_provider_maestroqa.client.transport.request_stats import RequestStats
from airflow_provider_maestroqa.pushes.records import format_ranges
from airflow_provider_maestroqa.pushes.report import PushProgress, Report


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def lines():
    return []


@pytest.fixture
def start(clock, lines):
    def start(report, *, total=None, request_stats=None):
        return PushProgress(report, request_stats or RequestStats(), total=total, log=lines.append, clock=clock)

    return start


def test_a_line_every_half_minute_has_what_a_user_wants_to_know(start, lines, clock):
    progress = start(Report("ticket_metrics", rejected=3, waited_s=12), total=200_000)
    for done in range(500, 30_000, 500):
        clock.now += 0.625
        progress.log_if_due(done)
    (line,) = lines
    assert line == (
        "Ticket metrics: 24,000 of 200,000 records (12 %), 800/s, 3 rejected, 12 s waited for the budget, "
        "3 min 40 s left"
    )


def test_there_is_no_time_left_where_the_total_is_not_known(start, lines, clock):
    progress = start(Report("comments"))
    clock.now += 31
    progress.log_if_due(1000)
    assert lines == ["Comments: 1,000 records so far, 32/s, 0 rejected, 0 s waited for the budget, total unknown"]


def test_the_rate_is_that_of_this_try(start, lines, clock):
    progress = start(Report("comments"), total=2000)
    progress.start(1000)
    clock.now += 40
    progress.log_if_due(1400)
    assert ", 10/s," in lines[0]
    assert "1 min 0 s left" in lines[0]


def test_requests_of_earlier_tries_count(start):
    request_stats = RequestStats()
    request_stats.count_request("normal", waited_s=5)
    report = Report("comments", requests=7, waited_s=1.5)
    progress = start(report, request_stats=request_stats)
    request_stats.count_request("normal", waited_s=0.25)
    progress.update_report()
    assert (report.requests, report.waited_s) == (8, 1.75)


def test_a_report_survives_what_a_newer_version_has_saved():
    saved = {**Report("comments", confirmed=3).as_dict(), "something_new": 1}
    assert Report.from_dict(saved).confirmed == 3


@pytest.mark.parametrize(
    ("indexes", "words"),
    [
        ([3], "3"),
        ([3, 4, 5, 9], "3 to 5, 9"),
        (range(500, 1000), "500 to 999"),
        (range(0, 400, 2), ", ".join(str(number) for number in range(0, 400, 2))),
    ],
)
def test_numbers_are_written_as_ranges(indexes, words):
    assert format_ranges(list(indexes)) == words
