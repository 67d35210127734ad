"""Checks of request parameters, as strict as the documents: unknown, null, missing and wrong values are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from aiohttp import web

from airflow_provider_maestroqa.sandbox.answers import RefusedError

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", re.ASCII)


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation.

    :param check: gives the complaint about a value, or ``None``.
    :param required: whether it must be there.
    """

    check: Callable[[Any], str | None]
    required: bool = False


def text(value: Any) -> str | None:
    """Any string that is not empty."""
    return None if isinstance(value, str) and value else "must be a non-empty string"


def flag(value: Any) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else "must be true or false"


def date(value: Any) -> str | None:
    """A UTC date as the API writes it."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            parse_date(value)
        except ValueError:
            pass
        else:
            return None
    return "must be a UTC date like 2017-12-13T05:00:00Z"


def digits(value: Any) -> str | None:
    """A number of 0 or more as a query carries it."""
    return None if isinstance(value, str) and value.isascii() and value.isdigit() else "must be a number of 0 or more"


def one_of(*values: str) -> Callable[[Any], str | None]:
    """One of some words."""

    def check(value: Any) -> str | None:
        return None if isinstance(value, str) and value in values else f"must be one of {', '.join(values)}"

    return check


def parse_date(value: str) -> datetime:
    """A date that :func:`date` let pass."""
    form = "%Y-%m-%dT%H:%M:%S.%fZ" if "." in value else "%Y-%m-%dT%H:%M:%SZ"
    return datetime.strptime(value, form).replace(tzinfo=timezone.utc)


def check_parameters(given: Mapping[str, Any], known: Mapping[str, Parameter]) -> None:
    """Refuse parameters that are not as documented.

    :raises RefusedError: 400, naming every parameter that is wrong.
    """
    wrong = [f"{name} is required" for name, parameter in known.items() if parameter.required and name not in given]
    for name, value in given.items():
        if name not in known:
            wrong.append(f"{name} is not a known parameter")
        elif value is None:
            wrong.append(f"{name} must not be null")
        elif complaint := known[name].check(value):
            wrong.append(f"{name} {complaint}")
    if wrong:
        raise RefusedError(400, f"Invalid parameters: {'; '.join(wrong)}.")


async def json_body(request: web.Request) -> dict[str, Any]:
    """The JSON object in a request's body.

    :raises RefusedError: 400, when there is none.
    """
    if request.content_type != "application/json":
        raise RefusedError(400, "The body must be JSON with the Content-Type application/json.")
    body = parse_json(await request.read())
    if not isinstance(body, dict):
        raise RefusedError(400, "The body must be a JSON object.")
    return body


def parse_json(raw: bytes) -> Any:
    """Parsed strict JSON, or ``None`` when it is not."""
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)
