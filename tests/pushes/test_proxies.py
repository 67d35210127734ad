"""Comments through a proxy that loses the response to a batch after MaestroQA has stored it."""

from __future__ import annotations

from collections import Counter

import pytest
from factories import many
from proxies import through_proxies

from airflow_provider_maestroqa.client.errors import MaestroQAOutcomeUnknownError

COMMENTS = "/api/v1/comments-batch"
LOST = r"records 500 to 999 of the comments arrived"

pytestmark = [through_proxies, pytest.mark.parametrize("fault", ["close_after", "reset_after", "cut_after"])]


@pytest.fixture
def comments():
    return many("comments", 1500)


def copies(sandbox, comments):
    """How often each comment is there."""
    found = Counter(one["body"] for one in sandbox.comments)
    return [found[one["body"]] for one in comments]


def test_all_are_there_once_and_those_in_doubt_are_named(push, route, sandbox, state_store, comments, fault):
    route.proxy.fault(fault, path=COMMENTS, after=1)
    options = {"route": route, "state_store": state_store, "run": "run 1"}
    for _ in range(2):
        with pytest.raises(MaestroQAOutcomeUnknownError, match=LOST):
            push("comments", comments, **options)
        assert len(route.proxy.requests) == 2
        assert copies(sandbox, comments) == [1] * 1000 + [0] * 500
    report = push("comments", comments, on_unknown_outcome="skip", **options)
    assert copies(sandbox, comments) == [1] * 1500
    assert (report.confirmed, report.unconfirmed, report.repeated) == (1000, 500, 0)


def test_skip_leaves_all_there_once_and_says_which_are_in_doubt(push, route, sandbox, comments, caplog, fault):
    route.proxy.fault(fault, path=COMMENTS, after=1)
    report = push("comments", comments, route=route, on_unknown_outcome="skip")
    assert copies(sandbox, comments) == [1] * 1500
    assert (report.confirmed, report.unconfirmed, report.repeated) == (1000, 500, 0)
    assert "Continuing after records 500 to 999, which may or may not have arrived" in caplog.text


def test_resend_doubles_those_in_doubt_alone_and_counts_them(push, route, sandbox, comments, fault):
    route.proxy.fault(fault, path=COMMENTS, after=1)
    report = push("comments", comments, route=route, on_unknown_outcome="resend")
    assert copies(sandbox, comments) == [1] * 500 + [2] * 500 + [1] * 500
    assert (report.confirmed, report.unconfirmed, report.repeated) == (1500, 0, 500)
    assert "500 sent again after a lost response" in str(report)
