"""The API's chapter "SCIM": groups of agents, accounts and their groups, in lists that count from 1."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox.api.lists import ListEndpoint
from airflow_provider_maestroqa.sandbox.data.account import Account, Fields
from airflow_provider_maestroqa.sandbox.request_context import body_parameters
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import State, state_of
from airflow_provider_maestroqa.sandbox.validation import Check, Parameter, reject_if

ROOT = "/api/v1/scim/v2"
PAGE_SIZE = 20
_PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_QUOTED = r'("(?:[^"\\]|\\["\\])+")'
_USER_FILTER = re.compile(f"userName eq {_QUOTED}")
_ONE_MEMBER = re.compile(rf"members\[value eq {_QUOTED}\]")
_IS_PATCH = Check(lambda value: value == [_PATCH_SCHEMA], f"must be [{_PATCH_SCHEMA!r}]")
_ARE_OPERATIONS = Check(lambda value: isinstance(value, list) and value, "must be a non-empty array")
_PATCH = {
    "schemas": Parameter(_IS_PATCH, required=True),
    "Operations": Parameter(_ARE_OPERATIONS, required=True),
}


def _users(state: State, query: Mapping[str, str]) -> list[Fields]:
    users = list(state.account.users.values())
    if "filter" not in query:
        return users
    name = json.loads(_USER_FILTER.fullmatch(query["filter"])[1])  # type: ignore[index]
    return [user for user in users if user["userName"] == name]


def _show(_state: State, record: Fields) -> Fields:
    return record


def _show_members(state: State, group: Fields) -> Fields:
    """A group of agents, with its members as this account shows them."""
    if state.options.group_members == "emails":
        return group
    return {**group, "members": [state.account.agents[email]["agentId"] for email in group["members"]]}


_FILTER = Check(lambda value: _USER_FILTER.fullmatch(value), 'must be like userName eq "ann@example.com"')
#: The lists; paths are case-sensitive.
ENDPOINTS = tuple(
    ListEndpoint(
        f"{ROOT}/{name}",
        label,
        filters,
        select,
        find,
        page_size=PAGE_SIZE,
        max_page_size=PAGE_SIZE,
        is_scim=True,
        show=_show_members if name == "Groups" else _show,
    )
    for name, label, filters, select, find in (
        (
            "Groups",
            "agent group",
            {},
            lambda state, _query: list(state.account.agent_groups.values()),
            lambda state, group_id: state.account.agent_groups.get(group_id),
        ),
        (
            "Usergroups",
            "user group",
            {},
            lambda state, _query: list(state.account.user_groups.values()),
            lambda state, group_id: state.account.user_groups.get(group_id),
        ),
        (
            "Users",
            "user",
            {"filter": Parameter(_FILTER)},
            _users,
            lambda state, user_id: state.account.users.get(user_id),
        ),
    )
)

routes = web.RouteTableDef()
for _endpoint in ENDPOINTS:
    routes.get(_endpoint.path, allow_head=False)(_endpoint.get_page)
    routes.get(f"{_endpoint.path}/{{id}}", allow_head=False)(_endpoint.get_record)


@routes.patch(f"{ROOT}/Groups/{{id}}")
async def _change_group(request: web.Request) -> web.Response:
    account = state_of(request).account
    body = await body_parameters(request, _PATCH)
    group = account.agent_groups.get(request.match_info["id"])
    if group is None:
        raise APIError(404, "There is no agent group with this id.")
    members = list(group["members"])
    for number, operation in enumerate(body["Operations"]):
        op, emails = _parse_operation(account, f"Operations[{number}]", operation)
        if op == "add":
            members += [email for email in dict.fromkeys(emails) if email not in members]
        else:
            members = [email for email in members if email not in emails]
    return web.json_response(account.change_group(group["id"], members))


def _parse_operation(account: Account, where: str, operation: Any) -> tuple[str, Sequence[str]]:
    """Whether members are added or removed, and their e-mail addresses."""
    given = operation if isinstance(operation, dict) else {}
    op, path, members = given.get("op"), str(given.get("path")), given.get("value")
    one_member = _ONE_MEMBER.fullmatch(path)
    if op == "add" and path == "members" and isinstance(members, list) and all(map(_is_member, members)):
        return "add", _agents(account, [one["value"] for one in members])
    if op == "remove" and one_member and set(given) == {"op", "path"}:
        return "remove", _agents(account, [json.loads(one_member[1])])
    raise APIError(
        400,
        f"Invalid parameters: {where} must add with the path members and a value like "
        '[{"value": "ann@example.com"}], or remove with a path like members[value eq "ann@example.com"].',
    )


def _is_member(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"value"} and isinstance(value["value"], str)


def _agents(account: Account, names: Sequence[str]) -> list[str]:
    """The e-mail addresses of agents that are named by these or by their ids."""
    emails = {name: account.email_of(name) for name in names}
    reject_if(400, "Not agents", [f"members {name!r}" for name, email in emails.items() if email is None])
    return [email for email in emails.values() if email is not None]
