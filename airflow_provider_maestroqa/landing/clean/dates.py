"""Dates as export files spell them: ``2021-03-04 10:00:00.123`` (once its guard is off) and ISO 8601.

A date that names no time zone is UTC. A day without a time is its midnight, so that one moment has one spelling:
``date_reported_as`` is part of the natural keys.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_SPELLINGS = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](?P<hour>[01]\d|2[0-3]):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6})0{0,3})?)?"
    r" ?(?:[Zz]|(?P<ahead>[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?))?)?",
    re.ASCII,
)


def as_iso(text: str) -> str | None:
    """A date in UTC, as ISO 8601 spells it: ``2021-03-04T10:00:00Z``.

    Milliseconds follow only where there are any, microseconds likewise.

    :param text: a date in any of the known spellings.
    :return: the date, or ``None`` when it cannot be read.
    """
    # Nearly all dates of an export have this shape, and this is a third of what the rest would cost.
    if len(text) == 23 and text[10] == " " and text[19] == "." and text[7] == "-" and text[20:].isdigit():
        try:
            datetime.fromisoformat(text)
        except ValueError:
            return None
        return f"{text[:10]}T{text[11:19]}Z" if text[20:] == "000" else f"{text[:10]}T{text[11:]}Z"
    found = _SPELLINGS.fullmatch(text)
    return None if found is None else _in_utc(found)


def _in_utc(found: re.Match[str]) -> str | None:
    day, hour, minute, second, fraction, ahead = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day} {hour or '00'}:{minute or '00'}:{second or '00'}")
        if ahead is not None:
            digits = ahead[1:].replace(":", "").ljust(4, "0")
            shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
            moment += shift if ahead[0] == "-" else -shift
    except (ValueError, OverflowError):
        return None
    return f"{moment.isoformat()}{_short(fraction or '')}Z"


def _short(fraction: str) -> str:
    """A fraction of a second with no, three or six digits."""
    digits = fraction.rstrip("0")
    if not digits:
        return ""
    return "." + digits.ljust(3 if len(digits) <= 3 else 6, "0")
