"""Requests that were lost and may be carried out late: what a push lets wait, and what it counts."""

from __future__ import annotations

import pytest
from clocks import FakeTime
from factories import many, numbered

from airflow_provider_maestroqa.pushes.late import MAX_LATE_S

METRICS = "/api/v1/agent-metrics-batch"


@pytest.fixture
def time():
    return FakeTime()


@pytest.fixture
def twice():
    """The last record has the key of the first one."""
    return [*many("agent_metrics", 500), numbered("agent_metrics", 0, metric_value=2)]


def test_a_record_waits_while_an_earlier_one_of_its_key_may_be_under_way(push, sandbox, time, twice):
    sandbox.fault(kind="timeout", path=METRICS)
    report = push("agent_metrics", twice, timeout=1, clock=time.clock())
    assert (report.confirmed, report.repeated) == (501, 500)
    assert time.slept == [pytest.approx(MAX_LATE_S)]
    assert "500 sent again after a lost response" in str(report)


@pytest.mark.parametrize("fault", [None, {"kind": "rate_limited"}])
def test_nothing_waits_after_a_request_that_was_certainly_not_carried_out(push, sandbox, time, twice, fault):
    if fault:
        sandbox.fault(path=METRICS, **fault)
    report = push("agent_metrics", twice, clock=time.clock())
    assert (report.confirmed, report.repeated, time.slept) == (501, 0, [])


def test_other_records_do_not_wait(push, sandbox, time):
    sandbox.fault(kind="reset_after", path=METRICS)
    report = push("agent_metrics", many("agent_metrics", 1000), clock=time.clock())
    assert (report.confirmed, report.repeated, time.slept) == (1000, 500, [])


def test_tickets_wait_by_their_id(push, sandbox, time):
    sandbox.fault(kind="reset_before", path="/api/v1/tickets", times=2)
    tickets = [numbered("tickets", 1), numbered("tickets", 2), numbered("tickets", 1, subject="newer")]
    report = push("tickets", tickets, clock=time.clock())
    assert (report.confirmed, report.repeated, time.slept) == (3, 1, [pytest.approx(MAX_LATE_S)])
    assert sandbox.tickets["T-1"]["subject"] == "newer"


def test_comments_that_were_sent_again_are_counted(push, sandbox, time):
    sandbox.fault(kind="reset_after", path="/api/v1/comments-batch")
    report = push("comments", many("comments", 600), on_unknown_outcome="resend", clock=time.clock())
    assert (report.confirmed, report.repeated, time.slept) == (600, 500, [])
