"""What a push says while it runs."""

from __future__ import annotations

import pytest

from airflow_provider_maestroqa.client.transport.request_stats import Usage
from airflow_provider_maestroqa.pushes.records import spans
from airflow_provider_maestroqa.pushes.report import Meter, Progress, Report


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def said():
    return []


def progress(report, said, clock, total):
    return Progress(report, total=total, say=said.append, clock=clock)


def test_it_says_a_line_every_half_minute_with_what_a_user_wants_to_know(said, clock):
    report = Report("ticket_metrics", rejected=3, waited_s=12)
    telling = progress(report, said, clock, 200_000)
    for done in range(500, 30_000, 500):
        clock.now += 0.625
        telling.tell(done)
    (line,) = said
    assert line == (
        "Ticket metrics: 24,000 of 200,000 done (12 %), 800 a second, 3 refused, 12 s waited for the budget, "
        "about 3 min 40 s left."
    )


def test_it_says_no_time_left_where_the_total_is_not_known(said, clock):
    telling = progress(Report("comments"), said, clock, None)
    clock.now += 31
    telling.tell(1000)
    assert said == ["Comments: 1,000 done, total unknown, 32 a second, 0 refused, 0 s waited for the budget."]


def test_the_rate_is_that_of_this_try(said, clock):
    telling = progress(Report("comments"), said, clock, 2000)
    telling.begin(1000)
    clock.now += 40
    telling.tell(1400)
    assert ", 10 a second," in said[0]
    assert "about 1 min 0 s left" in said[0]


def test_requests_of_earlier_tries_count(clock):
    usage = Usage()
    usage.sent("normal", waited_s=5)
    report = Report("comments", requests=7, waited_s=1.5)
    meter = Meter(report, usage)
    usage.sent("normal", waited_s=0.25)
    meter.read()
    assert (report.requests, report.waited_s) == (8, 1.75)


def test_a_report_survives_what_a_newer_version_has_kept():
    kept = {**Report("comments", confirmed=3).as_dict(), "something_new": 1}
    assert Report.from_dict(kept).confirmed == 3


@pytest.mark.parametrize(
    ("indexes", "words"),
    [
        ([3], "3"),
        ([3, 4, 5, 9], "3 to 5, 9"),
        (range(500, 1000), "500 to 999"),
        (range(0, 100, 2), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22 and 38 more stretches"),
    ],
)
def test_numbers_are_told_as_stretches(indexes, words):
    assert spans(list(indexes)) == words
