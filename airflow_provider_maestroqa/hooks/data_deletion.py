"""The hook's methods that delete customers' data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from airflow_provider_maestroqa.client.endpoints import Request, build_request
from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.client.formatting import pluralize
from airflow_provider_maestroqa.client.resources.data_deletion import (
    DataDeletion,
    deletion_request,
    parse_audit_label,
    parse_emails,
    read_deletion_id,
    split_emails,
)
from airflow_provider_maestroqa.client.resources.deletion_polling import DeletionEvent, DeletionWait, poll_deletions
from airflow_provider_maestroqa.hooks.base import BaseMaestroQAHook


class DataDeletionMethods(BaseMaestroQAHook):
    """Deletions of customers' data. (API: Data Deletion)"""

    def request_data_deletion(self, emails: Iterable[str], *, audit_label: str | None = None) -> list[str]:
        """Request that MaestroQA deletes all data of some customers. It cannot be undone. (API: Data Deletion)

        Addresses are cut into fives. Requesting the same deletion twice does no harm. No message and no log holds an
        address.

        :param emails: e-mail addresses of the customers; one that comes twice counts once.
        :param audit_label: what MaestroQA's audit log calls the request, such as the id of a ticket. Default: none.
        :return: the ids of the deletions, one for each five addresses.
        :raises MaestroQAConfigError: one of them is no address, or ``audit_label`` holds one; nothing was requested.
        :raises MaestroQAServerError: MaestroQA does not confirm a deletion.
        """
        addresses = parse_emails(emails)
        label = parse_audit_label(audit_label, addresses)
        deletion_ids: list[str] = []
        for batch in split_emails(addresses):
            request = deletion_request(batch, label)
            try:
                deletion_id = read_deletion_id(request, self.client.send(request))
            except MaestroQAError as error:
                if deletion_ids:
                    error.message += f" Requested before: {', '.join(deletion_ids)}."
                raise
            deletion_ids.append(deletion_id)
            self.log.info("Requested deletion %s, of %s.", deletion_id, pluralize(len(batch), "customers"))
        return deletion_ids

    def get_data_deletion(
        self,
        deletion_id: str,
        *,
        deadline: float | None = None,
        polling: bool = False,
        slot_deadline: float | None = None,
    ) -> DataDeletion:
        """Get what MaestroQA says of a deletion. (API: Data Deletion)

        :param deletion_id: the deletion's id.
        :param deadline: Unix time in seconds after which nothing is retried. Default: 15 minutes from now.
        :param polling: whether the caller polls again anyway; then a failure is raised at once.
        :param slot_deadline: Unix time in seconds until which the request waits for the token's request budget.
            Default: the deadline.
        :return: the deletion: its ``status`` is ``pending``, ``completed``, ``not found`` or ``errored``.
        :raises MaestroQANotFoundError: MaestroQA knows no such deletion.
        :raises MaestroQABudgetExhaustedError: the budget had no slot in time; nothing was sent.
        """
        response = self.client.send(
            _lookup(deletion_id), deadline=deadline, polling=polling, slot_deadline=slot_deadline
        )
        return DataDeletion.from_response(deletion_id, response)

    async def aget_data_deletion(
        self, deletion_id: str, *, deadline: float | None = None, polling: bool = False
    ) -> DataDeletion:
        """Get a deletion without blocking the event loop; otherwise as :meth:`get_data_deletion`."""
        async with await self.aclient() as client:
            response = await client.send(_lookup(deletion_id), deadline=deadline, polling=polling)
        return DataDeletion.from_response(deletion_id, response)

    def wait_for_data_deletions(
        self,
        deletion_ids: Sequence[str],
        *,
        poll_interval: float = 300.0,
        deadline: float,
        max_rounds: int | None = None,
        slot_timeout: float | None = None,
    ) -> DeletionEvent | None:
        """Poll deletions until all have ended or the deadline has passed.

        :param deletion_ids: the deletions.
        :param poll_interval: seconds between two polls of the same deletion.
        :param deadline: Unix time in seconds.
        :param max_rounds: stop after so many polls of each. Default: poll until the end.
        :param slot_timeout: seconds that a poll waits for the token's request budget; without a slot in time there is
            no poll. Default: as long as the poll may take.
        :return: how the wait ended, or ``None`` when it has not ended within ``max_rounds``; see
            :func:`~airflow_provider_maestroqa.client.resources.deletion_polling.read_deletion_event`.
        """
        return poll_deletions(
            DeletionWait(deletion_ids, poll_interval=poll_interval, deadline=deadline),
            lambda deletion_id, poll_deadline: self._poll(
                partial(self.get_data_deletion, deletion_id, deadline=poll_deadline, polling=True), slot_timeout
            ),
            log=self.log,
            clock=self.clock,
            max_rounds=max_rounds,
        )


def _lookup(deletion_id: str) -> Request:
    return build_request("get_data_deletion", deletion_id=deletion_id)
