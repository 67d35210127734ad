"""The operators that push records, with the argument that takes them, by what they push."""

from __future__ import annotations

from airflow_provider_maestroqa.operators.agents import MaestroQAUpsertAgentsOperator
from airflow_provider_maestroqa.operators.comments import MaestroQACreateCommentsOperator
from airflow_provider_maestroqa.operators.csat import MaestroQAPushCsatScoresOperator
from airflow_provider_maestroqa.operators.metrics import (
    MaestroQAPushAgentMetricsOperator,
    MaestroQAPushTicketMetricsOperator,
)
from airflow_provider_maestroqa.operators.tickets import MaestroQAUpsertTicketsOperator

OPERATORS = {
    "tickets": (MaestroQAUpsertTicketsOperator, "tickets"),
    "agents": (MaestroQAUpsertAgentsOperator, "agents"),
    "comments": (MaestroQACreateCommentsOperator, "comments"),
    "csat_scores": (MaestroQAPushCsatScoresOperator, "scores"),
    "ticket_metrics": (MaestroQAPushTicketMetricsOperator, "metrics"),
    "agent_metrics": (MaestroQAPushAgentMetricsOperator, "metrics"),
}
