"""Times as MaestroQA writes them; sizes, durations and counts as people read them."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

#: A shorter duration is not written as a number, and makes no rate.
MOMENT_S = 0.1


def format_time(moment: datetime) -> str:
    """Write an aware datetime as MaestroQA does: UTC, ``YYYY-MM-DDTHH:MM:SSZ``, ``.fff`` for milliseconds only."""
    moment = moment.astimezone(timezone.utc)
    # Not strftime, which writes the year 800 as "800" on some systems.
    text = moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
    return f"{text.removesuffix('.000')}Z"


def format_size(size: float) -> str:
    """Write a number of bytes: ``512 bytes``, ``3.9 kB``, ``12.5 MB``, ``1,250.0 MB``."""
    if size < 1_000:
        return f"{size:.0f} bytes"
    return f"{size / 1_000:,.1f} kB" if size < 100_000 else f"{size / 1_000_000:,.1f} MB"


def format_duration(seconds: float) -> str:
    """Write a number of seconds: ``0.8 s``, ``42 s``, ``2 min 5 s``, ``1 h 4 min``."""
    whole = round(seconds)
    if 0 < seconds < MOMENT_S:
        return f"less than {MOMENT_S} s"
    if 0 < seconds < 9.95:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def format_number(number: float, digits: int = 3) -> str:
    """Write a number as people and Python read it, never as ``1.05e+03``.

    :param number: any finite number.
    :param digits: how many digits to keep behind the leading zeros; those before the point are always kept.
    """
    rounded = float(f"{number:.{digits}g}")
    if abs(rounded) >= 10**digits:
        return f"{number:.0f}"
    text = f"{Decimal(repr(rounded)):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def pluralize(count: int, plural: str) -> str:
    """Write a number of things: ``1 ticket``, ``1,200 ticket metrics``.

    :param count: how many.
    :param plural: what they are, in the plural; the singular lacks its last letter.
    """
    return f"{count:,} {plural[:-1] if count == 1 else plural}"
