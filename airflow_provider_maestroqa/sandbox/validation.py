"""Checks of values, as strict as the documents: unknown, null, missing and wrong parameters are rejected."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date as day
from datetime import datetime, timezone
from typing import Any

from airflow_provider_maestroqa.sandbox.responses import APIError

#: Gives the problem with a value, or ``None``.
Check = Callable[[Any], "str | None"]

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)
_PLAIN_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MIME_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+( *; *[\w-]+=[^\s;]+)*", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_URL = re.compile(r"https?://[^/\s]\S*")
_ABSENT = object()
#: So many problems are listed one by one; a batch may have thousands.
_MAX_LISTED = 20


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation.

    :param check: gives the problem with a value, or ``None``.
    :param required: whether it must be present.
    :param nullable: whether it may be null.
    """

    check: Check
    required: bool = False
    nullable: bool = False


def text(value: Any) -> str | None:
    """Any string that is not empty."""
    return None if isinstance(value, str) and value else "must be a non-empty string"


def any_text(value: Any) -> str | None:
    """Any string."""
    return None if isinstance(value, str) else "must be a string"


def flag(value: Any) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else "must be true or false"


def number(value: Any) -> str | None:
    """A number; true and false are none, nor is one too big to be told from infinity."""
    value_type = type(value)
    fits = value_type is int or (value_type is float and math.isfinite(value))
    return None if fits else "must be a number"


def date(value: Any) -> str | None:
    """A UTC date as the API writes it."""
    if isinstance(value, str) and _DATE.fullmatch(value) and _parses(datetime.fromisoformat, value[:-1]):
        return None
    return "must be a UTC date like 2017-12-13T05:00:00Z"


def plain_date(value: Any) -> str | None:
    """A date without a time."""
    if isinstance(value, str) and _PLAIN_DATE.fullmatch(value) and _parses(day.fromisoformat, value):
        return None
    return "must be a date like 2021-12-01"


def digits(value: Any) -> str | None:
    """A number of 0 or more, as a query holds it."""
    return None if isinstance(value, str) and value.isascii() and value.isdigit() else "must be a number of 0 or more"


def texts(value: Any) -> str | None:
    """An array of strings that are not empty."""
    fits = isinstance(value, list) and all(isinstance(one, str) and one for one in value)
    return None if fits else "must be an array of non-empty strings"


def array(value: Any) -> str | None:
    """An array of anything."""
    return None if isinstance(value, list) else "must be an array"


def mapping(value: Any) -> str | None:
    """An object."""
    return None if isinstance(value, dict) else "must be an object"


def email(value: Any) -> str | None:
    """Something with an @ in the middle."""
    return None if isinstance(value, str) and _EMAIL.fullmatch(value) else "must be an email address"


def web_address(value: Any) -> str | None:
    """A URL that can be fetched."""
    return None if isinstance(value, str) and _URL.fullmatch(value) else "must be a URL with http or https"


def mime_type(value: Any) -> str | None:
    """A MIME type, perhaps with parameters."""
    return None if isinstance(value, str) and _MIME_TYPE.fullmatch(value) else "must be a MIME type like audio/mp3"


def one_of(*values: str) -> Check:
    """One of a few strings."""

    def check(value: Any) -> str | None:
        return None if isinstance(value, str) and value in values else f"must be one of {', '.join(values)}"

    return check


#: The checks of custom attributes by the names of their types.
ATTRIBUTE_TYPES: Mapping[str, Check] = {"string": any_text, "number": number, "boolean": flag}


def problems_of(values: Mapping[str, Any], known: Mapping[str, Parameter]) -> list[str]:
    """What is wrong with parameters, each problem beginning with the parameter's name."""
    problems = []
    present = 0
    for name, parameter in known.items():
        value = values.get(name, _ABSENT)
        if value is _ABSENT:
            if parameter.required:
                problems.append(f"{name} is required")
            continue
        present += 1
        if value is None:
            if not parameter.nullable:
                problems.append(f"{name} must not be null")
        elif problem := parameter.check(value):
            problems.append(f"{name} {problem}")
    if present < len(values):
        problems += [f"{name} is not a known parameter" for name in values if name not in known]
    return problems


def reject_if(status: int, beginning: str, problems: Sequence[str]) -> None:
    """Reject a request that has problems, naming the first of them.

    :raises APIError: there is a problem.
    """
    if problems:
        rest = f"; and {len(problems) - _MAX_LISTED} more" if len(problems) > _MAX_LISTED else ""
        raise APIError(status, f"{beginning}: {'; '.join(problems[:_MAX_LISTED])}{rest}.")


def check_parameters(values: Mapping[str, Any], known: Mapping[str, Parameter]) -> None:
    """Reject parameters that are not as documented.

    :raises APIError: 400, naming every parameter that is wrong.
    """
    reject_if(400, "Invalid parameters", problems_of(values, known))


def parse_json(raw: bytes) -> Any:
    """Parse JSON as the standard has it, without ``NaN`` and ``Infinity``; ``None`` when it is not."""
    try:
        return _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def parse_date(value: str) -> datetime:
    """Parse a date that :func:`date` lets pass."""
    return datetime.fromisoformat(value[:-1]).replace(tzinfo=timezone.utc)


def format_date(at: float) -> str:
    """Format Unix seconds as the API writes dates in its responses."""
    moment = datetime.fromtimestamp(at, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _parses(parse: Callable[[str], Any], value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


def _reject_constant(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_reject_constant)
