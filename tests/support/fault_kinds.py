"""The kinds of records of the pushes' fault table: how each is pushed, and what is there then."""

from __future__ import annotations

from collections import Counter

from factories import agent, agent_metric, comment, csat_score, ticket, ticket_metric

from airflow_provider_maestroqa.operators.agents import MaestroQAUpsertAgentsOperator
from airflow_provider_maestroqa.operators.comments import MaestroQACreateCommentsOperator
from airflow_provider_maestroqa.operators.csat import MaestroQAPushCsatScoresOperator
from airflow_provider_maestroqa.operators.metrics import (
    MaestroQAPushAgentMetricsOperator,
    MaestroQAPushTicketMetricsOperator,
)
from airflow_provider_maestroqa.operators.tickets import MaestroQAUpsertTicketsOperator

#: How many records of a batch are sent in one request: a full batch would show the same, and take longer.
BATCH = 20
UNKNOWN = "not known whether"


class Kind:
    """A kind of record: how to push it, what is there then, and what should be.

    :param batch_size: how many are sent in one request.
    :param adds: whether a record that is sent twice is there twice.
    """

    def __init__(self, operator, argument, path, count, make, there, *, batch_size=1, adds=False):
        self.operator = operator
        self.argument = argument
        self.path = path
        self.records = [make(number) for number in range(count)]
        self.there = there
        self.truth = None
        self.batch_size = batch_size
        self.adds = adds
        #: What is said when the second request of a kind that adds was lost.
        self.unknown = f"{UNKNOWN} records {batch_size} to {2 * batch_size - 1}"

    def task(self, state_path, records=None):
        task = self.operator(task_id="push", state_path=state_path, **{self.argument: []})
        setattr(task, self.argument, self.records if records is None else records)
        return task


def metric_fields(number):
    return {"agent_id": f"agent-{number % 20 + 1}", "value": number, "metric_id": f"m{number}"}


KINDS = {
    "tickets": lambda: Kind(
        MaestroQAUpsertTicketsOperator,
        "tickets",
        "/api/v1/tickets*",
        5,
        lambda number: ticket(f"T-{number % 4}", subject=f"Subject {number}"),
        lambda sandbox: {one: sandbox.tickets[one]["subject"] for one in sandbox.tickets},
    ),
    "agents": lambda: Kind(
        MaestroQAUpsertAgentsOperator,
        "agents",
        "/api/v1/*agent*",
        5,
        lambda number: agent(f"agent-{24 - number}@example.com", available=number % 2 == 0, agentId=f"id-{number}"),
        lambda sandbox: {email: (one["agentId"], one["available"]) for email, one in sandbox.agents.items()},
    ),
    "comments": lambda: Kind(
        MaestroQACreateCommentsOperator,
        "comments",
        "/api/v1/comments-batch",
        BATCH * 2 + 4,
        lambda number: comment(f"T-{number % 3}", f"comment {number}"),
        lambda sandbox: Counter(one["body"] for one in sandbox.comments),
        batch_size=BATCH,
        adds=True,
    ),
    "csat_scores": lambda: Kind(
        MaestroQAPushCsatScoresOperator,
        "scores",
        "/api/v1/create-customer-feedback",
        BATCH * 2 + 4,
        lambda number: csat_score(f"T-{number % 3}", comment=f"comment {number}"),
        lambda sandbox: Counter(one["comment"] for one in sandbox.csat_scores),
        batch_size=BATCH,
        adds=True,
    ),
    "ticket_metrics": lambda: Kind(
        MaestroQAPushTicketMetricsOperator,
        "metrics",
        "/api/v1/ticket-metrics-batch",
        BATCH * 2 + 4,
        lambda number: ticket_metric(f"T-{number}", **metric_fields(number)),
        lambda sandbox: {one["metric_id"]: one["metric_value"] for one in sandbox.ticket_metrics.values()},
        batch_size=BATCH,
    ),
    "agent_metrics": lambda: Kind(
        MaestroQAPushAgentMetricsOperator,
        "metrics",
        "/api/v1/agent-metrics-batch",
        BATCH * 2 + 4,
        lambda number: agent_metric(**metric_fields(number)),
        lambda sandbox: {one["metric_id"]: one["metric_value"] for one in sandbox.agent_metrics.values()},
        batch_size=BATCH,
    ),
}
