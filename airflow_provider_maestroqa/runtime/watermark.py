"""How far a task has read, saved from one run to the next: on an asset (Airflow 3.3 and newer), or in an object."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import parse_optional_time, parse_time
from airflow_provider_maestroqa.runtime import task_context
from airflow_provider_maestroqa.runtime.retry_state import fingerprint, mapped_path
from airflow_provider_maestroqa.storage.open import StoredObject, open_object

_T = TypeVar("_T")
#: How far a run goes back behind the end of the last one: a record may show up late, or two clocks may differ.
OVERLAP = timedelta(minutes=10)


class Watermark:
    """The end of the last window that was read: in the ``asset_state_store`` of the task's asset, or in an object.

    A run reads from ten minutes before the end of the last one to its own end. Doing the last run again reads the
    same window again. Any other run that ends before the watermark is an error, unless its window is known: its
    records have been read, and its files would be replaced by fewer.

    :param context: Airflow's context of the task.
    :param resource: what is read.
    :param arguments: what else decides which records are read; with others the reading starts anew.
    :param state_path: storage URL of the object. Each instance of a mapped task appends its index.
    :param windows_kept: how many windows before the last one are kept, so that these runs can be done again.
    :raises MaestroQAConfigError: this Airflow has no ``asset_state_store``, or the task not one asset.
    """

    def __init__(
        self,
        context: Mapping[str, Any],
        *,
        resource: str,
        arguments: Mapping[str, Any],
        state_path: str | None = None,
        windows_kept: int = 0,
    ) -> None:
        self._store: Any
        if state_path is None:
            self._store = task_context.asset_state_store(context)
        else:
            self._store = _ObjectStore(open_object(mapped_path(state_path, context)))
        self._windows_kept = windows_kept
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
        state = self._load()
        if state is None:
            return (start if lookback is None else end - lookback), end
        reached = parse_time(state["end"], "the watermark")
        if end > reached:
            return reached - overlap, end
        if end == reached:
            return parse_optional_time(state.get("start"), "the watermark's start"), end
        earlier = _earlier(state)
        if format_time(end) in earlier:
            return parse_optional_time(earlier[format_time(end)], "the start of an earlier window"), end
        raise MaestroQAConfigError(
            f"This run ends at {format_time(end)}, and records have been read up to {format_time(reached)}. To read "
            "an older window again, run a task with start and end, and without incremental='watermark'."
        )

    def save(self, start: datetime | None, end: datetime) -> None:
        """Note that all up to ``end`` has been read. An earlier run that is done again moves nothing back."""
        before = self._load() or {}
        if before and end < parse_time(before["end"], "the watermark"):
            return
        state: dict[str, Any] = {"start": None if start is None else format_time(start), "end": format_time(end)}
        if self._windows_kept and before:
            windows = {**_earlier(before), before["end"]: before.get("start")}
            windows.pop(state["end"], None)
            state["earlier"] = dict(list(windows.items())[-self._windows_kept :])
        self._call_store(lambda: self._store.set(self._key, state))

    def _load(self) -> Mapping[str, Any] | None:
        state = self._call_store(lambda: self._store.get(self._key))
        return state if isinstance(state, Mapping) and "end" in state else None

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


def _earlier(state: Mapping[str, Any]) -> dict[str, Any]:
    """The starts of the windows before the last one, by their ends."""
    windows = state.get("earlier")
    return dict(windows) if isinstance(windows, Mapping) else {}


class _ObjectStore:
    """Stands in for the store of an asset: ``{"watermarks": {key: state}}`` in an object."""

    def __init__(self, stored: StoredObject) -> None:
        self._object = stored

    def get(self, key: str) -> Any:
        """The state of a key; ``None`` without one."""
        return self._read().get(key)

    def set(self, key: str, state: Mapping[str, Any]) -> None:
        """Replace the state of a key."""
        self._object.write(json.dumps({"watermarks": {**self._read(), key: state}}).encode())

    def _read(self) -> dict[str, Any]:
        content = self._object.read()
        if content is None:
            return {}
        try:
            watermarks = json.loads(content)["watermarks"]
        except (ValueError, TypeError, KeyError):
            watermarks = None
        if isinstance(watermarks, dict):
            return watermarks
        raise MaestroQADataError(
            f"The object at state_path {self._object.uri} holds no watermark. With incremental='watermark' pass a "
            "path of its own, the same in every run."
        )
