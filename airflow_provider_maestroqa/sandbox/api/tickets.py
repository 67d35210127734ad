"""The API's chapter "Tickets"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.data.account import MANUAL, Account, Fields
from airflow_provider_maestroqa.sandbox.request_context import json_body, reject_query
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import state_of
from airflow_provider_maestroqa.sandbox.validation import ATTRIBUTE_TYPES, Parameter, check_parameters, reject_if

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

_RETURNED = ("ticket_id", *_REQUIRED, *_OPTIONAL)
_READ_ONLY = ("createdAt", "updatedAt", "source")


routes = web.RouteTableDef()


@routes.post("/api/v1/tickets")
async def _create(request: web.Request) -> web.Response:
    account = state_of(request).account
    fields = await _ticket_fields(request, _NEW)
    if fields["ticket_id"] in account.tickets:
        raise APIError(409, f"The ticket_id {fields['ticket_id']!r} is already in use by another ticket.")
    return web.json_response(_as_written(account, account.add_ticket(fields)))


@routes.patch("/api/v1/tickets/{ticket_id}")
async def _update(request: web.Request) -> web.Response:
    account = state_of(request).account
    fields = await _ticket_fields(request, _CHANGES)
    ticket = _existing(account, request)
    if ticket["source"] != MANUAL:
        reject_if(
            400, "Synced from a helpdesk and not to be changed", [name for name in fields if name != "attributes"]
        )
    changed = {**ticket, **fields, "updatedAt": account.now()}
    if "attributes" in fields:
        changed["attributes"] = {**ticket.get("attributes", {}), **fields["attributes"]}
    account.tickets[ticket["ticket_id"]] = changed
    return web.json_response({"_id": ticket["id"], **_as_written(account, changed)})


@routes.delete("/api/v1/tickets/{ticket_id}")
async def _delete(request: web.Request) -> web.Response:
    account = state_of(request).account
    reject_query(request)
    ticket = _existing(account, request)
    if ticket["source"] != MANUAL:
        raise APIError(400, "A ticket that is synced from a helpdesk cannot be deleted.")
    account.delete_ticket(ticket["ticket_id"])
    return web.Response(body=b"")


@routes.get("/api/v1/tickets/{ticket_id}", allow_head=False)
async def _get(request: web.Request) -> web.Response:
    account = state_of(request).account
    reject_query(request)
    return web.json_response(_as_read(account, _existing(account, request)))


@routes.get("/api/v1/tickets", allow_head=False)
async def _get_many(request: web.Request) -> web.Response:
    account = state_of(request).account
    if len(request.query.getall("ticket_ids", ())) > 1:
        raise APIError(400, "Invalid parameters: ticket_ids must come once, with commas between the ids.")
    check_parameters(request.query, {"ticket_ids": Parameter(_ids, required=True)})
    ticket_ids = dict.fromkeys(request.query["ticket_ids"].split(","))
    tickets = [account.tickets[ticket_id] for ticket_id in ticket_ids if ticket_id in account.tickets]
    return web.json_response([_as_read(account, ticket) for ticket in account.shuffled(tickets)])


def _ids(value: Any) -> str | None:
    return None if all(value.split(",")) else "must be ids with commas between them"


async def _ticket_fields(request: web.Request, known: Mapping[str, Parameter]) -> Fields:
    """The parameters of a ticket, without the custom attributes that the account does not have."""
    reject_query(request)
    fields = await json_body(request)
    problems = checks.problems_of(fields, known)
    attributes = fields.get("attributes")
    if isinstance(attributes, dict):
        types = state_of(request).options.attribute_types
        fields["attributes"] = {name: value for name, value in attributes.items() if name in types}
        for name, value in fields["attributes"].items():
            if problem := ATTRIBUTE_TYPES[types[name]](value):
                problems.append(f"attributes.{name} {problem}")
    reject_if(400, "Invalid parameters", problems)
    return fields


def _existing(account: Account, request: web.Request) -> Fields:
    ticket = account.tickets.get(request.match_info["ticket_id"])
    if ticket is None:
        raise APIError(404, f"There is no ticket with the ticket_id {request.match_info['ticket_id']!r}.")
    return ticket


def _as_written(account: Account, ticket: Fields) -> Fields:
    """A ticket as the API returns it when it is written."""
    ticket_json = {name: ticket[name] for name in _RETURNED if name in ticket}
    return {**ticket_json, "agents": [account.agent_id_of(agent) for agent in ticket["agents"]]}


def _as_read(account: Account, ticket: Fields) -> Fields:
    """A ticket as the API returns it when it is read."""
    ticket_json = {"id": ticket["id"], **_as_written(account, ticket), **{name: ticket[name] for name in _READ_ONLY}}
    if "csat_score" in ticket_json:
        ticket_json["csat_score"] = _number_as_text(ticket_json["csat_score"])
    if ticket["source"] != MANUAL:
        ticket_json.pop("attributes", None)
    return ticket_json


def _number_as_text(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)
