"""Creates records that are missing and updates those that exist; the records are validated before."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_maestroqa.client.endpoints import Request, build_request
from airflow_provider_maestroqa.client.errors import (
    MaestroQAAPIError,
    MaestroQAConflictError,
    MaestroQANotFoundError,
)

log = logging.getLogger(__name__)


def upsert_ticket(
    ticket: Mapping[str, Any], send: Callable[[Request], Any], *, update_first: bool = False
) -> tuple[Any, bool]:
    """Create or update a ticket. (API: Create a Ticket, Update a Ticket)

    :param ticket: a validated ticket.
    :param send: sends a request and returns the response.
    :param update_first: whether to try the update first, which saves a request for each ticket that exists.
    :return: the response, and whether the ticket was created.
    """
    if update_first:
        try:
            return send(_update_of(ticket)), False
        except MaestroQANotFoundError as error:
            if not error.explained:
                raise
    try:
        return send(build_request("create_ticket", ticket)), True
    except MaestroQAConflictError as error:
        conflict = error
    try:
        return send(_update_of(ticket)), False
    except MaestroQANotFoundError:
        # The id is taken, yet there is no such ticket to update: the conflict is what to report.
        raise conflict from None


def upsert_agent(
    agent: Mapping[str, Any],
    send: Callable[[Request], Any],
    *,
    level: int = logging.INFO,
    group_id: str | None = None,
) -> tuple[Any, bool]:
    """Create or update an agent. (API: Create an Agent, Update an Agent)

    Of an agent that exists already, only the id and the availability can be set; the API changes no name and no
    group.

    :param agent: a validated agent.
    :param send: sends a request and returns the response.
    :param group_id: the group to put it into when it is created, unless it names one itself.
    :param level: the level of the log line that says what was not changed; who updates many agents logs it once.
    :return: the response, and whether the agent was created.
    """
    try:
        return send(build_request("create_agent", {"agentGroupId": group_id, **agent})), True
    except MaestroQAConflictError as error:
        conflict = error
    email = agent["email"]
    try:
        # First what can be rejected because another agent has it: then nothing has changed.
        if "agentId" in agent:
            send(build_request("add_agent_id", {"email": email, "agentId": agent["agentId"]}))
    except MaestroQANotFoundError:
        # No agent has this e-mail address, so it is the id that another agent has.
        raise conflict from None
    try:
        response = send(build_request("set_agent_availability", {"email": email, "available": agent["available"]}))
    except MaestroQAAPIError as error:
        if "agentId" not in agent:
            if isinstance(error, MaestroQANotFoundError):
                raise conflict from None
            raise
        error.message = f"The agent's id was set, but not its availability: {error.message}"
        raise
    if not conflict.after_ambiguous_failure:
        message = "Agent %s is there already: availability and id are set; the API changes no name or group."
        log.log(level, message, email)
    return response, False


def _update_of(ticket: Mapping[str, Any]) -> Request:
    changes = {name: value for name, value in ticket.items() if name != "ticket_id"}
    return build_request("update_ticket", changes, ticket_id=ticket["ticket_id"])
