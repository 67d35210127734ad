"""Lands coaching data in any object storage: to-dos, coaching points and coaching sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.assets import landing_event_extra
from airflow_provider_maestroqa.links import LandedFilesLink, MaestroQALink
from airflow_provider_maestroqa.operators.base import MaestroQAOperator
from airflow_provider_maestroqa.runtime import task_context
from airflow_provider_maestroqa.runtime.lineage import (
    DataTransfer,
    LineageMixin,
    landed_data,
    maestroqa_data,
    report,
    stored_data,
)
from airflow_provider_maestroqa.runtime.task_errors import airflow_errors

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context
    from airflow_provider_maestroqa.client.resources.coaching_export import SessionExport
    from airflow_provider_maestroqa.client.resources.pagination import RecordIterator
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
    from airflow_provider_maestroqa.transfers.record_request import RecordRequest


class MaestroQARecordsToObjectStorageOperator(LineageMixin, MaestroQAOperator):
    """Land coaching data under a storage URL, as gzipped JSON Lines. (API: To-Dos, Coaching Points, …)

    All records are read first. Then the files and ``<destination>/_manifest.json`` are published together, the
    manifest last: it is the commit. A run that fails leaves the earlier files. Running again reads again, and
    replaces the files.

    The window of the export is ``start`` and ``end`` as given, else ``lookback`` counted back from ``end``, else the
    run's partition (Airflow 3.2 and newer) or data interval. A list with none of the three is read completely: a list
    filters by the time of creation, so only a complete list shows a record that changed later.

    All arguments are templated.

    :param resource: ``coaching_sessions_export`` (sessions with all their nested records), or the name of a list,
        such as ``todos`` or ``agent_groups``; the page on records names all of them. Lists of groups and users know
        no times, so they are always read whole.
    :param destination: storage URL of a folder: ``s3://…``, ``gs://…``, ``abfs://…``, ``file:///…``.
    :param storage_conn_id: id of the storage's connection. Default: the one in the URL, else the provider's default.
    :param start: start of the window: an aware datetime, or ISO 8601 text with a time zone; for the export also a
        plain date such as ``2026-01-31``.
    :param end: end of the window, likewise. Default: the partition date, the data interval's end, or the time the run
        was requested.
    :param lookback: a timedelta, or what a template makes of one (``7 days, 0:00:00``, ``P7D``, seconds); the window
        is ``end - lookback`` to ``end``.
    :param partition_length: a timedelta, or what a template makes of one; the window is so long, and begins at
        ``start`` or else at the partition date. Only needed where the DAG's timetable does not tell the length.
    :param filters: for lists: a dict of filters, such as ``{"agent_id": "72999"}``; the API's own names, such as
        ``agentId``, will do. The page on records says what each list takes.
    :param time_axis: for the export: which date of a session counts, ``meetingDate`` or ``createdAt``.
    :param split_nested: for the export: whether to write sessions, coaching points, to-dos and activity log as four
        files whose rows carry ``session_id``.
    :param incremental: ``data_interval``: read just the run's data interval, or its partition. ``watermark``: resume
        at the end of the last run (Airflow 3.3 and newer, with one asset in the task's outlets or inlets); then
        ``start`` or ``lookback`` say where the first run begins.
    :param page_size: for lists: how many records to request at once; MaestroQA may return fewer.
    :return: the manifest: ``{"resource", "has_data", "destination", "window", "files": [{"name", "uri", "bytes",
        "sha256", "content_bytes", "crc32", "rows"}], "manifest"}``; sizes in bytes.
    :raises AirflowFailException: a retry could not help: wrong arguments, or a rejected token.
    :raises MaestroQAError: MaestroQA or the storage failed; nothing partial is visible.
    """

    template_fields: Sequence[str] = (
        "resource",
        "destination",
        "storage_conn_id",
        "start",
        "end",
        "lookback",
        "partition_length",
        "filters",
        "time_axis",
        "split_nested",
        "incremental",
        "page_size",
        "maestroqa_conn_id",
    )
    template_fields_renderers = {"filters": "json"}  # noqa: RUF012 - Airflow has it so
    operator_extra_links = (MaestroQALink(), LandedFilesLink())

    def __init__(
        self,
        *,
        resource: str,
        destination: str,
        storage_conn_id: str | None = None,
        start: date | datetime | str | None = None,
        end: date | datetime | str | None = None,
        lookback: timedelta | None = None,
        partition_length: timedelta | None = None,
        filters: Mapping[str, str] | None = None,
        time_axis: str = "meetingDate",
        split_nested: bool = False,
        incremental: str | None = None,
        page_size: int = 100,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.resource = resource
        self.destination = destination
        self.storage_conn_id = storage_conn_id
        self.start = start
        self.end = end
        self.lookback = lookback
        self.partition_length = partition_length
        self.filters = filters
        self.time_axis = time_axis
        self.split_nested = split_nested
        self.incremental = incremental
        self.page_size = page_size

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the records and publish them, all or nothing."""
        from airflow_provider_maestroqa.landing.records import land_records
        from airflow_provider_maestroqa.storage.open import open_store
        from airflow_provider_maestroqa.transfers.record_request import WindowArguments, check_request

        with airflow_errors():
            request = check_request(
                context,
                WindowArguments(self.start, self.end, self.lookback, self.incremental, self.partition_length),
                resource=self.resource,
                filters=self.filters,
                time_axis=self.time_axis,
                split_nested=self.split_nested,
                page_size=self.page_size,
                maestroqa_conn_id=self.maestroqa_conn_id,
            )
            if request.warning:
                self.log.warning(request.warning)
            store = open_store(self.destination, conn_id=self.storage_conn_id)
            self.log.info("Reading %s, to land at %s.", request.description, store.uri())
            with self.open_hook() as hook:
                source = maestroqa_data(hook.settings.base_url, request.resource)
                self.data_transfer = DataTransfer((source,), (stored_data(store.uri()),))
                records = _records(hook, request)
                manifest = land_records(
                    records,
                    resource=request.resource,
                    store=store,
                    log=self.log.info,
                    split_nested=request.split_nested,
                    window=request.window,
                    partition_key=task_context.partition_key(context),
                    total=lambda: getattr(records, "total", None),
                )
                self.data_transfer = DataTransfer((source,), landed_data(manifest, written=True))
                report(hook, written=[file.uri for file in self.data_transfer.outputs])
            request.save_watermark()
        extra = landing_event_extra(manifest)
        task_context.add_event_extra(context, self.outlets, extra, written=manifest["destination"])
        return manifest


def _records(hook: MaestroQAHook, request: RecordRequest) -> RecordIterator | SessionExport:
    if request.start is not None and request.end is not None and request.is_export:
        return hook.export_coaching_sessions(request.start, request.end, **request.options)
    return hook.list_records(request.resource, start=request.start, end=request.end, **request.options)
