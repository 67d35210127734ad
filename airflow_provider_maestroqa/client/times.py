"""Points in time as MaestroQA writes them: UTC, ``YYYY-MM-DDTHH:MM:SSZ``, with ``.fff`` only for milliseconds."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError

_FRACTION = re.compile(r"\.(\d{1,9})")


def parse_time(value: object, field: str) -> datetime:
    """Read a point in time and bring it to UTC.

    :param value: an aware datetime, or ISO 8601 text with ``Z`` or an offset.
    :param field: the argument's name, for the error.
    :return: an aware datetime in UTC, cut to milliseconds.
    :raises MaestroQAConfigError: the value is no point in time, or says no time zone.
    """
    if isinstance(value, str):
        moment = _parse_text(value.strip(), field)
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
    moment = moment.astimezone(timezone.utc)
    # Taken apart, because Airflow's datetimes are pendulum's, which lose this time zone in calculations.
    whole = datetime(*moment.timetuple()[:6], tzinfo=timezone.utc)
    return whole + timedelta(microseconds=moment.microsecond // 1000 * 1000)


def format_time(moment: datetime) -> str:
    """Write an aware datetime as MaestroQA wants it."""
    moment = moment.astimezone(timezone.utc)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    milliseconds = moment.microsecond // 1000
    return f"{text}.{milliseconds:03d}Z" if milliseconds else f"{text}Z"


def _parse_text(text: str, field: str) -> datetime:
    # Python 3.10 reads neither a final Z nor fractions of other than 3 or 6 digits.
    plain = text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text
    plain = _FRACTION.sub(lambda found: "." + found.group(1)[:6].ljust(6, "0"), plain, count=1)
    try:
        return datetime.fromisoformat(plain)
    except ValueError:
        pass
    raise MaestroQAConfigError(
        f"{field}={text!r} is no point in time. Pass an aware datetime or ISO 8601 text such as 2026-01-31T00:00:00Z."
    )
