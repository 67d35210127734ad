"""The API's chapters "To-Dos", "Coaching Points" and "Coaching Sessions": lists, page by page, and single records."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.data.coaching import LISTS, Matches
from airflow_provider_maestroqa.sandbox.data.coaching_rows import Fields
from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.request_context import visit_of
from airflow_provider_maestroqa.sandbox.responses import RefusedError
from airflow_provider_maestroqa.sandbox.state import State, state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, check_parameters

_USUAL_PAGE, _LARGEST_PAGE = 100, 1000
_FILTERS = {
    "agentId": Parameter(checks.text),
    "creatorId": Parameter(checks.text),
    "startDate": Parameter(checks.date),
    "endDate": Parameter(checks.date),
    "count": Parameter(checks.digits),
    "startIndex": Parameter(checks.digits),
}
_MORE_FILTERS = {"coaching-sessions": {"coachId": Parameter(checks.text)}}
_NAMES = {"todo": "to-do", "point": "coaching point", "session": "coaching session"}


def add_routes(app: web.Application) -> None:
    """Put these chapters' operations into the API."""
    for name, kind in LISTS.items():
        known = {**_FILTERS, **_MORE_FILTERS.get(name, {})}
        app.router.add_get(f"/api/v1/{name}", _list(kind, known), allow_head=False)
        app.router.add_get(f"/api/v1/{name}/{{id}}", _get(kind), allow_head=False)


def _get(kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def get(request: web.Request) -> web.Response:
        checks.refuse_query(request)
        record = state_of(request).coaching.get(kind, request.match_info["id"])
        if record is None:
            raise RefusedError(404, f"There is no {_NAMES[kind]} with this id.")
        return web.json_response(record)

    return get


def _list(kind: str, known: dict[str, Parameter]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def listed(request: web.Request) -> web.Response:
        check_parameters(request.query, known)
        return web.json_response(_page(state_of(request), kind, dict(request.query), visit_of(request).faults))

    return listed


def _page(state: State, kind: str, asked: dict[str, str], faults: list[Fault]) -> dict[str, Any]:
    start = int(asked.get("startIndex", 0))
    count = min(int(asked.get("count", _USUAL_PAGE)), _LARGEST_PAGE)
    at = {fault.kind: fault.at or 0 for fault in faults}
    if "shrink" in at:
        state.coaching.gone[kind] = state.coaching.gone.get(kind, 0) + at["shrink"]
    if "page_cap" in at:
        count = min(count, at["page_cap"])
    matches = state.coaching.match(kind, asked)
    return {
        "startIndex": start,
        "totalResults": max(matches.total + at.get("wrong_total", 0), 0),
        "itemsPerPage": count,
        "Resources": _records(state, kind, matches, start, count, at),
    }


def _records(state: State, kind: str, matches: Matches, start: int, count: int, at: dict[str, int]) -> list[Fields]:
    if "empty_page" in at:
        return []
    if "repeat_page" in at:
        start = max(start - count, 0)
    start = max(start - at.get("overlap_page", 0), 0)
    records = state.coaching.page(kind, matches, start, count)
    if "no_id" in at:
        bare = at["no_id"] or 1
        records = [{k: v for k, v in one.items() if k != "id"} for one in records[:bare]] + records[bare:]
    return records
