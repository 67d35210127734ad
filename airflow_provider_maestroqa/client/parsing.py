"""The parsers of what people, forms and templates write. A template renders everything to text."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Collection
from datetime import date, datetime, time, timedelta, timezone

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError

_WHOLE = re.compile(r"\d{1,18}", re.ASCII)
_FRACTION = re.compile(r"\.(\d{1,9})")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
#: MaestroQA knows milliseconds at best.
_MS_PER_DAY = 86_400_000
_MAX_DAYS = 100_000


def is_blank(value: object) -> bool:
    """Whether a value is absent, or what a template leaves that finds nothing.

    That is ``None``, empty text or white space, the text ``None``, and Jinja's undefined object where templates
    render to native objects. White space may be meant where a single character is asked for, such as a delimiter.
    """
    if isinstance(value, str):
        return value.strip() in ("", "None")
    # By name, because a strict undefined object raises on nearly everything, and this room does not import Jinja.
    return value is None or any(base.__module__ == "jinja2.runtime" for base in type(value).__mro__)


def parse_text(value: object, field: str, *, remedy: str = "") -> str:
    """Read text that is not blank.

    :param remedy: what to do, for the error: a sentence.
    :raises MaestroQAConfigError: it is blank, or no text.
    """
    if isinstance(value, str) and not is_blank(value):
        return value
    received = repr(value) if isinstance(value, str) or value is None else f"{type(value).__name__} {value!r}"
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
    raise MaestroQAConfigError(f"{field} must be True or False, got {value!r}.")


def parse_choice(value: object, field: str, choices: Collection[str]) -> str:
    """Read one of several words.

    :raises MaestroQAConfigError: it is none of them.
    """
    if isinstance(value, str) and value in choices:
        return value
    raise MaestroQAConfigError(f"{field} must be one of {', '.join(choices)}; got {value!r}.")


def parse_count(value: object, field: str, *, minimum: int = 0, maximum: int | None = None) -> int:
    """Read a whole number, or the text of one.

    :raises MaestroQAConfigError: it is neither, or out of range.
    """
    number = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value.strip()) else value
    if isinstance(number, int) and not isinstance(number, bool) and minimum <= number <= (maximum or number):
        return number
    allowed = f", {minimum} or more" if maximum is None else f" from {minimum} to {maximum:,}"
    raise MaestroQAConfigError(f"{field} must be a whole number{allowed}, got {value!r}.")


def parse_seconds(value: object, field: str) -> float:
    """Read a number of seconds: a number, the text of one, or a timedelta.

    :raises MaestroQAConfigError: it is none of these, or below zero.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else _number(value)
    if 0 <= seconds < math.inf:
        return seconds
    raise MaestroQAConfigError(f"{field} must be a number of seconds, 0 or more, got {value!r}.")


def parse_days(value: object, field: str) -> timedelta:
    """Read a number of days: a number, or the text of one; parts of a day are allowed.

    :raises MaestroQAConfigError: it is neither, or not above zero.
    """
    days = _number(value)
    if 1 / _MS_PER_DAY <= days <= _MAX_DAYS:
        return timedelta(milliseconds=round(days * _MS_PER_DAY))
    raise MaestroQAConfigError(f"{field} must be a number of days above zero, got {value!r}.")


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
            f"{field}={str(value)!r} has no time zone. Pass an aware datetime, "
            f"or text that ends in Z or an offset, such as {{{{ data_interval_start }}}} or 2026-01-31T00:00:00Z."
        )
    try:
        moment = moment.astimezone(timezone.utc)
    except OverflowError:
        raise MaestroQAConfigError(f"{field}={str(value)!r} is out of range: in UTC it has no year.") from None
    # Rebuilt, because Airflow's datetimes are pendulum's, which lose this time zone in calculations.
    seconds = datetime(*moment.timetuple()[:6], tzinfo=timezone.utc)
    return seconds + timedelta(microseconds=moment.microsecond // 1000 * 1000)


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
            raise MaestroQAConfigError(f"{field}={text!r} is no date.") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), timezone.utc)
    moment = parse_time(value, field)
    midnight = datetime.combine(moment.date(), time(), timezone.utc)
    return midnight + timedelta(days=1) if round_up and midnight < moment else midnight


def _parse_iso(text: str, field: str) -> datetime:
    # Python 3.10 reads neither a final Z nor fractions of other than 3 or 6 digits.
    plain = text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text
    plain = _FRACTION.sub(lambda match: "." + match.group(1)[:6].ljust(6, "0"), plain, count=1)
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(plain)
    raise MaestroQAConfigError(
        f"{field}={text!r} is no point in time. Pass an aware datetime or ISO 8601 text such as 2026-01-31T00:00:00Z."
    )
