"""What the sandbox notes on a request while it goes through the middlewares and the handler."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.strict_json import parse_json

# Newer aiohttp warns of text as a key; older knows nothing else.
_KEY: Any = web.RequestKey("visit", object) if hasattr(web, "RequestKey") else "maestroqa.visit"
_UNREAD = object()


@dataclass
class Visit:
    """One request on its way.

    :param entry: its key in the record.
    :param faults: the faults that fire on it, but for the one that spoils its answer.
    :param dropped: whether its connection was dropped instead of an answer.
    :param body: its parsed body, once somebody wanted to know.
    """

    entry: tuple[int, int]
    faults: list[Fault] = field(default_factory=list)
    dropped: bool = False
    body: Any = _UNREAD


def begin_visit(request: web.Request, entry: tuple[int, int]) -> Visit:
    """Remember a request's entry in the record."""
    visit = Visit(entry)
    request[_KEY] = visit
    return visit


def visit_of(request: web.Request) -> Visit:
    """The notes on a request."""
    visit: Visit = request[_KEY]
    return visit


def note(request: web.Request, **changes: Any) -> None:
    """Change a request's entry in the record."""
    state_of(request).record.update(visit_of(request).entry, **changes)


async def parsed_body(request: web.Request) -> Any:
    """The request's strict JSON, or ``None`` when it has none; parsed once, and then the same object."""
    visit: Visit | None = request.get(_KEY)
    if visit is None:
        return parse_json(await request.read())
    if visit.body is _UNREAD:
        visit.body = parse_json(await request.read())
    return visit.body
