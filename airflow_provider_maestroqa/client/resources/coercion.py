"""Converts the values of a record's fields from Python's types to what MaestroQA takes.

Each function returns what is sent, or raises the error that the models turn into a message about the field.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic_core import PydanticCustomError

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import number_as_text, parse_moment, to_utc

_MAX_DEPTH = 20
#: The largest number of a double, which is what readers of JSON make of a number.
_MAX_BITS = 1024
_MAX_EXPONENT = 400
#: Python's own types, whose values are never missing: nearly all of them are asked about, so this is the short way.
_PLAIN = frozenset((str, int, bool, datetime, list, dict))


def as_python(value: Any) -> Any:
    """A value of numpy or pandas as Python's own; ``None`` for one that is missing: NaN, ``NaT`` or ``NA``."""
    if type(value) in _PLAIN:
        return value
    if type(value).__module__ == "numpy":
        # Nanoseconds would become a number.
        value = (value.astype("datetime64[us]") if type(value).__name__ == "datetime64" else value).tolist()
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    is_nan = (isinstance(value, float) and math.isnan(value)) or (isinstance(value, Decimal) and value.is_nan())
    return None if is_nan else value


def as_text(value: Any) -> Any:
    """Text; a whole number becomes its digits. Anything else is left to the check of the field."""
    return number_as_text(value)


def as_number(value: object) -> int | float:
    """A finite number; a ``Decimal`` becomes an int where it is whole, else a float."""
    if isinstance(value, bool):
        raise _invalid("must be a number, got bool; pass an int or a float")
    if isinstance(value, Decimal):
        is_whole = value.is_finite() and value.adjusted() < _MAX_EXPONENT and value == value.to_integral_value()
        return _finite(int(value) if is_whole else float(value) if not value.is_snan() else math.nan)
    if isinstance(value, numbers.Integral):
        return _finite(int(value))
    if isinstance(value, numbers.Real):
        return _finite(float(value))
    raise _invalid(f"must be a number, got {type(value).__name__}; pass an int or a float")


def as_whole_number(value: object) -> int:
    """A whole number, also one that is written as ``4.0``, as databases and pandas give them."""
    number = as_number(value)
    if number != int(number):
        raise _invalid("must be a whole number such as 4, got one with decimals")
    return int(number)


def as_time(value: object) -> str:
    """A point in time as UTC text."""
    try:
        return format_time(to_utc(parse_moment(value, "")))
    except MaestroQAConfigError:
        pass
    except (OverflowError, ValueError):
        raise _invalid("is no time between the years 1 and 9999 in UTC; leave it out or correct it") from None
    if isinstance(value, datetime):
        raise _invalid("is a naive datetime; give it a time zone, as in value.replace(tzinfo=timezone.utc)")
    received = repr(value[:40]) if isinstance(value, str) else type(value).__name__
    raise _invalid(
        f"must be an aware datetime, or text with a time zone such as 2026-01-31T00:00:00Z; got {received}"
        + (" (str)" if isinstance(value, str) else "")
    )


def as_tags(value: object) -> str:
    """One text with commas, from such a text or from a list of tags."""
    if isinstance(value, str):
        if value.strip():
            return value
        raise _invalid("is empty text; leave it out or give it a value")
    tags = as_texts(value)
    if not tags:
        raise _invalid("is an empty list; leave it out, because MaestroQA takes no empty value")
    for tag in tags:
        if "," in tag:
            raise _invalid(f"has the tag {tag[:40]!r} with a comma in it, but commas separate the tags; take it out")
    return ",".join(tags)


def as_texts(value: object) -> list[str]:
    """A list of texts."""
    if not isinstance(value, (list, tuple)):
        raise _invalid(f"must be a list of text, got {type(value).__name__}; write it like ['one', 'two']")
    texts = [as_text(as_python(text)) for text in value]
    for position, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            received = "empty text" if isinstance(text, str) else type(value[position]).__name__
            raise _invalid(f"must be a list of text, but [{position}] is {received}")
    return texts


def as_objects(value: object) -> object:
    """A list of dicts, without the fields that are absent; their other values are left to their own check."""
    if not isinstance(value, (list, tuple)):
        raise _invalid(f"must be a list of dicts, got {type(value).__name__}")
    return [
        {name: plain for name, field in one.items() if (plain := as_python(field)) is not None}
        if isinstance(one, Mapping)
        else one
        for one in value
    ]


def as_email(value: object) -> str:
    """An e-mail address, as far as one can tell without sending one."""
    if not isinstance(value, str):
        raise _invalid(f"must be an e-mail address, got {type(value).__name__}")
    name, at, host = value.rpartition("@")
    if not (name and at and host) or any(character.isspace() for character in value):
        raise _invalid("must be an e-mail address such as ann@example.com, got str")
    return value


def as_attributes(value: object) -> dict[str, Any]:
    """Custom attributes: names with values that JSON can hold; nulls are left out."""
    if not isinstance(value, Mapping):
        raise _invalid(f"must be a dict of custom attributes, got {type(value).__name__}")
    return _as_object(value, "", 0)


def _as_object(value: Mapping[Any, Any], where: str, depth: int) -> dict[str, Any]:
    attributes = {}
    for name, inner in value.items():
        if not isinstance(name, str) or not name:
            raise _invalid(f"has a name that is not text ({type(name).__name__}){where}; name each attribute")
        if (plain := as_python(inner)) is not None:
            attributes[name] = _as_json(plain, f" in {name!r}", depth + 1)
    return attributes


def _as_json(value: object, where: str, depth: int) -> Any:
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float, Decimal)):
        try:
            return as_number(value)
        except PydanticCustomError as error:
            raise _invalid(f"{error.message()}{where}") from None
    if isinstance(value, datetime):
        try:
            return as_time(value)
        except PydanticCustomError as error:
            raise _invalid(f"{error.message()}{where}") from None
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return _as_object(value, where, depth)
    if depth < _MAX_DEPTH and isinstance(value, (list, tuple)):
        return [_as_json(_plain(inner), where, depth + 1) for inner in value]
    raise _invalid(f"has a {type(value).__name__}{where}, which JSON cannot hold; convert it to text or a number")


def _plain(value: Any) -> Any:
    """A value within a list, where one that is missing cannot be left out."""
    plain = as_python(value)
    return value if plain is None else plain


def _finite(value: int | float) -> int | float:
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise _invalid("is a number with more than 308 digits, which JSON's readers do not hold; correct it")
    if isinstance(value, int) or math.isfinite(value):
        return value
    raise _invalid(f"must be a finite number, got {value} (float); leave the record out or correct it")


def _invalid(text: str) -> PydanticCustomError:
    return PydanticCustomError("invalid", "{text}", {"text": text})
