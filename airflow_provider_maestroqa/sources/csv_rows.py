"""CSV files as rows."""

from __future__ import annotations

import codecs
import json
import logging
import re
from collections.abc import Iterator
from contextlib import suppress

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.client.parsing import is_blank, show
from airflow_provider_maestroqa.sources.base import Row
from airflow_provider_maestroqa.sources.files import OpenFile, plain_name
from airflow_provider_maestroqa.storage.csv_reader import DELIMITERS, CsvReader

log = logging.getLogger(__name__)

#: The line by which Excel is told the delimiter, in front of the header.
_SEP_LINE = re.compile(r'\ufeff?"?sep=([^"\r\n])"?[;,\t]*\r?\n', re.IGNORECASE)
_MAX_LOGGED = 10


class CsvRows:
    """The rows of a CSV file below its header.

    A cell in quotes may hold line breaks. Lines end with a line feed, or a carriage return and a line feed; empty
    lines are skipped, and so is a line that repeats the header. The file is UTF-8 or UTF-16.

    :param file: the file.
    :param delimiter: separates the cells; ``None`` goes by a line ``sep=;`` in front of the header, or the name.
    :param null_values: cells that are absent.
    :raises MaestroQADataError: it has no header, or one with another delimiter, or is no text.
    """

    unit = "line"

    def __init__(
        self, file: OpenFile, *, delimiter: str | None = None, null_values: frozenset[str] = frozenset()
    ) -> None:
        file.check_is_text()
        self._file = file
        self._null_values = null_values
        start = file.peek()
        encoding = _utf16(start)
        sep_line = _SEP_LINE.match(start.decode(encoding or "utf-8", "replace"))
        separator = delimiter or (sep_line[1] if sep_line else detect_delimiter(file.name))
        blocks = file.blocks() if encoding is None else _to_utf8(file, encoding)
        if sep_line is not None:
            blocks = _without_sep_line(blocks)
        self._reader = CsvReader(blocks, file.name, delimiter=separator, strict=True)
        self._delimiter = DELIMITERS.get(separator, f"{separator!r}s")[:-1]
        self.columns = self._reader.header

    def __iter__(self) -> Iterator[Row]:
        width, header, repeated = len(self.columns), list(self.columns), 0
        for line, cells in self._reader.rows():
            if len(cells) != width:
                yield Row(
                    line,
                    cells,
                    f"the row has {len(cells)} cells, but the header has {width}; look for a {self._delimiter} or a "
                    "quote that does not belong there",
                )
            elif cells == header:
                repeated += 1
                if repeated <= _MAX_LOGGED:
                    log.warning("%s line %d repeats the header; it is skipped.", self._file.name, line)
            elif self._null_values:
                yield Row(line, [None if cell in self._null_values else cell for cell in cells])
            else:
                yield Row(line, cells)
        # The last rows may have waited long for those before them.
        self._file.check_unchanged()


def parse_null_values(value: object) -> frozenset[str]:
    """Read the cells that are absent: a text, a list of texts, or the JSON of one.

    :raises MaestroQAConfigError: it is none of these.
    """
    if is_blank(value):
        return frozenset()
    texts = value
    if isinstance(value, str):
        texts = [value]
        with suppress(ValueError):
            texts = json.loads(value) if value.lstrip().startswith("[") else texts
    if isinstance(texts, (list, tuple, set, frozenset)) and all(isinstance(text, str) for text in texts):
        return frozenset(texts)
    raise MaestroQAConfigError(f"null_values must be a list of texts such as ['NULL', 'n/a'], got {show(value)}.")


def _utf16(start: bytes) -> str | None:
    """The kind of UTF-16 that a file is in; ``None`` for UTF-8. Without a mark, zeros show it."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    first, second = start[0:200:2], start[1:200:2]
    if len(second) > 1 and not first.count(0) and 2 * second.count(0) > len(second):
        return "utf-16-le"
    return "utf-16-be" if len(first) > 1 and not second.count(0) and 2 * first.count(0) > len(first) else None


def _to_utf8(file: OpenFile, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in file.blocks():
            yield decoder.decode(block).encode()
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        problem = error.reason
    else:
        return
    raise MaestroQADataError(f"{file.name} is UTF-16 and damaged ({problem}). Write it again, in UTF-8.")


def _without_sep_line(blocks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(blocks, b"")
    # An empty line is left, so that the numbers of the lines stay.
    yield b"\n" + first[first.find(b"\n") + 1 :]
    yield from blocks


def detect_delimiter(name: str, choice: object = None) -> str:
    """Find out what separates the cells of a CSV file.

    :param name: the file's name; ``.tsv`` has tabs, everything else commas.
    :param choice: what the user passes; blank goes by the name.
    :raises MaestroQAConfigError: it is not one character.
    """
    if choice == "\\t":
        return "\t"
    # Before what is blank, because a space may separate cells.
    if isinstance(choice, str) and len(choice) == 1 and choice not in '"\r\n\0':
        return choice
    if choice not in ("\r", "\n") and is_blank(choice):
        return "\t" if plain_name(name).endswith(".tsv") else ","
    raise MaestroQAConfigError(f"delimiter must be one character, such as ';' or '\\t'; got {choice!r}.")
