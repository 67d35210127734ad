"""The hook's methods for exports."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from datetime import datetime

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError, MaestroQAError
from airflow_provider_maestroqa.client.presigned import secrets_of
from airflow_provider_maestroqa.client.resources.export_polling import ExportEvent, ExportWait, Pause, call_deadline
from airflow_provider_maestroqa.client.resources.exports import Export, export_parameters
from airflow_provider_maestroqa.hooks.base import BaseMaestroQAHook


class ExportMethods(BaseMaestroQAHook):
    """Exports: ask for one, look at it, wait for it. (API: Exports)"""

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
        """Ask for the grades that were last updated in a window. (API: Request A "Raw" Export)

        :param start: grades updated after this time; an aware datetime or ISO 8601 text with a time zone.
        :param end: grades updated before this time.
        :param export_name: a name for the export. Default: MaestroQA makes one up.
        :param single_file_export: only one file instead of the whole archive: ``individual_answers``,
            ``section_scores``, ``total_scores``, ``annotations`` or ``csat``.
        :param include_calibrations: ``all``, ``none`` or ``only``.
        :param include_grader_qa: whether to include grader QA benchmark scores.
        :param include_deleted: whether to include deleted answers.
        :return: the export's id.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQAOutcomeUnknownError: the answer was lost, so the export may or may not have been asked for.
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
        """Ask for all agent groups and their members. (API: Request an "agent groups" export)

        :param export_name: a name for the export. Default: MaestroQA makes one up.
        :param include_unavailable: whether to include agents that are not marked available.
        :return: the export's id.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQAOutcomeUnknownError: the answer was lost, so the export may or may not have been asked for.
        """
        return self.request_export("groups", export_name=export_name, include_unavailable=include_unavailable)

    def request_audit_log_export(
        self, start: datetime | str, end: datetime | str, *, export_name: str | None = None
    ) -> str:
        """Ask for the user activity of a window. (API: Request an "audit logs" export)

        :param start: activity after this time; an aware datetime or ISO 8601 text with a time zone.
        :param end: activity before this time.
        :param export_name: a name for the export. Default: MaestroQA makes one up.
        :return: the export's id.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQAOutcomeUnknownError: the answer was lost, so the export may or may not have been asked for.
        """
        return self.request_export("audit_log", start=start, end=end, export_name=export_name)

    def request_export(self, export_type: str, *, start: object = None, end: object = None, **options: object) -> str:
        """Ask for an export of any type; see the three methods above for what each one takes.

        :param export_type: ``raw``, ``groups`` or ``audit_log``.
        :return: the export's id.
        """
        parameters = export_parameters(export_type, start=start, end=end, **options)
        call = build_request(f"request_{export_type}_export", parameters)
        answer = self.client.send(call)
        export_id = answer.get("exportId") if isinstance(answer, Mapping) else None
        if not isinstance(export_id, str) or not export_id:
            raise MaestroQADataError(
                f"{call} was accepted but answered no exportId, so the export cannot be followed."
            )
        return export_id

    def get_export(self, export_id: str, *, deadline: float | None = None, polling: bool = False) -> Export:
        """Look at an export: its status, and where to download it. (API: Retrieve the results of an export)

        :param export_id: the export's id.
        :param deadline: Unix time in seconds after which nothing is tried again. Default: 15 minutes from now.
        :param polling: whether the caller looks again anyway; then a failure is raised at once.
        :return: the export. Its ``data_url`` is a secret; it is masked in the task's log.
        :raises MaestroQANotFoundError: MaestroQA knows no such export.
        """
        call = build_request("get_export", {"exportId": checked_export_id(export_id)})
        export = Export.from_answer(export_id, self.client.send(call, deadline=deadline, polling=polling))
        for secret in secrets_of(export.data_url):
            _compat.mask_secret(secret)
        return export

    async def aget_export(self, export_id: str, *, deadline: float | None = None, polling: bool = False) -> Export:
        """Look at an export without blocking the event loop; otherwise as :meth:`get_export`."""
        export = await self._aget_export(export_id, deadline=deadline, polling=polling)
        for secret in secrets_of(export.data_url):
            await _compat.amask_secret(secret)
        return export

    async def alook_at_export(self, export_id: str, *, deadline: float | None = None) -> Export:
        """Look at an export as one that waits does; otherwise as :meth:`get_export`.

        The URL goes no further than this call and the export it returns, so it is not masked: a triggerer that ran
        for weeks would have to look for thousands of texts in each line it logs.
        """
        return await self._aget_export(export_id, deadline=deadline, polling=True)

    async def _aget_export(self, export_id: str, *, deadline: float | None, polling: bool) -> Export:
        call = build_request("get_export", {"exportId": checked_export_id(export_id)})
        async with await self.aclient() as client:
            return Export.from_answer(export_id, await client.send(call, deadline=deadline, polling=polling))

    def wait_for_export(
        self,
        export_id: str,
        *,
        poll_interval: float = 30.0,
        deadline: float,
        looks: int | None = None,
        wait: ExportWait | None = None,
    ) -> ExportEvent | None:
        """Look at an export until it has ended or the deadline has passed.

        :param export_id: the export's id.
        :param poll_interval: seconds before the second look; each pause is then a fifth longer, up to five minutes.
        :param deadline: Unix time in seconds.
        :param looks: how often to look at most. Default: until the end.
        :param wait: the wait to go on with, for who looks now and then: it tells each state once. Default: a new one.
        :return: how the wait ended, or ``None`` when it has not ended within so many looks;
            see :func:`~airflow_provider_maestroqa.client.resources.export_polling.read_event`.
        """
        wait = wait or ExportWait(export_id, poll_interval=poll_interval, deadline=deadline)
        for look in itertools.count(1):
            waited_before = self.usage.waited_s
            seen = self._look(export_id, deadline)
            step = wait.after(seen, now=time.time(), waited_s=self.usage.waited_s - waited_before)
            if not isinstance(step, Pause):
                return step
            if step.news:
                (self.log.warning if step.is_warning else self.log.info)(step.news)
            if look == looks:
                return None
            time.sleep(step.seconds)
        raise AssertionError("itertools.count() has no end")

    def _look(self, export_id: str, deadline: float) -> Export | MaestroQAError:
        try:
            return self.get_export(export_id, deadline=call_deadline(deadline, now=time.time()), polling=True)
        except MaestroQAError as error:
            return error


def checked_export_id(export_id: object) -> str:
    """Tell an export id from what a broken template leaves."""
    if isinstance(export_id, str) and export_id.strip() and export_id != "None":
        return export_id
    raise MaestroQAConfigError(
        f"export_id must be the id that a request for an export returned, got {export_id!r}. "
        "Pass the output of MaestroQARequestExportOperator."
    )
