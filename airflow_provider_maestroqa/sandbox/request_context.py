"""A request on its way through middlewares and handler: what is noted about it, and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, check_parameters, parse_json

# Newer aiohttp warns of text as a key; older knows nothing else.
_KEY: Any = web.RequestKey("context", object) if hasattr(web, "RequestKey") else "maestroqa.context"
_UNREAD = object()


@dataclass
class RequestContext:
    """What is noted about a request."""

    entry: tuple[int, int]  # its key in the request log
    faults: list[Fault] = field(default_factory=list)  # those that do not replace its response
    dropped: bool = False  # whether its connection was dropped instead of a response
    body: Any = _UNREAD


def begin_context(request: web.Request, entry: tuple[int, int]) -> RequestContext:
    """Give a request its context."""
    request_context = RequestContext(entry)
    request[_KEY] = request_context
    return request_context


def context_of(request: web.Request) -> RequestContext:
    """The context of a request."""
    request_context: RequestContext = request[_KEY]
    return request_context


def update_log(request: web.Request, **changes: Any) -> None:
    """Change a request's entry in the log."""
    state_of(request).log.update(context_of(request).entry, **changes)


async def pause(request: web.Request) -> None:
    """Hold a request until it is released."""
    update_log(request, held=True)
    await state_of(request).paused.wait()
    update_log(request, held=False)


async def parsed_body(request: web.Request) -> Any:
    """The request's strict JSON, or ``None`` when it has none; parsed once, and then the same object."""
    request_context: RequestContext | None = request.get(_KEY)
    if request_context is None:
        return parse_json(await request.read())
    if request_context.body is _UNREAD:
        request_context.body = parse_json(await request.read())
    return request_context.body


async def json_body(request: web.Request) -> dict[str, Any]:
    """The JSON object in a request's body."""
    if request.content_type != "application/json":
        raise APIError(400, "The body must be JSON with the Content-Type application/json.")
    body = await parsed_body(request)
    if not isinstance(body, dict):
        raise APIError(400, "The body must be a JSON object.")
    return body


def reject_query(request: web.Request) -> None:
    """Reject query parameters of an operation that takes none."""
    if request.query:
        names = ", ".join(request.query)
        raise APIError(400, f"Invalid parameters: {names} must be in the JSON body or path, not in the query.")


async def body_parameters(
    request: web.Request, known: Mapping[str, Parameter], *, may_be_empty: bool = False
) -> dict[str, Any]:
    """The parameters in a request's body, checked.

    :param may_be_empty: whether there may be no body at all.
    """
    reject_query(request)
    body = {} if may_be_empty and not await request.read() else dict(await json_body(request))
    check_parameters(body, known)
    return body
