"""Groups of agents: which one is meant, and the requests that change who is in it. Pure decisions: no I/O."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.client.endpoints import Request, build_request
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.client.formatting import pluralize
from airflow_provider_maestroqa.client.parsing import parse_text, show
from airflow_provider_maestroqa.client.resources.pagination import id_of
from airflow_provider_maestroqa.client.server_text import clean_text

#: How many members one request adds or removes at most.
MAX_MEMBERS = 100
_PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_MAX_SHOWN = 5


def find_agent_group(groups: Iterable[Mapping[str, Any]], wanted: object) -> dict[str, Any]:
    """Find a group by its id or its name.

    :param groups: all groups.
    :param wanted: the id, or the name as it is written at MaestroQA.
    :raises MaestroQAConfigError: there is no such group, or there is more than one of this name.
    """
    text = parse_text(wanted, "agent_group", remedy="Pass the name or the id of a group of agents.")
    alike, names = [], []
    for group in groups:
        if id_of(group) == text:
            return dict(group)
        names.append(name_of(group))
        if names[-1] == text:
            alike.append(dict(group))
    if len(alike) > 1:
        ids = ", ".join(str(id_of(group)) for group in alike)
        raise MaestroQAConfigError(
            f"agent_group {show(text)} is the name of {len(alike)} groups of agents, with the ids {ids}. Pass the id "
            "of the one that you mean."
        )
    if not alike:
        near = difflib.get_close_matches(text, names, n=_MAX_SHOWN, cutoff=0.5) or names[:_MAX_SHOWN]
        known = f"There are, among others: {', '.join(show(name) for name in near)}." if near else "There is none."
        raise MaestroQAConfigError(
            f"agent_group {show(text)} is neither the name nor the id of a group of agents. {known} Names are "
            "case-sensitive."
        )
    if id_of(alike[0]) is None:
        raise MaestroQADataError(f"The group of agents {show(text)} came without an id, so it cannot be used.")
    return alike[0]


def name_of(group: Mapping[str, Any]) -> str:
    """A group's name as MaestroQA has it."""
    name = group.get("displayName")
    return name if isinstance(name, str) else show(name)


def parse_members(value: object, field: str) -> list[str]:
    """Read the e-mail addresses of agents; each counts once, whatever its case.

    :raises MaestroQAConfigError: it is no list, or an item is no e-mail address.
    """
    if value is None:
        return []
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise MaestroQAConfigError(
            f"{field} must be a list of e-mail addresses, got {type(value).__name__}. A template gives text: pass "
            "the output of a task, or set render_template_as_native_obj."
        )
    members: dict[str, str] = {}
    for position, item in enumerate(value):
        name, at, host = item.rpartition("@") if isinstance(item, str) else ("", "", "")
        if not (name and at and host) or any(character.isspace() for character in item):
            raise MaestroQAConfigError(
                f"{field}[{position}] must be the e-mail address of an agent, such as ann@example.com, got "
                f"{type(item).__name__}."
            )
        members.setdefault(item.casefold(), item)
    return list(members.values())


@dataclass(frozen=True)
class MemberChanges:
    """Who joins and who leaves a group.

    :param group: the group, as MaestroQA has it.
    :param add: the e-mail addresses of agents to add.
    :param remove: those of agents to remove.
    """

    group: Mapping[str, Any]
    add: Sequence[str]
    remove: Sequence[str]

    @classmethod
    def parse(cls, add: object, remove: object) -> MemberChanges:
        """Read the arguments, before the group is known.

        :raises MaestroQAConfigError: an argument is wrong, or both name the same agent.
        """
        if add is None and remove is None:
            raise MaestroQAConfigError("Pass add or remove: lists of the e-mail addresses of agents.")
        changes = cls({}, parse_members(add, "add"), parse_members(remove, "remove"))
        leaving = {email.casefold() for email in changes.remove}
        both = [email for email in changes.add if email.casefold() in leaving]
        if both:
            raise MaestroQAConfigError(f"add and remove both name {_shown(both)}. Leave each in one of them.")
        return changes

    def of(self, group: Mapping[str, Any]) -> MemberChanges:
        """What of these is still to be done in a group; those who leave by the address that it has."""
        members = _members(group)
        if members is None:
            return MemberChanges(group, self.add, self.remove)
        add = [email for email in self.add if email.casefold() not in members]
        remove = [members[email.casefold()] for email in self.remove if email.casefold() in members]
        return MemberChanges(group, add, remove)

    def requests(self) -> list[Request]:
        """The requests that carry them out, each for at most 100 members. Each may be sent twice without harm."""
        changes = [*(("add", email) for email in self.add), *(("remove", email) for email in self.remove)]
        parts = [changes[start : start + MAX_MEMBERS] for start in range(0, len(changes), MAX_MEMBERS)]
        return [self._request(part) for part in parts]

    def check(self, group: Mapping[str, Any]) -> None:
        """Compare the group as it is afterwards with what was asked for.

        :raises MaestroQADataError: a change was accepted, but not made.
        """
        left = self.of(group)
        if _members(group) is None or not (left.add or left.remove):
            return
        missing = f"{_shown(left.add)} did not join" if left.add else ""
        staying = f"{_shown(left.remove)} did not leave" if left.remove else ""
        raise MaestroQADataError(
            f"MaestroQA accepted the change of the agent group {show(name_of(group))}, but "
            f"{' and '.join(filter(None, (missing, staying)))}. Check that these are agents: an account that logs in "
            "is none."
        )

    def _request(self, changes: Iterable[tuple[str, str]]) -> Request:
        added = [{"value": email} for op, email in changes if op == "add"]
        operations: list[dict[str, Any]] = [{"op": "add", "path": "members", "value": added}] if added else []
        for op, email in changes:
            if op == "remove":
                operations.append({"op": op, "path": f"members[value eq {json.dumps(email, ensure_ascii=False)}]"})
        body = {"schemas": [_PATCH_SCHEMA], "Operations": operations}
        return build_request("update_agent_group", body, id=str(id_of(self.group)))


def _members(group: Mapping[str, Any]) -> dict[str, str] | None:
    """The e-mail addresses in a group by their lower case; ``None`` where it names its members otherwise."""
    listed = group.get("members")
    if not isinstance(listed, list):
        return None
    values = [one.get("value") if isinstance(one, Mapping) else one for one in listed]
    emails = [value for value in values if isinstance(value, str) and "@" in value]
    return {email.casefold(): email for email in emails} if len(emails) == len(values) else None


def _shown(emails: Sequence[str]) -> str:
    shown = ", ".join(clean_text(email) for email in emails[:_MAX_SHOWN])
    more = len(emails) - _MAX_SHOWN
    return f"{shown} and {pluralize(more, 'others')}" if more > 0 else shown
