"""Creates, updates, deletes, reads and upserts tickets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.operators.base import MaestroQAOperator
from airflow_provider_maestroqa.operators.push import PushOperator
from airflow_provider_maestroqa.runtime.task_context import is_first_try

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context


class MaestroQACreateTicketOperator(MaestroQAOperator):
    """Create one ticket. (API: Create a Ticket)

    All arguments are templated.

    :param ticket: the ticket by the API's field names: ``ticket_id``, ``type``, ``subject``, ``agents`` (a list),
        ``link``, and optionally ``body``, ``tags``, ``status``, ``csat_score``, ``first_seen``, ``last_seen`` and
        ``attributes``. Times are aware datetimes or ISO 8601 text.
    :return: the ticket as MaestroQA returns it (dict).
    :raises AirflowFailException: a retry could not help: a field is wrong, the id is taken, the token is rejected.
    """

    template_fields: Sequence[str] = ("ticket", "maestroqa_conn_id")
    template_fields_renderers = {"ticket": "json"}  # noqa: RUF012 - Airflow has it so

    def __init__(self, *, ticket: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ticket = ticket

    def execute(self, context: Context) -> dict[str, Any]:
        """Create the ticket."""
        with self.open_hook() as hook:
            ticket = hook.create_ticket(self.ticket, retried=not is_first_try(context))
            self.log.info("Ticket %s exists at MaestroQA.", self.ticket["ticket_id"])
            return ticket


class MaestroQAUpdateTicketOperator(MaestroQAOperator):
    """Change some fields of a ticket. (API: Update a Ticket)

    All arguments are templated.

    :param ticket_id: the ticket's id.
    :param changes: the fields to change, by the API's names.
    :return: the ticket as MaestroQA returns it (dict).
    :raises AirflowFailException: a retry could not help: a field is wrong, there is no such ticket, the token is
        rejected.
    """

    template_fields: Sequence[str] = ("ticket_id", "changes", "maestroqa_conn_id")
    template_fields_renderers = {"changes": "json"}  # noqa: RUF012 - Airflow has it so

    def __init__(self, *, ticket_id: str, changes: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ticket_id = ticket_id
        self.changes = changes

    def execute(self, context: Context) -> dict[str, Any]:
        """Change the ticket."""
        with self.open_hook() as hook:
            ticket = hook.update_ticket(self.ticket_id, self.changes)
            self.log.info("Changed %s of ticket %s.", ", ".join(self.changes), self.ticket_id)
            return ticket


class MaestroQADeleteTicketOperator(MaestroQAOperator):
    """Delete a ticket. (API: Delete a Ticket)

    All arguments are templated.

    :param ticket_id: the ticket's id.
    :param missing_ok: whether a missing ticket is a success. A retry of a task that was killed after it had deleted
        the ticket needs this.
    :raises AirflowFailException: a retry could not help: there is no such ticket, or the token is rejected.
    """

    template_fields: Sequence[str] = ("ticket_id", "missing_ok", "maestroqa_conn_id")
    ui_color = "#fce8e6"

    def __init__(self, *, ticket_id: str, missing_ok: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ticket_id = ticket_id
        self.missing_ok = missing_ok

    def execute(self, context: Context) -> None:
        """Delete the ticket."""
        from airflow_provider_maestroqa.client.errors import MaestroQANotFoundError
        from airflow_provider_maestroqa.client.parsing import parse_flag

        with self.open_hook() as hook:
            missing_ok = parse_flag(self.missing_ok, "missing_ok")
            try:
                hook.delete_ticket(self.ticket_id)
            except MaestroQANotFoundError as error:
                # A 404 without a word from MaestroQA is no missing ticket: the host is wrong.
                if not (missing_ok and error.explained):
                    raise
                self.log.info("There is no ticket %s to delete.", self.ticket_id)
            else:
                self.log.info("Deleted ticket %s.", self.ticket_id)


class MaestroQAGetTicketsOperator(MaestroQAOperator):
    """Read tickets. (API: Get Many Tickets)

    All arguments are templated.

    :param ticket_ids: the tickets' ids, a list.
    :return: the tickets (list of dicts) in the order of the ids, without the missing ones.
    :raises AirflowFailException: a retry could not help: these are no ids, or the token is rejected.
    """

    template_fields: Sequence[str] = ("ticket_ids", "maestroqa_conn_id")
    template_fields_renderers = {"ticket_ids": "json"}  # noqa: RUF012 - Airflow has it so
    ui_color = "#e8f0fe"

    def __init__(self, *, ticket_ids: Iterable[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ticket_ids = ticket_ids

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Read the tickets."""
        from airflow_provider_maestroqa.client.formatting import pluralize

        with self.open_hook() as hook:
            tickets = hook.get_tickets(self.ticket_ids)
            self.log.info("MaestroQA has %s of those ids.", pluralize(len(tickets), "tickets"))
            return tickets


class MaestroQAUpsertTicketsOperator(PushOperator):
    """Create tickets, and update the ones that exist. (API: Create a Ticket, Update a Ticket)

    Each request holds one ticket, so the budget allows about 100 a minute, and half of that where each one exists
    already; ``update_first`` reverses that. The order of the records is preserved. All arguments are templated.

    :param tickets: dicts as :class:`MaestroQACreateTicketOperator` takes one; a list, the output of another task, or
        a callable that takes ``context`` and ``jinja_env``.
    :param update_first: whether to try the update first, because most tickets exist already.
    :return: the report of the push.
    """

    resource = "tickets"
    records_argument = "tickets"
    template_fields: Sequence[str] = ("tickets", "update_first", *PushOperator.template_fields)
    template_fields_renderers = {"tickets": "json"}  # noqa: RUF012 - Airflow has it so

    def __init__(self, *, tickets: Iterable[Mapping[str, Any]], update_first: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tickets = tickets
        self.update_first = update_first
