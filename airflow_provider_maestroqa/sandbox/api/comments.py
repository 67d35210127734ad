"""The API's chapter "Comments": every POST adds, so that what is sent twice is there twice."""

from __future__ import annotations

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.api.batches import take_batch
from airflow_provider_maestroqa.sandbox.data.account import Account, Fields
from airflow_provider_maestroqa.sandbox.responses import RefusedError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, body_parameters

_PARAMETERS = {
    "body": Parameter(checks.text, required=True),
    "ticket_id": Parameter(checks.text, required=True),
    "author_id": Parameter(checks.text),
    "role": Parameter(checks.one_of("customer", "agent")),
    "channel": Parameter(checks.text),
    "public": Parameter(checks.flag),
    "time": Parameter(checks.date),
}


def add_routes(app: web.Application) -> None:
    """Put this chapter's operations into the API."""
    app.router.add_post("/api/v1/comments", _create)
    app.router.add_post("/api/v1/comments-batch", _create_many)


async def _create(request: web.Request) -> web.Response:
    account = state_of(request).account
    asked = await body_parameters(request, _PARAMETERS)
    if missing := missing_ticket(account, asked):
        raise RefusedError(404, f"Not found: {missing}.")
    return web.json_response(account.add_comment(asked, account.now()))


async def _create_many(request: web.Request) -> web.Response:
    account = state_of(request).account
    now = account.now()
    return await take_batch(
        request,
        _PARAMETERS,
        lacking=lambda record: missing_ticket(account, record),
        store=lambda record: account.add_comment(record, now),
        status=200,
    )


def missing_ticket(account: Account, record: Fields) -> str | None:
    """The complaint about a record whose ticket does not exist, or ``None``."""
    if account.has_ticket(record["ticket_id"]):
        return None
    return f"ticket_id {record['ticket_id']!r} is no ticket of this account"
