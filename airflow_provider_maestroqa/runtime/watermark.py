"""How far a task has read, kept from one run to the next on an asset (Airflow 3.3 and newer)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import parse_time
from airflow_provider_maestroqa.runtime.retry_state import fingerprint
from airflow_provider_maestroqa.windows import reference_time

_T = TypeVar("_T")
#: How far a run goes back behind the end of the last one: a record may show up late, or two clocks may differ.
OVERLAP = timedelta(minutes=10)


class Watermark:
    """The end of the last window that was read, in the ``asset_state_store`` of the task's one asset.

    A run reads from ten minutes before the end of the last one to its own end. Doing the last run again reads the
    same window again. A run that ends before the watermark is an error: what it would read has been read, and its
    files would be replaced by fewer.

    :param context: Airflow's context of the task.
    :param resource: what is read.
    :param arguments: what else decides which records are read; with others the reading begins anew.
    :raises MaestroQAConfigError: this Airflow has no ``asset_state_store``, or the task not one asset.
    """

    def __init__(self, context: Mapping[str, Any], *, resource: str, arguments: Mapping[str, Any]) -> None:
        self._store: Any = context.get("asset_state_store")
        self._key = f"maestroqa_{resource}_{fingerprint(arguments)[:12]}"
        if self._store is None:
            raise MaestroQAConfigError(
                "incremental='watermark' keeps its place in Airflow's asset_state_store, which needs Airflow 3.3 or "
                "newer and an asset: give the task outlets=[Asset(...)]. On an older Airflow use "
                "incremental='data_interval', or lookback."
            )

    def window(
        self,
        context: Mapping[str, Any],
        *,
        start: datetime | None,
        end: datetime | None,
        lookback: timedelta | None,
        overlap: timedelta = OVERLAP,
    ) -> tuple[datetime | None, datetime]:
        """Say what this run reads.

        :param start: where the very first run begins.
        :param end: where this run ends. Default: the end of its data interval, or the time it was asked for.
        :param lookback: how far the very first run looks back, when ``start`` is not given.
        :param overlap: how far a later run goes back behind the end of the last one.
        :return: both ends; no start for a first run that was not told where to begin.
        :raises MaestroQAConfigError: the run ends before the watermark.
        """
        stop = end or reference_time(context)
        kept = self._attempt(lambda: self._store.get(self._key))
        if not isinstance(kept, Mapping) or "end" not in kept:
            return (start if lookback is None else stop - lookback), stop
        reached = parse_time(kept["end"], "the watermark")
        if stop > reached:
            return reached - overlap, stop
        if stop == reached:
            begin = kept.get("start")
            return (None if begin is None else parse_time(begin, "the watermark's start")), stop
        raise MaestroQAConfigError(
            f"This run ends at {format_time(stop)}, and records have been read up to {format_time(reached)}. To read "
            "an older stretch again, run a task with start and end, and without incremental='watermark'."
        )

    def keep(self, start: datetime | None, end: datetime) -> None:
        """All up to ``end`` has been read and landed."""
        kept = {"start": None if start is None else format_time(start), "end": format_time(end)}
        self._attempt(lambda: self._store.set(self._key, kept))

    def _attempt(self, call: Callable[[], _T]) -> _T:
        problem = ""
        try:
            return call()
        except ValueError as error:
            problem = str(error)
        raise MaestroQAConfigError(
            f"incremental='watermark' needs exactly one asset among the task's inlets and outlets ({problem}). Give "
            "it one, such as outlets=[Asset('maestroqa_todos')]."
        )
