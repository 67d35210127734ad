"""The sandbox's own endpoints: a page that says what it is, its state, its request log, and its faults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import Any, TypeVar

from aiohttp import web

from airflow_provider_maestroqa.sandbox import page
from airflow_provider_maestroqa.sandbox.data.coaching_rows import LISTS
from airflow_provider_maestroqa.sandbox.faults import KINDS, fault_from_json
from airflow_provider_maestroqa.sandbox.inspection import RECORDS
from airflow_provider_maestroqa.sandbox.request_context import json_body
from airflow_provider_maestroqa.sandbox.request_log import LoggedRequest
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import State, state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, check_parameters, digits

_T = TypeVar("_T")
_HIDDEN_HEADERS = {"apitoken", "authorization"}

#: The control endpoints; the documentation takes what each does from its docstring.
routes = web.RouteTableDef()


def summary(state: State) -> dict[str, Any]:
    """The state in short, without secrets."""
    return {
        "api": state.api_url,
        "storage": state.storage_url,
        "settings": state.options.as_json(),
        "limits": state.limiter.limits,
        "faults": state.faults.as_json(),
        "requests": len(state.log.all()),
        "records": {name: len(records(state.account)) for name, records in RECORDS.items()},
        "coaching": {name: len(state.coaching.all_of(record_type)) for name, record_type in LISTS.items()},
        "exports": [
            {
                "export_id": export.export_id,
                "export_type": export.export_type,
                "parameters": dict(export.parameters),
                "polls": export.polls,
                "outcome": export.outcome,
                "bytes": export.stored.size if export.stored else None,
                "files": {name: asdict(file) for name, file in export.files.items()},
            }
            for export in list(state.exports.by_id.values())
        ],
    }


@routes.get("/sandbox")
@routes.get("/")
async def _page(request: web.Request) -> web.Response:
    """A page about the sandbox."""
    return web.Response(text=page.render(state_of(request)), content_type="text/html")


@routes.get("/sandbox/state")
async def _state(request: web.Request) -> web.Response:
    """Settings, limits, exports, faults, and how many records there are."""
    return web.json_response(summary(state_of(request)))


@routes.get("/sandbox/requests")
async def _requests(request: web.Request) -> web.Response:
    """Every request, without the API token."""
    return web.json_response([_as_json(one) for one in _last(request, state_of(request).log.all())])


def _list_of(name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def list_records(request: web.Request) -> web.Response:
        return web.json_response(_last(request, RECORDS[name](state_of(request).account)))

    list_records.__doc__ = f"The {name.replace('_', ' ')}."
    return list_records


for _name in RECORDS:
    routes.get(f"/sandbox/{_name.replace('_', '-')}")(_list_of(_name))


@routes.get("/sandbox/faults")
async def _faults(request: web.Request) -> web.Response:
    """The faults that are set, and all kinds."""
    kinds = {name: f"{kind.family}: {kind.about}" for name, kind in KINDS.items()}
    return web.json_response({"faults": state_of(request).faults.as_json(), "kinds": kinds})


@routes.post("/sandbox/faults")
async def _add_fault(request: web.Request) -> web.Response:
    """Sets a fault."""
    try:
        fault = fault_from_json(await json_body(request), files=False)
    except (ValueError, TypeError) as error:
        raise APIError(400, str(error)) from None
    state_of(request).faults.add(fault)
    return web.json_response(fault.as_json(), status=201)


@routes.delete("/sandbox/faults")
async def _clear_faults(request: web.Request) -> web.Response:
    """Removes all faults."""
    state_of(request).faults.clear()
    return web.json_response({})


@routes.post("/sandbox/release")
async def _release(request: web.Request) -> web.Response:
    """Resumes held responses."""
    state_of(request).paused.release()
    return web.json_response({})


@routes.post("/sandbox/reset")
async def _reset(request: web.Request) -> web.Response:
    """Goes back to the start."""
    state_of(request).reset()
    return web.json_response({})


def _as_json(logged: LoggedRequest) -> dict[str, Any]:
    headers = {name: "***" if name in _HIDDEN_HEADERS else value for name, value in logged.headers.items()}
    values = {item.name: getattr(logged, item.name) for item in fields(logged) if item.name != "raw"}
    return {**values, "headers": headers, "body": _without_token(logged.body)}


def _without_token(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    return {name: "***" if name.lower() in _HIDDEN_HEADERS else value for name, value in body.items()}


def _last(request: web.Request, items: list[_T]) -> list[_T]:
    """The last items, as many as the request wants."""
    check_parameters(request.query, {"limit": Parameter(digits)})
    limit = request.query.get("limit")
    return items if limit is None else items[max(0, len(items) - int(limit)) :]
