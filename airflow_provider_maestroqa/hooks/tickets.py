"""The hook's methods for tickets and single comments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConflictError,
    MaestroQADataError,
    MaestroQANotFoundError,
)
from airflow_provider_maestroqa.hooks.base import BaseMaestroQAHook
from airflow_provider_maestroqa.runtime.lineage import record_read, record_written

#: Characters that the ids in one URL may take: servers and proxies refuse long URLs, the shortest limits being 2,000.
_LONGEST_IDS = 1_500


class TicketMethods(BaseMaestroQAHook):
    """Tickets: create, update, delete and read them. (API: Tickets)"""

    def create_ticket(self, ticket: Mapping[str, Any], *, retried: bool = False) -> dict[str, Any]:
        """Create a ticket. (API: Create a Ticket)

        When the answer to a first try was lost and the second one says that the id is taken, the ticket is read and
        compared: if it is the one that was sent, it has been created.

        :param ticket: the ticket by the API's field names; times are aware datetimes or ISO 8601 text.
        :param retried: whether an earlier try of the task may have created it.
        :return: the ticket as MaestroQA answers it.
        :raises MaestroQADataError: a field is missing or wrong; nothing was sent.
        :raises MaestroQAConflictError: another ticket has this id.
        """
        from airflow_provider_maestroqa.client.resources.models import TICKET

        checked = TICKET.check(ticket)
        record_written(self, "tickets")
        try:
            return self.send_for_record(build_request("create_ticket", checked), sent=checked)
        except MaestroQAConflictError as error:
            conflict = error
        if retried or conflict.after_ambiguous_failure:
            there = self._find_ticket(checked["ticket_id"])
            if there is not None and all(there.get(name) == checked[name] for name in ("type", "subject", "link")):
                self.log.info("Ticket %s was created by an earlier try, whose answer was lost.", checked["ticket_id"])
                return there
        raise conflict

    def update_ticket(self, ticket_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change some fields of a ticket. (API: Update a Ticket)

        :param ticket_id: the ticket's id.
        :param changes: the fields to change by the API's names.
        :return: the ticket as MaestroQA answers it.
        :raises MaestroQADataError: a field is unknown or wrong; nothing was sent.
        :raises MaestroQANotFoundError: there is no such ticket.
        """
        from airflow_provider_maestroqa.client.resources.models import TICKET_CHANGES

        checked = TICKET_CHANGES.check(changes)
        record_written(self, "tickets")
        call = build_request("update_ticket", checked, ticket_id=ticket_id)
        return self.send_for_record(call, sent={"ticket_id": ticket_id, **checked})

    def delete_ticket(self, ticket_id: str) -> None:
        """Delete a ticket. (API: Delete a Ticket)

        :param ticket_id: the ticket's id.
        :raises MaestroQANotFoundError: there is no such ticket, and it is not this call that has deleted it.
        """
        record_written(self, "tickets")
        try:
            self.client.send(build_request("delete_ticket", ticket_id=ticket_id))
        except MaestroQANotFoundError as error:
            if not error.after_ambiguous_failure:
                raise

    def get_ticket(self, ticket_id: str) -> dict[str, Any]:
        """Read a ticket. (API: Get a Ticket)

        :param ticket_id: the ticket's id.
        :return: the ticket as MaestroQA answers it.
        :raises MaestroQANotFoundError: there is no such ticket.
        """
        record_read(self, "tickets")
        return self.send_for_record(build_request("get_ticket", ticket_id=ticket_id))

    def get_tickets(self, ticket_ids: Iterable[str]) -> list[dict[str, Any]]:
        """Read many tickets, as many with each request as a URL can name. (API: Get Many Tickets)

        :param ticket_ids: the tickets' ids; one that comes twice is read once.
        :return: the tickets in the order of the ids; those that are not there are left out.
        :raises MaestroQAConfigError: these are no ids.
        """
        wanted = list(dict.fromkeys(_checked_ids(ticket_ids)))
        record_read(self, "tickets")
        found: dict[str, dict[str, Any]] = {}
        for ids in _parted(one for one in wanted if "," not in one):
            answer = self.client.send(build_request("get_tickets", {"ticket_ids": ",".join(ids)}))
            if not isinstance(answer, list):
                raise MaestroQADataError(f"GET /api/v1/tickets answered no list, but {type(answer).__name__}.")
            found |= {str(ticket["ticket_id"]): ticket for ticket in answer if _is_ticket(ticket)}
        # A comma parts the ids of a list, so an id with one in it must be asked for alone.
        for one in wanted:
            ticket = self._find_ticket(one) if "," in one else None
            if ticket is not None:
                found[one] = ticket
        return [found[one] for one in wanted if one in found]

    def upsert_ticket(self, ticket: Mapping[str, Any], *, update_first: bool = False) -> dict[str, Any]:
        """Create a ticket, or update it when it is there. (API: Create a Ticket, Update a Ticket)

        :param ticket: the ticket by the API's field names.
        :param update_first: whether to try the update first, which saves a request when the ticket is there.
        :return: the ticket as MaestroQA answers it.
        :raises MaestroQADataError: a field is missing or wrong; nothing was sent.
        """
        from airflow_provider_maestroqa.client.resources.models import TICKET
        from airflow_provider_maestroqa.client.resources.upserts import upsert_ticket

        checked = TICKET.check(ticket)
        record_written(self, "tickets")
        answer, _ = upsert_ticket(checked, self.client.send, update_first=update_first)
        return dict(answer or checked)

    def create_comment(self, comment: Mapping[str, Any]) -> dict[str, Any]:
        """Add one comment to a ticket. Each call adds one more. (API: Create a Ticket Comment)

        :param comment: the comment by the API's field names.
        :return: the comment as MaestroQA answers it.
        :raises MaestroQADataError: a field is missing or wrong; nothing was sent.
        :raises MaestroQANotFoundError: there is no such ticket.
        :raises MaestroQAOutcomeUnknownError: the answer was lost; sent again, the comment might be there twice.
        """
        from airflow_provider_maestroqa.client.resources.models import COMMENT

        checked = COMMENT.check(comment)
        record_written(self, "comments")
        return self.send_for_record(build_request("create_comment", checked), sent=checked)

    def _find_ticket(self, ticket_id: str) -> dict[str, Any] | None:
        try:
            return self.get_ticket(ticket_id)
        except MaestroQANotFoundError:
            return None


def _is_ticket(ticket: object) -> bool:
    return isinstance(ticket, Mapping) and "ticket_id" in ticket


def _checked_ids(ticket_ids: object) -> Iterator[str]:
    if isinstance(ticket_ids, (str, bytes, Mapping)) or not isinstance(ticket_ids, Iterable):
        raise MaestroQAConfigError(
            f"ticket_ids must be a list of ids, got {type(ticket_ids).__name__}. Write it like ['T-1', 'T-2']."
        )
    for position, one in enumerate(ticket_ids):
        if not isinstance(one, str) or not one.strip():
            raise MaestroQAConfigError(f"ticket_ids[{position}] must be text that is not empty, got {one!r}.")
        yield one


def _parted(ids: Iterable[str]) -> Iterator[list[str]]:
    part: list[str] = []
    length = 0
    for one in ids:
        # A comma is three characters of a URL.
        size = len(quote(one, safe="")) + 3
        if part and length + size > _LONGEST_IDS:
            yield part
            part, length = [], 0
        part.append(one)
        length += size
    if part:
        yield part
