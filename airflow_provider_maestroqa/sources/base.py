"""What the readers of all sources share: rows with their numbers, and how messages show what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

#: Bytes of one line that are read at most; MaestroQA takes no record that is nearly as large.
MAX_LINE_BYTES = 8 << 20
_MAX_SHOWN = 40
_MAX_NAMES = 30
_MAX_ERROR = 100


class Row(NamedTuple):
    """One row of a source; not a dataclass, because there are millions.

    :param number: of its first line or of itself, from 1.
    :param cells: what it holds: a sequence, or a mapping where each row has names of its own.
    :param error: why it cannot be a record; empty when it can.
    """

    number: int
    cells: Any
    error: str = ""


@dataclass(frozen=True)
class BadCell:
    """What stands for a value that Python cannot hold: a bad record, and no reason to stop reading.

    :param text: the value, as far as it can be written; it is what becomes of it in the rejects object.
    :param problem: what is wrong; the text goes on from the field's name.
    """

    text: str
    problem: str


class Rows(Protocol):
    """The rows of one source."""

    @property
    def unit(self) -> str:
        """What the numbers count: ``line`` or ``row``."""

    def __iter__(self) -> Iterator[Row]:
        """Read them, one at a time."""


def show_value(value: object) -> str:
    """A cell as a message shows it: short, and with its odd characters made visible."""
    text = value if isinstance(value, str) else str(value)
    short = repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...")
    return short if isinstance(value, str) else f"{short} ({type(value).__name__})"


def unreadable_value(text: str, error: Exception | None = None) -> str:
    """The problem of a :class:`BadCell`.

    :param text: the value.
    :param error: Python's or the driver's; ``None`` for a time that is none.
    """
    message = " ".join(str(error or "").split())[:_MAX_ERROR]
    if isinstance(error, UnicodeDecodeError):
        return f"is not UTF-8; got {show_value(text)}"
    if error is None or any(word in message for word in ("date", "time", "year")):
        return f"is no time between the years 1 and 9999; got {show_value(text)}"
    return f"cannot be read ({message}); got {show_value(text)}"


def join_names(names: Sequence[str], *, quoted: bool = True) -> str:
    """Some names in one line, as a message shows them."""
    texts = [show_value(name) if quoted else name for name in names[:_MAX_NAMES]]
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(texts) + more


def first_duplicate(names: Iterable[str]) -> str | None:
    """The first name that comes twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
