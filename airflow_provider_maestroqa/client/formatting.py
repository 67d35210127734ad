"""Sizes, durations and counts as people read them."""

from __future__ import annotations

#: Shorter than this is told as no number, and makes no rate.
MOMENT_S = 0.1


def size_text(size: float) -> str:
    """Bytes as a person reads them: ``512 bytes``, ``3.9 kB``, ``12.5 MB``, ``1,250.0 MB``."""
    if size < 1_000:
        return f"{size:.0f} bytes"
    return f"{size / 1_000:,.1f} kB" if size < 100_000 else f"{size / 1_000_000:,.1f} MB"


def duration(seconds: float) -> str:
    """Seconds as a person reads them: ``0.8 s``, ``42 s``, ``2 min 5 s``, ``1 h 4 min``."""
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


def pluralize(count: int, words: str) -> str:
    """A number of things: ``1 ticket``, ``1,200 ticket metrics``.

    :param count: how many.
    :param words: what they are, in the plural; its last letter is what makes it one.
    """
    return f"{count:,} {words[:-1] if count == 1 else words}"
