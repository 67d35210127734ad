"""What the hook's methods for groups of agents and for groups of accounts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.errors import (
    MaestroQAAPIError,
    MaestroQAConflictError,
    MaestroQAError,
    MaestroQANotFoundError,
    MaestroQAOutcomeUnknownError,
)
from airflow_provider_maestroqa.client.formatting import pluralize
from airflow_provider_maestroqa.client.parsing import parse_flag, parse_text, show
from airflow_provider_maestroqa.client.resources.group_changes import GroupFields, MemberChanges
from airflow_provider_maestroqa.client.resources.groups import (
    GroupKind,
    GroupMissingError,
    find_group,
    groups_named,
    members_of,
    name_of,
    parse_group,
    the_only_one,
)
from airflow_provider_maestroqa.client.resources.pagination import id_of
from airflow_provider_maestroqa.client.server_text import clean_text
from airflow_provider_maestroqa.hooks.lists import ListMethods
from airflow_provider_maestroqa.runtime.lineage import record_written


class GroupMethods(ListMethods):
    """Groups: find one, create, change, replace and delete it. (API: SCIM)"""

    def _find_group(self, kind: GroupKind, group: object) -> dict[str, Any]:
        parse_group(kind, group)
        return find_group(kind, self.list_records(kind.resource), group)

    def _create_group(
        self, kind: GroupKind, name: object, *, members: object, owners: object, exist_ok: object
    ) -> dict[str, Any]:
        text = parse_text(name, "name", remedy="Pass the name that people know the group by.")
        wanted = GroupFields.parse(kind, text, members, owners)
        may_exist = parse_flag(exist_ok, "exist_ok")
        request = wanted.create_request()
        alike = groups_named(self.list_records(kind.resource), text)
        if alike and may_exist:
            existing = the_only_one(kind, alike, text)
            self.log.info("The %s %s is there already; nothing was changed.", kind.label, show(text))
            return existing
        if alike:
            raise MaestroQAConflictError(None, request.method, request.path, _taken(kind, alike, text, exist_ok=True))
        record_written(self, kind.resource)
        try:
            response = self.client.send(request)
        except MaestroQAOutcomeUnknownError as error:
            return self._after_lost_response(wanted, text, error)
        created = dict(response) if isinstance(response, Mapping) else {}
        if id_of(created) is None:
            # A success, but of what?
            created = the_only_one(kind, groups_named(self.list_records(kind.resource), text) or [{}], text)
        wanted.check({"displayName": text, **created})
        return created

    def _after_lost_response(
        self, wanted: GroupFields, name: str, error: MaestroQAOutcomeUnknownError
    ) -> dict[str, Any]:
        """The group, if the request whose response was lost has created it: there was none of its name before.

        :raises MaestroQAOutcomeUnknownError: that cannot be told.
        """
        kind = wanted.kind
        try:
            alike = groups_named(self.list_records(kind.resource), name)
        except MaestroQAError:
            state = "The list of groups could not be read afterwards."
        else:
            if len(alike) == 1 and id_of(alike[0]) is not None and wanted.is_met_by(alike[0]):
                self.log.info("The response was lost, but the %s %s was created.", kind.label, show(name))
                return alike[0]
            state = "No group of this name was there right afterwards."
            if alike:
                state = f"Groups of this name now: {len(alike)}, created by this request or by others."
        raise MaestroQAOutcomeUnknownError(
            f"{error.message} {state} Whoever calls create_{kind.name} again does not create a second one: it looks "
            "for the name first."
        ) from error

    def _update_group(self, kind: GroupKind, group: object, *, add: object, remove: object) -> dict[str, Any]:
        wanted = MemberChanges.parse(kind, add, remove)
        changes = wanted.of(self._find_group(kind, group))
        requests = changes.requests()
        record_written(self, kind.resource)
        response: Any = changes.group
        for number, request in enumerate(requests):
            try:
                response = self._send(request)
            except MaestroQAAPIError as error:
                error.message = f"{error.message} ({number} of {len(requests)} requests for the group were made.)"
                raise
        if requests:
            wanted.check(self._as_changed(kind, changes.group, response))
        return {
            kind.name: clean_text(name_of(changes.group)),
            "added": len(changes.add),
            "removed": len(changes.remove),
        }

    def _replace_group(
        self, kind: GroupKind, group: object, *, name: object, members: object, owners: object
    ) -> dict[str, Any]:
        wanted = GroupFields.parse(kind, name, members, owners)
        parse_group(kind, group)
        groups = list(self.list_records(kind.resource))
        listed = find_group(kind, groups, group)
        if wanted.name is not None and (
            alike := [one for one in groups_named(groups, wanted.name) if id_of(one) != id_of(listed)]
        ):
            path = build_request(f"replace_{kind.name}", id=str(id_of(listed))).path
            raise MaestroQAConflictError(None, "PUT", path, _taken(kind, alike, wanted.name))
        # What is kept is sent again, so it must be what is there at this moment.
        current = self._get(kind.resource, str(id_of(listed)))
        request = wanted.replace_request({**current, "id": id_of(listed)})
        if request is None:
            return current
        record_written(self, kind.resource)
        changed = self._as_changed(kind, listed, self._send(request))
        wanted.check(changed)
        return changed

    def _delete_group(self, kind: GroupKind, group: object) -> bool:
        parse_group(kind, group)
        try:
            found = self._find_group(kind, group)
        except GroupMissingError as error:
            self.log.info("Nothing was deleted: %s", error)
            return False
        name, group_id = show(name_of(found)), str(id_of(found))
        record_written(self, kind.resource)
        try:
            self._send(build_request(f"delete_{kind.name}", id=group_id))
        except MaestroQANotFoundError as error:
            if self._is_there(kind, group_id):
                raise
            if not error.after_ambiguous_failure:
                self.log.info("Nothing was deleted: the %s %s was deleted in between.", kind.label, name)
                return False
        number = len(members_of(found) or ())
        self.log.info("Deleted the %s %s (%s) of %s.", kind.label, name, group_id, pluralize(number, "members"))
        return True

    def _as_changed(self, kind: GroupKind, group: Mapping[str, Any], response: object) -> dict[str, Any]:
        """A group after a change: as the response has it, or else as it is read."""
        if isinstance(response, Mapping) and isinstance(response.get("members"), list):
            return dict(response)
        return self._get(kind.resource, str(id_of(group)))

    def _is_there(self, kind: GroupKind, group_id: str) -> bool:
        """Whether a group is still there; a route that is missing gets a 404, too."""
        try:
            self._get(kind.resource, group_id)
        except MaestroQANotFoundError:
            return False
        return True


def _taken(kind: GroupKind, alike: Sequence[Mapping[str, Any]], name: str, *, exist_ok: bool = False) -> str:
    ids = ", ".join(str(id_of(group)) for group in alike)
    remedy = "Choose another name, or pass exist_ok=True to take the one that is there." if exist_ok else ""
    return f"a {kind.label} is called {show(name)} already, with the id {ids}. {remedy}".rstrip()
