"""The partition of a run: its key, and the stretch of time that the key names. (Airflow 3.2 and newer)

A key must mean the same time in every run that has it, whoever started the run. So the time is read from the key,
with the help of the DAG's timetable: ``run_after`` and the data interval differ between scheduled, backfilled and
manual runs, and Airflow passes the partition's date on from 3.3 only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.parsing import parse_time
from airflow_provider_maestroqa.runtime import task_context

#: The mappers of Airflow whose keys name a stretch of the calendar, and its length.
_PERIODS = {
    "StartOfHourMapper": "hour",
    "StartOfDayMapper": "day",
    "StartOfWeekMapper": "week",
    "StartOfMonthMapper": "month",
    "StartOfQuarterMapper": "quarter",
    "StartOfYearMapper": "year",
}
_PERIOD_FORMATS = {
    "hour": "%Y-%m-%dT%H",
    "day": "%Y-%m-%d",
    "week": "%Y-%m-%d (W%V)",
    "month": "%Y-%m",
    "quarter": "%Y-Q{quarter}",
    "year": "%Y",
}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
#: What a key's format may hold, and how it is read.
_DIRECTIVES = {
    "%Y": r"(?P<Y>\d{4})",
    "%m": r"(?P<m>\d{2})",
    "%d": r"(?P<d>\d{2})",
    "%H": r"(?P<H>\d{2})",
    "%M": r"(?P<M>\d{2})",
    "%S": r"(?P<S>\d{2})",
    "%V": r"\d{2}",
    "%%": "%",
    "{quarter}": r"(?P<quarter>[1-4])",
}
#: More ticks than a day has minutes are not searched for those of one key.
_MAX_TICKS = 1_500
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Partition:
    """The partition of a run.

    :param key: as Airflow has it.
    :param date: where it begins, in UTC; ``None`` where the key tells no time.
    :param end: where it ends, in UTC; ``None`` where its length is unknown.
    """

    key: str
    date: datetime | None = None
    end: datetime | None = None


def current_partition(context: Mapping[str, Any]) -> Partition | None:
    """Find the partition of a run; ``None`` where the run has no partition key.

    :param context: Airflow's context of the task.
    """
    key = task_context.partition_key(context)
    if key is None:
        return None
    given = task_context.partition_date(context)
    date = None if given is None else parse_time(given, "partition_date")
    timetable = task_context.timetable(context)
    if _is_a(timetable, "CronPartitionTimetable"):
        return _of_cron(key, date, timetable)
    if _is_a(timetable, "PartitionedAssetTimetable"):
        return _of_assets(key, date, timetable)
    return Partition(key, date)


def lacks_partition(context: Mapping[str, Any]) -> bool:
    """Whether a run of a partitioned DAG was started without a partition key."""
    timetable = task_context.timetable(context)
    names = ("CronPartitionTimetable", "PartitionedAssetTimetable", "PartitionedAtRuntime")
    return task_context.partition_key(context) is None and any(_is_a(timetable, name) for name in names)


def _of_cron(key: str, date: datetime | None, timetable: Any) -> Partition:
    """The ticks of the schedule that have the key, up to the first that has another one."""
    ticks = _compat.cron_partitions(timetable)
    key_format = _attribute(timetable, "key_format")
    zone = _attribute(timetable, "timezone")
    for start in _possible_starts(key, key_format, zone, date):
        first, first_key = ticks(start)
        if first_key == key:
            return Partition(key, first, _end_of_key(key, first, ticks))
    return Partition(key, date)


def _possible_starts(key: str, key_format: str, zone: Any, date: datetime | None) -> Iterator[datetime]:
    """Where the first tick with a key may be, the earliest first.

    Airflow 3.2 writes the keys in UTC, and 3.3 in the schedule's time zone.
    """
    named = _read_key(key, key_format)
    if named is not None:
        zones = (timezone.utc, _zone(zone))
        yield from sorted({named.replace(tzinfo=one).astimezone(timezone.utc) for one in zones})
    if date is not None:
        yield date


def _end_of_key(key: str, first: datetime, ticks: Callable[[datetime], tuple[datetime, str]]) -> datetime | None:
    tick = first
    for _ in range(_MAX_TICKS):
        tick, tick_key = ticks(tick + _TICK)
        if tick_key != key:
            return tick
    return None


def _of_assets(key: str, date: datetime | None, timetable: Any) -> Partition:
    """The period of the mappers that read time from keys, where they agree, as Airflow itself wants them to."""
    mappers = [timetable.default_partition_mapper, *timetable.partition_mapper_config.values()]
    calendars = {calendar for calendar in map(_calendar_of, mappers) if calendar is not None}
    if len(calendars) != 1:
        return Partition(key, date)
    period, zone, key_format = calendars.pop()
    named = _read_key(key, key_format)
    start = date if named is None else named.replace(tzinfo=zone).astimezone(timezone.utc)
    if start is None or (date is not None and date != start):
        return Partition(key, date)
    return Partition(key, start, _end_of_period(start.astimezone(zone), period))


def _calendar_of(mapper: Any) -> tuple[str, tzinfo, str] | None:
    """The period, the time zone and the format of a mapper's keys; ``None`` for keys of another kind."""
    if _is_a(mapper, "RollupMapper"):
        return _calendar_of(mapper.upstream_mapper)
    if _is_a(mapper, "FanOutMapper"):
        return _calendar_of(mapper.downstream_mapper)
    if _is_a(mapper, "ChainMapper"):
        return _calendar_of(mapper.mappers[-1])
    period = next((_PERIODS[name] for name in _PERIODS if _is_a(mapper, name)), None)
    if period is None:
        return None
    # Airflow's SDK of 3.2 does not take another zone and format than these.
    key_format = getattr(mapper, "output_format", None) or _PERIOD_FORMATS[period]
    return period, _zone(getattr(mapper, "_timezone", "UTC")), key_format


def _end_of_period(start: datetime, period: str) -> datetime:
    """Where a period ends, in UTC. A day in a time zone may have 23 or 25 hours."""
    if period == "hour":
        return start.astimezone(timezone.utc) + timedelta(hours=1)
    naive = start.replace(tzinfo=None)
    if period in _MONTHS:
        year, month = divmod(naive.year * 12 + naive.month - 1 + _MONTHS[period], 12)
        naive = naive.replace(year=year, month=month + 1)
    else:
        naive += timedelta(days=7 if period == "week" else 1)
    return naive.replace(tzinfo=start.tzinfo).astimezone(timezone.utc)


def _read_key(key: str, key_format: str) -> datetime | None:
    """Read the first moment that a key names, without a time zone; ``None`` where its format tells none."""
    parts = re.split(r"(%.|\{quarter\})", key_format)
    pattern = "".join(_DIRECTIVES.get(part, re.escape(part)) for part in parts)
    try:
        match = re.fullmatch(pattern, key)
        if match is None:
            return None
        fields = {name: int(value) for name, value in match.groupdict().items()}
        month = fields.get("quarter", 1) * 3 - 2 if "quarter" in fields else fields.get("m", 1)
        hour, minute, second = (fields.get(name, 0) for name in ("H", "M", "S"))
        return datetime(fields["Y"], month, fields.get("d", 1), hour, minute, second)
    except (re.error, KeyError, ValueError):
        return None


def _zone(zone: Any) -> tzinfo:
    """A time zone, which Airflow's SDK may hold by its name."""
    return zone if isinstance(zone, tzinfo) else ZoneInfo(str(zone))


def _is_a(value: object, name: str) -> bool:
    """Whether a class of Airflow's made this. Its SDK and its core have one each, of the same name."""
    return any(one.__name__ == name for one in type(value).__mro__)


def _attribute(timetable: Any, name: str) -> Any:
    """An attribute of a timetable, which is public in Airflow's SDK only."""
    return getattr(timetable, name) if hasattr(timetable, name) else getattr(timetable, f"_{name}")
