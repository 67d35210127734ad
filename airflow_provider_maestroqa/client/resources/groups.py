"""Groups of agents and groups of accounts: how the two differ, and which group is meant. Pure decisions: no I/O."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.client.parsing import parse_text, show
from airflow_provider_maestroqa.client.resources.pagination import id_of

_MAX_SHOWN = 5


@dataclass(frozen=True)
class GroupKind:
    """A kind of group.

    :param name: the name of one, as operations and arguments have it.
    :param resource: the list of all.
    :param label: what one is called in a sentence.
    :param member: what a member is named by.
    :param example: such a name.
    :param is_member: whether a text may be such a name.
    :param compare_by: what two names of the same member have in common.
    :param hint: what to look at when a member does not join.
    """

    name: str
    resource: str
    label: str
    member: str
    example: str
    is_member: Callable[[str], bool]
    compare_by: Callable[[str], str]
    hint: str


def _is_email(text: str) -> bool:
    name, at, host = text.rpartition("@")
    return bool(name and at and host)


AGENT_GROUP = GroupKind(
    name="agent_group",
    resource="agent_groups",
    label="group of agents",
    member="e-mail address of an agent",
    example="ann@example.com",
    is_member=_is_email,
    compare_by=str.casefold,
    hint="Check that these are agents: an account that logs in is none.",
)
USER_GROUP = GroupKind(
    name="user_group",
    resource="user_groups",
    label="group of accounts",
    member="id of an account",
    example="aB3dE5fG7hJ9kL2mN",
    # An address would be taken for an account's: it is the user name, with which `list_users` finds the id.
    is_member=lambda text: not _is_email(text),
    compare_by=str,
    hint="Check that these are ids of accounts: `list_users` has them.",
)


class GroupMissingError(MaestroQAConfigError):
    """There is no such group."""


def parse_group(kind: GroupKind, wanted: object) -> str:
    """Read the name or the id of a group.

    :raises MaestroQAConfigError: it is blank, or no text.
    """
    return parse_text(wanted, kind.name, remedy=f"Pass the name or the id of a {kind.label}.")


def find_group(kind: GroupKind, groups: Iterable[Mapping[str, Any]], wanted: object) -> dict[str, Any]:
    """Find a group by its id or its name.

    :param kind: the kind of the groups.
    :param groups: all groups.
    :param wanted: the id, or the name as it is written at MaestroQA.
    :raises GroupMissingError: there is no such group.
    :raises MaestroQAConfigError: there is more than one of this name.
    """
    text = parse_group(kind, wanted)
    alike, names = [], []
    for group in groups:
        if id_of(group) == text:
            return dict(group)
        names.append(name_of(group))
        if names[-1] == text:
            alike.append(dict(group))
    if not alike:
        near = difflib.get_close_matches(text, names, n=_MAX_SHOWN, cutoff=0.5) or names[:_MAX_SHOWN]
        known = f"There are, among others: {', '.join(show(name) for name in near)}." if near else "There is none."
        raise GroupMissingError(
            f"{kind.name} {show(text)} is neither the name nor the id of a {kind.label}. {known} Names are "
            "case-sensitive."
        )
    return the_only_one(kind, alike, text)


def the_only_one(kind: GroupKind, alike: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The group of a name.

    :param alike: all groups of this name, one at least.
    :raises MaestroQAConfigError: there is more than one.
    :raises MaestroQADataError: it has no id.
    """
    if len(alike) > 1:
        ids = ", ".join(str(id_of(group)) for group in alike)
        raise MaestroQAConfigError(
            f"{kind.name} {show(name)} is the name of {len(alike)} {_plural(kind)}, with the ids {ids}. Pass the id "
            "of the one that you mean."
        )
    if id_of(alike[0]) is None:
        raise MaestroQADataError(f"The {kind.label} {show(name)} came without an id, so it cannot be used.")
    return alike[0]


def groups_named(groups: Iterable[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    """All groups of a name."""
    return [dict(group) for group in groups if name_of(group) == name]


def name_of(group: Mapping[str, Any]) -> str:
    """A group's name as MaestroQA has it."""
    name = group.get("displayName")
    return name if isinstance(name, str) else show(name)


def members_of(group: Mapping[str, Any], field: str = "members") -> list[str] | None:
    """The members or the owners of a group, as MaestroQA names them; ``None`` where they did not come."""
    listed = group.get(field)
    if not isinstance(listed, list):
        return None
    values = [one.get("value") if isinstance(one, Mapping) else one for one in listed]
    return [value for value in values if isinstance(value, str)] if all(map(_is_text, values)) else None


def parse_members(kind: GroupKind, value: object, field: str) -> list[str]:
    """Read members; each counts once.

    :raises MaestroQAConfigError: it is no list, or an item names no member of this kind.
    """
    if value is None:
        return []
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise MaestroQAConfigError(
            f"{field} must be a list of {_list_of(kind)}, got {type(value).__name__}. A template gives text: pass "
            "the output of a task, or set render_template_as_native_obj."
        )
    members: dict[str, str] = {}
    for position, item in enumerate(value):
        if not _is_text(item) or any(character.isspace() for character in item) or not kind.is_member(item):
            raise MaestroQAConfigError(
                f"{field}[{position}] must be the {kind.member}, such as {kind.example}, got {_received(item)}."
            )
        members.setdefault(kind.compare_by(item), item)
    return list(members.values())


def parse_owners(value: object) -> list[str]:
    """Read the owners of a group: ids of accounts, whatever is in the group.

    :raises MaestroQAConfigError: it is no list, or an item is no id of an account.
    """
    return parse_members(USER_GROUP, value, "owners")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _received(item: object) -> str:
    return "an e-mail address" if isinstance(item, str) and _is_email(item) else type(item).__name__


def _list_of(kind: GroupKind) -> str:
    return "e-mail addresses" if kind is AGENT_GROUP else "ids of accounts"


def _plural(kind: GroupKind) -> str:
    return kind.label.replace("group", "groups", 1)
