"""What an answer fault makes of a response."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.request_context import context_of, pause, update_log
from airflow_provider_maestroqa.sandbox.responses import (
    LOGIN_PAGE,
    APIError,
    api_error,
    drop_connection,
    error_response,
    storage_error,
)
from airflow_provider_maestroqa.sandbox.state import state_of

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler


async def apply_fault(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Respond as the fault says, after the request has been handled where the fault says so."""
    if fault.kind == "timeout":
        return await _hold(fault, request, handler)
    if fault.done or fault.kind == "reset_after":
        await _handle(request, handler)
    if fault.kind in ("reset_before", "reset_after"):
        context_of(request).dropped = True
        update_log(request, done=True)
        drop_connection(request, reset=True)
        return web.Response()
    response = _RESPONSES[fault.kind](fault, request)
    response.headers.update(fault.headers)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = fault.retry_after
    return response


async def _handle(request: web.Request, handler: Handler) -> web.StreamResponse:
    # A rejection is a response as well, and it is the response that the fault replaces.
    try:
        return await handler(request)
    except (APIError, web.HTTPException) as error:
        return error_response(request, error)


async def _hold(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await _handle(request, handler) if fault.done else None
    await pause(request)
    return response if response is not None else await handler(request)


def _status(fault: Fault, _request: web.Request) -> web.Response:
    body = fault.body
    if isinstance(body, bytes):
        return web.Response(status=fault.status, body=body)
    if isinstance(body, str):
        return web.Response(status=fault.status, text=body)
    if body is not None:
        return web.json_response(body, status=fault.status)
    if fault.host == "storage":
        code = "SlowDown" if fault.status == 503 else "InternalError" if fault.status >= 500 else "InvalidRequest"
        return storage_error(fault.status, code, "A fault of the sandbox.")
    return api_error(fault.status, f"A fault of the sandbox: status {fault.status}.")


def _html(fault: Fault, _request: web.Request) -> web.Response:
    return web.Response(text=fault.body if isinstance(fault.body, str) else LOGIN_PAGE, content_type="text/html")


def _redirect(fault: Fault, request: web.Request) -> web.Response:
    location = fault.location or state_of(request).storage_url + "/elsewhere"
    status = fault.status if 300 <= fault.status <= 399 else 302
    return web.Response(status=status, headers={"Location": location})


_RESPONSES: dict[str, Callable[[Fault, web.Request], web.Response]] = {
    "status": _status,
    "html": _html,
    "malformed_json": lambda *_: web.Response(text='{"exportId": "65f0', content_type="application/json"),
    "empty_body": lambda *_: web.Response(body=b"", content_type="application/json"),
    "redirect": _redirect,
    "rate_limited": lambda fault, _: api_error(429, f"Too many requests in the past {fault.text or 'second'}."),
}
