"""The API's chapter "Metrics": what has the same key is replaced."""

from __future__ import annotations

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.api.batches import Batch, missing_agent, missing_ticket
from airflow_provider_maestroqa.sandbox.data.account import Account, Fields
from airflow_provider_maestroqa.sandbox.validation import Parameter

_AGENT = {
    "agent_id": Parameter(checks.text, required=True),
    "metric_id": Parameter(checks.text, required=True),
    "metric_value": Parameter(checks.number, required=True),
    "timestamp": Parameter(checks.date, required=True),
}
_TICKET = {
    "ticket_id": Parameter(checks.text, required=True),
    "source_id": Parameter(checks.text, required=True),
    **_AGENT,
    "ticket_event_id": Parameter(checks.text, nullable=True),
    "metric_deleted": Parameter(checks.flag),
}


def _store_ticket_metric(account: Account, record: Fields) -> Fields:
    agent = account.agent_keys[record["agent_id"]]
    ticket_id, metric_id = record["ticket_id"], record["metric_id"]
    key = (metric_id, ticket_id, record["source_id"], agent, record.get("ticket_event_id"))
    if record.get("metric_deleted"):
        account.ticket_metrics.pop(key, None)
    else:
        account.ticket_metrics[key] = record
    return {"ticket_id": ticket_id, "metric_id": metric_id}


def _store_agent_metric(account: Account, record: Fields) -> Fields:
    account.agent_metrics[record["metric_id"], account.agent_keys[record["agent_id"]]] = record
    return {"agent_id": record["agent_id"], "metric_id": record["metric_id"]}


def _missing(account: Account, record: Fields) -> str | None:
    return missing_ticket(account, record) or missing_agent(account, record)


routes = web.RouteTableDef()
routes.post("/api/v1/ticket-metrics-batch")(Batch(_TICKET, _store_ticket_metric, _missing).handle)
routes.post("/api/v1/agent-metrics-batch")(Batch(_AGENT, _store_agent_metric, missing_agent).handle)
