"""From a file or a query to the records of a push."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timezone as utc_only
from datetime import tzinfo
from itertools import chain
from zoneinfo import ZoneInfo

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.parsing import is_blank
from airflow_provider_maestroqa.client.resources.models import RecordSchema
from airflow_provider_maestroqa.client.resources.upload_body import Source
from airflow_provider_maestroqa.pushes.records import SourceRecord
from airflow_provider_maestroqa.sources.base import Row, Rows
from airflow_provider_maestroqa.sources.coercion import CellReader
from airflow_provider_maestroqa.sources.csv_rows import CsvRows, detect_delimiter, parse_null_values
from airflow_provider_maestroqa.sources.files import CSV, PARQUET, OpenFile, detect_format, open_source
from airflow_provider_maestroqa.sources.json_lines import JsonLines
from airflow_provider_maestroqa.sources.mapping import Entry, parse_mapping
from airflow_provider_maestroqa.sources.parquet_rows import ParquetRows
from airflow_provider_maestroqa.sources.row_mapping import KeyMapper, RowMapper, map_columns
from airflow_provider_maestroqa.sources.sql_rows import SqlRows

log = logging.getLogger(__name__)

#: Lines of a JSON Lines file that are checked before the first record is sent.
_MAX_PEEKED = 1000
_MAX_PEEKED_BYTES = 4 << 20


@dataclass(frozen=True)
class ReadOptions:
    """How rows become records.

    :param record_type: what the records are.
    :param entries: the mapping; ``None`` when columns are fields.
    :param cells: reads the cells.
    """

    record_type: RecordSchema
    entries: Sequence[Entry] | None
    cells: CellReader

    @classmethod
    def parse(cls, record_type: RecordSchema, *, mapping: object, timezone: object) -> ReadOptions:
        """Read the arguments as a DAG author or a template writes them.

        :param mapping: see :func:`~.mapping.parse_mapping`.
        :param timezone: name of the time zone of times without one; ``None`` rejects such times.
        :raises MaestroQAConfigError: one is wrong.
        """
        cells = CellReader(_parse_zone(timezone))
        return cls(record_type, parse_mapping(mapping, record_type, cells), cells)

    def map_columns(self, name: str, columns: Sequence[str]) -> RowMapper:
        """Map rows of these columns; see :func:`~.row_mapping.map_columns`."""
        return map_columns(name, columns, self.entries, self.record_type, self.cells)


class Records:
    """The records of a source, read one at a time, each with its position.

    :param rows: gives the rows.
    :param mapper: makes records of them.
    :param where: what stands before ``line 12`` or ``row 12`` in a position.
    """

    def __init__(self, rows: Rows, mapper: RowMapper | KeyMapper, where: str = "") -> None:
        self._rows = rows
        self._mapper = mapper
        self._where = f"{where} {rows.unit}".lstrip()

    def __iter__(self) -> Iterator[SourceRecord]:
        for row in self._rows:
            record, error = (row.cells, row.error) if row.error else self._mapper.record(row.cells)
            yield SourceRecord(record, f"{self._where} {row.number}", error)


class CountedRecords(Records):
    """Records of a source that knows how many there are."""

    def __init__(self, rows: Rows, mapper: RowMapper | KeyMapper, where: str, total: int) -> None:
        super().__init__(rows, mapper, where)
        self._total = total

    def __len__(self) -> int:
        return self._total


@contextmanager
def file_records(
    source: Source,
    read_options: ReadOptions,
    *,
    file_format: object = None,
    delimiter: object = None,
    null_values: object = None,
) -> Iterator[Records]:
    """Read records from a file. Its columns are checked at once, its rows while they are pushed.

    :param source: where the file is.
    :param read_options: how rows become records.
    :param file_format: ``jsonl``, ``csv`` or ``parquet``; blank goes by the name.
    :param delimiter: separates the cells of CSV; blank goes by a line ``sep=;`` or the name.
    :param null_values: cells of CSV that are absent.
    :raises MaestroQAConfigError: an argument is wrong.
    :raises MaestroQADataError: there is no such file, or it is not what it should be.
    """
    format_name = detect_format(source.name, file_format)
    separator = detect_delimiter(source.name, delimiter)
    nulls = parse_null_values(null_values)
    is_default = not delimiter or (separator != delimiter and is_blank(delimiter))
    for name, is_given in (("delimiter", not is_blank(delimiter)), ("null_values", bool(nulls))):
        if is_given and format_name != CSV:
            raise MaestroQAConfigError(f"{name} is for CSV; {source.name} is read as {format_name}. Leave it out.")
    with open_source(source, seekable=format_name == PARQUET) as file:
        log.info("Reading %s as %s%s.", file.name, format_name, ", gzipped" if file.is_gzipped else "")
        if format_name == CSV:
            rows = CsvRows(file, delimiter=None if is_default else separator, null_values=nulls)
            yield Records(rows, read_options.map_columns(file.name, rows.columns), file.name)
        elif format_name == PARQUET:
            yield _parquet(file, read_options)
        else:
            file.check_is_text()
            yield _json_lines(file, read_options)


def query_records(rows: SqlRows, read_options: ReadOptions, name: str) -> Records:
    """Read records from a query.

    :param rows: what the query gives.
    :param read_options: how rows become records.
    :param name: what to call the query in a message about its columns.
    :raises MaestroQADataError: the columns are not what they should be.
    """
    return Records(rows, read_options.map_columns(name, rows.columns))


def _parquet(file: OpenFile, read_options: ReadOptions) -> Records:
    rows = ParquetRows(file)
    read_options.map_columns(file.name, rows.columns)
    if read_options.entries is not None:
        rows.select([entry.column for entry in read_options.entries if entry.column is not None])
    else:
        rows.select(rows.columns)
    mapper = read_options.map_columns(file.name, rows.columns)
    return CountedRecords(rows, mapper, file.name, rows.total)


def _json_lines(file: OpenFile, read_options: ReadOptions) -> Records:
    mapper = KeyMapper(read_options.entries, read_options.record_type, read_options.cells)
    rows = _PeekedRows(JsonLines(file), peek=read_options.entries is not None)
    mapper.check(file.name, [row.cells for row in rows.first if not row.error])
    return Records(rows, mapper, file.name)


class _PeekedRows:
    """Rows, of which the first ones were already read."""

    def __init__(self, rows: JsonLines, *, peek: bool) -> None:
        self.unit = rows.unit
        self._rest = iter(rows)
        self.first: list[Row] = []
        while peek and len(self.first) < _MAX_PEEKED and rows.size < _MAX_PEEKED_BYTES:
            row = next(self._rest, None)
            if row is None:
                break
            self.first.append(row)

    def __iter__(self) -> Iterator[Row]:
        return chain(self.first, self._rest)


def _parse_zone(name: object) -> tzinfo | None:
    if is_blank(name):
        return None
    if isinstance(name, tzinfo):
        return name
    if name == "UTC":
        return utc_only.utc
    try:
        if isinstance(name, str):
            return ZoneInfo(name)
    except Exception:  # noqa: BLE001, S110 - a broken name raises all kinds of errors
        pass
    raise MaestroQAConfigError(
        f"timezone must be the name of a time zone such as 'UTC' or 'Europe/Berlin', got {name!r}."
    )
