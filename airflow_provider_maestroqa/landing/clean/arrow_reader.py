"""Read a CSV file as clean Arrow columns.

pyarrow's own reader takes a piece of the file at a time, and its columns are cleaned as such. It is lenient where
:class:`~airflow_provider_maestroqa.storage.csv_reader.CsvReader` is not: a lone carriage return is a line end, an
open quote is closed by the end, and so on. So a piece counts only where both surely read the same in it. From the
first other piece on, CsvReader reads the file: it says what is wrong, or reads what only looks so.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import pyarrow
from pyarrow import compute, csv

from airflow_provider_maestroqa.landing.clean.cells import GUARD, NULL, UNKNOWN, Cleaner, Dates, strip_formula_guard
from airflow_provider_maestroqa.storage.csv_reader import MAX_CELL, CsvReader

#: Bytes that are read at once.
PIECE = 1 << 20
_LONE_RETURN = re.compile(rb"\r(?!\n)")
_BOM = b"\xef\xbb\xbf"
_TEXT = pyarrow.string()
_MOMENT = pyarrow.timestamp("us", tz="UTC")
_LOCAL_MOMENT = pyarrow.timestamp("us")
# A day alone, with minutes, with seconds, or with a fraction of them: Arrow and ``as_iso`` agree on these.
_DATE_LENGTHS = pyarrow.array([10, 16, 19, *range(21, 27), None], pyarrow.int32())
#: 0001-01-01: Python has no year 0.
_FIRST_MOMENT = -62_135_596_800_000_000
_SEPARATOR, _ESCAPE = "\x1f", "\x1e"


class ArrowReader:
    """Reads, cleans and counts the records of one file.

    :param records: the file, of which only the header was read.
    :param cleaner: counts the records, and cleans what is not cleaned here. It rejects dates that cannot be read.
    """

    def __init__(self, records: CsvReader, cleaner: Cleaner) -> None:
        self._records = records
        self._cleaner = cleaner
        self._types = [_MOMENT if place in cleaner.dates else _TEXT for place in range(len(records.header))]
        #: The columns and their types.
        self.schema = pyarrow.schema(list(zip(records.header, self._types, strict=True)))
        names = [str(place) for place in range(len(records.header))]
        self._parse_options = csv.ParseOptions(newlines_in_values=True)
        self._convert_options = csv.ConvertOptions(
            column_types=dict.fromkeys(names, _TEXT),
            null_values=[NULL, UNKNOWN],
            strings_can_be_null=True,
            check_utf8=False,
        )
        self._names = names

    def batches(self) -> Iterator[Any]:
        """The cleaned records, about one piece of the file at a time.

        :raises MaestroQADataError: names the line that cannot be read.
        """
        if not self._names:
            return
        line, blocks = self._records.header_line, self._records.unread_blocks()
        pending: list[bytes] = []
        size = 0
        for block in chain(blocks, [None]):
            if block is not None:
                pending.append(block)
                size += len(block)
                if size < PIECE:
                    continue
            data = b"".join(pending)
            end, columns = self._read_records(data, is_last=block is None)
            if columns is not None:
                yield self._counted(columns)
                line += data.count(b"\n", 0, end)
            elif end or size > MAX_CELL:
                pending = [data]
                break
            pending, size = [data[end:]], len(data) - end
        else:
            return
        for chunk in self._records.read_on(chain(pending, blocks), line).chunks():
            yield self._counted(
                [
                    _array(cells).cast(type_)
                    for cells, type_ in zip(self._cleaner.clean_columns(chunk), self._types, strict=True)
                ]
            )

    def _read_records(self, data: bytes, *, is_last: bool) -> tuple[int, list[Any] | None]:
        """Read all records but one that is cut off.

        :param is_last: whether the file ends with them.
        :return: where they end, 0 where no line ends; and their columns, if they can be read.
        """
        end = len(data) if is_last else data.rfind(b"\n") + 1
        columns = self._read(data[:end]) if end else None
        if columns is None and end and not is_last:
            # The last line may end within quotes.
            earlier = _end_outside_quotes(data)
            if earlier and earlier != end:
                return earlier, self._read(data[:earlier])
        return end, columns

    def _read(self, piece: bytes) -> list[Any] | None:
        """The cleaned columns of some records; ``None`` where CsvReader may read something else."""
        data = piece if piece.endswith(b"\n") else piece + b"\n"
        if len(data) > MAX_CELL or b"\0" in data or data.startswith(_BOM):
            return None
        buffer = pyarrow.py_buffer(data)
        try:
            _check_utf8(buffer)
            table = csv.read_csv(
                buffer,
                read_options=csv.ReadOptions(column_names=self._names, block_size=len(data) + 1, use_threads=False),
                parse_options=self._parse_options,
                convert_options=self._convert_options,
            )
        except pyarrow.ArrowInvalid:
            return None
        columns = [column.combine_chunks() for column in table.columns]
        if not _ends_outside_quotes(columns[-1]) or not _ends_lines_with_feeds(data, columns):
            return None
        has_guards = GUARD.encode() in data
        for place, column in enumerate(columns):
            dates = self._cleaner.dates.get(place)
            if dates is not None:
                columns[place] = _clean_dates(column, dates)
                if columns[place] is None:
                    return None
            elif has_guards:
                columns[place] = _clean_text(column)
        return columns

    def _counted(self, columns: list[Any]) -> Any:
        key = [columns[place] for place in self._cleaner.key_places]
        self._cleaner.count(
            len(columns[0]),
            [column.null_count for column in columns],
            [_joined(key).view(pyarrow.binary()).to_pylist()] if key else [],
        )
        return pyarrow.record_batch(columns, schema=self.schema)


def _end_outside_quotes(data: bytes) -> int:
    """Where the last line ends that has an even number of quotes before its end; 0 where there is none."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(b'"', 0, end)
    while quotes % 2:
        earlier = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', earlier, end)
        end = earlier
    return end


def _check_utf8(data: Any) -> None:
    """Raise ``ArrowInvalid`` where the text as a whole is not UTF-8: its cells may be, without the quotes."""
    offsets = pyarrow.py_buffer(struct.pack("=2i", 0, data.size))
    pyarrow.Array.from_buffers(_TEXT, 1, [None, offsets, data]).validate(full=True)


def _ends_outside_quotes(last_column: Any) -> bool:
    """Whether the last record of a piece ends with it, and is not cut off within quotes."""
    cell = last_column[-1].as_py() if len(last_column) else None
    return cell is None or not cell.endswith("\n")


def _ends_lines_with_feeds(data: bytes, columns: Sequence[Any]) -> bool:
    """Whether all carriage returns that no line feed follows are in cells."""
    # Where one cell ends with a carriage return and the next one begins with a line feed, one too few are found: then
    # it is no.
    return b"\r" not in data or len(_LONE_RETURN.findall(data)) == sum(
        len(_LONE_RETURN.findall(_cells(column))) for column in columns
    )


def _cells(column: Any) -> bytes:
    """The cells of a column one after the other."""
    return bytes(column.buffers()[2] or b"")


def _clean_text(column: Any) -> Any:
    is_guarded = compute.starts_with(column, pattern=GUARD)
    if not compute.any(is_guarded).as_py():
        return column
    cells = [strip_formula_guard(cell) for cell in column.filter(is_guarded).to_pylist()]
    cells = [NULL if cell == UNKNOWN else cell for cell in cells]
    return compute.replace_with_mask(column, compute.fill_null(is_guarded, False), _array(cells))


def _clean_dates(column: Any, dates: Dates) -> Any | None:
    """The moments of a date column; ``None`` when one cannot be read."""
    text = column
    is_guarded = compute.and_(compute.starts_with(text, pattern=GUARD), compute.ends_with(text, pattern=GUARD[-1]))
    if compute.all(is_guarded).as_py():
        text = compute.binary_slice(text.view(pyarrow.binary()), len(GUARD), -1).view(_TEXT)
    if compute.all(compute.is_in(compute.binary_length(text), value_set=_DATE_LENGTHS)).as_py():
        try:
            moments = text.cast(_LOCAL_MOMENT).cast(pyarrow.int64())
        except pyarrow.ArrowInvalid:
            pass
        else:
            first = compute.min(moments).as_py()
            if first is None or first >= _FIRST_MOMENT:
                return moments.cast(_MOMENT)
    encoded = column.dictionary_encode()
    cells = dates.clean(encoded.dictionary.to_pylist())
    if dates.unreadable:
        dates.clear_unreadable()
        return None
    return _array(cells).cast(_MOMENT).take(encoded.indices)


def _joined(columns: Sequence[Any]) -> Any:
    """A text for each record, which is the same where its cells in these columns are."""
    texts = [column if column.type == _TEXT else column.cast(pyarrow.int64()).cast(_TEXT) for column in columns]
    joined = _join(texts)
    cells = _cells(joined)
    if _ESCAPE.encode() in cells or cells.count(_SEPARATOR.encode()) != len(joined) * (len(columns) - 1):
        for sign, escaped in ((_ESCAPE, f"{_ESCAPE}0"), (_SEPARATOR, f"{_ESCAPE}1")):
            texts = [compute.replace_substring(text, pattern=sign, replacement=escaped) for text in texts]
        joined = _join(texts)
    return joined


def _join(texts: Sequence[Any]) -> Any:
    return compute.binary_join_element_wise(*texts, _SEPARATOR, null_handling="replace", null_replacement=NULL)


def _array(cells: Sequence[str]) -> Any:
    return pyarrow.array([None if cell == NULL else cell for cell in cells] if NULL in cells else cells, _TEXT)
