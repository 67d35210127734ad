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
from airflow_provider_maestroqa.client.parsing import parse_id
from airflow_provider_maestroqa.hooks.base import BaseMaestroQAHook
from airflow_provider_maestroqa.runtime.lineage import record_read, record_written

#: How many characters the ids in one URL may take: servers and proxies limit the length of a URL, to 2,000 at least.
_MAX_IDS_LENGTH = 1_500


class TicketMethods(BaseMaestroQAHook):
    """Tickets: create, update, delete and read them. (API: Tickets)"""

    def create_ticket(self, ticket: Mapping[str, Any], *, retried: bool = False) -> dict[str, Any]:
        """Create a ticket. (API: Create a Ticket)

        When the response to a first try was lost and the second one says that the id is taken, the ticket is read
        and compared: if it is the one that was sent, it has been created.

        :param ticket: the ticket by the API's field names; times are aware datetimes or ISO 8601 text.
        :param retried: whether an earlier try of the task may have created it.
        :return: the ticket as MaestroQA returns it.
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
            existing = self._find_ticket(checked["ticket_id"])
            if existing and all(existing.get(name) == checked[name] for name in ("type", "subject", "link")):
                self.log.info("Ticket %s was created by an earlier try.", checked["ticket_id"])
                return existing
        raise conflict

    def update_ticket(self, ticket_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change some fields of a ticket. (API: Update a Ticket)

        :param ticket_id: the ticket's id.
        :param changes: the fields to change by the API's names.
        :return: the ticket as MaestroQA returns it.
        :raises MaestroQADataError: a field is unknown or wrong; nothing was sent.
        :raises MaestroQANotFoundError: there is no such ticket.
        """
        from airflow_provider_maestroqa.client.resources.models import TICKET_CHANGES

        checked = TICKET_CHANGES.check(changes)
        record_written(self, "tickets")
        request = build_request("update_ticket", checked, ticket_id=ticket_id)
        return self.send_for_record(request, sent={"ticket_id": ticket_id, **checked})

    def delete_ticket(self, ticket_id: str) -> None:
        """Delete a ticket. (API: Delete a Ticket)

        :param ticket_id: the ticket's id.
        :raises MaestroQANotFoundError: there is no such ticket, and this call has not deleted it.
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
        :return: the ticket as MaestroQA returns it.
        :raises MaestroQANotFoundError: there is no such ticket.
        """
        record_read(self, "tickets")
        return self.send_for_record(build_request("get_ticket", ticket_id=ticket_id))

    def get_tickets(self, ticket_ids: Iterable[str]) -> list[dict[str, Any]]:
        """Read many tickets, as many with each request as fit in a URL. (API: Get Many Tickets)

        :param ticket_ids: the tickets' ids; an id that comes twice is read once.
        :return: the tickets in the order of the ids; those that do not exist are left out.
        :raises MaestroQAConfigError: these are no ids.
        """
        ids = list(dict.fromkeys(_parse_ids(ticket_ids)))
        record_read(self, "tickets")
        tickets: dict[str, Any] = {}
        # Commas separate the ids of a request, so a ticket with one in its id is read alone.
        for batch in _url_sized_batches(ticket_id for ticket_id in ids if "," not in ticket_id):
            response = self.client.send(build_request("get_tickets", {"ticket_ids": ",".join(batch)}))
            if not isinstance(response, list):
                raise MaestroQADataError(f"GET /api/v1/tickets returned no list, but {type(response).__name__}.")
            tickets |= {str(ticket["ticket_id"]): ticket for ticket in response if _is_ticket(ticket)}
        tickets |= {ticket_id: self._find_ticket(ticket_id) for ticket_id in ids if "," in ticket_id}
        return [tickets[ticket_id] for ticket_id in ids if tickets.get(ticket_id) is not None]

    def upsert_ticket(self, ticket: Mapping[str, Any], *, update_first: bool = False) -> dict[str, Any]:
        """Create a ticket, or update the one that exists. (API: Create a Ticket, Update a Ticket)

        :param ticket: the ticket by the API's field names.
        :param update_first: whether to try the update first, which saves a request when the ticket exists.
        :return: the ticket as MaestroQA returns it.
        :raises MaestroQADataError: a field is missing or wrong; nothing was sent.
        """
        from airflow_provider_maestroqa.client.resources.models import TICKET
        from airflow_provider_maestroqa.client.resources.upserts import upsert_ticket

        checked = TICKET.check(ticket)
        record_written(self, "tickets")
        stored, _ = upsert_ticket(checked, self.client.send, update_first=update_first)
        return dict(stored or checked)

    def create_comment(self, comment: Mapping[str, Any]) -> dict[str, Any]:
        """Add one comment to a ticket. Each call adds one more. (API: Create a Ticket Comment)

        :param comment: the comment by the API's field names.
        :return: the comment as MaestroQA returns it.
        :raises MaestroQADataError: a field is missing or wrong; nothing was sent.
        :raises MaestroQANotFoundError: there is no such ticket.
        :raises MaestroQAOutcomeUnknownError: the response was lost; sent again, the comment might exist twice.
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


def _parse_ids(ticket_ids: object) -> Iterator[str]:
    if isinstance(ticket_ids, (str, bytes, Mapping)) or not isinstance(ticket_ids, Iterable):
        raise MaestroQAConfigError(
            f"ticket_ids must be a list of ids, got {type(ticket_ids).__name__}. Write it like ['T-1', 'T-2']."
        )
    return (parse_id(ticket_id, f"ticket_ids[{index}]") for index, ticket_id in enumerate(ticket_ids))


def _url_sized_batches(ids: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    length = 0
    for ticket_id in ids:
        # A comma is three characters of a URL.
        id_length = len(quote(ticket_id, safe="")) + 3
        if batch and length + id_length > _MAX_IDS_LENGTH:
            yield batch
            batch, length = [], 0
        batch.append(ticket_id)
        length += id_length
    if batch:
        yield batch
