"""What a test may read of an account's records, and put there beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from airflow_provider_maestroqa.sandbox.data.account import (
    Account,
    AgentMetricKey,
    Attachment,
    Fields,
    TicketMetricKey,
)

#: What :meth:`Records.add_tickets` says of a ticket that was not told otherwise.
_TICKET: Fields = {
    "type": "custom helpdesk",
    "subject": "A ticket of the sandbox",
    "agents": ["agent-1"],
    "link": "https://helpdesk.example.com/tickets/",
}
_SYNCED = "zendesk"


class Records:
    """The records of a sandbox's account: copies, which may be read at any time, also after it has stopped."""

    @property
    def _account(self) -> Account:
        raise NotImplementedError

    def _do(self, work: Callable[[], Any]) -> None:
        raise NotImplementedError

    @property
    def tickets(self) -> dict[str, Fields]:
        """The tickets by ``ticket_id``, as they were sent, with ``id``, ``createdAt``, ``updatedAt``, ``source``."""
        return {ticket_id: _copied(ticket) for ticket_id, ticket in list(self._account.tickets.items())}

    @property
    def comments(self) -> list[Fields]:
        """All comments in the order of arrival, as they were answered."""
        return [dict(comment) for comment in list(self._account.comments)]

    @property
    def attachments(self) -> dict[str, Fields]:
        """The attachments by ``id``, as they were sent.

        ``upload`` is ``None`` until bytes have come; then it has their ``size``, ``sha256`` and ``content_type``.
        """
        return {name: attachment_as_json(one) for name, one in list(self._account.attachments.items())}

    @property
    def agents(self) -> dict[str, Fields]:
        """The agents by email, as they were answered."""
        return {email: dict(agent) for email, agent in list(self._account.agents.items())}

    @property
    def ticket_metrics(self) -> dict[TicketMetricKey, Fields]:
        """The ticket metrics by (metric_id, ticket_id, source_id, agent_id, ticket_event_id), as they were sent.

        In the key, the agent has the id it had first, also when the metric was pushed with the email or another id.
        """
        return {key: dict(metric) for key, metric in list(self._account.ticket_metrics.items())}

    @property
    def agent_metrics(self) -> dict[AgentMetricKey, Fields]:
        """The agent metrics by (metric_id, agent_id), as they were sent; the key as in :attr:`ticket_metrics`."""
        return {key: dict(metric) for key, metric in list(self._account.agent_metrics.items())}

    def add_tickets(self, ticket_ids: Iterable[str], *, synced: bool = False, **fields: Any) -> None:
        """Put tickets into the account.

        :param ticket_ids: one ticket is made for each; a ticket that has this id is replaced.
        :param synced: whether they come from a helpdesk, so that the API changes nothing but their attributes.
        :param fields: more fields of each ticket, by the API's names.
        """
        source = _SYNCED if synced else "custom"
        tickets = [
            _copied({"ticket_id": name, **_TICKET, "link": f"{_TICKET['link']}{name}", **fields})
            for name in ticket_ids
        ]
        self._do(lambda: [self._account.add_ticket(ticket, source) for ticket in tickets])

    def add_agent(
        self,
        email: str,
        *,
        name: str | None = None,
        agent_id: str | None = None,
        available: bool = True,
        agent_group_id: str | None = None,
    ) -> None:
        """Put an agent into the account.

        :param email: must be no other agent's.
        :param name: by default what stands before the @.
        :param agent_id: must be no other agent's; by default a random one.
        :param available: whether the agent is available.
        :param agent_group_id: the group the agent is in.
        """
        fields = {"name": name or email.partition("@")[0], "available": available, "email": email}
        optional = {"agentId": agent_id, "agentGroupId": agent_group_id}
        if taken := [one for one in (email, agent_id) if one in self._account.agent_keys]:
            raise ValueError(f"There is an agent already with {' and '.join(map(str, taken))}.")
        self._do(
            lambda: self._account.add_agent(
                fields | {key: value for key, value in optional.items() if value is not None}
            )
        )


def attachment_as_json(attachment: Attachment) -> Fields:
    """An attachment for who reads it back."""
    upload = None if attachment.upload is None else asdict(attachment.upload)
    if upload is not None:
        del upload["file"]
    return {**attachment.fields, "upload": upload}


def _copied(ticket: Fields) -> Fields:
    copied = {**ticket, "agents": list(ticket["agents"])}
    if "attributes" in ticket:
        copied["attributes"] = dict(ticket["attributes"])
    return copied
