"""The API's chapter "Tickets"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.data.account import MANUAL, Account, Fields
from airflow_provider_maestroqa.sandbox.responses import RefusedError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import Parameter, check_parameters, json_body, refuse, refuse_query

_REQUIRED: Mapping[str, Parameter] = {
    "type": Parameter(checks.text, required=True),
    "subject": Parameter(checks.text, required=True),
    "agents": Parameter(checks.texts, required=True),
    "link": Parameter(checks.text, required=True),
}
_OPTIONAL: Mapping[str, Parameter] = {
    "body": Parameter(checks.any_text),
    "tags": Parameter(checks.any_text),
    "status": Parameter(checks.any_text),
    "csat_score": Parameter(checks.number),
    "first_seen": Parameter(checks.date),
    "last_seen": Parameter(checks.date),
    "attributes": Parameter(checks.mapping),
}
_NEW: Mapping[str, Parameter] = {"ticket_id": Parameter(checks.text, required=True), **_REQUIRED, **_OPTIONAL}
_CHANGES: Mapping[str, Parameter] = {**{name: Parameter(one.check) for name, one in _REQUIRED.items()}, **_OPTIONAL}

#: The checks of custom attributes by the names of their types.
ATTRIBUTE_TYPES = {"string": checks.any_text, "number": checks.number, "boolean": checks.flag}
#: The custom attributes of an account, unless told otherwise.
CUSTOM_ATTRIBUTES: Mapping[str, str] = {
    "group": "string",
    "public_comment_count": "number",
    "first_resolution_time_total_minutes": "number",
    "full_resolution_time_total_minutes": "number",
    "recontact": "boolean",
}
_ANSWERED = ("ticket_id", *_REQUIRED, *_OPTIONAL)
_ONLY_READ = ("createdAt", "updatedAt", "source")


def add_routes(app: web.Application) -> None:
    """Put this chapter's operations into the API."""
    app.router.add_post("/api/v1/tickets", _create)
    app.router.add_get("/api/v1/tickets", _get_many, allow_head=False)
    app.router.add_patch("/api/v1/tickets/{ticket_id}", _update)
    app.router.add_delete("/api/v1/tickets/{ticket_id}", _delete)
    app.router.add_get("/api/v1/tickets/{ticket_id}", _get, allow_head=False)


async def _create(request: web.Request) -> web.Response:
    account = state_of(request).account
    asked = await _checked(request, _NEW)
    if asked["ticket_id"] in account.tickets:
        raise RefusedError(409, f"The ticket_id {asked['ticket_id']!r} is already in use by another ticket.")
    return web.json_response(_written(account, account.add_ticket(asked)))


async def _update(request: web.Request) -> web.Response:
    account = state_of(request).account
    asked = await _checked(request, _CHANGES)
    ticket = _found(account, request)
    if ticket["source"] != MANUAL:
        refuse(400, "Synced from a helpdesk and not to be changed", [name for name in asked if name != "attributes"])
    changed = {**ticket, **asked, "updatedAt": account.now()}
    if "attributes" in asked:
        changed["attributes"] = {**ticket.get("attributes", {}), **asked["attributes"]}
    account.tickets[ticket["ticket_id"]] = changed
    return web.json_response({"_id": ticket["id"], **_written(account, changed)})


async def _delete(request: web.Request) -> web.Response:
    account = state_of(request).account
    refuse_query(request)
    ticket = _found(account, request)
    if ticket["source"] != MANUAL:
        raise RefusedError(400, "A ticket that is synced from a helpdesk cannot be deleted.")
    account.delete_ticket(ticket["ticket_id"])
    return web.Response(body=b"")


async def _get(request: web.Request) -> web.Response:
    account = state_of(request).account
    refuse_query(request)
    return web.json_response(_read(account, _found(account, request)))


async def _get_many(request: web.Request) -> web.Response:
    account = state_of(request).account
    if len(request.query.getall("ticket_ids", ())) > 1:
        raise RefusedError(400, "Invalid parameters: ticket_ids must come once, with commas between the ids.")
    check_parameters(request.query, {"ticket_ids": Parameter(_ids, required=True)})
    asked = dict.fromkeys(request.query["ticket_ids"].split(","))
    found = [account.tickets[ticket_id] for ticket_id in asked if ticket_id in account.tickets]
    return web.json_response([_read(account, ticket) for ticket in account.shuffled(found)])


def _ids(value: Any) -> str | None:
    return None if all(value.split(",")) else "must be ids with commas between them"


async def _checked(request: web.Request, known: Mapping[str, Parameter]) -> Fields:
    """The parameters of a ticket, without the custom attributes that the account does not have."""
    refuse_query(request)
    asked = await json_body(request)
    wrong = checks.complaints(asked, known)
    attributes = asked.get("attributes")
    if isinstance(attributes, dict):
        types = state_of(request).settings.custom_attributes
        asked["attributes"] = {name: value for name, value in attributes.items() if name in types}
        for name, value in asked["attributes"].items():
            if complaint := ATTRIBUTE_TYPES[types[name]](value):
                wrong.append(f"attributes.{name} {complaint}")
    refuse(400, "Invalid parameters", wrong)
    return asked


def _found(account: Account, request: web.Request) -> Fields:
    ticket = account.tickets.get(request.match_info["ticket_id"])
    if ticket is None:
        raise RefusedError(404, f"There is no ticket with the ticket_id {request.match_info['ticket_id']!r}.")
    return ticket


def _written(account: Account, ticket: Fields) -> Fields:
    """A ticket as it is answered to who writes it."""
    answer = {name: ticket[name] for name in _ANSWERED if name in ticket}
    return {**answer, "agents": [account.agent_id_of(agent) for agent in ticket["agents"]]}


def _read(account: Account, ticket: Fields) -> Fields:
    """A ticket as it is answered to who reads it."""
    answer = {"id": ticket["id"], **_written(account, ticket), **{name: ticket[name] for name in _ONLY_READ}}
    if "csat_score" in answer:
        answer["csat_score"] = _number_as_text(answer["csat_score"])
    if ticket["source"] != MANUAL:
        answer.pop("attributes", None)
    return answer


def _number_as_text(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)
