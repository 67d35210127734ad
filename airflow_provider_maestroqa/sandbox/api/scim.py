"""The API's chapter "SCIM": the lists of groups of agents, of accounts and of their groups, which count from 1."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from aiohttp import web

from airflow_provider_maestroqa.sandbox.api.lists import ListEndpoint
from airflow_provider_maestroqa.sandbox.data.account import Fields
from airflow_provider_maestroqa.sandbox.state import State
from airflow_provider_maestroqa.sandbox.validation import Check, Parameter

ROOT = "/api/v1/scim/v2"
PAGE_SIZE = 20
_QUOTED = r'("(?:[^"\\]|\\["\\])+")'
_USER_FILTER = re.compile(f"userName eq {_QUOTED}")


def _users(state: State, query: Mapping[str, str]) -> list[Fields]:
    users = list(state.account.users.values())
    if "filter" not in query:
        return users
    name = json.loads(_USER_FILTER.fullmatch(query["filter"])[1])  # type: ignore[index]
    return [user for user in users if user["userName"] == name]


def _show(_state: State, record: Fields) -> Fields:
    return record


def show_members(state: State, group: Fields) -> Fields:
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
        show=show_members if name == "Groups" else _show,
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
