"""The lists of coaching data: which filters each one knows, checked before a request is spent on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import parse_choice, parse_time

DEFAULT_PAGE_SIZE = 100
#: The largest page that makes sense to ask for; MaestroQA may give fewer.
LARGEST_PAGE = 10_000

_IDS = {"agent_id": "agentId", "creator_id": "creatorId", "coach_id": "coachId"}
#: List → the ids that it can be filtered by. All can be filtered by the time of creation too.
LISTS: Mapping[str, tuple[str, ...]] = {
    "todos": ("agent_id", "creator_id"),
    "coaching_points": ("agent_id", "creator_id"),
    "coaching_sessions": ("agent_id", "creator_id", "coach_id"),
}


def list_parameters(resource: str, *, start: object = None, end: object = None, **filters: object) -> dict[str, Any]:
    """Check the filters of a list and give them MaestroQA's names. (API: To-Dos, Coaching Points, …)

    :param resource: ``todos``, ``coaching_points`` or ``coaching_sessions``.
    :param start: records created after this time: an aware datetime or ISO 8601 text; ``None`` for no limit.
    :param end: records created before this time, likewise.
    :param filters: ids by their names here; ``None`` leaves one out.
    :raises MaestroQAConfigError: a filter is not known to this list, or has a wrong value.
    """
    parse_choice(resource, "resource", LISTS)
    known = LISTS[resource]
    parameters: dict[str, Any] = {}
    for name, value in filters.items():
        if value is None:
            continue
        if name not in known:
            raise MaestroQAConfigError(
                f"{name} is not a filter of {resource}. It takes: {', '.join((*known, 'start', 'end'))}."
            )
        # A template that finds nothing renders to the empty text or to "None", and would ask for everything.
        if not isinstance(value, str) or not value.strip() or value == "None":
            raise MaestroQAConfigError(f"{name} must be an id as text, got {value!r}.")
        parameters[_IDS[name]] = value
    first = None if start is None else parse_time(start, "start")
    last = None if end is None else parse_time(end, "end")
    if first is not None and last is not None and first >= last:
        raise MaestroQAConfigError(
            f"start ({format_time(first)}) must be before end ({format_time(last)}). Swap them, or leave one out."
        )
    for name, moment in (("startDate", first), ("endDate", last)):
        if moment is not None:
            parameters[name] = format_time(moment)
    return parameters


def as_page_size(value: object) -> int:
    """Read how many records to ask for at once.

    :raises MaestroQAConfigError: it is no whole number from 1 to 10,000.
    """
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= LARGEST_PAGE:
        return number
    raise MaestroQAConfigError(f"page_size must be a whole number from 1 to {LARGEST_PAGE:,}, got {value!r}.")
