"""What every request goes through: the log first, then token, limits and faults."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Sequence
from email.utils import formatdate
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from airflow_provider_maestroqa.sandbox.fault_responses import apply_fault
from airflow_provider_maestroqa.sandbox.page import STYLE_HASH
from airflow_provider_maestroqa.sandbox.request_context import begin_context, context_of, parsed_body, update_log
from airflow_provider_maestroqa.sandbox.request_log import LoggedRequest
from airflow_provider_maestroqa.sandbox.responses import APIError, api_error, error_response
from airflow_provider_maestroqa.sandbox.state import state_of

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

#: What servers commonly accept.
_MAX_URL = 8000
_SECURITY_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src '{STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
#: The body of a request without a valid token is kept up to this size.
_STRANGERS_BODY = 1 << 16
#: What stands before the id of an export in a path.
_EXPORT_PATH = "/api/v1/export-data/"
#: The operations of the bucket ``hard``; all others are in ``normal``. An id follows a path that ends in a slash.
_HARD = (
    ("POST", "/api/v1/coaching-sessions"),
    ("DELETE", "/api/v1/data-deletion-request"),
    ("GET", "/api/v1/data-deletion-check/"),
)
#: The operations whose documents let the token travel in the body.
_TOKEN_IN_BODY = {
    "/api/v1/get-export-data",
    *(f"/api/v1/request-{export_type}-export" for export_type in ("raw", "groups", "audit-log")),
}


def is_control(request: web.Request) -> bool:
    """Whether a request is about the sandbox itself, and no part of the API."""
    return request.path == "/" or request.path == "/sandbox" or request.path.startswith("/sandbox/")


def log_middleware(host: str) -> Middleware:
    """A middleware that logs each request and its outcome."""

    @web.middleware
    async def log(request: web.Request, handler: Handler) -> web.StreamResponse:
        if host == "api" and is_control(request):
            return await handler(request)
        state = state_of(request)
        raw, rejection = b"", None
        if len(request.raw_path) > _MAX_URL:
            rejection = api_error(414, "The URL is too long.")
        # What is uploaded to the storage may be larger than the memory.
        if host == "api":
            try:
                raw = await request.read()
            except web.HTTPRequestEntityTooLarge:
                rejection = api_error(413, "The request is too large.")
        entry = state.log.add(
            LoggedRequest(
                method=request.method,
                path=request.path,
                query=dict(request.query),
                headers={name.lower(): value for name, value in request.headers.items()},
                raw=raw if len(raw) <= _STRANGERS_BODY or request.headers.get("apitoken") in state.tokens else b"",
                host=host,
                at=state.clock(),
                received=len(raw),
            )
        )
        request_context = begin_context(request, entry)
        status = None
        try:
            response = await handler(request) if rejection is None else rejection
            if not request_context.dropped:
                status = response.status
            return response
        finally:
            update_log(request, status=status, done=True, held=False)

    return log


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into JSON responses."""
    try:
        return await handler(request)
    except (APIError, web.HTTPException) as error:
        return error_response(request, error)


@web.middleware
async def own_pages_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Reject what pages of other sites make a browser send, also under a name that was rebound to this machine."""
    if not is_own_name(request.host, state_of(request).options.hosts):
        raise APIError(403, f"The sandbox is not known as {request.host!r}; its option hosts takes more names.")
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise APIError(403, f"A page of {origin} may not use the sandbox.")
    if is_control(request) and request.headers.get("Content-Type") and request.content_type != "application/json":
        raise APIError(400, "The body must be JSON with the Content-Type application/json.")
    return await handler(request)


def is_own_name(host: str, more_names: Sequence[str]) -> bool:
    """Whether a Host header means this machine whoever resolves it, or is one of the names it was given."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        known = name == "localhost" or name in [one.lower() for one in more_names]
        return known or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


async def send_date(request: web.Request, response: web.StreamResponse) -> None:
    """Send the time of the sandbox's clock."""
    options = state_of(request).options
    response.headers["Date"] = formatdate(options.clock() + options.date_offset, usegmt=True)


async def send_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Let a browser run, embed and guess nothing of what it gets."""
    for name, value in _SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)


@web.middleware
async def token_and_limits(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Accept only requests with a token, and no more of them than the limits allow."""
    if is_control(request):
        return await handler(request)
    state = state_of(request)
    token = await authenticate(request)
    over = state.limiter.check(token, _bucket_of(request))
    if over is not None:
        headers = {"Retry-After": str(max(1, math.ceil(over.wait)))} if state.options.retry_after else None
        raise APIError(429, f"Too many requests in the past {over.window_name}.", headers)
    return await handler(request)


def _bucket_of(request: web.Request) -> str:
    for method, path in _HARD:
        is_path = request.path.startswith(path) if path.endswith("/") else request.path == path
        if is_path and request.method == method:
            return "hard"
    return "normal"


async def authenticate(request: web.Request) -> str:
    """The API token of a request: in the header ``apitoken``, or in the body of an operation on exports."""
    state = state_of(request)
    parsed = await parsed_body(request)
    body = parsed if isinstance(parsed, dict) else {}
    in_body = body.get("apiToken") if request.path in _TOKEN_IN_BODY else None
    if any(name.lower() == "apitoken" for name in (*request.query, *body)) and not isinstance(in_body, str):
        raise APIError(401, "The API token must be sent in the header apitoken, not in the body or the query.")
    token = request.headers.get("apitoken") or in_body
    if not token:
        raise APIError(401, "An API token is required in the header apitoken.")
    if token not in state.tokens:
        raise APIError(401, "Invalid API token.")
    expires_at = state.tokens[token]
    if expires_at is not None and state.clock() >= expires_at:
        raise APIError(401, "The API token has expired.")
    return token


def fault_middleware(host: str) -> Middleware:
    """A middleware that applies the faults that fire on a request."""

    @web.middleware
    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        if host == "api" and is_control(request):
            return await handler(request)
        fired = state_of(request).faults.fire(host, request.method, request.path, await _export_id(request, host))
        context_of(request).faults = [one for one in fired if one.family != "answer"]
        answer_fault = next((one for one in fired if one.family == "answer"), None)
        return await handler(request) if answer_fault is None else await apply_fault(answer_fault, request, handler)

    return fault


async def _export_id(request: web.Request, host: str) -> str | None:
    if host == "storage":
        parts = request.path.split("/")
        return parts[2] if len(parts) > 3 and parts[1] == "exports" else None
    if request.path.startswith(_EXPORT_PATH):
        return request.path.removeprefix(_EXPORT_PATH)
    body = await parsed_body(request)
    export_id = body.get("exportId") if isinstance(body, dict) else None
    return export_id if isinstance(export_id, str) else None
