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

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)
_PLAIN_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ABSENT = object()
#: So many problems are listed one by one; a batch may have thousands.
_MAX_LISTED = 20


@dataclass(frozen=True)
class Check:
    """A check of a value: gives the problem with it, or ``None``."""

    fits: Callable[[Any], Any]
    problem: str

    def __call__(self, value: Any) -> str | None:
        """Return the problem with a value."""
        return None if self.fits(value) else self.problem


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation."""

    check: Callable[[Any], str | None]
    required: bool = False
    nullable: bool = False


def _matches(pattern: str, problem: str) -> Check:
    matches = re.compile(pattern).fullmatch
    return Check(lambda value: isinstance(value, str) and matches(value), problem)


def _parses(parse: Callable[[str], Any], value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


def one_of(*values: str) -> Check:
    """One of a few strings."""
    return Check(lambda value: isinstance(value, str) and value in values, f"must be one of {', '.join(values)}")


text = Check(lambda value: isinstance(value, str) and value, "must be a non-empty string")
any_text = Check(lambda value: isinstance(value, str), "must be a string")
flag = Check(lambda value: isinstance(value, bool), "must be true or false")
#: True and false are no numbers, nor is one too big to be told from infinity.
number = Check(
    lambda value: type(value) is int or (type(value) is float and math.isfinite(value)), "must be a number"
)
whole_number = Check(lambda value: type(value) is int, "must be an integer")
#: A UTC date as the API writes it.
date = Check(
    lambda value: isinstance(value, str) and _DATE.fullmatch(value) and _parses(datetime.fromisoformat, value[:-1]),
    "must be a UTC date like 2017-12-13T05:00:00Z",
)
#: A date without a time.
plain_date = Check(
    lambda value: isinstance(value, str) and _PLAIN_DATE.fullmatch(value) and _parses(day.fromisoformat, value),
    "must be a date like 2021-12-01",
)
#: A number as a query holds it.
digits = _matches(r"[0-9]+", "must be a number of 0 or more")
texts = Check(
    lambda value: isinstance(value, list) and all(isinstance(one, str) and one for one in value),
    "must be an array of non-empty strings",
)
array = Check(lambda value: isinstance(value, list), "must be an array")
mapping = Check(lambda value: isinstance(value, dict), "must be an object")
email = _matches(r"[^@\s]+@[^@\s]+", "must be an email address")
web_address = _matches(r"https?://[^/\s]\S*", "must be a URL with http or https")
mime_type = _matches(r"(?a)[\w!#$&^.+-]+/[\w!#$&^.+-]+( *; *[\w-]+=[^\s;]+)*", "must be a MIME type like audio/mp3")

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
    """Reject a request that has problems, naming the first of them."""
    if problems:
        rest = f"; and {len(problems) - _MAX_LISTED} more" if len(problems) > _MAX_LISTED else ""
        raise APIError(status, f"{beginning}: {'; '.join(problems[:_MAX_LISTED])}{rest}.")


def check_parameters(values: Mapping[str, Any], known: Mapping[str, Parameter]) -> None:
    """Reject parameters that are not as documented."""
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


def _reject_constant(name: str) -> Any:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_constant=_reject_constant)
