"""The API's chapter "Attachments": bytes that come by a presigned URL, or from a URL."""

from __future__ import annotations

import secrets

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.api.comments import missing_ticket
from airflow_provider_maestroqa.sandbox.data.account import Attachment
from airflow_provider_maestroqa.sandbox.responses import RefusedError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, body_parameters

_PARAMETERS = {
    "url": Parameter(checks.web_address),
    "ticket_id": Parameter(checks.text, required=True),
    "content_type": Parameter(checks.mime_type, required=True),
    "id": Parameter(checks.text),
    "author_id": Parameter(checks.text),
    "public": Parameter(checks.flag),
    "timestamp": Parameter(checks.date),
}


def add_routes(app: web.Application) -> None:
    """Put this chapter's operations into the API."""
    app.router.add_post("/api/v1/attachments", _create)


async def _create(request: web.Request) -> web.Response:
    state = state_of(request)
    account = state.account
    asked = await body_parameters(request, _PARAMETERS)
    if missing := missing_ticket(account, asked):
        raise RefusedError(404, f"Not found: {missing}.")
    name = asked.setdefault("id", account.new_id())
    there = account.attachments.get(name)
    if there is not None and (
        state.settings.attachment_id_reuse == "conflict" or there.fields["ticket_id"] != asked["ticket_id"]
    ):
        raise RefusedError(409, f"The id {name!r} is already in use by another attachment.")
    key = f"/attachments/{secrets.token_hex(12)}" if there is None else there.key
    fields = {"public": True, "timestamp": account.now(), **asked}
    account.attachments[name] = Attachment(fields, key, None if there is None else there.upload)
    if "url" in asked:
        return web.json_response({"id": name})
    url = state.presign(
        key,
        method="PUT",
        headers={"content-type": asked["content_type"], "x-amz-server-side-encryption": "AES256"},
    )
    return web.json_response({"id": name, "presigned_url": url})
