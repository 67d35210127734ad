"""The API's chapter "Comments": every POST adds, so that what is sent twice is there twice."""

from __future__ import annotations

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.api.batches import Batch, missing_ticket
from airflow_provider_maestroqa.sandbox.data.account import Account
from airflow_provider_maestroqa.sandbox.request_context import body_parameters
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter

_PARAMETERS = {
    "body": Parameter(checks.text, required=True),
    "ticket_id": Parameter(checks.text, required=True),
    "author_id": Parameter(checks.text),
    "role": Parameter(checks.one_of("customer", "agent")),
    "channel": Parameter(checks.text),
    "public": Parameter(checks.flag),
    "time": Parameter(checks.date),
}

routes = web.RouteTableDef()
routes.post("/api/v1/comments-batch")(Batch(_PARAMETERS, Account.add_comment, missing_ticket, status=200).handle)


@routes.post("/api/v1/comments")
async def _create(request: web.Request) -> web.Response:
    account = state_of(request).account
    comment = await body_parameters(request, _PARAMETERS)
    if missing := missing_ticket(account, comment):
        raise APIError(404, f"Not found: {missing}.")
    return web.json_response(account.add_comment(comment))
