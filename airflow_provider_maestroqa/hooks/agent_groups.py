"""The hook's methods for groups of agents, and for the accounts of users and their groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAAPIError
from airflow_provider_maestroqa.client.resources.agent_groups import MemberChanges, find_agent_group, name_of
from airflow_provider_maestroqa.client.resources.catalogue import DEFAULT_PAGE_SIZE
from airflow_provider_maestroqa.client.resources.pagination import RecordIterator, id_of
from airflow_provider_maestroqa.client.server_text import clean_text
from airflow_provider_maestroqa.hooks.lists import ListMethods
from airflow_provider_maestroqa.runtime.lineage import record_written


class AgentGroupMethods(ListMethods):
    """Groups of agents; the accounts that log in, and their groups. (API: SCIM)

    Agents are people who are graded; accounts belong to people who log in to MaestroQA. Accounts are only read.
    """

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
        return find_agent_group(self.list_agent_groups(), group)

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
        wanted = MemberChanges.parse(add, remove)
        changes = wanted.of(self.find_agent_group(group))
        requests = changes.requests()
        record_written(self, "agent_groups")
        response: Any = changes.group
        for number, request in enumerate(requests):
            try:
                response = self._send(request)
            except MaestroQAAPIError as error:
                error.message = f"{error.message} ({number} of {len(requests)} requests for the group were made.)"
                raise
        if requests:
            changed = isinstance(response, Mapping) and isinstance(response.get("members"), list)
            wanted.check(response if changed else self._get("agent_groups", str(id_of(changes.group))))
        return {
            "agent_group": clean_text(name_of(changes.group)),
            "added": len(changes.add),
            "removed": len(changes.remove),
        }

    def list_user_groups(self) -> RecordIterator:
        """Read all groups of accounts, page by page as they are needed. (API: List User Groups)

        :return: an iterator of dicts with MaestroQA's own keys; ``members`` are ids of accounts.
        """
        return self.list_records("user_groups")

    def get_user_group(self, user_group_id: str) -> dict[str, Any]:
        """Read one group of accounts. (API: Retrieve a User Group)

        :param user_group_id: its id.
        :raises MaestroQANotFoundError: MaestroQA knows no such group.
        """
        return self._get("user_groups", user_group_id)

    def list_users(self, *, user_name: str | None = None, **others: object) -> RecordIterator:
        """Read all accounts that match, page by page as they are needed. (API: List Users)

        An account belongs to somebody who logs in. It is no agent, and its id is no agent's id.

        :param user_name: only the account with this user name.
        :param others: there is no other filter but the API's own name, ``userName``; one that is not ``None`` is an
            error that names it.
        :return: an iterator of dicts with MaestroQA's own keys.
        :raises MaestroQAConfigError: a filter is wrong or not known; nothing was sent.
        """
        filters = {"user_name": user_name, **others}
        return self.list_records("users", start=None, end=None, page_size=DEFAULT_PAGE_SIZE, **filters)

    def get_user(self, user_id: str) -> dict[str, Any]:
        """Read one account. (API: Retrieve a User)

        :param user_id: its id.
        :raises MaestroQANotFoundError: MaestroQA knows no such account.
        """
        return self._get("users", user_id)
