"""The window of time that a task requests from MaestroQA."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_number, format_time
from airflow_provider_maestroqa.client.parsing import (
    is_blank,
    look_back,
    parse_choice,
    parse_days,
    parse_duration,
    parse_optional_time,
    parse_time,
    require_order,
    show,
)
from airflow_provider_maestroqa.runtime import task_context
from airflow_provider_maestroqa.runtime.partitions import Partition, current_partition, lacks_partition

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from airflow_provider_maestroqa.runtime.watermark import Watermark

#: How a task may read only what is new.
INCREMENTAL = ("data_interval", "watermark")
_REMEDIES = (
    "Do one of three things: pass start and end; pass lookback, such as timedelta(days=1); or schedule the DAG with "
    "CronDataIntervalTimetable, whose runs have an interval."
)
_NEEDS_PARTITION = (
    "Start the run with a partition_key (a field of the UI's and the REST API's trigger; a backfill sets it itself), "
    "or pass start and end."
)

#: More windows than this are surely a mistake; Airflow maps over 1,024 at most, unless configured otherwise.
_MAX_WINDOWS = 10_000


@dataclass(frozen=True)
class Window:
    """A stretch of time, in UTC.

    :param start: where it begins.
    :param end: where it ends, after ``start``.
    """

    start: datetime
    end: datetime

    def as_text(self) -> dict[str, str]:
        """Both ends as MaestroQA writes them."""
        return {"start": format_time(self.start), "end": format_time(self.end)}


def split_windows(start: object, end: object, max_days: object) -> list[dict[str, str]]:
    """Split a range of time into windows with no gap and no overlap, to map a task over.

    The windows are a list of dicts of text, so that XCom can pass them to ``expand_kwargs``::

        MaestroQARequestExportOperator.partial(task_id="request").expand_kwargs(cut.output)

    :param start: where the range begins: an aware datetime, or ISO 8601 text with a time zone.
    :param end: where it ends, likewise.
    :param max_days: how many days a window may have at most; parts of a day are allowed.
    :return: ``[{"start": "2026-01-01T00:00:00Z", "end": …}, …]``: each window begins where the one before it ends,
        and all but the last have ``max_days``.
    :raises MaestroQAConfigError: an argument is wrong, or there would be more than 10,000 windows.
    """
    whole = _window(parse_time(start, "start"), parse_time(end, "end"))
    step = parse_days(max_days, "max_days")
    if (whole.end - whole.start) / step > _MAX_WINDOWS:
        raise MaestroQAConfigError(
            f"max_days={show(max_days)} would cut this range into more than {_MAX_WINDOWS:,} windows."
        )
    cuts, begin = [], whole.start
    while begin < whole.end:
        stop = begin + step if whole.end - begin > step else whole.end
        cuts.append(Window(begin, stop).as_text())
        begin = stop
    return cuts


def explain_too_big(message: str, start: str, end: str) -> str:
    """Name the window of a raw export that failed, and say how to cut it.

    :param message: what is known of the failure.
    :param start: the window's start, as text.
    :param end: its end, likewise.
    """
    days = (parse_time(end, "end") - parse_time(start, "start")) / timedelta(days=1)
    half = format_number(max(days / 2, 0.01))
    return (
        f"{message} The window was {start} to {end} ({format_number(days, 4)} days). To cut it, set "
        f"max_window_days={half}: then the task requests several exports and returns a list of ids. Or map it over "
        f"split_windows({start!r}, {end!r}, {half})."
    )


def resolve_window(
    context: Mapping[str, Any],
    *,
    start: object = None,
    end: object = None,
    lookback: object = None,
    partition_length: object = None,
) -> Window:
    """Find the window of a task: as given, else by looking back, else the run's partition or data interval.

    The result is the same in every try of one run, and in every run of one partition.

    :param context: Airflow's context of the task.
    :param start: an aware datetime or ISO 8601 text.
    :param end: likewise. Default: the partition date, the data interval's end, or the time the run was requested.
    :param lookback: a duration, counted back from ``end``: a timedelta, ``P7D``, ``7 days, 0:00:00`` or seconds.
    :param partition_length: a duration, likewise, counted from ``start``, or else from the partition date.
    :raises MaestroQAConfigError: the arguments contradict each other, or leave no window.
    """
    first, last = parse_optional_time(start, "start"), parse_optional_time(end, "end")
    length = None if is_blank(partition_length) else parse_duration(partition_length, "partition_length")
    if length is not None and not (last is None and is_blank(lookback)):
        raise MaestroQAConfigError(
            "Pass partition_length, or end or lookback, not both: each says where the window is."
        )
    if not is_blank(lookback):
        if first is not None:
            raise MaestroQAConfigError("Pass start or lookback, not both: lookback already says where to start.")
        window_end = last or reference_time(context)
        return _window(look_back(window_end, parse_lookback(lookback)), window_end)
    if first is not None:
        return _window(first, first + length if length is not None else last or reference_time(context))
    if last is not None:
        raise MaestroQAConfigError("end is given without a start. Pass start, or lookback.")
    return _window_of_run(context, length)


def _window_of_run(context: Mapping[str, Any], length: timedelta | None) -> Window:
    """The run's partition, else its data interval."""
    partition = current_partition(context)
    if length is not None:
        if partition is None or partition.date is None:
            raise MaestroQAConfigError(f"partition_length needs a partition date or start. {_no_date(partition)}")
        return _window(partition.date, partition.date + length)
    interval = _data_interval(context)
    if partition is not None and partition.date is not None and partition.end is not None:
        _warn_if_unfinished(partition)
        return _window(partition.date, partition.end)
    if partition is not None and interval is None:
        raise MaestroQAConfigError(_no_length(partition))
    if interval is not None:
        return _window(*interval)
    if lacks_partition(context):
        raise MaestroQAConfigError(
            f"This run of a partitioned DAG has no partition, and so no window. {_NEEDS_PARTITION}"
        )
    moment = task_context.data_interval(context)[1]
    if moment is None:
        raise MaestroQAConfigError(f"This run has no data interval, so there is no window to export. {_REMEDIES}")
    raise MaestroQAConfigError(
        f"This run's data interval has no length ({format_time(parse_time(moment, 'the data interval'))}), so the "
        'export would be empty: in Airflow 3 a schedule such as "@daily" gives a point in time, not an interval. '
        f"{_REMEDIES}"
    )


def parse_window(window: object, export_id: str) -> dict[str, str] | None:
    """Read the window of an export, as the task that requested it has pushed it.

    :param window: a dict with ``start`` and ``end``; or one that gives such a dict for each export's id.
    :param export_id: the export.
    :return: both ends as text, in UTC; ``None`` when there is no window.
    :raises MaestroQAConfigError: it is neither.
    """
    if is_blank(window) or window == {}:
        return None
    own = window
    if isinstance(window, Mapping) and "start" not in window and "end" not in window:
        own = window.get(export_id)
    if isinstance(own, Mapping) and set(own) == {"start", "end"}:
        start, end = (parse_optional_time(own[name], f"window[{name!r}]") for name in ("start", "end"))
        if start is not None and end is not None:
            return _window(start, end).as_text()
    raise MaestroQAConfigError(
        f"window must be a dict with start and end, or one that has such a dict for export {export_id}; got "
        f"{str(window)[:200]}. Pass request.output['window'] of the task that requested the export."
    )


def parse_lookback(lookback: object) -> timedelta:
    """Read how far a task looks back: a timedelta, or what a template makes of one.

    :raises MaestroQAConfigError: it is no duration above zero; see :func:`~.client.parsing.parse_duration`.
    """
    return parse_duration(lookback, "lookback")


def parse_incremental(
    incremental: object, *, start: object, end: object, lookback: object, partition_length: object
) -> str | None:
    """Validate how a task reads only what is new.

    :return: ``data_interval``, ``watermark`` or ``None``.
    :raises MaestroQAConfigError: it is something else, or another argument contradicts it.
    """
    if incremental is None:
        return None
    name = parse_choice(incremental, "incremental", INCREMENTAL)
    if name == "watermark" and not is_blank(partition_length):
        raise MaestroQAConfigError(
            "incremental='watermark' reads on from the end of the last run, not a partition: leave partition_length "
            "out, or incremental."
        )
    if name == "data_interval" and not all(map(is_blank, (start, end, lookback, partition_length))):
        raise MaestroQAConfigError(
            "incremental='data_interval' reads the run's data interval or partition: leave start, end, lookback and "
            "partition_length out."
        )
    return name


def resume_window(
    context: Mapping[str, Any],
    watermark: Watermark,
    *,
    start: object,
    end: object,
    lookback: object,
    overlap: timedelta,
) -> tuple[datetime | None, datetime]:
    """Find the window of a task that resumes where its last run ended.

    :param context: Airflow's context of the task.
    :param watermark: how far the last run came.
    :param start: where the very first run begins: an aware datetime or ISO 8601 text.
    :param end: where this run ends, likewise. Default: see :func:`reference_time`.
    :param lookback: how far the very first run looks back, instead of ``start``: a duration.
    :param overlap: how far a later run goes back behind the end of the last one.
    :return: both ends; no start for a first run without ``start`` and ``lookback``.
    :raises MaestroQAConfigError: the arguments contradict each other, or the run ends before the watermark.
    """
    first = parse_optional_time(start, "start")
    length = None if is_blank(lookback) else parse_lookback(lookback)
    if first is not None and length is not None:
        raise MaestroQAConfigError("Pass start or lookback, not both: each says where the first run begins.")
    run_end = parse_optional_time(end, "end") or reference_time(context)
    return watermark.window(run_end, start=first, lookback=length, overlap=overlap)


def reference_time(context: Mapping[str, Any]) -> datetime:
    """The date of a run's partition, else the end of its data interval, or else the time it was requested.

    It is the same in every try, and in every run of one partition.

    :raises MaestroQAConfigError: the run has none of them, or a partition key that tells no time.
    """
    partition = current_partition(context)
    if partition is not None and partition.date is not None:
        return partition.date
    if partition is not None and _data_interval(context) is None:
        # The time the run was requested is another one in each run of this partition.
        raise MaestroQAConfigError(_no_date(partition))
    moment = task_context.data_interval(context)[1] or task_context.requested_at(context)
    if moment is not None:
        return parse_time(moment, "the run's time")
    raise MaestroQAConfigError("This run has neither a data interval nor a time it was requested. Pass end.")


def _data_interval(context: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """Both ends of the run's data interval; ``None`` where it has no length."""
    interval = task_context.data_interval(context)
    if None in interval:
        return None
    start, end = (parse_time(moment, "the data interval") for moment in interval)
    return None if start == end else (start, end)


def _no_date(partition: Partition | None) -> str:
    if partition is None:
        return _NEEDS_PARTITION
    return (
        f"The partition key of this run ({show(partition.key)}) tells no time, or is not one of its DAG's schedule. "
        "Pass start and end, made of the key: such as start='{{ dag_run.partition_key }}Z' with partition_length."
    )


def _no_length(partition: Partition) -> str:
    if partition.date is None:
        return _no_date(partition)
    return (
        f"The partition of this run ({show(partition.key)}) begins at {format_time(partition.date)}, but its DAG's "
        "timetable does not say where it ends. Pass partition_length, such as timedelta(days=1); lookback, which "
        "ends where the partition begins; or start and end."
    )


def _warn_if_unfinished(partition: Partition) -> None:
    if partition.end is not None and partition.end.timestamp() > Clock().wall():
        log.warning(
            "The partition %s ends at %s, which is still ahead: what comes until then is not in it yet. To run each "
            "partition when it is over, give its CronPartitionTimetable run_offset=-1.",
            partition.key,
            format_time(partition.end),
        )


def _window(start: datetime, end: datetime) -> Window:
    require_order(start, end)
    return Window(start, end)
