"""Count the records of CSV files.

Line breaks inside quotes belong to the cell, so records are not lines. Counting must not cost more than copying does:
the work is done by C functions on whole blocks, and Python sees the rare bytes only.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import cast

_BOM = b"\xef\xbb\xbf"
_ALL_BUT_QUOTES_AND_BREAKS = bytes(sorted(set(range(256)) - set(b'"\n')))
# A line break right before another one; the second may be the first of the next pair.
_EMPTY_LINE = re.compile(rb"\n(?=\r?\n)")
_MAX_CELL = 1 << 30
_END_MARK = "\x1eend\x1e"
# The first bytes of a character whose last ones are missing.
_HALF_CHARACTER = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")


class RecordCounter:
    """Counts the records of a CSV file, block by block, the header not counted.

    A line break counts when an even number of quotes came before it. Empty lines are no records; a last record
    without a line break is one. Stray quotes can mislead this rule: when the quotes of a file do not add up,
    ``is_sure`` is ``False`` at its end, and :func:`count_exactly` is needed.
    """

    def __init__(self) -> None:
        self._line_ends = 0
        self._in_quotes = False
        self._at_line_start = True
        self._bom_start = b""
        self._started = False

    def add(self, block: bytes) -> None:
        """Count the next bytes of the file.

        :param block: any number of bytes; cells, quotes and line breaks may be cut anywhere.
        """
        if not self._started:
            block = self._bom_start + block
            if len(block) < len(_BOM) and _BOM.startswith(block):
                self._bom_start = block
                return
            self._started = True
            block = block.removeprefix(_BOM)
        if block:
            self._count(block)

    @property
    def is_sure(self) -> bool:
        """Whether every quote that was opened has been closed."""
        return not self._in_quotes

    @property
    def rows(self) -> int:
        """Records so far, without the header."""
        open_record = 0 if self._at_line_start else 1
        return max(0, self._line_ends + open_record - 1)

    def _count(self, block: bytes) -> None:
        in_quotes = self._in_quotes
        rest = block.translate(None, _ALL_BUT_QUOTES_AND_BREAKS).replace(b'""', b"")
        if b'"' in rest:
            # Every second piece lies outside quotes.
            pieces = rest.split(b'"')
            self._line_ends += sum(map(len, pieces[1::2] if in_quotes else pieces[::2]))
            self._in_quotes = in_quotes ^ (len(pieces) % 2 == 0)
        elif not in_quotes:
            self._line_ends += len(rest)
        self._line_ends -= self._empty_lines(block, in_quotes)
        stripped = block.rstrip(b"\r")
        if stripped:
            self._at_line_start = not self._in_quotes and stripped.endswith(b"\n")

    def _empty_lines(self, block: bytes, in_quotes: bool) -> int:
        empty = 0
        if self._at_line_start and block.lstrip(b"\r").startswith(b"\n"):
            empty = 1
        checked = 0
        for pair in _EMPTY_LINE.finditer(block):
            at = pair.start()
            in_quotes ^= block.count(b'"', checked, at) % 2 == 1
            checked = at
            empty += not in_quotes
        return empty


def count_exactly(blocks: Iterable[bytes]) -> int:
    """Count the records of a CSV file as Python's own reader sees them; slow, and right about stray quotes.

    :return: the number of records without the header.
    """
    return max(0, sum(1 for record in _parse(_lines(blocks)) if record) - 1)


def seems_cut_off(blocks: Iterable[bytes]) -> bool:
    """Whether a CSV file ends within quotes, within a character, or within a record shorter than the header."""
    header: list[str] | None = None
    last: list[str] = []
    tail = b""

    def watched() -> Iterator[bytes]:
        nonlocal tail
        for block in blocks:
            tail = (tail + block)[-4:]
            yield block

    try:
        # The mark is a record of its own, unless a quote is open.
        for record in _parse(chain(_lines(watched()), [_END_MARK])):
            if record == [_END_MARK]:
                break
            header, last = header or record, record or last
        else:
            return True
    except csv.Error:
        return False
    if tail.endswith((b"\n", b"\r")):
        return False
    return bool(_HALF_CHARACTER.search(tail)) or len(last) < len(header or ())


def _lines(blocks: Iterable[bytes]) -> Iterable[str]:
    file = io.BufferedReader(cast("io.RawIOBase", _Blocks(iter(blocks))))
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _parse(lines: Iterable[str]) -> Iterator[list[str]]:
    before = csv.field_size_limit(_MAX_CELL)
    try:
        yield from csv.reader(lines)
    finally:
        csv.field_size_limit(before)


class _Blocks(io.RawIOBase):
    """A readable file made of blocks."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = block
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
