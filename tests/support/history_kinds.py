"""What the random histories of pushes push."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from factories import comment, csat_score, ticket_metric

from airflow_provider_maestroqa.sandbox import Sandbox


class Kind(NamedTuple):
    """A kind of record.

    :param text: the field that tells a record apart.
    :param bad_here: what the local checks reject.
    :param bad_there: what MaestroQA rejects although the checks let it pass; empty for nothing.
    """

    path: str
    make: Callable[[int, str], dict]
    text: str
    there: Callable[[Sandbox], Iterable[dict]]
    bad_here: dict
    bad_there: dict


KINDS = {
    "comments": Kind(
        "/api/v1/comments-batch",
        lambda number, text: comment(f"T-{number % 3}", text),
        "body",
        lambda sandbox: sandbox.comments,
        {"role": "nobody"},
        {},
    ),
    "ticket_metrics": Kind(
        "/api/v1/ticket-metrics-batch",
        lambda number, text: ticket_metric(f"T-{number}", metric_id=text, value=number),
        "metric_id",
        lambda sandbox: sandbox.ticket_metrics.values(),
        {"metric_value": "much"},
        {"agent_id": "nobody"},
    ),
    # Some are equal to others in all that a response repeats of them.
    "csat_scores": Kind(
        "/api/v1/create-customer-feedback",
        lambda number, text: csat_score(f"T-{number % 7}", comment=text),
        "comment",
        lambda sandbox: sandbox.csat_scores,
        {"score": "much"},
        {"agent_id": "nobody"},
    ),
}
