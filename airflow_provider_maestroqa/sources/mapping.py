"""Which field of a record comes from which column, or from nowhere: what a user says about it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.resources.models import RecordType
from airflow_provider_maestroqa.sources import field_types as kinds
from airflow_provider_maestroqa.sources.coercion import CellError, Cells, shown

_OBJECT = "attributes"
_KEYS = frozenset({"column", "optional", "type", "value"})
_MOST_NAMED = 30
_HOW = (
    'Write it like {"ticket_id": "id", "attributes.group": "team", "source_id": {"value": "salesforce"}}: field and '
    "column, or field and constant."
)


@dataclass(frozen=True)
class Target:
    """Where a value goes in a record.

    :param field: the API's name, such as ``ticket_id``.
    :param attribute: the name of a custom attribute within ``attributes``; empty for the field itself.
    :param kind: what it holds.
    """

    field: str
    attribute: str
    kind: str

    @property
    def name(self) -> str:
        """The whole name, such as ``attributes.group``."""
        return f"{self.field}.{self.attribute}" if self.attribute else self.field


@dataclass(frozen=True)
class Entry:
    """One line of a mapping.

    :param target: where the value goes.
    :param column: where it comes from; ``None`` for a constant.
    :param constant: the value itself.
    :param optional: whether the source may lack the column.
    """

    target: Target
    column: str | None = None
    constant: Any = None
    optional: bool = False


def target_named(name: str, record_type: RecordType) -> Target | None:
    """Find the field or custom attribute of this name; ``None`` when there is none."""
    known = kinds.kinds_of(record_type)
    if name in known:
        return Target(name, "", known[name])
    field, _, attribute = name.partition(".")
    if attribute and known.get(field) == kinds.ATTRIBUTES:
        return Target(field, attribute, kinds.ANYTHING)
    return None


def parse_mapping(mapping: object, record_type: RecordType, cells: Cells) -> tuple[Entry, ...] | None:
    """Read a mapping.

    :param mapping: ``{field: column}``, with ``{"value": constant}`` or ``{"column": …, "type": …, "optional": …}``
        in the place of a column; a dict, or the same as JSON text. ``None`` when there is none.
    :param record_type: what the records are.
    :param cells: reads the constants.
    :raises MaestroQAConfigError: names the field that is wrong, and what there is.
    """
    if mapping is None or mapping in ("", "None"):
        return None
    if isinstance(mapping, str):
        mapping = _from_json(mapping)
    if not isinstance(mapping, Mapping):
        raise MaestroQAConfigError(f"mapping must be a dict, got {type(mapping).__name__}. {_HOW}")
    entries = tuple(_entry(name, given, record_type, cells) for name, given in mapping.items())
    fields = {entry.target.field for entry in entries}
    if any(entry.target.name == _OBJECT for entry in entries) and any(entry.target.attribute for entry in entries):
        raise MaestroQAConfigError("mapping has both attributes and attributes.…. Use one of the two ways.")
    if missing := [name for name in record_type.fields if name in record_type.required - fields]:
        raise MaestroQAConfigError(
            f"mapping has nothing for {named(missing, quoted=False)}, which every {record_type.name} needs; a column "
            f"that the mapping does not name is dropped. {_HOW}"
        )
    return entries


def unknown_field(name: str, record_type: RecordType) -> str:
    """Say that a record has no such field, and what it has."""
    article = "an" if record_type.name[0] in "aeiou" else "a"
    close = difflib.get_close_matches(name, record_type.fields, n=1, cutoff=0.7)
    has = [f"{field}.<name>" if field == _OBJECT else field for field in record_type.fields]
    hint = f"Did you mean {close[0]}? " if close else ""
    return f"is no field of {article} {record_type.name}. {hint}It has: {', '.join(has)}"


def named(names: Sequence[str], *, quoted: bool = True) -> str:
    """Some names in one line, as a message may show them."""
    said = [shown(name) if quoted else name for name in names[:_MOST_NAMED]]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(said) + more


def doubled(names: Iterable[str]) -> str | None:
    """The first name that comes twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _entry(name: object, given: object, record_type: RecordType, cells: Cells) -> Entry:
    target = target_named(name, record_type) if isinstance(name, str) else None
    if target is None:
        raise MaestroQAConfigError(f"mapping: {name!r} {unknown_field(str(name), record_type)}.")
    if isinstance(given, str) and given:
        return Entry(target, given)
    if not isinstance(given, Mapping) or not given or not set(given) <= _KEYS:
        raise MaestroQAConfigError(
            f'mapping: {target.name} must get a column\'s name, or a constant as {{"value": …}}, got {given!r}. '
            f"{_HOW}"
        )
    target = _typed(target, given)
    if "value" in given:
        if set(given) & {"column", "optional"}:
            raise MaestroQAConfigError(f"mapping: {target.name} has both a column and a constant. Leave one out.")
        return Entry(target, constant=_constant(target, given["value"], cells))
    column, optional = given.get("column"), given.get("optional", False)
    if not isinstance(column, str) or not column or not isinstance(optional, bool):
        raise MaestroQAConfigError(
            f'mapping: {target.name} must be written like {{"column": "team", "optional": true}}, got '
            f"{dict(given)!r}."
        )
    return Entry(target, column, optional=optional)


def _typed(target: Target, given: Mapping[str, Any]) -> Target:
    if "type" not in given:
        return target
    if target.kind != kinds.ANYTHING:
        raise MaestroQAConfigError(
            f"mapping: {target.name} takes no type, because every {target.name} is the same. Leave type out; it is "
            "for custom attributes."
        )
    if given["type"] not in kinds.TYPES:
        raise MaestroQAConfigError(
            f"mapping: the type of {target.name} must be one of {', '.join(kinds.TYPES)}; got {given['type']!r}."
        )
    return Target(target.field, target.attribute, given["type"])


def _constant(target: Target, value: Any, cells: Cells) -> Any:
    problem = "has no value; leave the field out instead"
    try:
        read = None if value is None else cells.reader(target.kind)(value)
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
        f"mapping is text and no JSON: {shown(text)}. Pass a dict; in a template, write {{{{ … | tojson }}}}."
    )
