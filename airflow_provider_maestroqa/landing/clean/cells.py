"""The rules of ``clean=True``: what becomes of the cells of an export's CSV file.

1. A spreadsheet guard is taken off: ``="0397"`` becomes ``0397``.
2. A cell that is now exactly ``Unknown``, or empty, is null.
3. In the known date columns, a date that can be read becomes UTC.
4. Everything else is text as it was: nothing is trimmed, nothing is a number, nothing else is null.

They work on whole columns of some thousand cells at a time, so that Python touches only the cells that change.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.client.resources.export_files import DATE_COLUMNS, natural_key
from airflow_provider_maestroqa.landing.clean.dates import as_iso
from airflow_provider_maestroqa.landing.clean.key_counter import KeyCounter
from airflow_provider_maestroqa.storage.csv_reader import Chunk, CsvReader, shown

#: A null, until it is written. No other cell is empty.
NULL = ""
#: What MaestroQA writes for a null.
UNKNOWN = "Unknown"
#: What a cell begins with that spreadsheets must not read as a number.
GUARD = '="'
_MAX_DATES_CACHED = 1 << 13
_REMEDY = "Nothing was published. With clean=False, file_format='csv.gz' or 'csv' lands the file as it is."


@dataclass(frozen=True)
class ColumnStats:
    """What is known of the columns of a cleaned file.

    :param columns: their names, in order.
    :param rows: records, the header not counted.
    :param null_counts: empty cells and cells that were ``Unknown``, by column.
    :param unreadable_dates: cells of known date columns that were kept as text, by column; columns without are left
        out.
    :param duplicate_keys: records that have the natural key of another one before them; ``None`` where the key is
        not known.
    """

    columns: tuple[str, ...]
    rows: int
    null_counts: Mapping[str, int]
    unreadable_dates: Mapping[str, int]
    duplicate_keys: int | None

    def entry(self) -> dict[str, Any]:
        """What the manifest says of them."""
        return {
            "rows": self.rows,
            "columns": list(self.columns),
            "natural_key": natural_key(self.columns),
            "duplicate_keys": self.duplicate_keys,
            "null_counts": dict(self.null_counts),
            "unreadable_dates": dict(self.unreadable_dates),
        }


def read_records(name: str, blocks: Iterable[bytes]) -> CsvReader:
    """Read an export's CSV file as a table. An empty one is a table without columns and records.

    :raises MaestroQADataError: it has a header that cannot be used.
    """
    records = CsvReader(blocks, f"The export's file {name!r} cannot be cleaned:", remedy=_REMEDY, may_be_empty=True)
    seen: set[str] = set()
    for column in records.header:
        if column in seen:
            problem = f"is the header, and has the column {shown(column)} more than once"
            raise records.error(records.header_line, problem)
        seen.add(column)
    return records


class Cleaner:
    """Cleans the records of one file, and counts what it finds.

    :param keys: counts the records that share a natural key.
    :param date_remedy: the last sentence of the error for a date that cannot be read. Without it, such a cell is kept
        as text and counted.
    """

    def __init__(self, records: CsvReader, keys: KeyCounter, *, date_remedy: str | None = None) -> None:
        self.columns = records.header
        self.dates = {place: Dates() for place, name in enumerate(self.columns) if name in DATE_COLUMNS}
        self._records = records
        self._keys = keys
        self.key_places = [self.columns.index(name) for name in natural_key(self.columns)]
        self._date_remedy = date_remedy
        self._rows = 0
        self._nulls = [0] * len(self.columns)
        self._unreadable = dict.fromkeys(self.dates, 0)

    def clean(self, chunk: Chunk) -> list[Sequence[str]]:
        """The cleaned cells of some records, column by column, which are counted."""
        columns = self.clean_columns(chunk)
        self.count(
            len(chunk.records),
            [column.count(NULL) for column in columns],
            [columns[place] for place in self.key_places],
        )
        return columns

    def clean_columns(self, chunk: Chunk) -> list[Sequence[str]]:
        """The cleaned cells of some records, column by column."""
        columns: list[Sequence[str]] = []
        for place, cells in enumerate(zip(*chunk.records, strict=True)):
            dates = self.dates.get(place)
            columns.append(_clean_text(cells) if dates is None else dates.clean(cells))
            if dates is not None and dates.unreadable:
                self._count_unreadable(place, cells, chunk)
                dates.clear_unreadable()
        return columns

    def count(self, rows: int, nulls: Iterable[int], keys: Sequence[Sequence[Hashable]]) -> None:
        """Count cleaned records.

        :param nulls: how many there are in each column.
        :param keys: the columns of the natural key, or what is equal where they are.
        """
        self._rows += rows
        self._nulls = [before + more for before, more in zip(self._nulls, nulls, strict=True)]
        if keys:
            self._keys.add(keys)

    def column_stats(self) -> ColumnStats:
        """What the file has, once all of it is cleaned."""
        return ColumnStats(
            self.columns,
            self._rows,
            dict(zip(self.columns, self._nulls, strict=True)),
            {self.columns[place]: count for place, count in self._unreadable.items() if count},
            self._keys.duplicates() if self.key_places else None,
        )

    def _count_unreadable(self, place: int, cells: Sequence[str], chunk: Chunk) -> None:
        unreadable = [index for index, cell in enumerate(cells) if cell in self.dates[place].unreadable]
        if unreadable and self._date_remedy is not None:
            cell = cells[unreadable[0]]
            raise self._records.error(
                chunk.line_of(unreadable[0]),
                f"has a text of {len(cell)} characters that is no date, {shown(cell)}, in the date column "
                f"{self.columns[place]!r}",
                remedy=self._date_remedy,
            )
        self._unreadable[place] += len(unreadable)


class Dates(dict[str, str]):
    """The cleaned cells of a date column, by what they were: many records have the same date."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable: set[str] = set()

    def clean(self, cells: Sequence[str]) -> list[str]:
        """The cleaned cells of this column."""
        if len(self) > _MAX_DATES_CACHED:
            self.clear()
        return [self[cell] for cell in cells]

    def clear_unreadable(self) -> None:
        """Drop all cells but dates, which are short: others may be of any length."""
        for cell in self.unreadable:
            del self[cell]
        self.unreadable.clear()

    def __missing__(self, cell: str) -> str:
        text = strip_formula_guard(cell)
        if text == UNKNOWN:
            text = NULL
        if text != NULL:
            date = as_iso(text)
            if date is None:
                self.unreadable.add(cell)
            else:
                text = date
        self[cell] = text
        return text


def strip_formula_guard(cell: str) -> str:
    """A cell without its spreadsheet guard ``="…"``; any other cell as it is.

    A formula that only begins and ends like one, such as ``="a"&"b"``, is no guard. Quotes inside are doubled, as
    spreadsheets do it.
    """
    if len(cell) < 3 or not cell.startswith(GUARD) or cell[-1] != '"':
        return cell
    inner = cell[2:-1]
    if '"' not in inner:
        return inner
    return cell if '"' in inner.replace('""', "") else inner.replace('""', '"')


def _clean_text(cells: Sequence[str]) -> Sequence[str]:
    # One search through all of them costs less than one through each.
    if GUARD in "".join(cells):
        cells = [strip_formula_guard(cell) if cell.startswith(GUARD) else cell for cell in cells]
    if UNKNOWN in cells:
        cells = [NULL if cell == UNKNOWN else cell for cell in cells]
    return cells
