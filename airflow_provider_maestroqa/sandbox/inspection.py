"""What a test may read of an account's records, and put there beforehand."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import asdict
from datetime import date
from typing import Any

from airflow_provider_maestroqa.sandbox.data import scim
from airflow_provider_maestroqa.sandbox.data.account import (
    Account,
    AgentMetricKey,
    Attachment,
    Fields,
    TicketMetricKey,
)
from airflow_provider_maestroqa.sandbox.data.coaching import RecordList
from airflow_provider_maestroqa.sandbox.state import State

#: Gives all records of a type as JSON, in the order of arrival, for the control endpoints and the page.
RECORDS: Mapping[str, Callable[[Account], list[Fields]]] = {
    "tickets": lambda account: list(account.tickets.values()),
    "comments": lambda account: list(account.comments),
    "attachments": lambda account: [attachment_as_json(one) for one in list(account.attachments.values())],
    "agents": lambda account: list(account.agents.values()),
    "ticket_metrics": lambda account: list(account.ticket_metrics.values()),
    "agent_metrics": lambda account: list(account.agent_metrics.values()),
    "csat_scores": lambda account: list(account.csat_scores),
    "agent_groups": lambda account: list(account.agent_groups.values()),
    "user_groups": lambda account: list(account.user_groups.values()),
    "users": lambda account: list(account.users.values()),
    "deletions": lambda account: list(account.deletions.values()),
}
#: The fields of a ticket that :meth:`Records.add_tickets` makes.
_TICKET: Fields = {
    "type": "custom helpdesk",
    "subject": "A ticket of the sandbox",
    "agents": ["agent-1"],
    "link": "https://helpdesk.example.com/tickets/",
}
_SYNCED = "zendesk"


class Records:
    """The records of a sandbox: copies, which may be read at any time, also after it has stopped.

    Lists of coaching data are sequences whose records are made when they are accessed.
    """

    @property
    def _state(self) -> State:
        raise NotImplementedError

    def _run_in_loop(self, work: Callable[[], Any]) -> None:
        raise NotImplementedError

    @property
    def tickets(self) -> dict[str, Fields]:
        """The tickets by ``ticket_id``, as they were sent, with ``id``, ``createdAt``, ``updatedAt``, ``source``."""
        return {ticket_id: _copy_ticket(ticket) for ticket_id, ticket in list(self._state.account.tickets.items())}

    @property
    def comments(self) -> list[Fields]:
        """All comments in the order of arrival, as the API returned them."""
        return [dict(comment) for comment in list(self._state.account.comments)]

    @property
    def attachments(self) -> dict[str, Fields]:
        """The attachments by ``id``, as they were sent.

        ``upload`` is ``None`` until the bytes were uploaded; then it has their ``size``, ``sha256`` and
        ``content_type``.
        """
        return {name: attachment_as_json(one) for name, one in list(self._state.account.attachments.items())}

    @property
    def agents(self) -> dict[str, Fields]:
        """The agents by email, as the API returned them."""
        return _copies(self._state.account.agents)

    @property
    def ticket_metrics(self) -> dict[TicketMetricKey, Fields]:
        """The ticket metrics by (metric_id, ticket_id, source_id, agent_id, ticket_event_id), as they were sent.

        In the key, the agent has the id it had first, also when the metric was pushed with the email or another id.
        """
        return _copies(self._state.account.ticket_metrics)

    @property
    def agent_metrics(self) -> dict[AgentMetricKey, Fields]:
        """The agent metrics by (metric_id, agent_id), as they were sent; the key as in :attr:`ticket_metrics`."""
        return _copies(self._state.account.agent_metrics)

    @property
    def csat_scores(self) -> list[Fields]:
        """All CSAT scores in the order of arrival, as they were sent."""
        return deepcopy(list(self._state.account.csat_scores))

    @property
    def agent_groups(self) -> dict[str, Fields]:
        """The groups of agents by id, with the e-mail addresses of their members."""
        return deepcopy(dict(self._state.account.agent_groups))

    @property
    def user_groups(self) -> dict[str, Fields]:
        """The groups of accounts by id."""
        return deepcopy(dict(self._state.account.user_groups))

    @property
    def users(self) -> dict[str, Fields]:
        """The accounts that log in, by id."""
        return deepcopy(dict(self._state.account.users))

    @property
    def deletions(self) -> dict[str, Fields]:
        """The deletions of customers' data by ``id``: ``emails``, ``auditLabel``, ``status`` and ``polls``."""
        return deepcopy(dict(self._state.account.deletions))

    @property
    def todos(self) -> RecordList:
        """All to-dos in the order of their creation, as the API lists them."""
        return self._state.coaching.all_of("todo")

    @property
    def coaching_points(self) -> RecordList:
        """All coaching points in the order of their creation, as the API lists them."""
        return self._state.coaching.all_of("point")

    @property
    def coaching_sessions(self) -> RecordList:
        """All coaching sessions in the order of their creation, as the API lists them."""
        return self._state.coaching.all_of("session")

    def exported_sessions(self, start: str, end: str, time_axis: str = "meetingDate") -> list[Fields]:
        """What the export of coaching sessions gives for these days, however far apart they are.

        :param start: the first day, such as ``2026-01-01``.
        :param end: the end day, likewise.
        :param time_axis: ``meetingDate`` or ``createdAt``.
        """
        return list(self._state.coaching.exported(date.fromisoformat(start), date.fromisoformat(end), time_axis))

    def add_coaching_session(self, **fields: Any) -> Fields:
        """Add a coaching session to the account, created now and without points, to-dos and activities.

        :param fields: fields by the names that the export gives them, such as ``_id`` or ``createdAt``.
        :return: the session as the export gives it.
        """
        sessions: list[Fields] = []
        self._run_in_loop(lambda: sessions.append(self._state.coaching.add_session(fields)))
        return sessions[0]

    def add_tickets(self, ticket_ids: Iterable[str], *, synced: bool = False, **fields: Any) -> None:
        """Add tickets to the account.

        :param ticket_ids: one ticket is made for each; a ticket that has this id is replaced.
        :param synced: whether they come from a helpdesk, so that the API changes nothing but their attributes.
        :param fields: more fields of each ticket, by the API's names.
        """
        source = _SYNCED if synced else "custom"
        tickets = [
            _copy_ticket({"ticket_id": name, **_TICKET, "link": f"{_TICKET['link']}{name}", **fields})
            for name in ticket_ids
        ]
        self._run_in_loop(lambda: [self._state.account.add_ticket(ticket, source) for ticket in tickets])

    def add_agent(
        self,
        email: str,
        *,
        name: str | None = None,
        agent_id: str | None = None,
        available: bool = True,
        agent_group_id: str | None = None,
    ) -> None:
        """Add an agent to the account.

        :param email: must be no other agent's.
        :param name: by default what stands before the @.
        :param agent_id: must be no other agent's; by default a random one.
        :param available: whether the agent is available.
        :param agent_group_id: the group the agent is in.
        """
        account = self._state.account
        fields = {"name": name or email.partition("@")[0], "available": available, "email": email}
        optional = {"agentId": agent_id, "agentGroupId": agent_group_id}
        fields |= {key: value for key, value in optional.items() if value is not None}
        if in_use := [one for one in (email, agent_id) if one in account.agent_keys]:
            raise ValueError(f"There is an agent already with {' and '.join(map(str, in_use))}.")
        self._run_in_loop(lambda: account.add_agent(fields))

    def add_agent_group(self, name: str, *, group_id: str | None = None, members: Iterable[str] = ()) -> str:
        """Add a group of agents to the account.

        :param name: what it is called; another group may be called the same.
        :param group_id: by default a random one.
        :param members: the e-mail addresses of its agents.
        :return: its id.
        """
        account = self._state.account
        new = scim.group(group_id or secrets.token_hex(8), name, list(members))
        self._run_in_loop(lambda: account.agent_groups.update({new["id"]: new}))
        return str(new["id"])


def attachment_as_json(attachment: Attachment) -> Fields:
    """An attachment for reading: its fields and its upload."""
    upload = None if attachment.upload is None else asdict(attachment.upload)
    if upload is not None:
        del upload["file"]
    return {**attachment.fields, "upload": upload}


def _copies(records: Mapping[Any, Fields]) -> dict[Any, Fields]:
    return {key: dict(record) for key, record in list(records.items())}


def _copy_ticket(ticket: Fields) -> Fields:
    copy = {**ticket, "agents": list(ticket["agents"])}
    if "attributes" in ticket:
        copy["attributes"] = dict(ticket["attributes"])
    return copy
