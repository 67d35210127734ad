"""The window that an export covers: as given, the run's data interval, or from where the last run ended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.parsing import is_blank, require_order
from airflow_provider_maestroqa.client.resources.exports import EXPORT_OPTIONS, ExportKind
from airflow_provider_maestroqa.runtime import task_context
from airflow_provider_maestroqa.runtime.watermark import OVERLAP, Watermark
from airflow_provider_maestroqa.windows import Window, parse_incremental, resolve_window, resume_window

#: So many runs before the last one can be run again, each with the window that it had.
_WINDOWS_KEPT = 100
#: A name is often made of the run's date, and changes nothing in the content.
_CONTENT_OPTIONS = frozenset(EXPORT_OPTIONS) - {"export_name"}


@dataclass(frozen=True)
class ExportWindow:
    """What a run exports.

    :param window: both ends.
    :param watermark: how far all runs have come, where a run resumes there.
    """

    window: Window
    watermark: Watermark | None = None

    def as_text(self) -> dict[str, str]:
        """Both ends as text, in UTC."""
        return self.window.as_text()

    def save_watermark(self) -> None:
        """Note that MaestroQA has the export of this window."""
        if self.watermark is not None:
            self.watermark.save(self.window.start, self.window.end)


def export_window(
    context: Mapping[str, Any],
    kind: ExportKind,
    *,
    incremental: object,
    start: object,
    end: object,
    lookback: object,
    partition_length: object,
    options: Mapping[str, object],
    maestroqa_conn_id: str,
    state_path: str | None,
) -> ExportWindow:
    """Find the window of a run from the arguments of its task.

    :param context: Airflow's context of the task.
    :param kind: the type of export.
    :param incremental: see :class:`~.exports.MaestroQARequestExportOperator`.
    :param start: likewise.
    :param end: likewise.
    :param lookback: likewise.
    :param partition_length: likewise.
    :param options: what else decides about the content: exports with other options have a watermark of their own.
    :param maestroqa_conn_id: the connection, likewise.
    :param state_path: where the watermark is; by default in the store of the task's asset.
    :raises MaestroQAConfigError: an argument is wrong, there is no window, or no place for the watermark.
    """
    ends: dict[str, Any] = {"start": start, "end": end, "lookback": lookback, "partition_length": partition_length}
    if parse_incremental(incremental, **ends) != "watermark":
        return ExportWindow(resolve_window(context, **ends))
    path = None if is_blank(state_path) else state_path
    _check_place(context, path)
    content = {name: str(value) for name, value in options.items() if name in _CONTENT_OPTIONS and value is not None}
    watermark = Watermark(
        context,
        resource=f"{kind.name}_export",
        arguments={"conn_id": maestroqa_conn_id, "options": content},
        state_path=path,
        windows_kept=_WINDOWS_KEPT,
    )
    begin, stop = resume_window(context, watermark, start=start, end=end, lookback=lookback, overlap=OVERLAP)
    if begin is None:
        raise MaestroQAConfigError(
            "The first run with incremental='watermark' needs a beginning: pass start or lookback."
        )
    require_order(begin, stop)
    return ExportWindow(Window(begin, stop), watermark)


def _check_place(context: Mapping[str, Any], state_path: str | None) -> None:
    """Raise ``MaestroQAConfigError`` unless there is a place that lasts from one run to the next."""
    if state_path is None and task_context.asset_state_store(context) is None:
        raise MaestroQAConfigError(
            "incremental='watermark' needs a place for its position. Pass state_path, a storage URL that is the same "
            "in every run; or, on Airflow 3.3 and newer, give the task one asset: outlets=[Asset(...)]."
        )
    run_id = task_context.run_id(context)
    if state_path and run_id and re.search(rf"(^|\W|_){re.escape(run_id)}(\W|_|$)", state_path):
        raise MaestroQAConfigError(
            "With incremental='watermark' state_path holds the position from one run to the next, so it must be the "
            "same in every run: leave {{ run_id }} out."
        )
