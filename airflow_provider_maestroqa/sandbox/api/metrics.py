"""The API's chapter "Metrics": what has the same key is replaced."""

from __future__ import annotations

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.api.batches import take_batch
from airflow_provider_maestroqa.sandbox.api.comments import missing_ticket
from airflow_provider_maestroqa.sandbox.data.account import Account, Fields
from airflow_provider_maestroqa.sandbox.state import state_of
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


def add_routes(app: web.Application) -> None:
    """Put this chapter's operations into the API."""
    app.router.add_post("/api/v1/ticket-metrics-batch", _push_ticket_metrics)
    app.router.add_post("/api/v1/agent-metrics-batch", _push_agent_metrics)


async def _push_ticket_metrics(request: web.Request) -> web.Response:
    account = state_of(request).account

    def lacking(record: Fields) -> str | None:
        return missing_ticket(account, record) or _missing_agent(account, record)

    def store(record: Fields) -> Fields:
        agent = account.agent_keys[record["agent_id"]]
        ticket_id, metric_id = record["ticket_id"], record["metric_id"]
        key = (metric_id, ticket_id, record["source_id"], agent, record.get("ticket_event_id"))
        if record.get("metric_deleted"):
            account.ticket_metrics.pop(key, None)
        else:
            account.ticket_metrics[key] = record
        return {"ticket_id": ticket_id, "metric_id": metric_id}

    return await take_batch(request, _TICKET, lacking=lacking, store=store, status=201)


async def _push_agent_metrics(request: web.Request) -> web.Response:
    account = state_of(request).account

    def store(record: Fields) -> Fields:
        account.agent_metrics[record["metric_id"], account.agent_keys[record["agent_id"]]] = record
        return {"agent_id": record["agent_id"], "metric_id": record["metric_id"]}

    return await take_batch(
        request, _AGENT, lacking=lambda record: _missing_agent(account, record), store=store, status=201
    )


def _missing_agent(account: Account, record: Fields) -> str | None:
    if record["agent_id"] in account.agent_keys:
        return None
    return f"agent_id {record['agent_id']!r} is no agent of this account"
