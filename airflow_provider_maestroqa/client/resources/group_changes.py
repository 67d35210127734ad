"""What is to become of a group, and the requests for it. Pure decisions: no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.client.endpoints import Request, build_request
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.client.formatting import pluralize
from airflow_provider_maestroqa.client.parsing import parse_text, show
from airflow_provider_maestroqa.client.resources.groups import (
    GroupKind,
    members_of,
    name_of,
    parse_members,
    parse_owners,
)
from airflow_provider_maestroqa.client.resources.pagination import id_of
from airflow_provider_maestroqa.client.server_text import clean_text

#: How many members one request adds or removes at most.
MAX_MEMBERS = 100
_PATCH_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_GROUP_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Group"
_MAX_SHOWN = 5


@dataclass(frozen=True)
class MemberChanges:
    """Who joins and who leaves a group.

    :param kind: the kind of the group.
    :param group: the group, as MaestroQA has it.
    :param add: members to add.
    :param remove: members to remove.
    """

    kind: GroupKind
    group: Mapping[str, Any]
    add: Sequence[str]
    remove: Sequence[str]

    @classmethod
    def parse(cls, kind: GroupKind, add: object, remove: object) -> MemberChanges:
        """Read the arguments, before the group is known.

        :raises MaestroQAConfigError: an argument is wrong, or both name the same member.
        """
        if add is None and remove is None:
            raise MaestroQAConfigError(f"Pass add or remove: lists with the {kind.member} in each item.")
        changes = cls(kind, {}, parse_members(kind, add, "add"), parse_members(kind, remove, "remove"))
        leaving = {kind.compare_by(name) for name in changes.remove}
        both = [name for name in changes.add if kind.compare_by(name) in leaving]
        if both:
            raise MaestroQAConfigError(f"add and remove both name {_shown(both)}. Leave each in one of them.")
        return changes

    def of(self, group: Mapping[str, Any]) -> MemberChanges:
        """What of these is still to be done in a group; those who leave by the name that it has for them."""
        members = _comparable(self.kind, group)
        if members is None:
            return MemberChanges(self.kind, group, self.add, self.remove)
        key = self.kind.compare_by
        add = [name for name in self.add if key(name) not in members]
        remove = [members[key(name)] for name in self.remove if key(name) in members]
        return MemberChanges(self.kind, group, add, remove)

    def requests(self) -> list[Request]:
        """The requests that carry them out, each for at most 100 members. Each may be sent twice without harm."""
        changes = [*(("add", name) for name in self.add), *(("remove", name) for name in self.remove)]
        parts = [changes[start : start + MAX_MEMBERS] for start in range(0, len(changes), MAX_MEMBERS)]
        return [self._request(part) for part in parts]

    def check(self, group: Mapping[str, Any]) -> None:
        """Compare the group as it is afterwards with what was asked for.

        :raises MaestroQADataError: a change was accepted, but not made.
        """
        left = self.of(group)
        if _comparable(self.kind, group) is None or not (left.add or left.remove):
            return
        missing = f"{_shown(left.add)} did not join" if left.add else ""
        staying = f"{_shown(left.remove)} did not leave" if left.remove else ""
        raise MaestroQADataError(
            f"MaestroQA accepted the change of the {self.kind.label} {show(name_of(group))}, but "
            f"{' and '.join(filter(None, (missing, staying)))}. {self.kind.hint}"
        )

    def _request(self, changes: Iterable[tuple[str, str]]) -> Request:
        added = [{"value": name} for op, name in changes if op == "add"]
        operations: list[dict[str, Any]] = [{"op": "add", "path": "members", "value": added}] if added else []
        for op, name in changes:
            if op == "remove":
                operations.append({"op": op, "path": f"members[value eq {json.dumps(name, ensure_ascii=False)}]"})
        body = {"schemas": [_PATCH_SCHEMA], "Operations": operations}
        return build_request(f"update_{self.kind.name}", body, id=str(id_of(self.group)))


@dataclass(frozen=True)
class GroupFields:
    """The name, the members and the owners that a group is to have; ``None`` leaves one as it is.

    :param kind: the kind of the group.
    """

    kind: GroupKind
    name: str | None
    members: Sequence[str] | None
    owners: Sequence[str] | None

    @classmethod
    def parse(cls, kind: GroupKind, name: object, members: object, owners: object) -> GroupFields:
        """Read the arguments.

        :raises MaestroQAConfigError: an argument is wrong, or there is none.
        """
        if name is None and members is None and owners is None:
            raise MaestroQAConfigError("Pass what the group is to have: name, members or owners.")
        return cls(
            kind,
            None if name is None else parse_text(name, "name", remedy="Pass the name that people know the group by."),
            None if members is None else parse_members(kind, members, "members"),
            None if owners is None else parse_owners(owners),
        )

    def create_request(self) -> Request:
        """The request that creates such a group. Each one creates another group."""
        return build_request(f"create_{self.kind.name}", self._body(self.name, self.members, self.owners))

    def replace_request(self, group: Mapping[str, Any]) -> Request | None:
        """The request that makes a group such a one; ``None`` where it is already.

        :param group: the group as MaestroQA has it. What is not to change is sent as it is there.
        :raises MaestroQADataError: what is not to change did not come, so that it would be lost.
        """
        if self.is_met_by(group):
            return None
        kept: dict[str, Sequence[str] | None] = {}
        names = _comparable(self.kind, group) or {}
        # Who is in it already is named as the group has it, because the server may compare letter by letter.
        members = self.members and [names.get(self.kind.compare_by(name), name) for name in self.members]
        for field, given in (("members", members), ("owners", self.owners)):
            kept[field] = members_of(group, field) if given is None else given
            if kept[field] is None and (field == "members" or group.get(field) is not None):
                raise MaestroQADataError(
                    f"The {self.kind.label} {show(name_of(group))} came without {field} that can be read, so the "
                    f"request would remove them. Pass {field} as well. Nothing was changed."
                )
        body = self._body(self.name or name_of(group), kept["members"], kept["owners"])
        return build_request(f"replace_{self.kind.name}", body, id=str(id_of(group)))

    def check(self, group: Mapping[str, Any]) -> None:
        """Compare the group as it is afterwards with what was asked for.

        :raises MaestroQADataError: it is another one.
        """
        if self.name is not None and name_of(group) != self.name:
            raise MaestroQADataError(
                f"MaestroQA accepted the name {show(self.name)} for a {self.kind.label}, but it is called "
                f"{show(name_of(group))}."
            )
        if self.members is not None:
            wanted = {self.kind.compare_by(name) for name in self.members}
            others = [name for key, name in (_comparable(self.kind, group) or {}).items() if key not in wanted]
            MemberChanges(self.kind, {}, self.members, others).check(group)
        if self.owners is not None and set(members_of(group, "owners") or self.owners) != set(self.owners):
            raise MaestroQADataError(
                f"MaestroQA accepted the owners of the {self.kind.label} {show(name_of(group))}, but it has others. "
                "Check that these are ids of accounts."
            )

    def is_met_by(self, group: Mapping[str, Any]) -> bool:
        """Whether a group is such a one, as far as it can be told."""
        if self.members is not None:
            members = _comparable(self.kind, group)
            if members is None or set(members) != {self.kind.compare_by(name) for name in self.members}:
                return False
        if self.owners is not None and set(members_of(group, "owners") or ()) != set(self.owners):
            return False
        return self.name is None or name_of(group) == self.name

    def _body(
        self, name: str | None, members: Sequence[str] | None, owners: Sequence[str] | None
    ) -> Mapping[str, Any]:
        return {
            "schemas": [_GROUP_SCHEMA],
            "displayName": name,
            "members": None if members is None else list(members),
            "owners": None if owners is None else list(owners),
        }


def _comparable(kind: GroupKind, group: Mapping[str, Any]) -> dict[str, str] | None:
    """The members of a group by what they are compared by; ``None`` where it names its members otherwise."""
    members = members_of(group)
    if members is None or not all(map(kind.is_member, members)):
        return None
    return {kind.compare_by(name): name for name in members}


def _shown(members: Sequence[str]) -> str:
    shown = ", ".join(clean_text(name) for name in members[:_MAX_SHOWN])
    more = len(members) - _MAX_SHOWN
    return f"{shown} and {pluralize(more, 'others')}" if more > 0 else shown
