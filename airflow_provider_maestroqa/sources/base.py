"""What every reader of a source gives: rows, each with the place where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

#: Bytes of one line that are read at most; MaestroQA takes no record that is nearly as large.
LARGEST_LINE = 8 << 20


class Row(NamedTuple):
    """One row of a source; not a dataclass, because there are millions.

    :param number: of its first line or of itself, from 1.
    :param cells: what it holds: a sequence, or a mapping where each row has names of its own.
    :param problem: why it cannot be a record; empty when it can.
    """

    number: int
    cells: Any
    problem: str = ""


class Rows(Protocol):
    """The rows of one source."""

    @property
    def unit(self) -> str:
        """What the numbers count: ``line`` or ``row``."""

    def __iter__(self) -> Iterator[Row]:
        """Read them, one at a time."""
