"""Values as people, forms and templates write them. A template renders everything to text."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection
from datetime import timedelta

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError


def as_flag(value: object, field: str) -> bool:
    """Read a boolean, or the text ``true`` or ``false``.

    :raises MaestroQAConfigError: it is neither.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise MaestroQAConfigError(f"{field} must be True or False, got {value!r}.")


def as_choice(value: object, field: str, choices: Collection[str]) -> str:
    """Read one of some words.

    :raises MaestroQAConfigError: it is none of them.
    """
    if isinstance(value, str) and value in choices:
        return value
    raise MaestroQAConfigError(f"{field} must be one of {', '.join(choices)}; got {value!r}.")


def as_seconds(value: object, field: str) -> float:
    """Read a number of seconds: a number, the text of one, or a timedelta.

    :raises MaestroQAConfigError: it is none of these, or below zero.
    """
    seconds = math.nan
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, (int, float, str)) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):
            seconds = float(value)
    if 0 <= seconds < math.inf:
        return seconds
    raise MaestroQAConfigError(f"{field} must be a number of seconds, 0 or more, got {value!r}.")
