"""The chapter "Data Deletion": at most five customers in a request, finished later, and never undone."""

from __future__ import annotations

import secrets
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.request_context import body_parameters, context_of, reject_query
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter

MAX_EMAILS = 5


def _check_emails(value: Any) -> str | None:
    if problem := checks.array(value):
        return problem
    if not 0 < len(value) <= MAX_EMAILS:
        return f"must hold 1 to {MAX_EMAILS} email addresses, not {len(value)}"
    # As servers do that are too talkative: whoever asks must not log this.
    wrong = [str(one) for one in value if checks.email(one)]
    return f"must hold email addresses, not {wrong[0]}" if wrong else None


_REQUEST = {"emails": Parameter(_check_emails, required=True), "auditLabel": Parameter(checks.text)}
routes = web.RouteTableDef()


@routes.delete("/api/v1/data-deletion-request")
async def _request(request: web.Request) -> web.Response:
    account = state_of(request).account
    body = await body_parameters(request, _REQUEST)
    deletion = account.delete_customers(secrets.token_hex(12), body)
    return web.json_response({"confirmation": True, "id": deletion["id"]})


@routes.get("/api/v1/data-deletion-check/{id}", allow_head=False)
async def _check(request: web.Request) -> web.Response:
    reject_query(request)
    state = state_of(request)
    deletion = state.account.deletions.get(request.match_info["id"])
    if deletion is None:
        raise APIError(404, "There is no deletion with this id.")
    passing = ""
    for fault in context_of(request).faults:
        if fault.kind == "unknown_status":
            passing = fault.text or "archiving"
        elif fault.kind in ("errored", "never"):
            deletion = {**deletion, "outcome": fault.kind}
    polls = deletion["polls"] + 1
    outcome = deletion.get("outcome", "completed")
    status = outcome if outcome != "never" and polls > state.options.deletion_polls else "pending"
    state.account.deletions[deletion["id"]] = {**deletion, "polls": polls, "status": status}
    return web.json_response({"status": passing or status})
