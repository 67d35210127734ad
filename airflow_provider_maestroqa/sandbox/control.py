"""The sandbox's own endpoints: a page that says what it is, its state, its record, and its faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any, TypeVar

from aiohttp import web

from airflow_provider_maestroqa.sandbox import page
from airflow_provider_maestroqa.sandbox.data.coaching import LISTS
from airflow_provider_maestroqa.sandbox.faults import KINDS, fault_from_json
from airflow_provider_maestroqa.sandbox.inspection import attachment_as_json
from airflow_provider_maestroqa.sandbox.request_log import Seen
from airflow_provider_maestroqa.sandbox.responses import RefusedError
from airflow_provider_maestroqa.sandbox.state import State, state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, check_parameters, digits, json_body

_T = TypeVar("_T")


def add_routes(app: web.Application) -> None:
    """Put the control endpoints beside the API."""
    app.router.add_get("/", _page)
    app.router.add_get("/sandbox", _page)
    app.router.add_get("/sandbox/state", _state)
    app.router.add_get("/sandbox/requests", _requests)
    app.router.add_get("/sandbox/tickets", _tickets)
    app.router.add_get("/sandbox/comments", _comments)
    app.router.add_get("/sandbox/attachments", _attachments)
    app.router.add_get("/sandbox/agents", _agents)
    app.router.add_get("/sandbox/ticket-metrics", _ticket_metrics)
    app.router.add_get("/sandbox/agent-metrics", _agent_metrics)
    app.router.add_get("/sandbox/faults", _faults)
    app.router.add_post("/sandbox/faults", _add_faults)
    app.router.add_delete("/sandbox/faults", _clear_faults)
    app.router.add_post("/sandbox/release", _release)
    app.router.add_post("/sandbox/reset", _reset)


def reset(state: State) -> None:
    """Forget exports, records, requests, faults and what counts towards the limits; let held answers go on."""
    state.faults.clear()
    state.holds.release()
    state.limiter.clear()
    state.account.restart()
    state.coaching.restart()
    state.exports.clear()
    state.record.clear()


def summary(state: State) -> dict[str, Any]:
    """The state in short, without secrets."""
    account = state.account
    return {
        "api": state.api_url,
        "storage": state.storage_url,
        "settings": asdict(state.settings),
        "limits": state.limiter.limits,
        "faults": state.faults.as_json(),
        "requests": len(state.record.all()),
        "records": {
            "tickets": len(account.tickets),
            "comments": len(account.comments),
            "attachments": len(account.attachments),
            "agents": len(account.agents),
            "ticket_metrics": len(account.ticket_metrics),
            "agent_metrics": len(account.agent_metrics),
        },
        "coaching": {name: len(state.coaching.all_of(kind)) for name, kind in LISTS.items()},
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


def _shown(seen: Seen) -> dict[str, Any]:
    hidden = {"apitoken", "authorization"}
    headers = {name: "***" if name in hidden else value for name, value in seen.headers.items()}
    shown = {item.name: getattr(seen, item.name) for item in fields(seen) if item.name != "raw"}
    return {**shown, "headers": headers, "body": seen.body}


async def _state(request: web.Request) -> web.Response:
    return web.json_response(summary(state_of(request)))


async def _requests(request: web.Request) -> web.Response:
    seen = _last(request, state_of(request).record.all())
    return web.json_response([_shown(one) for one in seen])


async def _tickets(request: web.Request) -> web.Response:
    return _listed(request, state_of(request).account.tickets.values())


async def _comments(request: web.Request) -> web.Response:
    return _listed(request, state_of(request).account.comments)


async def _attachments(request: web.Request) -> web.Response:
    attachments = _last(request, list(state_of(request).account.attachments.values()))
    return web.json_response([attachment_as_json(one) for one in attachments])


async def _agents(request: web.Request) -> web.Response:
    return _listed(request, state_of(request).account.agents.values())


async def _ticket_metrics(request: web.Request) -> web.Response:
    return _listed(request, state_of(request).account.ticket_metrics.values())


async def _agent_metrics(request: web.Request) -> web.Response:
    return _listed(request, state_of(request).account.agent_metrics.values())


def _listed(request: web.Request, records: Iterable[Any]) -> web.Response:
    return web.json_response(_last(request, list(records)))


def _last(request: web.Request, items: list[_T]) -> list[_T]:
    """The last of them, as many as the request wants."""
    check_parameters(request.query, {"limit": Parameter(digits)})
    limit = request.query.get("limit")
    return items if limit is None else items[max(0, len(items) - int(limit)) :]


async def _faults(request: web.Request) -> web.Response:
    kinds = {name: f"{kind.family}: {kind.about}" for name, kind in KINDS.items()}
    return web.json_response({"faults": state_of(request).faults.as_json(), "kinds": kinds})


async def _add_faults(request: web.Request) -> web.Response:
    # A page in a browser cannot send this Content-Type to another origin unasked.
    try:
        fault = fault_from_json(await json_body(request))
    except (ValueError, TypeError) as error:
        raise RefusedError(400, str(error)) from None
    state_of(request).faults.add(fault)
    return web.json_response(fault.as_json(), status=201)


async def _clear_faults(request: web.Request) -> web.Response:
    state_of(request).faults.clear()
    return web.json_response({})


async def _release(request: web.Request) -> web.Response:
    state_of(request).holds.release()
    return web.json_response({})


async def _reset(request: web.Request) -> web.Response:
    reset(state_of(request))
    return web.json_response({})


async def _page(request: web.Request) -> web.Response:
    return web.Response(text=page.render(state_of(request)), content_type="text/html")
