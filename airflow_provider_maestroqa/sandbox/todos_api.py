"""The API's chapter "To-Dos": an account that has none yet."""

from __future__ import annotations

from aiohttp import web

from airflow_provider_maestroqa.sandbox import checks
from airflow_provider_maestroqa.sandbox.checks import Parameter, check_parameters

_LARGEST_PAGE = 100
_FILTERS = {
    "agentId": Parameter(checks.text),
    "creatorId": Parameter(checks.text),
    "startDate": Parameter(checks.date),
    "endDate": Parameter(checks.date),
    "count": Parameter(checks.digits),
    "startIndex": Parameter(checks.digits),
}


def add_routes(app: web.Application) -> None:
    """Put this chapter's operations into the API."""
    app.router.add_get("/api/v1/todos", _list_todos, allow_head=False)


async def _list_todos(request: web.Request) -> web.Response:
    asked = dict(request.query)
    check_parameters(asked, _FILTERS)
    page = min(int(asked.get("count", _LARGEST_PAGE)), _LARGEST_PAGE)
    return web.json_response(
        {"startIndex": int(asked.get("startIndex", 0)), "totalResults": 0, "itemsPerPage": page, "Resources": []}
    )
