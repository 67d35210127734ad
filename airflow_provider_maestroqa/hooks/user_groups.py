"""The hook's methods for the accounts of users, which are only read, and for their groups."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_maestroqa.client.resources.catalogue import DEFAULT_PAGE_SIZE
from airflow_provider_maestroqa.client.resources.groups import USER_GROUP
from airflow_provider_maestroqa.client.resources.pagination import RecordIterator
from airflow_provider_maestroqa.hooks.groups import GroupMethods


class UserGroupMethods(GroupMethods):
    """The accounts of people who log in to MaestroQA, and their groups. (API: SCIM)

    Accounts are only read: making and changing them is left to identity providers.
    """

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

    def update_user_group(
        self, group: str, *, add: Iterable[str] | None = None, remove: Iterable[str] | None = None
    ) -> dict[str, Any]:
        """Add accounts to a group and remove accounts from it. (API: Update a User Group)

        Who is in the group already is not added again, and who is not in it is not removed, so it may be repeated
        without harm. A request changes at most 100 members. Afterwards the group is compared with what was asked for.

        :param group: the group's name, case-sensitive, or its id.
        :param add: the ids of accounts to add, as :meth:`list_users` has them.
        :param remove: the ids of accounts to remove.
        :return: ``{"user_group", "added", "removed"}``: the group's name, and how many accounts joined and left.
        :raises MaestroQAConfigError: an argument is wrong, there is no such group, or more than one of this name;
            nothing was changed.
        :raises MaestroQAValidationError: MaestroQA rejects a member, who may be no account.
        :raises MaestroQADataError: MaestroQA accepted the change, but the group shows that it was not made.
        """
        return self._update_group(USER_GROUP, group, add=add, remove=remove)

    def create_user_group(
        self,
        name: str,
        *,
        members: Iterable[str] | None = None,
        owners: Iterable[str] | None = None,
        exist_ok: bool = False,
    ) -> dict[str, Any]:
        """Create a group of accounts, unless there is one of its name. (API: Create a User Group)

        Each such request makes a group, so the name is looked for first. When the response is lost, the name is
        looked for again, and the group that is there now is returned.

        :param name: what the group is called.
        :param members: the ids of its accounts.
        :param owners: the ids of the accounts that own it.
        :param exist_ok: whether to return a group of this name that is there already, as it is.
        :return: the group with MaestroQA's own keys.
        :raises MaestroQAConfigError: an argument is wrong, or ``exist_ok`` is set and two groups have this name;
            nothing was created.
        :raises MaestroQAConflictError: a group of this name is there already; nothing was created.
        :raises MaestroQAValidationError: MaestroQA rejects a member, who may be no account; nothing was created.
        :raises MaestroQADataError: the group was created, but with other members or owners.
        :raises MaestroQAOutcomeUnknownError: the response was lost, and the group cannot be found.
        """
        return self._create_group(USER_GROUP, name, members=members, owners=owners, exist_ok=exist_ok)

    def replace_user_group(
        self,
        group: str,
        *,
        name: str | None = None,
        members: Iterable[str] | None = None,
        owners: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """Give a group of accounts another name, or exactly these members or owners. (API: Replace a User Group)

        What is ``None`` stays: it is read just before and sent again, because the request replaces the group as a
        whole. Who joins in between is lost; :meth:`update_user_group` has no such gap. May be repeated without
        harm; a group that is as it should be gets no request.

        :param group: the group's name, case-sensitive, or its id.
        :param name: its new name.
        :param members: the ids of all its accounts; an empty list removes everybody.
        :param owners: the ids of all accounts that own it.
        :return: the group with MaestroQA's own keys.
        :raises MaestroQAConfigError: an argument is wrong, there is no such group, or more than one of this name;
            nothing was changed.
        :raises MaestroQAConflictError: another group has the new name; nothing was changed.
        :raises MaestroQAValidationError: MaestroQA rejects a member, who may be no account; nothing was changed.
        :raises MaestroQADataError: what is to stay cannot be read, or MaestroQA accepted the change without making
            it.
        """
        return self._replace_group(USER_GROUP, group, name=name, members=members, owners=owners)

    def delete_user_group(self, group: str) -> bool:
        """Delete a group of accounts; the accounts stay. It cannot be undone. (API: Delete a User Group)

        A group that is not there is no error: the log says so, with names that are similar.

        :param group: the group's name, case-sensitive, or its id.
        :return: whether it was deleted by this call; ``False`` when it was not there.
        :raises MaestroQAConfigError: more than one group has this name, or it is none; nothing was deleted.
        """
        return self._delete_group(USER_GROUP, group)

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
