"""Windows of whole days, as the export of coaching sessions wants them.

MaestroQA's document does not say whether the end day itself is part of an export, nor in which time zone a day
begins. So that nothing is lost either way, a window begins on the very day on which the one before it ends: whichever
way the end day is read, the windows together have no gap. Where it is part of an export, the sessions of that day
come twice, and are told apart by their ids.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta, timezone
from typing import cast

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.parsing import parse_time

#: Days that the two ends of one export may be apart.
MOST_DAYS = 90
_PLAIN = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def as_days(start: object, end: object) -> tuple[date, date]:
    """Read a range of days.

    A plain date (a ``date``, or text such as ``2026-01-31``) is taken as it is. Of a point in time, the day in UTC is
    taken, and the end is moved on to the next midnight, so that the days hold all of the time that was meant.

    :param start: first day: a date, an aware datetime, or ISO 8601 text of either.
    :param end: last day, likewise; after ``start``.
    :raises MaestroQAConfigError: a value is neither, has a time and no time zone, or the range has no length.
    """
    first, last = as_midnight(start, "start", is_end=False).date(), as_midnight(end, "end", is_end=True).date()
    if first >= last:
        raise MaestroQAConfigError(
            f"start ({first}) must be a day before end ({last}). For a single day pass the next day as the end."
        )
    return first, last


def as_midnight(value: object, field: str, *, is_end: bool) -> datetime:
    """Bring a plain date or a point in time to a midnight in UTC: an end forwards, a start back.

    :raises MaestroQAConfigError: it is neither.
    """
    if is_plain_date(value):
        day = _plain_date(value.strip(), field) if isinstance(value, str) else value
        return datetime.combine(cast("date", day), time(), timezone.utc)
    moment = parse_time(value, field)
    midnight = datetime.combine(moment.date(), time(), timezone.utc)
    return midnight + timedelta(days=1) if is_end and midnight < moment else midnight


def is_plain_date(value: object) -> bool:
    """Whether a value is a date without a time, or the text of one."""
    if isinstance(value, str):
        return _PLAIN.fullmatch(value.strip()) is not None
    return isinstance(value, date) and not isinstance(value, datetime)


def cut_days(first: date, last: date, most: int = MOST_DAYS) -> list[tuple[date, date]]:
    """Cut a range of days into windows, each of which begins on the day on which the one before it ends."""
    cuts = []
    while first < last:
        stop = min(first + timedelta(days=most), last)
        cuts.append((first, stop))
        first = stop
    return cuts


def _plain_date(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        pass
    raise MaestroQAConfigError(f"{field}={text!r} is no date.")
