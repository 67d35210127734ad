"""The cells of a source, read as the fields that they go to.

The same rules hold for every source: what a file has as text and a database has as a number of its own ends as the
same field. Each reader gives back the value, ``None`` when the cell counts as empty, or raises :class:`CellError`.
What it does not know is left to the check of the record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone, tzinfo
from decimal import Decimal
from numbers import Integral
from typing import Any
from uuid import UUID

from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.landing.clean.dates import parse_date
from airflow_provider_maestroqa.sources import field_types as kinds

#: What JSON cannot hold.
BINARY = (bytes, bytearray, memoryview)
_SHOWN = 40
_DEEPEST = 20
_MOST_DIGITS = 4000
_TRUE = frozenset({"true", "t", "yes", "1"})
_FALSE = frozenset({"false", "f", "no", "0"})
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NO_ZONE = "has no time zone; give it one where it is made, or say which one is meant, as in timezone='UTC'"


class CellError(ValueError):
    """A cell cannot be read as the field that it goes to; the text goes on from the field's name."""


@dataclass(frozen=True)
class Cells:
    """Reads cells.

    :param zone: the time zone of times that do not say one; ``None`` refuses them.
    """

    zone: tzinfo | None = None

    def reader(self, kind: str) -> Callable[[Any], Any]:
        """What reads a cell for a field of this kind."""
        return {
            kinds.TEXT: self.text,
            kinds.NUMBER: self.number,
            kinds.BOOLEAN: self.boolean,
            kinds.TIME: self.time,
            kinds.TAGS: self.tags,
            kinds.LIST: self.texts,
            kinds.ATTRIBUTES: self.attributes,
            kinds.ANYTHING: self.anything,
        }[kind]

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
            return format_time(self._zoned(value))
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, UUID):
            return str(value)
        return _known(value)

    def number(self, value: Any) -> Any:
        """A number, also one that is written as text with a point."""
        if not isinstance(value, str):
            return _known(value)
        text = value.strip()
        if not text:
            return None
        if len(text) < _MOST_DIGITS and _WHOLE.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            return float(text)
        raise CellError(f"must be a number such as 85.5, got {shown(value)}")

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
        raise CellError(f"must be true or false (or 1 or 0), got {shown(value)}")

    def time(self, value: Any) -> Any:
        """A point in time; one without a zone is read in the zone that the user has named."""
        if isinstance(value, str):
            if not value.strip():
                return None
            moment = parse_date(value.strip())
            # Other forms of ISO 8601 are left to the check of the record.
            return value if moment is None else self._zoned(moment)
        if isinstance(value, datetime):
            return self._zoned(value)
        if isinstance(value, date):
            return self._zoned(datetime(value.year, value.month, value.day))
        return _known(value)

    def tags(self, value: Any) -> Any:
        """Tags: text with commas, or a list; text that begins with ``[`` is a JSON list."""
        if isinstance(value, str) and not value.lstrip().startswith("["):
            return value if value.strip() else None
        return self._list(value)

    def texts(self, value: Any) -> Any:
        """A list of texts; from text, commas part them, unless it begins with ``[`` and is a JSON list."""
        if isinstance(value, str) and not value.lstrip().startswith("["):
            return [part.strip() for part in value.split(",")] if value.strip() else None
        return self._list(value)

    def attributes(self, value: Any) -> Any:
        """Custom attributes: a mapping, or a JSON object as text."""
        if isinstance(value, str):
            if not value.strip():
                return None
            value = _parsed(value, dict, 'a JSON object such as {"group": "Tier 2"}')
        return self.anything(value)

    def anything(self, value: Any) -> Any:
        """A value whose type is not known here: as it is, as far as JSON has it."""
        return self._plain(value, 0)

    def _plain(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return value if value.strip() else None
        if isinstance(value, datetime):
            return self._zoned(value)
        if isinstance(value, (date, UUID)):
            return str(value)
        if depth < _DEEPEST and isinstance(value, Mapping):
            return {name: self._plain(inner, depth + 1) for name, inner in value.items()}
        if depth < _DEEPEST and isinstance(value, (list, tuple)):
            return [self._plain(inner, depth + 1) for inner in value]
        return _known(value)

    def _list(self, value: Any) -> Any:
        if isinstance(value, str):
            value = _parsed(value, list, 'a JSON list such as ["one", "two"] (it begins with "[")')
        if isinstance(value, (list, tuple)):
            return [self.text(inner) for inner in value]
        return _known(value)

    def _zoned(self, moment: datetime) -> datetime:
        if moment.utcoffset() is None:
            if self.zone is None:
                raise CellError(f"{_NO_ZONE}; got {shown(moment.isoformat())}")
            moment = moment.replace(tzinfo=self.zone)
        try:
            moment.astimezone(timezone.utc)
        except OverflowError:
            pass
        else:
            return moment
        raise CellError(f"is no time between the years 1 and 9999 in UTC; got {shown(moment.isoformat())}")


def shown(value: object) -> str:
    """A cell as a message may show it: short, and with its odd characters made visible."""
    text = value if isinstance(value, str) else str(value)
    short = repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
    return short if isinstance(value, str) else f"{short} ({type(value).__name__})"


def _known(value: Any) -> Any:
    if isinstance(value, BINARY):
        raise CellError("is binary, which JSON cannot hold; encode it as text at the source")
    return value


def _places(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else -1


def _parsed(text: str, wanted: type, what: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, wanted):
        return value
    raise CellError(f"must be {what}, got {shown(text)}")
