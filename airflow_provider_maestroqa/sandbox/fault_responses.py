"""How an answer is spoiled by an answer fault."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.request_context import note, visit_of
from airflow_provider_maestroqa.sandbox.responses import (
    LOGIN_PAGE,
    RefusedError,
    api_error,
    refusal_answer,
    reset_connection,
    storage_error,
)
from airflow_provider_maestroqa.sandbox.state import state_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def spoil(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer as the fault says, after carrying the request out where the fault says so."""
    if fault.kind == "timeout":
        return await _hold(fault, request, handler)
    if fault.done or fault.kind == "reset_after":
        await _carry_out(request, handler)
    if fault.kind in ("reset_before", "reset_after"):
        visit_of(request).dropped = True
        note(request, done=True)
        reset_connection(request)
        return web.Response()
    response = _ANSWERS[fault.kind](fault, request)
    response.headers.update(fault.headers)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = fault.retry_after
    return response


async def _carry_out(request: web.Request, handler: Handler) -> web.StreamResponse:
    # A refusal is an answer as well, and it is the answer that shall be spoiled.
    try:
        return await handler(request)
    except (RefusedError, web.HTTPException) as error:
        return refusal_answer(request, error)


async def _hold(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await _carry_out(request, handler) if fault.done else None
    note(request, held=True)
    await state_of(request).holds.wait()
    note(request, held=False)
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
        return storage_error(fault.status, code, "A fault was asked for.")
    return api_error(fault.status, f"A fault was asked for: status {fault.status}.")


def _html(fault: Fault, _request: web.Request) -> web.Response:
    return web.Response(text=fault.body if isinstance(fault.body, str) else LOGIN_PAGE, content_type="text/html")


def _malformed_json(_fault: Fault, _request: web.Request) -> web.Response:
    return web.Response(text='{"exportId": "65f0', content_type="application/json")


def _empty_body(_fault: Fault, _request: web.Request) -> web.Response:
    return web.Response(body=b"", content_type="application/json")


def _redirect(fault: Fault, request: web.Request) -> web.Response:
    location = fault.location or state_of(request).storage_url + "/elsewhere"
    status = fault.status if 300 <= fault.status <= 399 else 302
    return web.Response(status=status, headers={"Location": location})


def _rate_limited(fault: Fault, _request: web.Request) -> web.Response:
    return api_error(429, f"Too many requests in the past {fault.text or 'second'}.")


_ANSWERS: dict[str, Callable[[Fault, web.Request], web.Response]] = {
    "status": _status,
    "html": _html,
    "malformed_json": _malformed_json,
    "empty_body": _empty_body,
    "redirect": _redirect,
    "rate_limited": _rate_limited,
}
