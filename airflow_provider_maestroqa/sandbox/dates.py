"""Dates as the API reads and writes them."""

from __future__ import annotations

from datetime import datetime, timezone


def parse_date(value: str) -> datetime:
    """A date that the checks let pass."""
    return datetime.fromisoformat(value[:-1]).replace(tzinfo=timezone.utc)


def write_date(at: float) -> str:
    """Unix seconds as the API writes dates in its answers."""
    moment = datetime.fromtimestamp(at, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
