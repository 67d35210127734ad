"""The parsers of what people, forms and templates write. A template renders everything to text."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Collection
from datetime import date, datetime, time, timedelta, timezone
from numbers import Integral
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time

_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_FRACTION = re.compile(r"\.(\d{1,9})")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
#: MaestroQA knows milliseconds at best.
_MS_PER_DAY = 86_400_000
_MAX_DAYS = 100_000
_MAX_SHOWN = 200
_MAX_SECONDS = _MAX_DAYS * 86_400
#: How ``str`` writes a timedelta, which is what a template makes of one.
_CLOCK = re.compile(r"(?:(\d{1,6}) days?,? )?(\d{1,7}):(\d\d):(\d\d(?:\.\d{1,9})?)", re.ASCII)
_DAYS = re.compile(r"(\d{1,6}) days?", re.ASCII)
#: ISO 8601, without years and months, whose length varies.
_ISO_DURATION = re.compile(
    r"P(?=.)(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?=.)(?:(\d{1,7})H)?(?:(\d{1,9})M)?(?:(\d{1,10}(?:\.\d{1,9})?)S)?)?",
    re.ASCII,
)


def is_blank(value: object) -> bool:
    """Whether a value is absent, or what a template leaves that finds nothing.

    That is ``None``, empty text or white space, the text ``None``, and Jinja's undefined object where templates
    render to native objects. White space may be meant where a single character is asked for, such as a delimiter.
    """
    if isinstance(value, str):
        return value.strip() in ("", "None")
    # By name, because a strict undefined object raises on nearly everything, and this room does not import Jinja.
    return value is None or any(base.__module__ == "jinja2.runtime" for base in type(value).__mro__)


def show(value: object) -> str:
    """A value as a message shows it: short, and whatever it is. Python itself does not write 5,000 digits."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__} that is too large to show"
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."


def number_as_text(value: Any) -> Any:
    """The digits of a whole number, anything else as it is.

    Where templates render to native objects, an id such as ``5071`` becomes a number.
    """
    if not isinstance(value, (str, bool)) and isinstance(value, Integral):
        with contextlib.suppress(ValueError):
            return str(int(value))
    return value


def parse_text(value: object, field: str, *, remedy: str = "") -> str:
    """Read text that is not blank, or a whole number as its digits.

    :param remedy: what to do, for the error: a sentence.
    :raises MaestroQAConfigError: it is blank, or neither.
    """
    text = number_as_text(value)
    if isinstance(text, str) and not is_blank(text):
        return text
    received = show(value) if isinstance(value, str) or value is None else f"{type(value).__name__} {show(value)}"
    raise MaestroQAConfigError(f"{field} must be text that is not empty, got {received}. {remedy}".rstrip())


def parse_id(value: object, field: str) -> str:
    """Read an id. Otherwise as :func:`parse_text`."""
    return parse_text(value, field, remedy="Pass the id as text.")


def parse_flag(value: object, field: str) -> bool:
    """Read a boolean, or the text ``true`` or ``false``.

    :raises MaestroQAConfigError: it is neither.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise MaestroQAConfigError(f"{field} must be True or False, got {show(value)}.")


def parse_choice(value: object, field: str, choices: Collection[str]) -> str:
    """Read one of several words.

    :raises MaestroQAConfigError: it is none of them.
    """
    if isinstance(value, str) and value in choices:
        return value
    raise MaestroQAConfigError(f"{field} must be one of {', '.join(choices)}; got {show(value)}.")


def parse_count(value: object, field: str, *, minimum: int = 0, maximum: int | None = None) -> int:
    """Read a whole number, or the text of one.

    :raises MaestroQAConfigError: it is neither, or out of range.
    """
    number = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value.strip()) else value
    if isinstance(number, int) and not isinstance(number, bool) and minimum <= number <= (maximum or number):
        return number
    allowed = f", {minimum} or more" if maximum is None else f" from {minimum} to {maximum:,}"
    raise MaestroQAConfigError(f"{field} must be a whole number{allowed}, got {show(value)}.")


def parse_seconds(value: object, field: str) -> float:
    """Read a number of seconds: a number, the text of one, a timedelta, or the text of that.

    :raises MaestroQAConfigError: it is none of these, or below zero.
    """
    length = _as_timedelta(value)
    seconds = _number(value) if length is None else length.total_seconds()
    if 0 <= seconds < math.inf:
        return seconds
    raise MaestroQAConfigError(f"{field} must be a number of seconds, 0 or more, got {show(value)}.")


def parse_duration(value: object, field: str) -> timedelta:
    """Read a duration above zero: a timedelta, or what a template makes of one.

    :param value: a timedelta; its text, such as ``7 days, 0:00:00``; ISO 8601, such as ``P7D``; or seconds.
    :raises MaestroQAConfigError: it is none of these, or not above zero.
    """
    length = _as_timedelta(value)
    if length is None and 0 < (seconds := _number(value)) <= _MAX_SECONDS:
        length = timedelta(seconds=seconds)
    if length is not None and length > timedelta(0):
        return length
    raise MaestroQAConfigError(
        f"{field} must be a duration above zero, got {show(value)}. Pass a timedelta; text such as P7D (ISO 8601, no "
        "years or months) or '7 days, 0:00:00'; or a number of seconds."
    )


def look_back(end: datetime, length: timedelta) -> datetime:
    """The time that lies so long before another.

    :raises MaestroQAConfigError: it lies before the year 1.
    """
    if end - datetime.min.replace(tzinfo=timezone.utc) < length:
        raise MaestroQAConfigError(f"Looking back {length} from {format_time(end)} ends before the year 1.")
    return end - length


def parse_days(value: object, field: str) -> timedelta:
    """Read a number of days: a number, or the text of one; parts of a day are allowed. A timedelta will do.

    :raises MaestroQAConfigError: it is none of these, or not above zero.
    """
    length = _as_timedelta(value)
    days = _number(value) if length is None else length / timedelta(days=1)
    if 1 / _MS_PER_DAY <= days <= _MAX_DAYS:
        return timedelta(milliseconds=round(days * _MS_PER_DAY))
    raise MaestroQAConfigError(f"{field} must be a number of days above zero, got {show(value)}.")


def _as_timedelta(value: object) -> timedelta | None:
    """A timedelta, or the text of one; ``None`` for anything else, also for a number."""
    if isinstance(value, timedelta):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if match := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if match := _DAYS.fullmatch(text):
        return timedelta(days=int(match.group(1)))
    if match := _ISO_DURATION.fullmatch(text):
        weeks, days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return None


def _number(value: object) -> float:
    """A number, or the text of one; else not a number."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return float(value)
    return math.nan


# -- Dates and times ---------------------------------------------------------------------------------------------


def parse_time(value: object, field: str) -> datetime:
    """Read a point in time and convert it to UTC.

    :param value: an aware datetime, or ISO 8601 text with ``Z`` or an offset.
    :param field: the argument's name, for the error.
    :return: an aware datetime in UTC, cut to milliseconds.
    :raises MaestroQAConfigError: the value is no point in time, or has no time zone.
    """
    try:
        return to_utc(parse_moment(value, field))
    except (OverflowError, ValueError):
        pass
    raise MaestroQAConfigError(f"{field}={show(str(value))} is no time between the years 1 and 9999 in UTC.")


def parse_moment(value: object, field: str) -> datetime:
    """Read a point in time in its own time zone. Otherwise as :func:`parse_time`."""
    if isinstance(value, str):
        moment = _parse_iso(value.strip(), field)
    elif isinstance(value, datetime):
        moment = value
    else:
        raise MaestroQAConfigError(
            f"{field} must be an aware datetime or ISO 8601 text such as 2026-01-31T00:00:00Z, "
            f"got {type(value).__name__}."
        )
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise MaestroQAConfigError(
            f"{field}={show(str(value))} has no time zone. Pass an aware datetime, "
            f"or text that ends in Z or an offset, such as {{{{ data_interval_start }}}} or 2026-01-31T00:00:00Z."
        )
    return moment


def to_utc(moment: datetime) -> datetime:
    """Convert an aware datetime to UTC, cut to milliseconds.

    :raises OverflowError: it is not between the years 1 and 9999 there.
    """
    moment = moment.astimezone(timezone.utc)
    milliseconds = moment.microsecond // 1000 * 1000
    if type(moment) is datetime:
        return moment.replace(microsecond=milliseconds)
    # Rebuilt, because Airflow's datetimes are pendulum's, which lose this time zone in calculations.
    seconds = datetime(*moment.timetuple()[:6], tzinfo=timezone.utc)
    return seconds + timedelta(microseconds=milliseconds)


def require_order(start: datetime, end: datetime, *, remedy: str = "") -> None:
    """Reject a window that ends before it begins, or has no length.

    :param remedy: what else can be done, such as `` or leave one out``.
    :raises MaestroQAConfigError: it does.
    """
    if start == end:
        raise MaestroQAConfigError(
            f"The window's start and end are the same time ({format_time(start)}), so nothing lies between them. "
            f"Pass a later end{remedy}."
        )
    if start > end:
        raise MaestroQAConfigError(
            f"The window's start ({format_time(start)}) must be before its end ({format_time(end)}). "
            f"Swap them{remedy}."
        )


def parse_optional_time(value: object, field: str) -> datetime | None:
    """Read a point in time that may be blank. Otherwise as :func:`parse_time`."""
    return None if is_blank(value) else parse_time(value, field)


def is_date(value: object) -> bool:
    """Whether a value is a date without a time, or the text of one."""
    if isinstance(value, str):
        return _DATE.fullmatch(value.strip()) is not None
    return isinstance(value, date) and not isinstance(value, datetime)


def parse_midnight(value: object, field: str, *, round_up: bool = False) -> datetime:
    """Read a date or a point in time as a midnight in UTC.

    :param value: a date, an aware datetime, or ISO 8601 text of either.
    :param round_up: whether a point in time within a day means the midnight after it rather than before it.
    :raises MaestroQAConfigError: it is neither.
    """
    if isinstance(value, str) and is_date(value):
        text = value.strip()
        try:
            value = date.fromisoformat(text)
        except ValueError:
            raise MaestroQAConfigError(f"{field}={show(text)} is no date.") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), timezone.utc)
    moment = parse_time(value, field)
    midnight = datetime.combine(moment.date(), time(), timezone.utc)
    if not round_up or midnight == moment:
        return midnight
    if moment.date() == date.max:
        raise MaestroQAConfigError(f"{field}={show(str(value))} has no midnight after it. Pass an earlier time.")
    return midnight + timedelta(days=1)


def _parse_iso(text: str, field: str) -> datetime:
    # Python 3.10 reads neither a final Z nor fractions of other than 3 or 6 digits.
    plain = text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text
    if "." in plain:
        plain = _FRACTION.sub(lambda match: "." + match.group(1)[:6].ljust(6, "0"), plain, count=1)
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(plain)
    raise MaestroQAConfigError(
        f"{field}={show(text)} is no point in time. Pass an aware datetime or ISO 8601 text such as "
        "2026-01-31T00:00:00Z."
    )
