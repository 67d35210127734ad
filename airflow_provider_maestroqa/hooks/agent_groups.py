"""The hook's methods for groups of agents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_maestroqa.client.resources.groups import AGENT_GROUP
from airflow_provider_maestroqa.client.resources.pagination import RecordIterator, id_of
from airflow_provider_maestroqa.hooks.groups import GroupMethods


class AgentGroupMethods(GroupMethods):
    """Groups of agents, who are the people that are graded. (API: SCIM)"""

    def list_agent_groups(self) -> RecordIterator:
        """Read all groups of agents, page by page as they are needed. (API: List Agent Groups)

        :return: an iterator of dicts with MaestroQA's own keys: ``id``, ``displayName``, ``members`` (the agents'
            e-mail addresses) and ``owners``.
        """
        return self.list_records("agent_groups")

    def find_agent_group(self, group: str) -> dict[str, Any]:
        """Find a group of agents in the list of all, 20 of which come with a request. (API: List Agent Groups)

        :param group: its name, case-sensitive, or its id.
        :return: the group with MaestroQA's own keys.
        :raises MaestroQAConfigError: there is no such group, or there is more than one of this name.
        """
        return self._find_group(AGENT_GROUP, group)

    def get_agent_group(self, group: str) -> dict[str, Any]:
        """Read one group of agents. (API: Retrieve an Agent Group)

        :param group: its name, case-sensitive, or its id. It is looked for in the list of all, and then read.
        :return: the group with MaestroQA's own keys.
        :raises MaestroQAConfigError: there is no such group, or there is more than one of this name.
        :raises MaestroQANotFoundError: it was deleted in between.
        """
        return self._get("agent_groups", str(id_of(self.find_agent_group(group))))

    def update_agent_group(
        self, group: str, *, add: Iterable[str] | None = None, remove: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Add agents to a group and remove agents from it. (API: Update an Agent Group)

        Who is in the group already is not added again, and who is not in it is not removed, so it may be repeated
        without harm. A request changes at most 100 members. Afterwards the group is compared with what was asked for.

        :param group: the group's name, case-sensitive, or its id.
        :param add: the e-mail addresses of agents to add. They must be agents: accounts that log in are none.
        :param remove: the e-mail addresses of agents to remove.
        :return: ``{"agent_group", "added", "removed"}``: the group's name, and how many agents joined and left.
        :raises MaestroQAConfigError: an argument is wrong, there is no such group, or more than one of this name;
            nothing was changed.
        :raises MaestroQAValidationError: MaestroQA rejects a member, who may be no agent.
        :raises MaestroQADataError: MaestroQA accepted the change, but the group shows that it was not made.
        """
        return self._update_group(AGENT_GROUP, group, add=add, remove=remove)

    def create_agent_group(
        self,
        name: str,
        *,
        members: Iterable[str] | None = None,
        owners: Iterable[str] | None = None,
        exist_ok: bool = False,
    ) -> dict[str, Any]:
        """Create a group of agents, unless there is one of its name. (API: Create an Agent Group)

        Each such request makes a group, so the name is looked for first. When the response is lost, the name is
        looked for again, and the group that is there now is returned.

        :param name: what the group is called.
        :param members: the e-mail addresses of its agents.
        :param owners: the ids of the accounts that own it.
        :param exist_ok: whether to return a group of this name that is there already, as it is.
        :return: the group with MaestroQA's own keys.
        :raises MaestroQAConfigError: an argument is wrong, or ``exist_ok`` is set and two groups have this name;
            nothing was created.
        :raises MaestroQAConflictError: a group of this name is there already; nothing was created.
        :raises MaestroQAValidationError: MaestroQA rejects a member, who may be no agent; nothing was created.
        :raises MaestroQADataError: the group was created, but with other members or owners.
        :raises MaestroQAOutcomeUnknownError: the response was lost, and the group cannot be found.
        """
        return self._create_group(AGENT_GROUP, name, members=members, owners=owners, exist_ok=exist_ok)

    def replace_agent_group(
        self,
        group: str,
        *,
        name: str | None = None,
        members: Iterable[str] | None = None,
        owners: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """Give a group of agents another name, or exactly these members or owners. (API: Replace an Agent Group)

        What is ``None`` stays: it is read just before and sent again, because the request replaces the group as a
        whole. Who joins in between is lost; :meth:`update_agent_group` has no such gap. May be repeated without
        harm; a group that is as it should be gets no request.

        :param group: the group's name, case-sensitive, or its id.
        :param name: its new name.
        :param members: the e-mail addresses of all its agents; an empty list removes everybody.
        :param owners: the ids of all accounts that own it.
        :return: the group with MaestroQA's own keys.
        :raises MaestroQAConfigError: an argument is wrong, there is no such group, or more than one of this name;
            nothing was changed.
        :raises MaestroQAConflictError: another group has the new name; nothing was changed.
        :raises MaestroQAValidationError: MaestroQA rejects a member, who may be no agent; nothing was changed.
        :raises MaestroQADataError: what is to stay cannot be read, or MaestroQA accepted the change without making
            it.
        """
        return self._replace_group(AGENT_GROUP, group, name=name, members=members, owners=owners)

    def delete_agent_group(self, group: str) -> bool:
        """Delete a group of agents; the agents stay. It cannot be undone. (API: Delete an Agent Group)

        A group that is not there is no error: the log says so, with names that are similar.

        :param group: the group's name, case-sensitive, or its id.
        :return: whether it was deleted by this call; ``False`` when it was not there.
        :raises MaestroQAConfigError: more than one group has this name, or it is none; nothing was deleted.
        """
        return self._delete_group(AGENT_GROUP, group)
