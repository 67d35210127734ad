"""What the sandbox notes on a request while it goes through the middlewares and the handler."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.state import state_of

# Newer aiohttp warns of text as a key; older knows nothing else.
_KEY: Any = web.RequestKey("visit", object) if hasattr(web, "RequestKey") else "maestroqa.visit"


@dataclass
class Visit:
    """One request on its way.

    :param entry: its key in the record.
    :param faults: the outcome and download faults that fire on it.
    :param dropped: whether its connection was dropped instead of an answer.
    """

    entry: tuple[int, int]
    faults: list[Fault] = field(default_factory=list)
    dropped: bool = False


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
