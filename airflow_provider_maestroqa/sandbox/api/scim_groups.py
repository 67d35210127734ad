"""The API's chapter "SCIM": what writes groups of agents and groups of accounts. Paths are case-sensitive."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.api.scim import ROOT, show_members
from airflow_provider_maestroqa.sandbox.data import scim
from airflow_provider_maestroqa.sandbox.data.account import Account, Fields
from airflow_provider_maestroqa.sandbox.request_context import body_parameters, reject_query
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import State, state_of
from airflow_provider_maestroqa.sandbox.validation import Check, Parameter, reject_if

_PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_ONE_MEMBER = re.compile(r'members\[value eq ("(?:[^"\\]|\\["\\])+")\]')


def _schemas(name: str) -> Parameter:
    return Parameter(Check(lambda value: value == [name], f"must be [{name!r}]"), required=True)


_PATCH = {
    "schemas": _schemas(_PATCH_SCHEMA),
    "Operations": Parameter(
        Check(lambda value: isinstance(value, list) and value, "must be a non-empty array"), required=True
    ),
}
_GROUP = {
    "schemas": _schemas(scim.GROUP_SCHEMA),
    "displayName": Parameter(checks.text, required=True),
    "members": Parameter(checks.texts),
    "owners": Parameter(checks.texts),
}


@dataclass(frozen=True)
class _Groups:
    """The groups of one kind."""

    path: str
    label: str
    members: str  # what members are
    of: Callable[[Account], dict[str, Fields]]
    find_member: Callable[[Account, str], str | None]  # a member as it is stored, by any of its names
    show: Callable[[State, Fields], Fields] = lambda _state, group: group

    async def create(self, request: web.Request) -> web.Response:
        """Create a group, whether there is one of its name or not."""
        state = state_of(request)
        body = await body_parameters(request, _GROUP)
        group = self._group(state.account, state.account.new_id(), body)
        self.of(state.account)[group["id"]] = group
        return web.json_response(self.show(state, group), status=201)

    async def replace(self, request: web.Request) -> web.Response:
        """Replace a group as a whole: what is not in the request is gone."""
        state = state_of(request)
        body = await body_parameters(request, _GROUP)
        return self._store(state, self._group(state.account, self._existing(request)["id"], body))

    async def change(self, request: web.Request) -> web.Response:
        """Add and remove members."""
        state = state_of(request)
        body = await body_parameters(request, _PATCH)
        group = self._existing(request)
        members = list(group["members"])
        for number, operation in enumerate(body["Operations"]):
            op, names = self._parse_operation(state.account, f"Operations[{number}]", operation)
            if op == "add":
                members += [name for name in dict.fromkeys(names) if name not in members]
            else:
                members = [name for name in members if name not in names]
        return self._store(state, {**group, "members": members})

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a group, and nobody who is in it."""
        reject_query(request)
        del self.of(state_of(request).account)[self._existing(request)["id"]]
        return web.Response(status=204)

    def _store(self, state: State, group: Fields) -> web.Response:
        self.of(state.account)[group["id"]] = group
        return web.json_response(self.show(state, group))

    def _existing(self, request: web.Request) -> Fields:
        group = self.of(state_of(request).account).get(request.match_info["id"])
        if group is None:
            raise APIError(404, f"There is no {self.label} with this id.")
        return group

    def _group(self, account: Account, group_id: str, body: Fields) -> Fields:
        owners = body.get("owners", [])
        reject_if(400, "Not users", [f"owners {one!r}" for one in owners if one not in account.users])
        members = dict.fromkeys(self._found(account, body.get("members", [])))
        return {**scim.group(group_id, body["displayName"], [*members]), "owners": owners}

    def _parse_operation(self, account: Account, where: str, operation: Any) -> tuple[str, Sequence[str]]:
        """Whether members are added or removed, and which."""
        given = operation if isinstance(operation, dict) else {}
        op, path, members = given.get("op"), str(given.get("path")), given.get("value")
        one_member = _ONE_MEMBER.fullmatch(path)
        if op == "add" and path == "members" and isinstance(members, list) and all(map(_is_member, members)):
            return "add", self._found(account, [one["value"] for one in members])
        if op == "remove" and one_member and set(given) == {"op", "path"}:
            return "remove", self._found(account, [json.loads(one_member[1])])
        raise APIError(
            400,
            f"Invalid parameters: {where} must add with the path members and a value like "
            '[{"value": "ann@example.com"}], or remove with a path like members[value eq "ann@example.com"].',
        )

    def _found(self, account: Account, names: Sequence[str]) -> list[str]:
        """The members that are named by these."""
        members = {name: self.find_member(account, name) for name in names}
        reject_if(400, f"Not {self.members}", [f"members {name!r}" for name, one in members.items() if one is None])
        return [one for one in members.values() if one is not None]


def _is_member(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"value"} and isinstance(value["value"], str)


_KINDS = (
    _Groups(
        f"{ROOT}/Groups",
        "agent group",
        "agents",
        of=lambda account: account.agent_groups,
        find_member=lambda account, name: account.email_of(name),
        show=show_members,
    ),
    _Groups(
        f"{ROOT}/Usergroups",
        "user group",
        "users",
        of=lambda account: account.user_groups,
        find_member=lambda account, name: name if name in account.users else None,
    ),
)

routes = web.RouteTableDef()
for _kind in _KINDS:
    routes.post(_kind.path)(_kind.create)
    routes.put(f"{_kind.path}/{{id}}")(_kind.replace)
    routes.patch(f"{_kind.path}/{{id}}")(_kind.change)
    routes.delete(f"{_kind.path}/{{id}}")(_kind.delete)
