"""How a row becomes a record: compiled once from the mapping and the columns, then applied to every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.resources.coercion import as_python
from airflow_provider_maestroqa.client.resources.models import RecordSchema
from airflow_provider_maestroqa.sources.base import BadCell, first_duplicate, join_names, show_value
from airflow_provider_maestroqa.sources.coercion import BINARY, CellError, CellReader
from airflow_provider_maestroqa.sources.mapping import Entry, FieldTarget, find_target, unknown_field

_NOTHING_SENT = "Nothing was sent."


@dataclass(frozen=True)
class FieldMapping:
    """Takes one value from a row.

    :param target: where it goes.
    :param get: takes the row and returns the cell; ``None`` when there is none.
    :param read: reads the cell as the target's type.
    """

    target: FieldTarget
    get: Callable[[Any], Any]
    read: Callable[[Any], Any]


@dataclass(frozen=True)
class RowMapper:
    """Makes records of rows.

    :param fields: what comes from the row.
    :param constants: what is the same in every record.
    """

    fields: Sequence[FieldMapping]
    constants: Sequence[tuple[FieldTarget, Any]] = ()

    def record(self, row: Any) -> tuple[dict[str, Any], str]:
        """Make a record.

        :return: the record, and what is wrong with its cells; the cells that are wrong stay as they are.
        """
        record: dict[str, Any] = {}
        errors = []
        for target, value in self.constants:
            _set_path(record, target, value)
        for field in self.fields:
            cell = as_python(field.get(row))
            if cell is None:
                continue
            try:
                value = field.read(cell)
            except CellError as error:
                errors.append(f"{field.target.name} {error}")
                value = _as_rejected(cell)
            if value is not None:
                _set_path(record, field.target, value)
        return record, "; ".join(errors)


def map_columns(
    name: str, columns: Sequence[str], entries: Sequence[Entry] | None, record_type: RecordSchema, cells: CellReader
) -> RowMapper:
    """Map rows that all have the same columns.

    :param name: what to call the source in a message.
    :param columns: the names, in the order of the cells.
    :param entries: the mapping; without one, each column must be a field.
    :raises MaestroQADataError: names the field or column that is missing, unknown or there twice, and what there is.
    """
    if entries is None:
        entries = _columns_as_entries(name, columns, record_type)
    fields = []
    for entry in entries:
        if entry.column is not None:
            index = _index_of(name, columns, entry)
            if index is not None:
                fields.append(
                    FieldMapping(entry.target, itemgetter(index), cells.reader_for(entry.target.field_type))
                )
    _check_required(name, columns, {field.target.field for field in fields}, entries, record_type)
    return RowMapper(fields, _constants(entries))


class KeyMapper:
    """Maps objects, each of which may have other keys.

    :param entries: the mapping; without one, each key must be a field.
    """

    def __init__(self, entries: Sequence[Entry] | None, record_type: RecordSchema, cells: CellReader) -> None:
        self._entries = entries
        self._record_type = record_type
        self._cells = cells
        self._mapping_of = lru_cache(maxsize=1000)(self._map_key)
        self._mapper = None if entries is None else self._map_entries(entries)

    def record(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """Make a record, as :meth:`RowMapper.record` does."""
        if self._mapper is not None:
            return self._mapper.record(row)
        return RowMapper([self._mapping_of(key) for key in row]).record(row)

    def check(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Reject a mapping that names a key that none of some rows has.

        :param name: what to call the source in a message.
        :param rows: the first ones of the source.
        :raises MaestroQADataError: names the field, the key, and what there is.
        """
        for entry in self._entries or ():
            if entry.column is None or entry.optional or not rows:
                continue
            path = _Path(entry.column)
            if not any(path.is_in(row) for row in rows):
                keys = list(dict.fromkeys(key for row in rows for key in row))
                raise _missing_column(name, f"key {entry.column!r}", entry, f"The first {len(rows)} lines have", keys)

    def _map_entries(self, entries: Sequence[Entry]) -> RowMapper:
        fields = [
            FieldMapping(entry.target, _Path(entry.column), self._cells.reader_for(entry.target.field_type))
            for entry in entries
            if entry.column is not None
        ]
        return RowMapper(fields, _constants(entries))

    def _map_key(self, key: str) -> FieldMapping:
        target = find_target(key, self._record_type)
        if target is None:
            # The record's own check rejects it, and names the fields.
            return FieldMapping(FieldTarget(key, "", ""), itemgetter(key), _unchanged)
        return FieldMapping(target, itemgetter(key), self._cells.reader_for(target.field_type))


def _columns_as_entries(name: str, columns: Sequence[str], record_type: RecordSchema) -> list[Entry]:
    entries = []
    for column in columns:
        if not column.strip() or column == "__index_level_0__" or column.startswith("Unnamed: "):
            raise MaestroQADataError(
                f"{name}: the column {show_value(column)} has no name of its own, such as the index of a DataFrame. "
                "Write the file with index=False, or pass a mapping: columns that it does not name are dropped. "
                f"{_NOTHING_SENT}"
            )
        target = find_target(column, record_type) or find_target(_api_case(column, record_type), record_type)
        if target is None:
            raise MaestroQADataError(
                f"{name}: the column {show_value(column)} {unknown_field(column, record_type)}. Pass a mapping: "
                f"columns that it does not name are dropped. {_NOTHING_SENT}"
            )
        entries.append(Entry(target, column))
    if (twice := first_duplicate(entry.target.name for entry in entries)) is not None:
        raise MaestroQADataError(f"{name}: more than one column is {twice}. Leave one out. {_NOTHING_SENT}")
    return entries


def _api_case(column: str, record_type: RecordSchema) -> str:
    """A column's name as the API writes it: databases such as Snowflake and Oracle give upper case."""
    field, dot, attribute = column.partition(".")
    for known in record_type.fields:
        if known.lower() == field.lower():
            return f"{known}{dot}{attribute}"
    return column


def _index_of(name: str, columns: Sequence[str], entry: Entry) -> int | None:
    column_name = entry.column or ""
    indexes = [index for index, column in enumerate(columns) if column == column_name]
    indexes = indexes or [index for index, column in enumerate(columns) if column.lower() == column_name.lower()]
    if len(indexes) > 1:
        raise MaestroQADataError(
            f"{name}: {entry.target.name} comes from the column {column_name!r}, of which there are {len(indexes)}. "
            f"Give each column a name of its own. {_NOTHING_SENT}"
        )
    if not indexes and not entry.optional:
        raise _missing_column(name, f"column {column_name!r}", entry, "It has", columns)
    return indexes[0] if indexes else None


def _check_required(
    name: str,
    columns: Sequence[str],
    indexes: set[str],
    entries: Sequence[Entry],
    record_type: RecordSchema,
) -> None:
    """No record could be sent where a field that all need has no column."""
    present = indexes | {entry.target.field for entry in entries if entry.column is None}
    missing = [field for field in record_type.fields if field in record_type.required - present]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise MaestroQADataError(
            f"{name}: there {are} no column for {join_names(missing, quoted=False)}, which every {record_type.name} "
            f"needs. It has: {join_names(columns)}. Add what is missing, or say in a mapping where it comes from. "
            f"{_NOTHING_SENT}"
        )


def _missing_column(name: str, what: str, entry: Entry, has: str, columns: Sequence[str]) -> MaestroQADataError:
    return MaestroQADataError(
        f"{name} has no {what}, from which the mapping takes {entry.target.name}. {has}: {join_names(columns)}. "
        f'Correct the mapping, or write {{"column": "{entry.column}", "optional": true}} if it may be missing. '
        f"{_NOTHING_SENT}"
    )


def _constants(entries: Sequence[Entry]) -> list[tuple[FieldTarget, Any]]:
    return [(entry.target, entry.constant) for entry in entries if entry.column is None]


class _Path:
    """Finds a key in an object, or a path such as ``ticket.id`` in the objects within it."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._outer, _, self._inner = key.rpartition(".")

    def __call__(self, row: Any) -> Any:
        if self._key in row or not self._outer:
            return row.get(self._key)
        within = _Path(self._outer)(row)
        return within.get(self._inner) if isinstance(within, Mapping) else None

    def is_in(self, row: Any) -> bool:
        """Whether the object has it, if only as a null."""
        if self._key in row or not self._outer:
            return self._key in row
        within = _Path(self._outer)(row)
        return isinstance(within, Mapping) and self._inner in within


def _as_rejected(cell: Any) -> Any:
    """A cell that cannot be read, in the form in which it is rejected."""
    if isinstance(cell, BadCell):
        return cell.text
    if isinstance(cell, (list, tuple)):
        return [_as_rejected(inner) for inner in cell]
    return f"<{len(cell)} bytes>" if isinstance(cell, BINARY) else cell


def _unchanged(cell: Any) -> Any:
    return cell


def _set_path(record: dict[str, Any], target: FieldTarget, value: Any) -> None:
    there = record.get(target.field)
    if target.attribute:
        value = {target.attribute: value}
    if isinstance(there, dict) and isinstance(value, dict):
        value = {**there, **value}
    record[target.field] = value
