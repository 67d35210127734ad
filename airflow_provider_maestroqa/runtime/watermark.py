"""How far a task has read, saved on an asset from one run to the next (Airflow 3.3 and newer)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import parse_time
from airflow_provider_maestroqa.runtime import task_context
from airflow_provider_maestroqa.runtime.retry_state import fingerprint

_T = TypeVar("_T")
#: How far a run goes back behind the end of the last one: a record may show up late, or two clocks may differ.
OVERLAP = timedelta(minutes=10)


class Watermark:
    """The end of the last window that was read, in the ``asset_state_store`` of the task's one asset.

    A run reads from ten minutes before the end of the last one to its own end. Doing the last run again reads the
    same window again. A run that ends before the watermark is an error: its records have been read, and its files
    would be replaced by fewer.

    :param context: Airflow's context of the task.
    :param resource: what is read.
    :param arguments: what else decides which records are read; with others the reading starts anew.
    :raises MaestroQAConfigError: this Airflow has no ``asset_state_store``, or the task not one asset.
    """

    def __init__(self, context: Mapping[str, Any], *, resource: str, arguments: Mapping[str, Any]) -> None:
        self._store: Any = task_context.asset_state_store(context)
        self._key = f"maestroqa_{resource}_{fingerprint(arguments)[:12]}"
        if self._store is None:
            raise MaestroQAConfigError(
                "incremental='watermark' saves its position in Airflow's asset_state_store, which needs Airflow 3.3 "
                "or newer and an asset: give the task outlets=[Asset(...)]. On an older Airflow use "
                "incremental='data_interval', or lookback."
            )

    def window(
        self,
        end: datetime,
        *,
        start: datetime | None,
        lookback: timedelta | None,
        overlap: timedelta = OVERLAP,
    ) -> tuple[datetime | None, datetime]:
        """Find what this run reads.

        :param end: where this run ends.
        :param start: where the very first run begins.
        :param lookback: how far the very first run looks back, when ``start`` is not given.
        :param overlap: how far a later run goes back behind the end of the last one.
        :return: both ends; no start for a first run without ``start`` and ``lookback``.
        :raises MaestroQAConfigError: the run ends before the watermark.
        """
        state = self._call_store(lambda: self._store.get(self._key))
        if not isinstance(state, Mapping) or "end" not in state:
            return (start if lookback is None else end - lookback), end
        reached = parse_time(state["end"], "the watermark")
        if end > reached:
            return reached - overlap, end
        if end == reached:
            begin = state.get("start")
            return (None if begin is None else parse_time(begin, "the watermark's start")), end
        raise MaestroQAConfigError(
            f"This run ends at {format_time(end)}, and records have been read up to {format_time(reached)}. To read "
            "an older window again, run a task with start and end, and without incremental='watermark'."
        )

    def save(self, start: datetime | None, end: datetime) -> None:
        """Note that all up to ``end`` has been read and landed."""
        state = {"start": None if start is None else format_time(start), "end": format_time(end)}
        self._call_store(lambda: self._store.set(self._key, state))

    def _call_store(self, call: Callable[[], _T]) -> _T:
        problem = ""
        try:
            return call()
        except ValueError as error:
            problem = str(error)
        raise MaestroQAConfigError(
            f"incremental='watermark' needs exactly one asset among the task's inlets and outlets ({problem}). Give "
            "it one, such as outlets=[Asset('maestroqa_todos')]."
        )
