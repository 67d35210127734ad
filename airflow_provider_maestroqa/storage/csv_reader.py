"""Read CSV files as records, block by block: those that land and those that are pushed.

Python's own reader parses them. It is given lines that end with a line feed, so that every kind of line break inside
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

from airflow_provider_maestroqa.client.errors import MaestroQADataError

#: Characters that a cell may have.
MAX_CELL = 4 << 20
#: Characters that a line of the file may have.
MAX_LINE = 8 << 20
#: Bytes that are parsed at once: as fast as any, because what becomes of them fits the processor's own cache.
BLOCK = 1 << 17
_MAX_SHOWN = 40
#: Usual delimiters, by their names.
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Chunk:
    """Some records of a file that follow each other.

    :param records: without empty lines.
    :param lines_before: how many lines of the file lie before them.
    :param parsed: the same records, with an empty one for each empty line between them.
    """

    records: Sequence[Sequence[str]]
    lines_before: int
    parsed: Sequence[Sequence[str]]

    def line_of(self, index: int) -> int:
        """The line of the file, counted from 1, in which a record begins."""
        at = [place for place, record in enumerate(self.parsed) if record][index]
        return self.lines_before + _lines_in(self.parsed[:at]) + 1


class CsvReader:
    """The records of one CSV file in UTF-8. Empty lines are skipped.

    :param blocks: the bytes of the file, in order.
    :param subject: what messages begin with, such as the file's name.
    :param remedy: the last sentence of every message; by default a message says what to change in the file.
    :param delimiter: separates the cells.
    :param strict: whether text behind a closing quote is an error; otherwise it is part of the cell.
    :param may_be_empty: whether a file without any record has no columns; otherwise it is an error.
    :param header: of a file whose header was read by another reader; ``blocks`` begins with a record behind it.
    :param lines_before: how many lines of the file lie before ``blocks``.
    :raises MaestroQADataError: it has no header, or one with another delimiter.
    """

    def __init__(
        self,
        blocks: Iterable[bytes],
        subject: str,
        *,
        remedy: str = "",
        delimiter: str = ",",
        strict: bool = False,
        may_be_empty: bool = False,
        header: tuple[str, ...] | None = None,
        lines_before: int = 0,
    ) -> None:
        self._pieces = _pieces(blocks)
        #: The one of them that was read last.
        self._piece = b""
        self._strict = strict
        self._subject = subject
        self._remedy = remedy
        self._delimiter = delimiter
        self._texts_begun = 0
        self._may_be_empty = may_be_empty
        self._at_end = False
        self._lines_before = self._lines_decoded = self._lines_parsed = lines_before
        self._begins_file = header is None
        self._error: MaestroQADataError | None = None
        texts = (io.StringIO(text, newline="\n") for text in self._texts())
        lines = chain(chain.from_iterable(texts), self._end())
        self._reader = csv.reader(lines, delimiter=delimiter, strict=strict)
        self.header = self._read_header() if header is None else header
        #: The line of the file in which the header ends.
        self.header_line = self._lines_parsed

    def unread_blocks(self) -> Iterator[bytes]:
        """The bytes behind the header, in place of the records. Nothing else may be read of this reader then."""
        # What was carried over from the piece before it has no line break, so the header ends in this one.
        start = 0
        for _ in range(self.header_line - self._lines_decoded):
            start = self._piece.find(b"\n", start) + 1 or len(self._piece)
        yield self._piece[start:]
        yield from self._pieces

    def read_on(self, blocks: Iterable[bytes], lines_before: int) -> CsvReader:
        """A reader of the rest of the file.

        :param blocks: begin with a record behind the header.
        :param lines_before: how many lines of the file lie before them.
        """
        return CsvReader(
            blocks,
            self._subject,
            remedy=self._remedy,
            delimiter=self._delimiter,
            strict=self._strict,
            header=self.header,
            lines_before=lines_before,
        )

    def rows(self) -> Iterator[tuple[int, Sequence[str]]]:
        """The records behind the header, each with the line in which it begins; they may have any number of cells.

        :raises MaestroQADataError: names the line that cannot be read, after all records before it.
        """
        for lines_before, parsed in self._read_all():
            line = lines_before + 1
            has_breaks = self._lines_parsed - lines_before != len(parsed)
            for record in parsed:
                if record:
                    yield line, record
                line += 1 + "".join(record).count("\n") if has_breaks else 1

    def chunks(self) -> Iterator[Chunk]:
        """The records behind the header, about one block of them at a time, all with as many cells as the header.

        :raises MaestroQADataError: names the line that cannot be read, or has another number of cells.
        """
        width = len(self.header)
        for lines_before, parsed in self._read_all():
            if set(map(len, parsed)) == {width}:
                yield Chunk(parsed, lines_before, parsed)
                continue
            for place, record in enumerate(parsed):
                if record and len(record) != width:
                    line = lines_before + _lines_in(parsed[:place]) + 1
                    raise self.error(line, f"has {len(record)} cells, but the header has {width}")
            records = [record for record in parsed if record]
            if records:
                yield Chunk(records, lines_before, parsed)

    def error(self, line: int, problem: str, advice: str = "", *, remedy: str | None = None) -> MaestroQADataError:
        """The error that names a line and what is wrong with it.

        :param advice: what to do about it, where there is no ``remedy``.
        :param remedy: in place of the reader's own.
        """
        last = (self._remedy if remedy is None else remedy) or advice
        return MaestroQADataError(f"{self._subject} line {line} {problem}. {last}".rstrip())

    def _read_header(self) -> tuple[str, ...]:
        header: list[str] = []
        while not header:
            parsed = self._read(limit=1)
            if not parsed and self._may_be_empty:
                return ()
            if not parsed:
                raise self.error(
                    1, "should be the header, but the file is empty", "Write the names of the columns there."
                )
            (header,) = parsed
        line = self._lines_parsed
        if len(header) == 1:
            for sign, name in DELIMITERS.items():
                if sign in header[0] and sign != self._delimiter:
                    ours = DELIMITERS.get(self._delimiter, f"{self._delimiter!r}s")
                    raise self.error(
                        line,
                        f"is the header, and {name} seem to separate its columns, not {ours}: {shown(header[0])}",
                        f"Set delimiter={sign!r}.",
                    )
        if any("\0" in name for name in header):
            raise self.error(
                line, "is the header, and holds NUL characters, as UTF-16 text does", "Write the file in UTF-8."
            )
        return tuple(header)

    def _read_all(self) -> Iterator[tuple[int, list[list[str]]]]:
        while True:
            lines_before = self._lines_parsed
            parsed = self._read()
            if not parsed:
                return
            yield lines_before, parsed

    def _read(self, limit: int = 0) -> list[list[str]]:
        """Read records until a further piece of text was begun; none at the end of the file."""
        if self._error is not None:
            raise self._error
        parsed: list[list[str]] = []
        begun, failure = self._texts_begun, ("", "")
        with _large_cells():
            try:
                for record in self._reader:
                    parsed.append(record)
                    if begun != self._texts_begun or len(parsed) == limit:
                        break
                else:
                    begun = self._texts_begun
            except csv.Error as error:
                failure = self._explain(str(error))
            except MaestroQADataError as error:
                self._error = error
        if self._error is None and not failure[0] and self._at_end and begun != self._texts_begun:
            # A reader that is not strict takes the end of the file for the end of an open quote.
            failure = self._explain("unexpected end of data")
            parsed.pop()
        if failure[0]:
            self._error = self.error(self._lines_parsed + _lines_in(parsed) + 1, *failure)
        if self._error is not None:
            if not parsed:
                raise self._error
            self._lines_parsed += _lines_in(parsed)
        else:
            self._lines_parsed = self._lines_before + self._reader.line_num
        return parsed

    def _texts(self) -> Iterator[str]:
        """The file as text, in pieces that end where a line ends."""
        decoder = codecs.getincrementaldecoder("utf-8-sig" if self._begins_file else "utf-8")()
        rest = ""
        for block in chain(self._pieces, [b""]):
            self._piece = block
            failure: UnicodeDecodeError | None = None
            try:
                text = rest + decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                failure = error
                text = rest + error.object[: error.start].decode()
            end = text.rfind("\n") + 1
            rest = text[end:]
            if end:
                self._texts_begun += 1
                yield text[:end]
            if failure is not None:
                raise self._not_utf8(failure, rest)
            self._lines_decoded += block.count(b"\n")
            if len(rest) > MAX_LINE:
                raise self.error(self._lines_decoded + 1, f"has more than {MAX_LINE:,} characters", "Is it CSV?")
        if rest:
            self._texts_begun += 1
            yield rest

    def _not_utf8(self, error: UnicodeDecodeError, before: str) -> MaestroQADataError:
        """The error for a byte that no text has.

        :param before: what stands before it in its line.
        """
        line = self._lines_decoded + error.object.count(b"\n", 0, error.start) + 1
        problem = f"is not UTF-8: its byte {len(before.encode()) + 1} is {error.object[error.start]:#04x}"
        if self._lines_decoded == 0 and error.object.startswith(_UTF16):
            problem = "is UTF-16, not UTF-8"
        return self.error(line, problem, "Write the file in UTF-8.")

    def _end(self) -> Iterator[str]:
        """Nothing; asked for it, the reader has come to the end of the file."""
        self._texts_begun += 1
        self._at_end = True
        yield from ()

    def _explain(self, error: str) -> tuple[str, str]:
        """What is wrong with a line that cannot be parsed, and what to do about it."""
        if "unexpected end of data" in error:
            return "opens a quote that is never closed", "Close it, or double it if it is part of the text."
        if "expected after" in error:
            line = self._lines_before + self._reader.line_num
            return (
                f"has a quote within quotes, or text after a closing quote (seen in line {line})",
                "Write a quote within quotes twice.",
            )
        if "field limit" in error:
            return f"has a cell of more than {MAX_CELL:,} characters, or opens a quote that is never closed", ""
        if "new-line character" in error:
            return "has a carriage return outside of quotes", "Lines must end with a line feed."
        return "has a NUL character" if "NUL" in error else f"cannot be parsed as CSV: {error}", ""


def shown(text: str) -> str:
    """A cell as a message may show it: short, and with its odd characters made visible."""
    return repr(text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...")


@contextmanager
def _large_cells() -> Iterator[None]:
    """Python's limit for cells holds for the whole process: others get theirs back."""
    before = csv.field_size_limit(MAX_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _pieces(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), BLOCK):
            yield block[start : start + BLOCK]


def _lines_in(records: Sequence[Sequence[str]]) -> int:
    """How many lines of the file some records take up."""
    return len(records) + sum("".join(record).count("\n") for record in records)
