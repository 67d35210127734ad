"""Read an export's CSV file as records, block by block, and refuse what is no table.

Python's own reader parses it, and is given lines that end with a line feed, so that every kind of line break inside
quotes stays in its cell. Memory is bounded by the block, and by the largest cell that is allowed.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import NoReturn

from airflow_provider_maestroqa.client.errors import MaestroQADataError

#: Characters that a cell may have.
LARGEST_CELL = 4 << 20
#: Bytes that are parsed at once: as fast as any, because what becomes of them fits the processor's own cache.
_PIECE = 1 << 17
_SHOWN = 40
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "pipes"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_REMEDY = "Nothing was published. With clean=False, file_format='csv.gz' or 'csv' lands the file as it is."


@dataclass(frozen=True)
class Chunk:
    """Some records of a file that follow each other.

    :param records: all have as many cells as the header.
    :param lines: how many lines of the file lie before them.
    :param read: the same, with the empty lines that lie between.
    """

    records: Sequence[Sequence[str]]
    lines: int
    read: Sequence[Sequence[str]]

    def line_of(self, index: int) -> int:
        """The line of the file, counted from 1, in which a record begins."""
        at = [place for place, record in enumerate(self.read) if record][index]
        return self.lines + _lines_of(self.read[:at]) + 1


class Records:
    """The records of one CSV file.

    :param name: of the file, for messages.
    :param blocks: its bytes, in order.
    :raises MaestroQADataError: it has no header, or one that cannot be used.
    """

    def __init__(self, name: str, blocks: Iterable[bytes]) -> None:
        self.name = name
        self._blocks = blocks
        self._begun = 0
        self._ended = False
        self._decoded = 0
        self._lines = 0
        texts = (io.StringIO(text, newline="\n") for text in self._texts())
        self._reader = csv.reader(chain(chain.from_iterable(texts), self._end()))
        self.header = self._read_header()

    def chunks(self) -> Iterator[Chunk]:
        """The records behind the header, about one block of them at a time.

        :raises MaestroQADataError: names the line that cannot be read.
        """
        width = len(self.header)
        while True:
            lines = self._lines
            read = self._read_block()
            if not read:
                return
            widths = set(map(len, read))
            if widths == {width}:
                yield Chunk(read, lines, read)
                continue
            for place, record in enumerate(read):
                if record and len(record) != width:
                    line = lines + _lines_of(read[:place]) + 1
                    self.refuse(line, f"has {len(record)} cells, and the header has {width}")
            records = [record for record in read if record]
            if records:
                yield Chunk(records, lines, read)

    def refuse(self, line: int, what: str, remedy: str = _REMEDY) -> NoReturn:
        """Say which line of the file cannot be used, and what to do.

        :raises MaestroQADataError: always.
        """
        raise MaestroQADataError(f"The export's file {self.name!r} cannot be cleaned: line {line} {what}. {remedy}")

    def _read_header(self) -> tuple[str, ...]:
        header: list[str] = []
        while not header:
            line = self._lines + 1
            read = self._read_block(most=1)
            if not read:
                self.refuse(1, "should be the header, and the file is empty")
            (header,) = read
        if len(header) == 1:
            for sign, called in _OTHER_DELIMITERS.items():
                if sign in header[0]:
                    self.refuse(line, f"is the header, and {called} part its columns, not commas")
        if any("\0" in name for name in header):
            self.refuse(line, "is the header, and holds NUL characters, as UTF-16 text does")
        doubled = next((name for name in header if header.count(name) > 1), None)
        if doubled is not None:
            self.refuse(line, f"is the header, and has the column {shown(doubled)} more than once")
        return tuple(header)

    def _read_block(self, most: int = 0) -> list[list[str]]:
        """Read records until a further block was begun; none at the end of the file."""
        read: list[list[str]] = []
        begun, trouble = self._begun, ""
        with _large_cells():
            try:
                for record in self._reader:
                    read.append(record)
                    if begun != self._begun or len(read) == most:
                        break
                else:
                    begun = self._begun
            except csv.Error as error:
                trouble = _explain(error)
        if not trouble and self._ended and begun != self._begun:
            # The reader takes the end of the file for the end of an open quote, and gives what it has.
            trouble = "opens a quote that is never closed"
            read.pop()
        if trouble:
            self.refuse(self._lines + _lines_of(read) + 1, trouble)
        self._lines = self._reader.line_num
        return read

    def _texts(self) -> Iterator[str]:
        """The file as text, in pieces that end where a line ends."""
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        rest = ""
        for block in chain(_pieces(self._blocks), [b""]):
            text = rest + self._decode(decoder, block)
            end = text.rfind("\n") + 1
            rest = text[end:]
            if len(rest) > LARGEST_CELL:
                self.refuse(self._decoded + 1, f"has more than {LARGEST_CELL:,} characters")
            if end:
                self._begun += 1
                yield text[:end]
        if rest:
            self._begun += 1
            yield rest

    def _decode(self, decoder: codecs.IncrementalDecoder, block: bytes) -> str:
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line = self._decoded + error.object.count(b"\n", 0, error.start) + 1
            trouble = f"is not UTF-8 (byte {error.object[error.start]:#04x})"
            if self._decoded == 0 and error.object.startswith(_UTF16):
                trouble = "is UTF-16 and not UTF-8"
        else:
            self._decoded += block.count(b"\n")
            return text
        self.refuse(line, trouble)

    def _end(self) -> Iterator[str]:
        """Nothing; asked for it, the reader has come to the end of the file."""
        self._begun += 1
        self._ended = True
        yield from ()


def shown(text: str) -> str:
    """A cell as a message may show it: short, and with its odd characters made visible."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


@contextmanager
def _large_cells() -> Iterator[None]:
    """Python's limit for cells holds for the whole process: others get theirs back."""
    before = csv.field_size_limit(LARGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _pieces(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), _PIECE):
            yield block[start : start + _PIECE]


def _lines_of(records: Sequence[Sequence[str]]) -> int:
    """How many lines of the file some records take up."""
    return sum(1 + sum(cell.count("\n") for cell in record) for record in records)


def _explain(error: csv.Error) -> str:
    text = str(error)
    if "field limit" in text:
        return f"holds a cell of more than {LARGEST_CELL:,} characters, or opens a quote that is never closed"
    if "new-line character" in text:
        return "holds a carriage return outside of quotes"
    return "holds a NUL character" if "NUL" in text else "cannot be parsed"
