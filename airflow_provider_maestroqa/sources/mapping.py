"""Which field of a record comes from which column, or from nowhere: as the user maps them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.parsing import is_blank
from airflow_provider_maestroqa.client.resources.models import RecordSchema
from airflow_provider_maestroqa.sources.base import join_names, show_value
from airflow_provider_maestroqa.sources.coercion import (
    ANYTHING,
    ATTRIBUTES,
    TYPES,
    CellError,
    CellReader,
    field_types,
)

_OBJECT = "attributes"
_KEYS = frozenset({"column", "optional", "type", "value"})
_HOW = (
    'Write it like {"ticket_id": "id", "attributes.group": "team", "source_id": {"value": "salesforce"}}: field and '
    "column, or field and constant."
)


@dataclass(frozen=True)
class FieldTarget:
    """Where a value goes in a record.

    :param field: the API's name, such as ``ticket_id``.
    :param attribute: the name of a custom attribute within ``attributes``; empty for the field itself.
    :param field_type: what it holds.
    """

    field: str
    attribute: str
    field_type: str

    @property
    def name(self) -> str:
        """The whole name, such as ``attributes.group``."""
        return f"{self.field}.{self.attribute}" if self.attribute else self.field


@dataclass(frozen=True)
class Entry:
    """One entry of a mapping.

    :param target: where the value goes.
    :param column: where it comes from; ``None`` for a constant.
    :param constant: the value itself.
    :param optional: whether the source may lack the column.
    """

    target: FieldTarget
    column: str | None = None
    constant: Any = None
    optional: bool = False


def find_target(name: str, record_type: RecordSchema) -> FieldTarget | None:
    """Find the field or custom attribute of this name; ``None`` when there is none."""
    types = field_types(record_type)
    if name in types:
        return FieldTarget(name, "", types[name])
    field, _, attribute = name.partition(".")
    if attribute and types.get(field) == ATTRIBUTES:
        return FieldTarget(field, attribute, ANYTHING)
    return None


def parse_mapping(mapping: object, record_type: RecordSchema, cells: CellReader) -> tuple[Entry, ...] | None:
    """Read a mapping.

    :param mapping: ``{field: column}``, with ``{"value": constant}`` or ``{"column": …, "type": …, "optional": …}``
        in the place of a column; a dict, or the same as JSON text. ``None`` when there is none.
    :param record_type: what the records are.
    :param cells: reads the constants.
    :raises MaestroQAConfigError: names the field that is wrong, and what there is.
    """
    if is_blank(mapping):
        return None
    if isinstance(mapping, str):
        mapping = _from_json(mapping)
    if not isinstance(mapping, Mapping):
        raise MaestroQAConfigError(f"mapping must be a dict, got {type(mapping).__name__}. {_HOW}")
    entries = tuple(_parse_entry(name, value, record_type, cells) for name, value in mapping.items())
    fields = {entry.target.field for entry in entries}
    if any(entry.target.name == _OBJECT for entry in entries) and any(entry.target.attribute for entry in entries):
        raise MaestroQAConfigError("mapping has both attributes and attributes.…. Use one of the two ways.")
    if missing := [name for name in record_type.fields if name in record_type.required - fields]:
        raise MaestroQAConfigError(
            f"mapping has nothing for {join_names(missing, quoted=False)}, which every {record_type.name} needs; a "
            f"column that the mapping does not name is dropped. {_HOW}"
        )
    return entries


def unknown_field(name: str, record_type: RecordSchema) -> str:
    """The end of a message that a record has no such field; names those that it has."""
    article = "an" if record_type.name[0] in "aeiou" else "a"
    close = difflib.get_close_matches(name, record_type.fields, n=1, cutoff=0.7)
    has = [f"{field}.<name>" if field == _OBJECT else field for field in record_type.fields]
    hint = f"Did you mean {close[0]}? " if close else ""
    return f"is no field of {article} {record_type.name}. {hint}It has: {', '.join(has)}"


def _parse_entry(name: object, value: object, record_type: RecordSchema, cells: CellReader) -> Entry:
    target = find_target(name, record_type) if isinstance(name, str) else None
    if target is None:
        raise MaestroQAConfigError(f"mapping: {name!r} {unknown_field(str(name), record_type)}.")
    if isinstance(value, str) and value:
        return Entry(target, value)
    if not isinstance(value, Mapping) or not value or not set(value) <= _KEYS:
        raise MaestroQAConfigError(
            f'mapping: {target.name} must get a column\'s name, or a constant as {{"value": …}}, got {value!r}. '
            f"{_HOW}"
        )
    target = _with_type(target, value)
    if "value" in value:
        if set(value) & {"column", "optional"}:
            raise MaestroQAConfigError(f"mapping: {target.name} has both a column and a constant. Leave one out.")
        return Entry(target, constant=_parse_constant(target, value["value"], cells))
    column, optional = value.get("column"), value.get("optional", False)
    if not isinstance(column, str) or not column or not isinstance(optional, bool):
        raise MaestroQAConfigError(
            f'mapping: {target.name} must be written like {{"column": "team", "optional": true}}, got '
            f"{dict(value)!r}."
        )
    return Entry(target, column, optional=optional)


def _with_type(target: FieldTarget, value: Mapping[str, Any]) -> FieldTarget:
    if "type" not in value:
        return target
    if target.field_type != ANYTHING:
        raise MaestroQAConfigError(
            f"mapping: {target.name} takes no type, because every {target.name} is the same. Leave type out; it is "
            "for custom attributes."
        )
    if value["type"] not in TYPES:
        raise MaestroQAConfigError(
            f"mapping: the type of {target.name} must be one of {', '.join(TYPES)}; got {value['type']!r}."
        )
    return FieldTarget(target.field, target.attribute, value["type"])


def _parse_constant(target: FieldTarget, value: Any, cells: CellReader) -> Any:
    problem = "has no value; leave the field out instead"
    try:
        read = None if value is None else cells.reader_for(target.field_type)(value)
    except CellError as error:
        problem = str(error)
        read = None
    if read is None:
        raise MaestroQAConfigError(f"mapping: the constant of {target.name} {problem}.")
    return read


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        pass
    raise MaestroQAConfigError(
        f"mapping is text and no JSON: {show_value(text)}. Pass a dict; in a template, write {{{{ … | tojson }}}}."
    )
