"""Which stretch of time a task asks MaestroQA for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_maestroqa.client.dates import format_time, parse_time
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError

_REMEDIES = (
    "Do one of three things: pass start and end; pass lookback, such as timedelta(days=1); or schedule the DAG with "
    "CronDataIntervalTimetable, whose runs have an interval."
)


@dataclass(frozen=True)
class Window:
    """A stretch of time, in UTC.

    :param start: where it begins.
    :param end: where it ends, after ``start``.
    """

    start: datetime
    end: datetime

    def as_text(self) -> dict[str, str]:
        """Give both ends as MaestroQA writes them."""
        return {"start": format_time(self.start), "end": format_time(self.end)}


def resolve_window(
    context: Mapping[str, Any],
    *,
    start: object = None,
    end: object = None,
    lookback: object = None,
) -> Window:
    """Find the window of a task: as given, else by looking back, else the run's data interval.

    The answer is the same in every try of one run.

    :param context: Airflow's context of the task.
    :param start: an aware datetime or ISO 8601 text.
    :param end: likewise. Default: the end of the data interval, or the time the run was asked for.
    :param lookback: a timedelta, counted back from ``end``.
    :raises MaestroQAConfigError: the arguments contradict each other, or leave no window.
    """
    given_start, given_end = _given(start, "start"), _given(end, "end")
    if lookback is not None:
        if given_start is not None:
            raise MaestroQAConfigError("Pass start or lookback, not both: lookback already says where to start.")
        window_end = given_end or _reference(context)
        return _window(window_end - _checked_lookback(lookback), window_end)
    if given_start is not None:
        return _window(given_start, given_end or _reference(context))
    if given_end is not None:
        raise MaestroQAConfigError("end is given without a start. Pass start, or lookback.")
    interval_start, interval_end = _interval(context)
    if interval_start is None or interval_end is None:
        raise MaestroQAConfigError(f"This run has no data interval, so there is no window to export. {_REMEDIES}")
    if interval_start == interval_end:
        raise MaestroQAConfigError(
            f"This run's data interval has no length (it is {format_time(interval_end)}), so nothing would come: "
            f'in Airflow 3 a schedule such as "@daily" gives a point in time, not an interval. {_REMEDIES}'
        )
    return _window(interval_start, interval_end)


def _given(value: object, field: str) -> datetime | None:
    # A template that finds nothing renders to the empty text or to "None".
    return None if value is None or value in ("", "None") else parse_time(value, field)


def _checked_lookback(lookback: object) -> timedelta:
    if isinstance(lookback, timedelta) and lookback > timedelta(0):
        return lookback
    raise MaestroQAConfigError(f"lookback must be a timedelta above zero, got {lookback!r}.")


def _interval(context: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    dag_run = context.get("dag_run")
    ends = []
    for name in ("data_interval_start", "data_interval_end"):
        value = context.get(name) or getattr(dag_run, name, None)
        ends.append(None if value is None else parse_time(value, name))
    return ends[0], ends[1]


def _reference(context: Mapping[str, Any]) -> datetime:
    """The end of the data interval, or else the time the run was asked for."""
    interval_end = _interval(context)[1]
    if interval_end is not None:
        return interval_end
    dag_run = context.get("dag_run")
    for name in ("run_after", "queued_at", "start_date"):
        moment = getattr(dag_run, name, None)
        if moment is not None:
            return parse_time(moment, name)
    raise MaestroQAConfigError("This run has neither a data interval nor a time it was asked for. Pass end.")


def _window(start: datetime, end: datetime) -> Window:
    if start >= end:
        raise MaestroQAConfigError(
            f"The window's start ({format_time(start)}) must be before its end ({format_time(end)}). "
            "Swap them, or pass a longer window."
        )
    return Window(start, end)
