"""SCIM: groups of agents, accounts and their groups."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from airflow_provider_maestroqa.check.account import CheckedAccount, Page
from airflow_provider_maestroqa.check.finding import Finding, as_read, not_seen, otherwise, told
from airflow_provider_maestroqa.check.list_form import form_probe
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.client.resources.catalogue import LIST_RESOURCES, ListResource

#: The lists of SCIM.
_ROWS = [row for row in LIST_RESOURCES.values() if not row.is_windowed]
_PAGE_FIELDS = ("totalResults", "startIndex", "itemsPerPage", "Resources")
#: What records have besides an id.
_NAMES = {"agent_groups": "displayName", "user_groups": "displayName", "users": "userName"}


def _record(
    _account: CheckedAccount, page: Page, record: Mapping[str, Any], shown: str, *, row: ListResource
) -> Finding:
    seen = f"{len(page.records)} of {page.total:,} {shown}"
    return told("id" in record and _NAMES[row.name] in record, seen, **_options(row, page.total))


def _options(row: ListResource, total: int) -> Mapping[str, Any]:
    return {row.name: total} if row.name in ("agent_groups", "users") else {}


def _first_index(account: CheckedAccount) -> Finding:
    row = max(_ROWS, key=lambda row: account.page(row).total)
    ids = account.page(row).ids
    if len(ids) < 2:
        return not_seen("no list with two records")
    from_one = account.page(row, startIndex=1, count=2).ids
    if from_one[:1] == ids[:1]:
        return as_read("startIndex=1 begins with the first record", scim_first_index=1)
    if from_one[:1] == ids[1:2]:
        return otherwise("startIndex=1 begins with the second record", scim_first_index=0)
    return otherwise("startIndex=1 begins with another record: the order is not stable")


def _members(account: CheckedAccount) -> Finding:
    groups = account.page(LIST_RESOURCES["agent_groups"]).records
    members = next((group["members"] for group in groups if group.get("members")), None)
    if not isinstance(members, list):
        return not_seen("no group of agents with members")
    values = [str(one.get("value") if isinstance(one, dict) else one) for one in members]
    are_emails = all("@" in value for value in values)
    return told(are_emails, "emails" if are_emails else "ids", group_members="emails" if are_emails else "ids")


PROBES = (
    *(
        form_probe(
            f"list_{row.name}",
            f"The list of {row.name.replace('_', ' ')} has the form of SCIM.",
            "It cannot be landed, and groups are not found by their names.",
            get_page=partial(CheckedAccount.page, row=row),
            judge=partial(_record, row=row),
        )
        for row in _ROWS
    ),
    Probe(
        "scim_first_index",
        "Lists of SCIM count from 1.",
        "A record is missed where one page follows another. Report it.",
        _first_index,
    ),
    Probe(
        "group_members",
        "The members of a group of agents are read as emails.",
        "Members are changed as they should, but the report of what was changed may be wrong.",
        _members,
    ),
)
