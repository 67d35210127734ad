"""Requests exports from MaestroQA."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_maestroqa._compat import conf
from airflow_provider_maestroqa.operators.base import FIRST_SLOT_S, ExportWaiter
from airflow_provider_maestroqa.runtime import task_context
from airflow_provider_maestroqa.runtime.task_errors import airflow_errors

if TYPE_CHECKING:
    from airflow_provider_maestroqa._compat import Context
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
    from airflow_provider_maestroqa.operators.export_window import ExportWindow
    from airflow_provider_maestroqa.runtime.retry_state import RetryState


class MaestroQARequestExportOperator(ExportWaiter):
    """Request an export, and optionally wait for it. (API: Exports)

    The window is ``start`` and ``end`` as given, else ``lookback`` counted back from ``end``, else the run's
    partition (Airflow 3.2 and newer) or data interval. A window without length is an error. A retry resumes the same
    export where its id can be saved: on Airflow 3.3 and newer, or at ``state_path``. A changed window requests a new
    export.

    All arguments but ``deferrable``, ``durable`` and ``wait_for_completion`` are templated.

    :param export_type: ``raw`` (grades), ``groups`` (agent groups) or ``audit_log`` (user activity).
    :param start: start of the window: an aware datetime, or ISO 8601 text with a time zone. Not for ``groups``.
    :param end: end of the window, likewise. Default: the partition date, the data interval's end, or the time the run
        was requested.
    :param lookback: a timedelta, or what a template makes of one (``7 days, 0:00:00``, ``P7D``, seconds); the window
        is ``end - lookback`` to ``end``.
    :param partition_length: a timedelta, or what a template makes of one; the window is so long, and begins at
        ``start`` or else at the partition date. Only needed where the DAG's timetable does not tell the length.
    :param incremental: ``data_interval``: export just the run's data interval. ``watermark``: resume at the end of
        the last run, whose position is saved at ``state_path``, or (Airflow 3.3 and newer) on the one asset in the
        task's outlets or inlets; then ``start`` or ``lookback`` say where the first run begins. Not for ``groups``.
    :param export_name: a name for the export. Default: MaestroQA names it.
    :param single_file_export: ``raw`` only: one file instead of the archive: ``individual_answers``,
        ``section_scores``, ``total_scores``, ``annotations`` or ``csat``.
    :param include_calibrations: ``raw`` only: ``all``, ``none`` or ``only``.
    :param include_grader_qa: ``raw`` only: whether to include grader QA benchmark scores.
    :param include_deleted: ``raw`` only: whether to include deleted answers.
    :param include_unavailable: ``groups`` only: whether to include agents that are not marked available.
    :param max_window_days: split a long window into parts of at most so many days, and request an export of each.
        Then the task returns a list of ids, even of one, to map the next tasks over. Not for ``groups``, and not
        together with ``wait_for_completion``.
    :param wait_for_completion: whether to wait until the export is complete.
    :param deferrable: whether to wait in the triggerer instead of on a worker. Default: Airflow's
        ``[operators] default_deferrable``.
    :param poll_interval: seconds before the second poll; the pauses then grow up to five minutes.
    :param timeout: seconds that the wait may take.
    :param state_path: storage URL of an object that saves the export's id for a retry, on any Airflow. With
        ``incremental="watermark"`` it holds the position, and must be the same in every run.
    :param durable: whether a retry resumes the export of an earlier try; Airflow's usual name for it. With ``False``
        nothing is saved, and each try requests an export of its own.
    :return: the export's id (str); with ``max_window_days`` the ids, in the order of their windows (list of str).
        Another XCom, ``window``, says what the export covers: ``{"start", "end"}`` as text in UTC; with
        ``max_window_days`` one such dict for each id; an empty dict for ``groups``.
    :raises AirflowFailException: a retry could not help: wrong arguments, a rejected token, an export that failed, or
        a lost response to the request, so that the export may or may not have been requested. Its cause is the
        error itself, such as :class:`~airflow_provider_maestroqa.client.errors.MaestroQAAuthError`.
    :raises MaestroQAExportTimeoutError: the export was not complete in time; Airflow retries it as the DAG says.
    """

    template_fields: Sequence[str] = (
        "maestroqa_conn_id",
        "export_type",
        "start",
        "end",
        "lookback",
        "partition_length",
        "incremental",
        "export_name",
        "single_file_export",
        "include_calibrations",
        "include_grader_qa",
        "include_deleted",
        "include_unavailable",
        "max_window_days",
        "poll_interval",
        "timeout",
        "state_path",
    )
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        export_type: Literal["raw", "groups", "audit_log"] | str = "raw",
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        lookback: timedelta | None = None,
        partition_length: timedelta | None = None,
        incremental: Literal["data_interval", "watermark"] | str | None = None,
        export_name: str | None = None,
        single_file_export: str | None = None,
        include_calibrations: str | None = None,
        include_grader_qa: bool | None = None,
        include_deleted: bool | None = None,
        include_unavailable: bool | None = None,
        max_window_days: float | None = None,
        wait_for_completion: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 30,
        timeout: float = 3600,
        state_path: str | None = None,
        durable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.export_type = export_type
        self.start = start
        self.end = end
        self.lookback = lookback
        self.partition_length = partition_length
        self.incremental = incremental
        self.export_name = export_name
        self.single_file_export = single_file_export
        self.include_calibrations = include_calibrations
        self.include_grader_qa = include_grader_qa
        self.include_deleted = include_deleted
        self.include_unavailable = include_unavailable
        self.max_window_days = max_window_days
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.state_path = state_path
        self.durable = durable
        self._export_id: str | None = None
        self._window: ExportWindow | None = None

    def execute(self, context: Context) -> str | list[str]:
        """Request the export, or resume the one that an earlier try requested."""
        from airflow_provider_maestroqa.client.parsing import parse_seconds
        from airflow_provider_maestroqa.client.resources.exports import export_parameters

        with airflow_errors():
            poll_interval = parse_seconds(self.poll_interval, "poll_interval")
            timeout = parse_seconds(self.timeout, "timeout")
            arguments = self._arguments(context)
            parameters = export_parameters(**arguments)
            state = self._retry_state(context, arguments)
            with self.open_hook() as hook:
                if self.max_window_days is not None:
                    windows = self._request_parts(hook, state, arguments, context)
                    self._succeed(state)
                    self._push_window(context, windows)
                    return list(windows)
                self._export_id = self._resume(hook, state, context) or self._request(hook, state, parameters)
                self._push_window(context, _window_of(arguments))
                if not self.wait_for_completion:
                    self._succeed(state)
                    return self._export_id
                deadline = time.time() + timeout
                # When deferrable, poll just once here, and not at all where that would have to wait.
                event = hook.wait_for_export(
                    self._export_id,
                    poll_interval=poll_interval,
                    deadline=deadline,
                    max_polls=1 if self.deferrable else None,
                    slot_timeout=FIRST_SLOT_S if self.deferrable else None,
                )
            if event is None:
                self.defer_to_trigger(self._export_id, poll_interval=poll_interval, deadline=deadline)
            return self._finish(state, event, arguments)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> str:
        """Resume the task when the trigger has fired."""
        with airflow_errors():
            arguments = self._arguments(context)
            return self._finish(self._retry_state(context, arguments), event, arguments)

    @property
    def pending_export_id(self) -> str | None:
        """The export that was requested; ``None`` before its id is known."""
        return self._export_id

    def _arguments(self, context: Context) -> dict[str, Any]:
        """The arguments of the request, with the window of this run."""
        from airflow_provider_maestroqa.client.resources.exports import EXPORT_OPTIONS, export_kind
        from airflow_provider_maestroqa.operators.export_window import export_window

        kind = export_kind(self.export_type)
        arguments: dict[str, Any] = {"export_type": kind.name}
        if kind.is_windowed:
            self._window = export_window(
                context,
                kind,
                incremental=self.incremental,
                start=self.start,
                end=self.end,
                lookback=self.lookback,
                partition_length=self.partition_length,
                options={name: getattr(self, name) for name in EXPORT_OPTIONS},
                maestroqa_conn_id=self.maestroqa_conn_id,
                state_path=self.state_path,
            )
            if self.max_window_days is not None:
                self._check_max_window_days()
            arguments |= self._window.as_text()
        else:
            kind.reject_window(
                start=self.start,
                end=self.end,
                lookback=self.lookback,
                partition_length=self.partition_length,
                incremental=self.incremental,
                max_window_days=self.max_window_days,
            )
        return {**arguments, **{name: getattr(self, name) for name in EXPORT_OPTIONS}}

    def _succeed(self, state: RetryState) -> None:
        """Save how far the exports have come; only then forget what a retry would resume."""
        if self._window is not None:
            self._window.save_watermark()
        state.clear()

    def _check_max_window_days(self) -> None:
        from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
        from airflow_provider_maestroqa.client.parsing import parse_days

        parse_days(self.max_window_days, "max_window_days")
        if self.wait_for_completion:
            raise MaestroQAConfigError(
                "wait_for_completion waits for one export, and max_window_days may request several. Leave it out, "
                "and map a sensor over the ids: MaestroQAExportSensor.partial(...).expand(export_id=request.output)."
            )

    def _push_window(self, context: Context, window: Mapping[str, Any]) -> None:
        """Pass the window to the tasks that land the export: an empty one too, as Airflow 3 takes null for lost."""
        if self.do_xcom_push:
            task_context.push_xcom(context, "window", window)

    def _request_parts(
        self, hook: MaestroQAHook, state: RetryState, arguments: Mapping[str, Any], context: Context
    ) -> dict[str, dict[str, str]]:
        """Request an export of each part of the window. A retry resumes after those that were requested.

        :return: the windows by the ids of their exports, in order.
        """
        from airflow_provider_maestroqa.client.formatting import pluralize
        from airflow_provider_maestroqa.operators.earlier_export import is_alive
        from airflow_provider_maestroqa.windows import split_windows

        parts = split_windows(arguments["start"], arguments["end"], self.max_window_days)
        saved = state.load()
        earlier = saved.get("export_ids", []) if isinstance(saved, Mapping) else []
        if not task_context.is_first_try(context) and len(earlier) < len(parts):
            self.log.warning(
                "An earlier try may have requested more exports than the %d whose ids are known. Requesting the rest "
                "(again): that does no harm, but there may be two exports of a window at MaestroQA.",
                len(earlier),
            )
        windows: dict[str, dict[str, str]] = {}
        for number, window in enumerate(parts):
            if number < len(earlier) and is_alive(self, hook, earlier[number], context):
                export_id = earlier[number]
            else:
                export_id = hook.request_export(**{**arguments, **window})
            windows[export_id] = window
            state.save({"export_ids": [*windows, *earlier[len(windows) :]]})
            self.log.info("From %s to %s: export %s.", window["start"], window["end"], export_id)
        exports = pluralize(len(windows), f"{self.export_type.replace('_', ' ')} exports")
        self.log.info("Requested %s.", exports)
        return windows

    def _retry_state(self, context: Context, arguments: Mapping[str, Any]) -> RetryState:
        from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
        from airflow_provider_maestroqa.runtime.retry_state import RetryState

        bound_to = {**arguments, "maestroqa_conn_id": self.maestroqa_conn_id}
        if self.max_window_days is not None:
            bound_to["max_window_days"] = str(self.max_window_days)
        path = self.state_path
        if path and self._window is not None and self._window.watermark is not None:
            path = f"{path}.export"
        elif path and not self.durable:
            raise MaestroQAConfigError("state_path saves what durable=False does not resume: leave out one of them.")
        if not self.durable:
            # Without a context there is no store.
            return RetryState({}, key="export", arguments=bound_to)
        return RetryState(context, key="export", arguments=bound_to, state_path=path)

    def _resume(self, hook: MaestroQAHook, state: RetryState, context: Context) -> str | None:
        from airflow_provider_maestroqa.operators.earlier_export import count, is_alive

        saved = state.load()
        export_id = saved.get("export_id") if isinstance(saved, Mapping) else None
        if not isinstance(export_id, str):
            if self.durable:
                count(self, "fresh_submit", context)
            if isinstance(saved, Mapping) or not (state.is_persistent or task_context.is_first_try(context)):
                self.log.warning(
                    "An earlier try may have requested this export, but its id is not known. Requesting it (again): "
                    "that does no harm, but there may be two exports at MaestroQA."
                )
            return None
        if not is_alive(self, hook, export_id, context):
            return None
        self.log.info("Resuming export %s, which an earlier try requested.", export_id)
        return export_id

    def _request(self, hook: MaestroQAHook, state: RetryState, parameters: Mapping[str, Any]) -> str:
        from airflow_provider_maestroqa.client.resources.exports import export_kind

        # Saved before the request too: a try that is killed in between must not pass for one that requested nothing.
        state.save({"asked": True})
        export_id = hook.submit_export(self.export_type, parameters=parameters)
        state.save({"export_id": export_id})
        kind = export_kind(self.export_type)
        window = f" from {parameters['startDate']} to {parameters['endDate']}" if kind.is_windowed else ""
        self.log.info("Requested %s export%s: export %s.", kind.label, window, export_id)
        if self.wait_for_completion and self.durable and not state.is_persistent:
            self.log.info(
                "A retry of this task would request another export: set state_path to have it resume this one."
            )
        return export_id

    def _finish(self, state: RetryState, event: Mapping[str, Any] | None, arguments: Mapping[str, Any]) -> str:
        from airflow_provider_maestroqa.client.errors import MaestroQAExportFailedError
        from airflow_provider_maestroqa.client.resources.export_polling import read_event
        from airflow_provider_maestroqa.windows import explain_too_big

        failure = ""
        try:
            done = read_event(event)
        except MaestroQAExportFailedError as error:
            if self.export_type != "raw":
                raise
            failure = explain_too_big(str(error), arguments["start"], arguments["end"])
        if failure:
            raise MaestroQAExportFailedError(failure)
        self.log.info(done["message"])
        self._succeed(state)
        return done["export_id"]


def _window_of(arguments: Mapping[str, Any]) -> dict[str, str]:
    return {name: arguments[name] for name in ("start", "end") if name in arguments}
