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
from airflow_provider_maestroqa.client.resources.models import RecordType
from airflow_provider_maestroqa.client.resources.upload_body import Source
from airflow_provider_maestroqa.pushes.records import SourceRecord
from airflow_provider_maestroqa.sources.base import Row, Rows
from airflow_provider_maestroqa.sources.coercion import Cells
from airflow_provider_maestroqa.sources.csv_rows import CsvRows
from airflow_provider_maestroqa.sources.files import CSV, PARQUET, Opened, delimiter_of, format_of, opened
from airflow_provider_maestroqa.sources.json_lines import JsonLines
from airflow_provider_maestroqa.sources.mapping import Entry, parse_mapping
from airflow_provider_maestroqa.sources.parquet_rows import ParquetRows
from airflow_provider_maestroqa.sources.row_mapping import KeyPlan, Plan, plan_columns
from airflow_provider_maestroqa.sources.sql_rows import SqlRows

log = logging.getLogger(__name__)

#: Lines of a JSON Lines file that are looked at before the first record is sent.
_LOOKED_AT = 1000
_MOST_HELD = 4 << 20


@dataclass(frozen=True)
class Reading:
    """How rows become records.

    :param record_type: what the records are.
    :param entries: the mapping; ``None`` when columns are fields.
    :param cells: reads the cells.
    """

    record_type: RecordType
    entries: Sequence[Entry] | None
    cells: Cells

    @classmethod
    def checked(cls, record_type: RecordType, *, mapping: object, timezone: object) -> Reading:
        """Read the arguments as a DAG author or a template writes them.

        :param mapping: see :func:`~.mapping.parse_mapping`.
        :param timezone: name of the zone of times that say none; ``None`` refuses such times.
        :raises MaestroQAConfigError: one is wrong.
        """
        cells = Cells(_zone(timezone))
        return cls(record_type, parse_mapping(mapping, record_type, cells), cells)

    def plan(self, name: str, columns: Sequence[str]) -> Plan:
        """Plan for rows of these columns; see :func:`~.row_mapping.plan_columns`."""
        return plan_columns(name, columns, self.entries, self.record_type, self.cells)


class Records:
    """The records of a source, read one at a time, each with its place.

    :param rows: gives the rows.
    :param plan: makes records of them.
    :param where: what stands before ``line 12`` or ``row 12`` in a place.
    """

    def __init__(self, rows: Rows, plan: Plan | KeyPlan, where: str = "") -> None:
        self._rows = rows
        self._plan = plan
        self._where = f"{where} {rows.unit}".lstrip()

    def __iter__(self) -> Iterator[SourceRecord]:
        for row in self._rows:
            record, problem = (row.cells, row.problem) if row.problem else self._plan.record(row.cells)
            yield SourceRecord(record, f"{self._where} {row.number}", problem)


class CountedRecords(Records):
    """Records of a source that knows how many there are."""

    def __init__(self, rows: Rows, plan: Plan | KeyPlan, where: str, total: int) -> None:
        super().__init__(rows, plan, where)
        self._total = total

    def __len__(self) -> int:
        return self._total


@contextmanager
def file_records(
    source: Source, reading: Reading, *, file_format: object = None, delimiter: object = None
) -> Iterator[Records]:
    """Read records from a file. Its columns are checked at once, its rows while they are pushed.

    :param source: where the file is.
    :param reading: how rows become records.
    :param file_format: ``jsonl``, ``csv`` or ``parquet``; ``None`` goes by the name.
    :param delimiter: what parts the cells of CSV; ``None`` goes by the name.
    :raises MaestroQAConfigError: an argument is wrong.
    :raises MaestroQADataError: there is no such file, or it is not what it should be.
    """
    kind = format_of(source.name, file_format)
    sign = delimiter_of(source.name, delimiter)
    if delimiter not in (None, "", "None") and kind != CSV:
        raise MaestroQAConfigError(f"delimiter is for CSV; {source.name} is read as {kind}. Leave it out.")
    with opened(source, seekable=kind == PARQUET) as file:
        log.info("Reading %s as %s%s.", file.name, kind, ", gzipped" if file.is_zipped else "")
        if kind == CSV:
            rows = CsvRows(file, delimiter=sign)
            yield Records(rows, reading.plan(file.name, rows.columns), file.name)
        elif kind == PARQUET:
            yield _parquet(file, reading)
        else:
            yield _json_lines(file, reading)


def query_records(rows: SqlRows, reading: Reading, name: str) -> Records:
    """Read records from a query.

    :param rows: what the query gives.
    :param reading: how rows become records.
    :param name: what to call the query in a message about its columns.
    :raises MaestroQADataError: the columns are not what they should be.
    """
    return Records(rows, reading.plan(name, rows.columns))


def _parquet(file: Opened, reading: Reading) -> Records:
    rows = ParquetRows(file)
    reading.plan(file.name, rows.columns)
    if reading.entries is not None:
        rows.use([entry.column for entry in reading.entries if entry.column is not None])
    else:
        rows.use(rows.columns)
    plan = reading.plan(file.name, rows.columns)
    return CountedRecords(rows, plan, file.name, rows.total)


def _json_lines(file: Opened, reading: Reading) -> Records:
    plan = KeyPlan(reading.entries, reading.record_type, reading.cells)
    rows = _Peeked(JsonLines(file), looking=reading.entries is not None)
    plan.check(file.name, [row.cells for row in rows.first if not row.problem])
    return Records(rows, plan, file.name)


class _Peeked:
    """Rows, of which the first ones were already looked at."""

    def __init__(self, rows: JsonLines, *, looking: bool) -> None:
        self.unit = rows.unit
        self._rest = iter(rows)
        self.first: list[Row] = []
        while looking and len(self.first) < _LOOKED_AT and rows.size < _MOST_HELD:
            row = next(self._rest, None)
            if row is None:
                break
            self.first.append(row)

    def __iter__(self) -> Iterator[Row]:
        return chain(self.first, self._rest)


def _zone(name: object) -> tzinfo | None:
    if name is None or name in ("", "None"):
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
