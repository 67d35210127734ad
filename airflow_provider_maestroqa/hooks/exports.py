"""The hook's methods for exports."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.errors import MaestroQAAPIError, MaestroQADataError
from airflow_provider_maestroqa.client.resources.export_lookup import ExportLookup
from airflow_provider_maestroqa.client.resources.export_polling import ExportEvent, ExportWait, poll_export
from airflow_provider_maestroqa.client.resources.exports import (
    Export,
    export_kind,
    export_parameters,
    read_export_id,
)
from airflow_provider_maestroqa.hooks.base import BaseMaestroQAHook
from airflow_provider_maestroqa.hooks.signed_urls import secrets_to_mask


class ExportMethods(BaseMaestroQAHook):
    """Exports: request one, get it, wait for it. (API: Exports)"""

    def request_raw_export(
        self,
        start: datetime | str,
        end: datetime | str,
        *,
        export_name: str | None = None,
        single_file_export: str | None = None,
        include_calibrations: str | None = None,
        include_grader_qa: bool | None = None,
        include_deleted: bool | None = None,
    ) -> str:
        """Request the grades that were last updated in a window. (API: Request A "Raw" Export)

        :param start: grades updated after this time; an aware datetime or ISO 8601 text with a time zone.
        :param end: grades updated before this time.
        :param export_name: a name for the export. Default: MaestroQA names it.
        :param single_file_export: only one file instead of the whole archive: ``individual_answers``,
            ``section_scores``, ``total_scores``, ``annotations`` or ``csat``.
        :param include_calibrations: ``all``, ``none`` or ``only``.
        :param include_grader_qa: whether to include grader QA benchmark scores.
        :param include_deleted: whether to include deleted answers.
        :return: the export's id.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQAOutcomeUnknownError: the response was lost, so the export may or may not have been requested.
        """
        return self.request_export(
            "raw",
            start=start,
            end=end,
            export_name=export_name,
            single_file_export=single_file_export,
            include_calibrations=include_calibrations,
            include_grader_qa=include_grader_qa,
            include_deleted=include_deleted,
        )

    def request_groups_export(
        self, *, export_name: str | None = None, include_unavailable: bool | None = None
    ) -> str:
        """Request all agent groups and their members. (API: Request an "agent groups" export)

        :param export_name: a name for the export. Default: MaestroQA names it.
        :param include_unavailable: whether to include agents that are not marked available.
        :return: the export's id.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQAOutcomeUnknownError: the response was lost, so the export may or may not have been requested.
        """
        return self.request_export("groups", export_name=export_name, include_unavailable=include_unavailable)

    def request_audit_log_export(
        self, start: datetime | str, end: datetime | str, *, export_name: str | None = None
    ) -> str:
        """Request the user activity of a window. (API: Request an "audit logs" export)

        :param start: activity after this time; an aware datetime or ISO 8601 text with a time zone.
        :param end: activity before this time.
        :param export_name: a name for the export. Default: MaestroQA names it.
        :return: the export's id.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQAOutcomeUnknownError: the response was lost, so the export may or may not have been requested.
        """
        return self.request_export("audit_log", start=start, end=end, export_name=export_name)

    def request_export(self, export_type: str, *, start: object = None, end: object = None, **options: object) -> str:
        """Request an export of any type; see the three methods above for what each one takes.

        :param export_type: ``raw``, ``groups`` or ``audit_log``.
        :return: the export's id.
        """
        parameters = export_parameters(export_type, start=start, end=end, **options)
        return self.submit_export(export_type, parameters=parameters)

    def submit_export(self, export_type: str, *, parameters: Mapping[str, Any]) -> str:
        """Request an export whose arguments are validated already; otherwise as :meth:`request_export`.

        :param export_type: ``raw``, ``groups`` or ``audit_log``.
        :param parameters: the request's parameters by the API's names, validated.
        """
        request = build_request(export_kind(export_type).operation, parameters)
        export_id = read_export_id(self.client.send(request))
        if export_id is None:
            raise MaestroQADataError(
                f"{request} was accepted, but returned no exportId that can be used, so the export cannot be polled."
            )
        return export_id

    def get_export(
        self,
        export_id: str,
        *,
        deadline: float | None = None,
        polling: bool = False,
        slot_deadline: float | None = None,
    ) -> Export:
        """Get an export: its status, and where to download it. (API: Retrieve the results of an export)

        Where a proxy does not let the documented request through, a GET with a JSON body, the same is requested once
        with the id in the path. Which of the two works is remembered while the process lives.

        :param export_id: the export's id.
        :param deadline: Unix time in seconds after which nothing is retried. Default: 15 minutes from now.
        :param polling: whether the caller polls again anyway; then a failure is raised at once.
        :param slot_deadline: Unix time in seconds until which the request waits for the token's request budget.
            Default: the deadline.
        :return: the export. Its ``data_url`` is a secret; it is masked in the task's log.
        :raises MaestroQANotFoundError: MaestroQA knows no such export.
        :raises MaestroQABudgetExhaustedError: the budget had no slot in time; nothing was sent.
        """
        lookup = ExportLookup(self.settings.base_url, export_id)
        for request in lookup.requests():
            try:
                response = self.client.send(request, deadline=deadline, polling=polling, slot_deadline=slot_deadline)
                lookup.add_response(response)
            except MaestroQAAPIError as error:
                lookup.add_error(error)
        export = lookup.result()
        for secret in secrets_to_mask(export.data_url):
            _compat.mask_secret(secret)
        return export

    async def aget_export(self, export_id: str, *, deadline: float | None = None, polling: bool = False) -> Export:
        """Get an export without blocking the event loop; otherwise as :meth:`get_export`."""
        export = await self._aget_export(export_id, deadline=deadline, polling=polling)
        for secret in secrets_to_mask(export.data_url):
            await _compat.amask_secret(secret)
        return export

    async def apoll_export(self, export_id: str, *, deadline: float | None = None) -> Export:
        """Get an export for a poll in the event loop; otherwise as :meth:`get_export`.

        The URL stays in the export that is returned, so it is not masked: a triggerer that runs for weeks would have
        to search each line that it logs for thousands of texts.
        """
        return await self._aget_export(export_id, deadline=deadline, polling=True)

    async def alook_at_export(self, export_id: str, *, deadline: float | None = None) -> Export:
        """Get an export by the old name of :meth:`apoll_export`, which is deprecated; otherwise as that method."""
        warnings.warn("alook_at_export is now apoll_export.", DeprecationWarning, stacklevel=2)
        return await self.apoll_export(export_id, deadline=deadline)

    async def _aget_export(self, export_id: str, *, deadline: float | None, polling: bool) -> Export:
        async with await self.aclient() as client:
            lookup = ExportLookup(self.settings.base_url, export_id)
            for request in lookup.requests():
                try:
                    lookup.add_response(await client.send(request, deadline=deadline, polling=polling))
                except MaestroQAAPIError as error:
                    lookup.add_error(error)
            return lookup.result()

    def wait_for_export(
        self,
        export_id: str,
        *,
        poll_interval: float = 30.0,
        deadline: float,
        max_polls: int | None = None,
        slot_timeout: float | None = None,
        wait: ExportWait | None = None,
        looks: int | None = None,
    ) -> ExportEvent | None:
        """Poll an export until it has ended or the deadline has passed.

        :param export_id: the export's id.
        :param poll_interval: seconds before the second poll; the pauses then grow up to five minutes.
        :param deadline: Unix time in seconds.
        :param max_polls: stop after so many polls. Default: poll until the end.
        :param slot_timeout: seconds that a poll waits for the token's request budget; without a slot in time there is
            no poll. Default: as long as the poll may take.
        :param wait: the wait to resume, for a caller that polls now and then: it logs each state once. Default: a new
            one.
        :param looks: deprecated: the old name of ``max_polls``.
        :return: how the wait ended, or ``None`` when it has not ended within ``max_polls``;
            see :func:`~airflow_provider_maestroqa.client.resources.export_polling.read_event`.
        """
        if looks is not None:
            warnings.warn("looks is now max_polls.", DeprecationWarning, stacklevel=2)
            max_polls = looks

        return poll_export(
            wait or ExportWait(export_id, poll_interval=poll_interval, deadline=deadline),
            lambda poll_deadline: self._poll(
                partial(self.get_export, export_id, deadline=poll_deadline, polling=True), slot_timeout
            ),
            budget_wait_s=lambda: self.request_stats.waited_s,
            log=self.log,
            clock=self.clock,
            max_polls=max_polls,
        )
