"""CSV files as rows."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from typing import NoReturn

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.sources.base import LARGEST_LINE, Row
from airflow_provider_maestroqa.sources.coercion import shown
from airflow_provider_maestroqa.sources.files import Opened

#: Characters that a cell may have.
LARGEST_CELL = 4 << 20
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class CsvRows:
    """The rows of a CSV file below its header.

    A cell in quotes may hold line breaks. Lines end with a line feed, or a carriage return and one; empty ones
    are passed over.

    :param opened: the file.
    :param delimiter: what parts the cells.
    :raises MaestroQADataError: it has no header, or one that another delimiter parts.
    """

    unit = "line"

    def __init__(self, opened: Opened, *, delimiter: str) -> None:
        self._opened = opened
        self._delimiter = delimiter
        self._lines = 0
        self._reader = csv.reader(self._texts(), delimiter=delimiter, strict=True)
        self.columns = self._header()

    def __iter__(self) -> Iterator[Row]:
        width = len(self.columns)
        while True:
            number = self._lines + 1
            cells = self._next()
            if cells is None:
                return
            if len(cells) == width:
                yield Row(number, cells)
            elif cells:
                yield Row(
                    number,
                    cells,
                    f"the row has {len(cells)} cells, and the header has {width}; look for a {self._called} or a "
                    "quote that does not belong there",
                )

    @property
    def _called(self) -> str:
        return _DELIMITERS.get(self._delimiter, f"{self._delimiter!r}s")[:-1]

    def _header(self) -> tuple[str, ...]:
        cells: list[str] | None = []
        while not cells:
            cells = self._next()
            if cells is None:
                self._refuse(1, "should be the header, and the file is empty. Write the names of the columns there")
        if len(cells) == 1:
            for sign, called in _DELIMITERS.items():
                if sign in cells[0] and sign != self._delimiter:
                    self._refuse(
                        self._lines,
                        f"is the header, and {called} seem to part its columns, not {self._called}s: "
                        f"{shown(cells[0])}. Set delimiter={sign!r}",
                    )
        return tuple(cells)

    def _next(self) -> list[str] | None:
        """The next row; empty for an empty line, ``None`` at the end."""
        start = self._lines + 1
        # The limit holds for the whole process: others get theirs back.
        before = csv.field_size_limit(LARGEST_CELL)
        try:
            return next(self._reader, None)
        except csv.Error as error:
            problem = str(error)
        finally:
            csv.field_size_limit(before)
        self._refuse(start, self._explain(problem))

    def _explain(self, problem: str) -> str:
        if "unexpected end of data" in problem:
            return "opens a quote that is never closed. Close it, or double it if it is part of the text"
        if "expected after" in problem:
            return (
                f"has a quote within quotes, or text after a closing quote (seen in line {self._lines}). Write a "
                "quote within quotes twice"
            )
        if "field larger" in problem:
            return f"has a cell of more than {LARGEST_CELL:,} characters. Is there a quote that is never closed?"
        if "new-line character" in problem:
            return "has a carriage return outside of quotes. Lines must end with a line feed"
        return f"cannot be read as CSV: {problem}"

    def _texts(self) -> Iterator[str]:
        while line := self._opened.readline(LARGEST_LINE + 1):
            self._lines += 1
            if len(line) > LARGEST_LINE:
                self._refuse(self._lines, f"has more than {LARGEST_LINE:,} bytes. Is it CSV?")
            yield self._decoded(line)

    def _decoded(self, line: bytes) -> str:
        if self._lines == 1:
            if line.startswith(_UTF16):
                self._refuse(1, "begins as UTF-16. Write the file in UTF-8")
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            problem = f"is not UTF-8: its byte {error.start + 1} is {line[error.start]:#04x}"
        self._refuse(self._lines, f"{problem}. Write the file in UTF-8")

    def _refuse(self, line: int, what: str) -> NoReturn:
        raise MaestroQADataError(f"{self._opened.name} line {line} {what}.")
