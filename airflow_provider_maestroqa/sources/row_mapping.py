"""How a row becomes a record: worked out once from the mapping and the columns, then applied to every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.resources.models import RecordType
from airflow_provider_maestroqa.sources.coercion import BINARY, CellError, Cells, shown
from airflow_provider_maestroqa.sources.mapping import Entry, Target, doubled, named, target_named, unknown_field

_NOTHING_SENT = "Nothing was sent."


@dataclass(frozen=True)
class Step:
    """Fetches one value of a row.

    :param target: where it goes.
    :param get: takes the row and gives the cell; ``None`` when there is none.
    :param read: reads the cell as the target's kind.
    """

    target: Target
    get: Callable[[Any], Any]
    read: Callable[[Any], Any]


@dataclass(frozen=True)
class Plan:
    """Makes records of rows.

    :param steps: what comes from the row.
    :param constants: what is the same in every record.
    """

    steps: Sequence[Step]
    constants: Sequence[tuple[Target, Any]] = ()

    def record(self, row: Any) -> tuple[dict[str, Any], str]:
        """Make a record.

        :return: the record, and what is wrong with its cells; the cells that are wrong stay as they are.
        """
        record: dict[str, Any] = {}
        problems = []
        for target, value in self.constants:
            _put(record, target, value)
        for step in self.steps:
            cell = step.get(row)
            if cell is None:
                continue
            try:
                value = step.read(cell)
            except CellError as error:
                problems.append(f"{step.target.name} {error}")
                value = f"<{len(cell)} bytes>" if isinstance(cell, BINARY) else cell
            if value is not None:
                _put(record, step.target, value)
        return record, "; ".join(problems)


def plan_columns(
    name: str, columns: Sequence[str], entries: Sequence[Entry] | None, record_type: RecordType, cells: Cells
) -> Plan:
    """Plan for rows that all have the same columns.

    :param name: what to call the source in a message.
    :param columns: the names, in the order of the cells.
    :param entries: the mapping; without one, each column must be a field.
    :raises MaestroQADataError: names the field or column that is missing, unknown or there twice, and what there is.
    """
    if entries is None:
        entries = _entries_of(name, columns, record_type)
    steps = []
    for entry in entries:
        if entry.column is not None:
            index = _index_of(name, columns, entry)
            if index is not None:
                steps.append(Step(entry.target, itemgetter(index), cells.reader(entry.target.kind)))
    _refuse_lack(name, columns, {step.target.field for step in steps}, entries, record_type)
    return Plan(steps, _constants(entries))


class KeyPlan:
    """Plans for objects, each of which may have other keys.

    :param entries: the mapping; without one, each key must be a field.
    """

    def __init__(self, entries: Sequence[Entry] | None, record_type: RecordType, cells: Cells) -> None:
        self._entries = entries
        self._record_type = record_type
        self._cells = cells
        self._step_of = lru_cache(maxsize=1000)(self._make_step)
        self._plan = None if entries is None else self._mapped(entries)

    def record(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """Make a record, as :meth:`Plan.record` does."""
        if self._plan is not None:
            return self._plan.record(row)
        return Plan([self._step_of(key) for key in row]).record(row)

    def check(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Refuse a mapping that names a key that none of some rows has.

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
                raise _lack(name, f"key {entry.column!r}", entry, f"The first {len(rows)} lines have", keys)

    def _mapped(self, entries: Sequence[Entry]) -> Plan:
        steps = [
            Step(entry.target, _Path(entry.column), self._cells.reader(entry.target.kind))
            for entry in entries
            if entry.column is not None
        ]
        return Plan(steps, _constants(entries))

    def _make_step(self, key: str) -> Step:
        target = target_named(key, self._record_type)
        if target is None:
            # The check of the record refuses it, and says what there is.
            return Step(Target(key, "", ""), itemgetter(key), _as_it_is)
        return Step(target, itemgetter(key), self._cells.reader(target.kind))


def _entries_of(name: str, columns: Sequence[str], record_type: RecordType) -> list[Entry]:
    entries = []
    for column in columns:
        target = target_named(column, record_type) or target_named(_in_case(column, record_type), record_type)
        if target is None:
            raise MaestroQADataError(
                f"{name}: the column {shown(column)} {unknown_field(column, record_type)}. Pass a mapping: columns "
                f"that it does not name are dropped. {_NOTHING_SENT}"
            )
        entries.append(Entry(target, column))
    if (twice := doubled(entry.target.name for entry in entries)) is not None:
        raise MaestroQADataError(f"{name}: more than one column is {twice}. Leave one out. {_NOTHING_SENT}")
    return entries


def _in_case(column: str, record_type: RecordType) -> str:
    """A column's name as the API writes it: databases such as Snowflake and Oracle give upper case."""
    field, dot, attribute = column.partition(".")
    for known in record_type.fields:
        if known.lower() == field.lower():
            return f"{known}{dot}{attribute}"
    return column


def _index_of(name: str, columns: Sequence[str], entry: Entry) -> int | None:
    wanted = entry.column or ""
    found = [index for index, column in enumerate(columns) if column == wanted]
    found = found or [index for index, column in enumerate(columns) if column.lower() == wanted.lower()]
    if len(found) > 1:
        raise MaestroQADataError(
            f"{name}: {entry.target.name} comes from the column {wanted!r}, of which there are {len(found)}. Give "
            f"each column a name of its own. {_NOTHING_SENT}"
        )
    if not found and not entry.optional:
        raise _lack(name, f"column {wanted!r}", entry, "It has", columns)
    return found[0] if found else None


def _refuse_lack(
    name: str,
    columns: Sequence[str],
    found: set[str],
    entries: Sequence[Entry],
    record_type: RecordType,
) -> None:
    """No record could be sent where a field that all need has no column."""
    given = found | {entry.target.field for entry in entries if entry.column is None}
    missing = [field for field in record_type.fields if field in record_type.required - given]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise MaestroQADataError(
            f"{name}: there {are} no column for {named(missing, quoted=False)}, which every {record_type.name} "
            f"needs. It has: {named(columns)}. Add what is missing, or say in a mapping where it comes from. "
            f"{_NOTHING_SENT}"
        )


def _lack(name: str, what: str, entry: Entry, has: str, columns: Sequence[str]) -> MaestroQADataError:
    return MaestroQADataError(
        f"{name} has no {what}, from which the mapping takes {entry.target.name}. {has}: {named(columns)}. Correct "
        f'the mapping, or write {{"column": "{entry.column}", "optional": true}} if it may be missing. '
        f"{_NOTHING_SENT}"
    )


def _constants(entries: Sequence[Entry]) -> list[tuple[Target, Any]]:
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


def _as_it_is(cell: Any) -> Any:
    return cell


def _put(record: dict[str, Any], target: Target, value: Any) -> None:
    there = record.get(target.field)
    if target.attribute:
        value = {target.attribute: value}
    if isinstance(there, dict) and isinstance(value, dict):
        value = {**there, **value}
    record[target.field] = value
