"""API tokens: in the header ``apitoken`` and nowhere else."""

from __future__ import annotations

from aiohttp import web

from airflow_provider_maestroqa.sandbox.request_context import parsed_body
from airflow_provider_maestroqa.sandbox.responses import RefusedError
from airflow_provider_maestroqa.sandbox.state import state_of


async def authenticate(request: web.Request) -> str:
    """The token that a request carries.

    :raises RefusedError: 401, when it carries none, a wrong or expired one, or one in the wrong place.
    """
    state = state_of(request)
    body = await parsed_body(request)
    if any(name.lower() == "apitoken" for name in (*request.query, *(body if isinstance(body, dict) else ()))):
        raise RefusedError(401, "The API token must be sent in the header apitoken, never in the body or the query.")
    token = request.headers.get("apitoken")
    if not token:
        raise RefusedError(401, "An API token is required in the header apitoken.")
    if token not in state.tokens:
        raise RefusedError(401, "Invalid API token.")
    expires_at = state.tokens[token]
    if expires_at is not None and state.clock() >= expires_at:
        raise RefusedError(401, "The API token has expired.")
    return token
