"""What every request goes through: the record first, then token, limits and faults."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from airflow_provider_maestroqa.sandbox.auth import authenticate
from airflow_provider_maestroqa.sandbox.fault_responses import spoil
from airflow_provider_maestroqa.sandbox.request_context import begin_visit, note, parsed_body, visit_of
from airflow_provider_maestroqa.sandbox.request_log import Seen
from airflow_provider_maestroqa.sandbox.responses import RefusedError, api_error, refusal_answer
from airflow_provider_maestroqa.sandbox.state import state_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Middleware(Protocol):
    """What aiohttp takes for a middleware."""

    def __call__(self, request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
        """Answer a request, with the handler's help or without."""
        ...


#: What servers commonly take.
_LONGEST_URL = 8000
_HARD = {("POST", "/api/v1/coaching-sessions")}


def is_control(request: web.Request) -> bool:
    """Whether a request is about the sandbox itself, and no part of the API."""
    return request.path == "/" or request.path == "/sandbox" or request.path.startswith("/sandbox/")


def recorder(host: str) -> Middleware:
    """A middleware that writes down each request and what became of it."""

    @web.middleware
    async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
        if host == "api" and is_control(request):
            return await handler(request)
        state = state_of(request)
        raw, refused = b"", None
        if len(request.raw_path) > _LONGEST_URL:
            refused = api_error(414, "The URL is too long.")
        # What is uploaded to the storage may be larger than the memory.
        if host == "api":
            try:
                raw = await request.read()
            except web.HTTPRequestEntityTooLarge:
                refused = api_error(413, "The request is too large.")
        entry = state.record.add(
            Seen(
                method=request.method,
                path=request.path,
                query=dict(request.query),
                headers={name.lower(): value for name, value in request.headers.items()},
                raw=raw,
                host=host,
                at=state.clock(),
                received=len(raw),
            )
        )
        visit = begin_visit(request, entry)
        status = None
        try:
            response = await handler(request) if refused is None else refused
            if not visit.dropped:
                status = response.status
            return response
        finally:
            note(request, status=status, done=True, held=False)

    return record


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals into JSON answers."""
    try:
        return await handler(request)
    except (RefusedError, web.HTTPException) as error:
        return refusal_answer(request, error)


@web.middleware
async def token_and_limits(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in only who has a token, and not more often than allowed."""
    if is_control(request):
        return await handler(request)
    state = state_of(request)
    token = await authenticate(request)
    over = state.limiter.check(token, "hard" if (request.method, request.path) in _HARD else "normal")
    if over is not None:
        headers = {"Retry-After": str(max(1, math.ceil(over.wait)))} if state.settings.retry_after else None
        raise RefusedError(429, f"Too many requests in the past {over.window_name}.", headers)
    return await handler(request)


def faulty(host: str) -> Middleware:
    """A middleware that makes go wrong what shall go wrong."""

    @web.middleware
    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        if host == "api" and is_control(request):
            return await handler(request)
        fired = state_of(request).faults.take(host, request.method, request.path, await _export_id(request, host))
        visit_of(request).faults = [one for one in fired if one.family != "answer"]
        answer = next((one for one in fired if one.family == "answer"), None)
        if answer is None:
            return await handler(request)
        return await spoil(answer, request, handler)

    return fault


async def _export_id(request: web.Request, host: str) -> str | None:
    if host == "storage":
        parts = request.path.split("/")
        return parts[2] if len(parts) > 3 and parts[1] == "exports" else None
    body = await parsed_body(request)
    found = body.get("exportId") if isinstance(body, dict) else None
    return found if isinstance(found, str) else None
