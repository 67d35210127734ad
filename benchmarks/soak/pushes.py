"""The records that are pushed, and how they are found again at the service: each carries its task and its number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from factories import agent, agent_metric, comment, csat_score, ticket, ticket_metric

from airflow_provider_maestroqa.sandbox import Sandbox


@dataclass(frozen=True)
class PushOf:
    """How records of one kind are made and found.

    :param make: makes the record of a task with this number; the text is its mark.
    :param marks: gives the marks of all that are stored.
    :param batch_size: how many go in one request; fewer than MaestroQA takes, so that a task sends several.
    :param largest: how many a task pushes at most.
    :param bad: fields that make a record bad, for the package or only for MaestroQA.
    :param adds: whether a record that is sent twice is there twice.
    """

    make: Callable[[str, int, str], dict[str, Any]]
    marks: Callable[[Sandbox], Iterable[str]]
    batch_size: int
    largest: int
    bad: tuple[dict[str, Any], ...]
    adds: bool = False


PUSHES = {
    "comments": PushOf(
        lambda _, number, mark: comment(f"T-{number % 3}", mark),
        lambda sandbox: [one["body"] for one in sandbox.comments],
        batch_size=6,
        largest=40,
        bad=({"role": "nobody"},),
        adds=True,
    ),
    "csat_scores": PushOf(
        lambda _, number, mark: csat_score(f"T-{number % 3}", comment=mark),
        lambda sandbox: [one["comment"] for one in sandbox.csat_scores],
        batch_size=6,
        largest=40,
        bad=({"score": "much"}, {"agent_id": "nobody"}),
        adds=True,
    ),
    "ticket_metrics": PushOf(
        lambda _, number, mark: ticket_metric(f"T-{number}", metric_id=mark, value=number),
        lambda sandbox: [one["metric_id"] for one in sandbox.ticket_metrics.values()],
        batch_size=6,
        largest=40,
        bad=({"metric_value": "much"}, {"agent_id": "nobody"}),
    ),
    "agent_metrics": PushOf(
        lambda _, number, mark: agent_metric(metric_id=mark, value=number),
        lambda sandbox: [one["metric_id"] for one in sandbox.agent_metrics.values()],
        batch_size=6,
        largest=40,
        bad=({"metric_value": "much"}, {"agent_id": "nobody"}),
    ),
    "tickets": PushOf(
        lambda job, number, mark: ticket(f"{job}-{number}", subject=mark),
        lambda sandbox: [one["subject"] for one in sandbox.tickets.values()],
        batch_size=1,
        largest=6,
        bad=({"csat_score": "much"},),
    ),
    "agents": PushOf(
        lambda job, number, mark: agent(f"{job}-{number}@example.com", name=mark, agentId=f"{job}-{number}"),
        lambda sandbox: [one["name"] for one in sandbox.agents.values()],
        batch_size=1,
        largest=4,
        bad=({"available": "perhaps"},),
    ),
}


def mark(job: str, number: int) -> str:
    """The text by which a record is found again."""
    return f"{job} r{number}"


def read_mark(text: str) -> tuple[str, int] | None:
    """The task and the number of a record; ``None`` for one that is not of the soak."""
    job, _, number = text.partition(" r")
    return (job, int(number)) if number.isdigit() else None
