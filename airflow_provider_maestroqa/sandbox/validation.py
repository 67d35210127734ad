"""Checks of request parameters, as strict as the documents: unknown, null, missing and wrong values are refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox.request_context import parsed_body
from airflow_provider_maestroqa.sandbox.responses import RefusedError

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)
_MIME_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+( *; *[\w-]+=[^\s;]+)*", re.ASCII)
_ABSENT = object()
#: So many complaints are told one by one; a batch may have thousands.
_TOLD = 20


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation.

    :param check: gives the complaint about a value, or ``None``.
    :param required: whether it must be there.
    :param nullable: whether it may be null.
    """

    check: Callable[[Any], str | None]
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
    kind = type(value)
    return None if kind is int or (kind is float and math.isfinite(value)) else "must be a number"


def date(value: Any) -> str | None:
    """A UTC date as the API writes it."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            datetime.fromisoformat(value[:-1])
        except ValueError:
            pass
        else:
            return None
    return "must be a UTC date like 2017-12-13T05:00:00Z"


def digits(value: Any) -> str | None:
    """A number of 0 or more as a query carries it."""
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
    fits = isinstance(value, str) and re.fullmatch(r"[^@\s]+@[^@\s]+", value)
    return None if fits else "must be an email address"


def web_address(value: Any) -> str | None:
    """A URL that can be fetched."""
    fits = isinstance(value, str) and re.fullmatch(r"https?://[^/\s]\S*", value)
    return None if fits else "must be a URL with http or https"


def mime_type(value: Any) -> str | None:
    """A MIME type, perhaps with parameters."""
    fits = isinstance(value, str) and _MIME_TYPE.fullmatch(value)
    return None if fits else "must be a MIME type like audio/mp3"


def one_of(*values: str) -> Callable[[Any], str | None]:
    """One of some words."""

    def check(value: Any) -> str | None:
        return None if isinstance(value, str) and value in values else f"must be one of {', '.join(values)}"

    return check


def complaints(given: Mapping[str, Any], known: Mapping[str, Parameter]) -> list[str]:
    """What is wrong with parameters, each complaint beginning with the parameter's name."""
    wrong = []
    found = 0
    for name, parameter in known.items():
        value = given.get(name, _ABSENT)
        if value is _ABSENT:
            if parameter.required:
                wrong.append(f"{name} is required")
            continue
        found += 1
        if value is None:
            if not parameter.nullable:
                wrong.append(f"{name} must not be null")
        elif complaint := parameter.check(value):
            wrong.append(f"{name} {complaint}")
    if found < len(given):
        wrong += [f"{name} is not a known parameter" for name in given if name not in known]
    return wrong


def refuse(status: int, beginning: str, wrong: Sequence[str]) -> None:
    """Refuse a request of which something is wrong, naming it.

    :raises RefusedError: with the first of many complaints.
    """
    if wrong:
        rest = f"; and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
        raise RefusedError(status, f"{beginning}: {'; '.join(wrong[:_TOLD])}{rest}.")


def check_parameters(given: Mapping[str, Any], known: Mapping[str, Parameter]) -> None:
    """Refuse parameters that are not as documented.

    :raises RefusedError: 400, naming every parameter that is wrong.
    """
    refuse(400, "Invalid parameters", complaints(given, known))


async def json_body(request: web.Request) -> dict[str, Any]:
    """The JSON object in a request's body.

    :raises RefusedError: 400, when there is none.
    """
    if request.content_type != "application/json":
        raise RefusedError(400, "The body must be JSON with the Content-Type application/json.")
    body = await parsed_body(request)
    if not isinstance(body, dict):
        raise RefusedError(400, "The body must be a JSON object.")
    return body


def refuse_query(request: web.Request) -> None:
    """Refuse an operation without query parameters that comes with some.

    :raises RefusedError: 400, naming them.
    """
    if request.query:
        names = ", ".join(request.query)
        raise RefusedError(400, f"Invalid parameters: {names} must be in the JSON body or path, not in the query.")


async def body_parameters(request: web.Request, known: Mapping[str, Parameter]) -> dict[str, Any]:
    """The parameters in a request's body, checked.

    :raises RefusedError: 400, when they are not as documented.
    """
    refuse_query(request)
    asked = await json_body(request)
    check_parameters(asked, known)
    return asked
