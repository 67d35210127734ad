"""The API's chapter "Attachments": bytes that are uploaded to a presigned URL, or fetched from a URL."""

from __future__ import annotations

import secrets

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.api.batches import missing_ticket
from airflow_provider_maestroqa.sandbox.data.account import Attachment
from airflow_provider_maestroqa.sandbox.request_context import body_parameters
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter

_PARAMETERS = {
    "url": Parameter(checks.web_address),
    "ticket_id": Parameter(checks.text, required=True),
    "content_type": Parameter(checks.mime_type, required=True),
    "id": Parameter(checks.text),
    "author_id": Parameter(checks.text),
    "public": Parameter(checks.flag),
    "timestamp": Parameter(checks.date),
}

routes = web.RouteTableDef()


@routes.post("/api/v1/attachments")
async def _create(request: web.Request) -> web.Response:
    state = state_of(request)
    account = state.account
    body = await body_parameters(request, _PARAMETERS)
    if missing := missing_ticket(account, body):
        raise APIError(404, f"Not found: {missing}.")
    name = body.setdefault("id", account.new_id())
    existing = account.attachments.get(name)
    if existing is not None and (
        state.options.attachment_id_reuse == "conflict" or existing.fields["ticket_id"] != body["ticket_id"]
    ):
        raise APIError(409, f"The id {name!r} is already in use by another attachment.")
    key = f"/attachments/{secrets.token_hex(12)}" if existing is None else existing.key
    fields = {"public": True, "timestamp": account.now(), **body}
    account.attachments[name] = Attachment(fields, key, None if existing is None else existing.upload)
    if "url" in body:
        return web.json_response({"id": name})
    headers = {"content-type": body["content_type"], "x-amz-server-side-encryption": "AES256"}
    return web.json_response({"id": name, "presigned_url": state.presign(key, method="PUT", headers=headers)})
