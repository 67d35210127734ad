"""Dates as files and databases write them: ``2021-03-04 10:00:00.123`` and ISO 8601."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_DATE = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[T ]((?:[01]\d|2[0-3]):\d\d(?::\d\d)?)(?:\.(\d{1,9}))?(?:\s*(Z|UTC|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?))?)?",
    re.ASCII | re.IGNORECASE,
)
_FINER_THAN_MICROSECONDS = re.compile(r"\.\d{6}\d*[1-9]")


def parse_date(text: str) -> datetime | None:
    """Read a date with or without a time, fraction of a second (cut to microseconds) and time zone.

    :return: aware only where the text names a time zone; ``None`` when it cannot be read.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    day, time, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day} {time or '00:00'}")
    except ValueError:
        return None
    moment += timedelta(microseconds=int((fraction or "0")[:6].ljust(6, "0")))
    if zone is None:
        return moment
    if zone.upper() in {"Z", "UTC"}:
        return moment.replace(tzinfo=timezone.utc)
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return moment.replace(tzinfo=timezone(-offset if zone[0] == "-" else offset))


def as_iso(text: str) -> str | None:
    """A date in UTC, in ISO 8601: ``2021-03-04T10:00:00Z``.

    Milliseconds follow only where there are any, microseconds likewise. A date that names no time zone is UTC. A day
    without a time is its midnight, so that one moment has one spelling: ``date_reported_as`` is part of natural keys.

    :return: the date, or ``None`` when it cannot be read without a loss.
    """
    # Nearly all dates of an export have this shape, and this is a third of what the rest would cost.
    if len(text) == 23 and text[10] == " " and text[19] == "." and text[7] == "-" and text[20:].isdigit():
        try:
            datetime.fromisoformat(text)
        except ValueError:
            return None
        return f"{text[:10]}T{text[11:19]}Z" if text[20:] == "000" else f"{text[:10]}T{text[11:]}Z"
    moment = parse_date(text)
    if moment is None or _FINER_THAN_MICROSECONDS.search(text):
        return None
    try:
        moment = moment.astimezone(timezone.utc) if moment.tzinfo else moment
    except OverflowError:
        return None
    unit = "microseconds" if moment.microsecond % 1000 else "milliseconds" if moment.microsecond else "seconds"
    return f"{moment.replace(tzinfo=None).isoformat(timespec=unit)}Z"
