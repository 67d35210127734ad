"""The hook's methods for the first records of a list, as tools of an AI agent need them."""

from __future__ import annotations

from itertools import islice
from typing import Any

from airflow_provider_maestroqa.client.parsing import parse_count
from airflow_provider_maestroqa.hooks.lists import ListMethods

#: What an agent reads at once fits into what it can think about.
_MAX_LIMIT = 500
_LIMIT = 50


class SearchMethods(ListMethods):
    """The first records of a list, at most so many, as a list that can be written as JSON.

    A ``HookToolset`` of Airflow's common.ai provider passes each of these to an agent as a tool. The other methods
    for lists read to the end, and return an iterator.
    """

    def search_todos(
        self,
        *,
        agent_id: str | None = None,
        creator_id: str | None = None,
        start: str | None = None,
        end: str | None = None,
        limit: int = _LIMIT,
    ) -> list[dict[str, Any]]:
        """Read the first to-dos that match. (API: Retrieve Many To-dos)

        :param agent_id: only those for this agent.
        :param creator_id: only those made by this user.
        :param start: only those created after this time: ISO 8601 text with a time zone.
        :param end: only those created before this time, likewise.
        :param limit: how many at most, 1 to 500.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        """
        return self._first("todos", limit, agent_id=agent_id, creator_id=creator_id, start=start, end=end)

    def search_coaching_points(
        self,
        *,
        agent_id: str | None = None,
        creator_id: str | None = None,
        start: str | None = None,
        end: str | None = None,
        limit: int = _LIMIT,
    ) -> list[dict[str, Any]]:
        """Read the first coaching points that match. (API: Retrieve Many Coaching Points)

        :param agent_id: only those for this agent.
        :param creator_id: only those made by this user.
        :param start: only those created after this time: ISO 8601 text with a time zone.
        :param end: only those created before this time, likewise.
        :param limit: how many at most, 1 to 500.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        """
        return self._first("coaching_points", limit, agent_id=agent_id, creator_id=creator_id, start=start, end=end)

    def search_coaching_sessions(
        self,
        *,
        agent_id: str | None = None,
        creator_id: str | None = None,
        coach_id: str | None = None,
        start: str | None = None,
        end: str | None = None,
        limit: int = _LIMIT,
    ) -> list[dict[str, Any]]:
        """Read the first coaching sessions that match. (API: Retrieve Many Coaching Sessions)

        :param agent_id: only those for this agent.
        :param creator_id: only those made by this user.
        :param coach_id: only those with this coach.
        :param start: only those created after this time: ISO 8601 text with a time zone.
        :param end: only those created before this time, likewise.
        :param limit: how many at most, 1 to 500.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        """
        filters = {"agent_id": agent_id, "creator_id": creator_id, "coach_id": coach_id}
        return self._first("coaching_sessions", limit, start=start, end=end, **filters)

    def search_agent_groups(self, *, limit: int = _LIMIT) -> list[dict[str, Any]]:
        """Read the first groups of agents, with the e-mail addresses of their members. (API: List Agent Groups)

        :param limit: how many at most, 1 to 500.
        :raises MaestroQAConfigError: the limit is wrong; nothing was sent.
        """
        return self._first("agent_groups", limit)

    def search_users(self, *, user_name: str | None = None, limit: int = _LIMIT) -> list[dict[str, Any]]:
        """Read the first accounts that match. (API: List Users)

        :param user_name: only the account with this user name.
        :param limit: how many at most, 1 to 500.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        """
        return self._first("users", limit, user_name=user_name)

    def _first(self, resource: str, limit: object, **filters: str | None) -> list[dict[str, Any]]:
        count = parse_count(limit, "limit", minimum=1, maximum=_MAX_LIMIT)
        # An agent may write an empty text for a filter that it does not use.
        used: dict[str, Any] = {name: value for name, value in filters.items() if value}
        return list(islice(self.list_records(resource, page_size=min(count, 100), **used), count))
