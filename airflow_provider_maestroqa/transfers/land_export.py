"""What the transfers of exports share: everything except where the files go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.assets import landing_event_extra
from airflow_provider_maestroqa.links import LandedFilesLink, MaestroQALink
from airflow_provider_maestroqa.operators.base import MaestroQAOperator
from airflow_provider_maestroqa.runtime import task_context
from airflow_provider_maestroqa.runtime.lineage import (
    DataTransfer,
    LineageMixin,
    export_dataset,
    landed_data,
    maestroqa_data,
    report,
    stored_data,
)
from airflow_provider_maestroqa.runtime.task_errors import airflow_errors

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
    from airflow_provider_maestroqa.landing.exports import LandingOptions
    from airflow_provider_maestroqa.storage.base import Store

_ON_NO_DATA = ("succeed", "skip", "fail")


class LandExportOperator(LineageMixin, MaestroQAOperator):
    """Land a complete export; a subclass opens the storage.

    :param export_id: the export's id: the output of
        :class:`~airflow_provider_maestroqa.operators.exports.MaestroQARequestExportOperator`. It must be complete.
    :param file_format: ``csv.gz`` (nothing is compressed again), ``csv``, ``zip`` (the archive as it came), or
        ``parquet`` (always cleaned; needs the extra ``parquet``).
    :param count_rows: whether to count the records of each file, which takes longer. Those of cleaned files always
        are.
    :param clean: whether to clean the CSV files: spreadsheet guards ``="…"`` come off, ``Unknown`` and empty cells
        become null, known date columns become UTC; all else is text as it was. Not with ``zip``.
    :param on_no_data: what to do when the export holds nothing: ``succeed``, ``skip`` or ``fail``.
    :param window: what the export covers, for the manifest: ``request.output["window"]`` of the task that requested
        it, or a dict with ``start`` and ``end`` (aware datetimes, or ISO 8601 text with a time zone).
    """

    template_fields: Sequence[str] = (
        "export_id",
        "file_format",
        "count_rows",
        "clean",
        "on_no_data",
        "window",
        "maestroqa_conn_id",
    )
    template_fields_renderers = {"window": "json"}  # noqa: RUF012 - Airflow has it so
    operator_extra_links = (MaestroQALink(), LandedFilesLink())

    def __init__(
        self,
        *,
        export_id: str,
        file_format: str = "csv.gz",
        count_rows: bool = False,
        clean: bool = False,
        on_no_data: str = "succeed",
        window: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.export_id = export_id
        self.file_format = file_format
        self.count_rows = count_rows
        self.clean = clean
        self.on_no_data = on_no_data
        self.window = window

    def _open_store(self) -> Store:
        raise NotImplementedError

    def execute(self, context: Context) -> dict[str, Any]:
        """Download, check and publish the export; do nothing where that is already done."""
        from airflow_provider_maestroqa.client.resources.exports import checked_export_id
        from airflow_provider_maestroqa.windows import parse_window

        with airflow_errors():
            options = self._checked_options()
            export_id = checked_export_id(self.export_id)
            window = parse_window(self.window, export_id)
            store = self._open_store()
            with self.open_hook() as hook:
                source = maestroqa_data(hook.settings.base_url, export_dataset(self), version=export_id)
                self.data_transfer = DataTransfer((source,), (stored_data(store.uri()),))
                partition_key = task_context.partition_key(context)
                manifest, is_new = self._land(hook, export_id, store, options, window, partition_key)
                self.data_transfer = DataTransfer((source,), landed_data(manifest, written=is_new))
                report(hook, read=[source.uri], written=[file.uri for file in self.data_transfer.outputs])
        extra = landing_event_extra(manifest, window)
        task_context.add_event_extra(context, self.outlets, extra, written=manifest["destination"])
        return manifest

    def _land(
        self,
        hook: MaestroQAHook,
        export_id: str,
        store: Store,
        options: LandingOptions,
        window: Mapping[str, str] | None,
        partition_key: str | None,
    ) -> tuple[dict[str, Any], bool]:
        """Land it, where that is not done yet; the manifest, and whether this run has landed it."""
        from airflow_provider_maestroqa.client.errors import MaestroQADataError
        from airflow_provider_maestroqa.landing import manifest as manifests
        from airflow_provider_maestroqa.landing.exports import land_export, publish_no_data, published_manifest

        published_before = manifests.read(store)
        published = published_manifest(store, export_id=export_id, options=options, published_before=published_before)
        if published is not None and (published["has_data"] or self.on_no_data == "succeed"):
            self.log.info("Export %s is already landed: %s. Nothing to do.", export_id, published["manifest"])
            return published, False
        first_url = _complete_url(hook, export_id)
        if not first_url:
            self.log.info("Export %s is complete and holds no data.", export_id)
            if self.on_no_data == "fail":
                raise MaestroQADataError(
                    f"Export {export_id} holds no data, and on_no_data is fail. Check its window and options."
                )
            if self.on_no_data == "skip":
                raise _compat.AirflowSkipException(f"Export {export_id} holds no data (on_no_data is skip).")
            empty = publish_no_data(store, export_id=export_id, window=window, partition_key=partition_key)
            return empty, True
        urls = [first_url]
        with hook.storage_session() as session:
            manifest = land_export(
                export_id=export_id,
                # The first URL is fresh; when it has expired, MaestroQA signs another.
                fresh_url=lambda: urls.pop() if urls else _complete_url(hook, export_id),
                store=store,
                options=options,
                session=session,
                log=self.log.info,
                warn=self.log.warning,
                window=window,
                partition_key=partition_key,
                check_published=False,
                published_before=published_before,
                clock=hook.clock,
            )
        return manifest, True

    def _checked_options(self) -> LandingOptions:
        from airflow_provider_maestroqa.client.parsing import parse_choice, parse_flag
        from airflow_provider_maestroqa.landing.exports import LandingOptions
        from airflow_provider_maestroqa.landing.output_formats import FILE_FORMATS

        parse_choice(self.on_no_data, "on_no_data", _ON_NO_DATA)
        return LandingOptions(
            file_format=parse_choice(self.file_format, "file_format", FILE_FORMATS),
            count_rows=parse_flag(self.count_rows, "count_rows"),
            clean=parse_flag(self.clean, "clean"),
        )


def _complete_url(hook: MaestroQAHook, export_id: str) -> str:
    """Ask for the URL of a complete export; empty when it holds no data."""
    from airflow_provider_maestroqa.client.errors import MaestroQAExportFailedError, MaestroQAExportTimeoutError

    export = hook.get_export(export_id)
    if export.is_complete:
        return export.data_url
    if export.is_failed:
        raise MaestroQAExportFailedError(f"Export {export_id} failed at MaestroQA, so there is nothing to land.")
    raise MaestroQAExportTimeoutError(
        f"Export {export_id} is not complete (its status is {export.status or 'not known'}). Put a "
        "MaestroQAExportSensor before this task, or wait_for_completion=True on the request."
    )
