"""The cells of a source, read as the fields that they go to.

The same rules hold for every source: what a file has as text and a database has as a number of its own ends as the
same field. Each reader returns the value, ``None`` when the cell counts as empty, or raises :class:`CellError`.
What it does not know is left to the record's own check.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone, tzinfo
from decimal import Decimal
from functools import cache
from numbers import Integral
from types import MappingProxyType
from typing import Annotated, Any, get_args, get_origin
from uuid import UUID

from typing_extensions import NotRequired, Required, get_type_hints

from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.resources.coercion import (
    as_attributes,
    as_number,
    as_objects,
    as_tags,
    as_texts,
    as_time,
    as_whole_number,
)
from airflow_provider_maestroqa.client.resources.models import RecordSchema
from airflow_provider_maestroqa.landing.clean.dates import parse_date
from airflow_provider_maestroqa.sources.base import BadCell, show_value

TEXT = "text"
NUMBER = "number"
BOOLEAN = "boolean"
TIME = "time"
TAGS = "tags"
LIST = "list"
ATTRIBUTES = "attributes"
OBJECTS = "objects"
#: A custom attribute, of whose type nothing is known here.
ANYTHING = "anything"

#: What a user may choose for a custom attribute.
TYPES = (TEXT, NUMBER, BOOLEAN, TIME)

_TYPE_OF: Mapping[Any, str] = {
    as_number: NUMBER,
    as_whole_number: NUMBER,
    as_time: TIME,
    as_tags: TAGS,
    as_texts: LIST,
    as_attributes: ATTRIBUTES,
    as_objects: OBJECTS,
}

#: What JSON cannot hold.
BINARY = (bytes, bytearray, memoryview)
_MAX_DEPTH = 20
_MAX_DIGITS = 4000
_TRUE = frozenset({"true", "t", "yes", "1"})
_FALSE = frozenset({"false", "f", "no", "0"})
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NO_ZONE = "has no time zone; give it one where it is made, or say which one is meant, as in timezone='UTC'"


class CellError(ValueError):
    """A cell cannot be read as the field that it goes to; the text goes on from the field's name."""


@dataclass(frozen=True)
class CellReader:
    """Reads cells.

    :param zone: the time zone of times without one; ``None`` rejects them.
    """

    zone: tzinfo | None = None

    def reader_for(self, field_type: str) -> Callable[[Any], Any]:
        """What reads a cell for a field of this type."""
        return {
            TEXT: self.text,
            NUMBER: self.number,
            BOOLEAN: self.boolean,
            TIME: self.time,
            TAGS: self.tags,
            LIST: self.texts,
            ATTRIBUTES: self.attributes,
            OBJECTS: self.objects,
            ANYTHING: self.anything,
        }[field_type]

    def text(self, value: Any) -> Any:
        """Text; a whole number becomes its digits, a UUID and a date their text."""
        if isinstance(value, str):
            return value if value.strip() else None
        if isinstance(value, bool):
            return value
        if isinstance(value, Integral):
            return str(int(value))
        if isinstance(value, Decimal) and value.is_finite() and _places(value) >= 0:
            return format(value, "f")
        if isinstance(value, (float, Decimal)):
            raise CellError(f"must be text, got {type(value).__name__}, a number with decimals; cast it to text")
        if isinstance(value, datetime):
            return format_time(self._with_zone(value))
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, UUID):
            return str(value)
        return _reject_unreadable(value)

    def number(self, value: Any) -> Any:
        """A number, also one that is written as text with a point."""
        if not isinstance(value, str):
            return _reject_unreadable(value)
        text = value.strip()
        if not text:
            return None
        if len(text) < _MAX_DIGITS and _WHOLE.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            return float(text)
        raise CellError(f"must be a number such as 85.5, got {show_value(value)}")

    def boolean(self, value: Any) -> Any:
        """True or false, also as a word or as 1 and 0."""
        if isinstance(value, str):
            word = value.strip().lower()
            if not word:
                return None
            if word in _TRUE or word in _FALSE:
                return word in _TRUE
        elif isinstance(value, (int, float, Decimal)) and value in (0, 1):
            return bool(value)
        if isinstance(value, BadCell):
            raise CellError(value.problem)
        raise CellError(f"must be true or false (or 1 or 0), got {show_value(value)}")

    def time(self, value: Any) -> Any:
        """A point in time; one without a zone is read in the zone that the user passes."""
        if isinstance(value, str):
            if not value.strip():
                return None
            moment = parse_date(value.strip())
            # Other forms of ISO 8601 are left to the check of the record.
            return value if moment is None else self._with_zone(moment)
        if isinstance(value, datetime):
            return self._with_zone(value)
        if isinstance(value, date):
            return self._with_zone(datetime(value.year, value.month, value.day))
        return _reject_unreadable(value)

    def tags(self, value: Any) -> Any:
        """Tags: text with commas, or a list; text that begins with ``[`` is a JSON list."""
        if isinstance(value, str) and not value.lstrip().startswith("["):
            return value if value.strip() else None
        return self._list(value)

    def texts(self, value: Any) -> Any:
        """A list of texts; from text, separated by commas, unless it begins with ``[`` and is a JSON list."""
        if isinstance(value, str) and not value.lstrip().startswith("["):
            return [part.strip() for part in value.split(",")] if value.strip() else None
        return self._list(value)

    def attributes(self, value: Any) -> Any:
        """Custom attributes: a mapping, or a JSON object as text."""
        if isinstance(value, str):
            if not value.strip():
                return None
            value = _parse_json(value, dict, 'a JSON object such as {"group": "Tier 2"}')
        return self.anything(value)

    def objects(self, value: Any) -> Any:
        """Objects: a list of mappings, or a JSON list of them as text."""
        if isinstance(value, str):
            if not value.strip():
                return None
            value = _parse_json(value, list, 'a JSON list such as [{"question": "Was it solved?", "score": 4}]')
        return self.anything(value)

    def anything(self, value: Any) -> Any:
        """A value whose type is not known here: as it is, as far as JSON has it."""
        return self._plain(value, 0)

    def _plain(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return value if value.strip() else None
        if isinstance(value, datetime):
            return self._with_zone(value)
        if isinstance(value, (date, UUID)):
            return str(value)
        if depth < _MAX_DEPTH and isinstance(value, Mapping):
            return {name: self._plain(inner, depth + 1) for name, inner in value.items()}
        if depth < _MAX_DEPTH and isinstance(value, (list, tuple)):
            return [self._plain(inner, depth + 1) for inner in value]
        return _reject_unreadable(value)

    def _list(self, value: Any) -> Any:
        if isinstance(value, str):
            value = _parse_json(value, list, 'a JSON list such as ["one", "two"] (it begins with "[")')
        if isinstance(value, (list, tuple)):
            return [self.text(inner) for inner in value]
        return _reject_unreadable(value)

    def _with_zone(self, moment: datetime) -> datetime:
        if moment.utcoffset() is None:
            if self.zone is None:
                raise CellError(f"{_NO_ZONE}; got {show_value(moment.isoformat())}")
            moment = moment.replace(tzinfo=self.zone)
        try:
            moment.astimezone(timezone.utc)
        except OverflowError:
            pass
        else:
            return moment
        raise CellError(f"is no time between the years 1 and 9999 in UTC; got {show_value(moment.isoformat())}")


def _reject_unreadable(value: Any) -> Any:
    if isinstance(value, BadCell):
        raise CellError(value.problem)
    if isinstance(value, BINARY):
        raise CellError("is binary, which JSON cannot hold; encode it as text at the source")
    return value


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else -1


def _parse_json(text: str, expected: type, what: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, expected):
        return value
    raise CellError(f"must be {what}, got {show_value(text)}")


@cache
def field_types(record_type: RecordSchema) -> Mapping[str, str]:
    """The type of each field of a record."""
    hints = get_type_hints(record_type.typed_dict, include_extras=True)
    return MappingProxyType({name: _type_of(hint) for name, hint in hints.items()})


def _type_of(hint: Any) -> str:
    while get_origin(hint) in (Required, NotRequired):
        (hint,) = get_args(hint)
    if hint is bool:
        return BOOLEAN
    if get_origin(hint) is Annotated:
        for validator in hint.__metadata__:
            if (field_type := _TYPE_OF.get(getattr(validator, "func", None))) is not None:
                return field_type
    return TEXT
