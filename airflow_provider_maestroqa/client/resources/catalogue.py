"""The lists of records that MaestroQA returns page by page: one row each, and all else is derived from the rows.

From :data:`LIST_RESOURCES` come the endpoints that list and get, the hook's ``list_*`` and ``get_*`` methods, the
datasets of lineage, the resources that a transfer can land, and the table in the docs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import parse_choice, parse_count, parse_id, parse_time, require_order

DEFAULT_PAGE_SIZE = 100
#: The largest page that makes sense to ask for; MaestroQA may return fewer records.
MAX_PAGE_SIZE = 10_000

#: The path of SCIM below the base URL.
SCIM_ROOT = "/api/v1/scim/v2"
_FILTERS = {"agent_id": "agentId", "creator_id": "creatorId", "coach_id": "coachId", "user_name": "userName"}
_API_FILTERS = {api_name: name for name, api_name in _FILTERS.items()}


@dataclass(frozen=True)
class ListResource:
    """A list of records, and how to read it.

    :param name: the resource's name here, in the plural.
    :param singular: the name of one record.
    :param content: what its records are, in prose.
    :param path: the list's path below the root, case-sensitive; a record's path is this and its id.
    :param section: the chapter of the API document that describes it.
    :param filters: the names of the values that it can be filtered by.
    :param is_windowed: whether it can be filtered by the time of creation.
    :param first_index: the ``startIndex`` of the first record.
    :param root: the path of the API that it belongs to, below the base URL.
    :param filters_by_expression: whether its filters travel as one expression of SCIM: ``filter=name eq "value"``.
    """

    name: str
    singular: str
    content: str
    path: str
    section: str
    filters: tuple[str, ...] = ()
    is_windowed: bool = True
    first_index: int = 0
    root: str = "/api/v1"
    filters_by_expression: bool = False

    @property
    def list_operation(self) -> str:
        """The operation that reads a page."""
        return f"list_{self.name}"

    @property
    def get_operation(self) -> str:
        """The operation that reads one record."""
        return f"get_{self.singular}"

    @property
    def dataset(self) -> str:
        """The dataset of its records, as ``maestroqa://`` URIs name it."""
        return self.name.replace("_", "-")

    @property
    def arguments(self) -> tuple[str, ...]:
        """What a list can be filtered by: the ids, and the window where it has one."""
        return (*self.filters, "start", "end") if self.is_windowed else self.filters

    def filter_parameter(self, api_name: str, value: str) -> dict[str, str]:
        """The query parameter of a filter; in an expression the value is quoted as JSON has it."""
        if self.filters_by_expression:
            return {"filter": f"{api_name} eq {json.dumps(value, ensure_ascii=False)}"}
        return {api_name: value}


#: SCIM (RFC 7644): its lists count from 1, 20 records to a page, and know no times.
_scim = partial(
    ListResource,
    section="SCIM",
    is_windowed=False,
    first_index=1,
    root=SCIM_ROOT,
    filters_by_expression=True,
)

#: The lists by their names.
LIST_RESOURCES: Mapping[str, ListResource] = {
    row.name: row
    for row in (
        ListResource("todos", "todo", "to-dos", "/todos", "To-Dos", ("agent_id", "creator_id")),
        ListResource(
            "coaching_points",
            "coaching_point",
            "coaching points",
            "/coaching-points",
            "Coaching Points",
            ("agent_id", "creator_id"),
        ),
        ListResource(
            "coaching_sessions",
            "coaching_session",
            "coaching sessions",
            "/coaching-sessions",
            "Coaching Sessions",
            ("agent_id", "creator_id", "coach_id"),
        ),
        _scim("agent_groups", "agent_group", "groups of agents", "/Groups"),
        _scim("user_groups", "user_group", "groups of accounts", "/Usergroups"),
        _scim("users", "user", "accounts that log in", "/Users", filters=("user_name",)),
    )
}


def list_parameters(resource: str, *, start: object = None, end: object = None, **filters: object) -> dict[str, Any]:
    """Validate the filters of a list and translate them to the API's names. (API: To-Dos, Coaching Points, …)

    :param resource: a key of :data:`LIST_RESOURCES`.
    :param start: records created after this time: an aware datetime or ISO 8601 text; ``None`` for no limit.
    :param end: records created before this time, likewise.
    :param filters: ids by their names here or the API's, ``agent_id`` or ``agentId``; ``None`` leaves one out.
    :raises MaestroQAConfigError: a filter is not known to this list, or has a wrong value.
    """
    row = LIST_RESOURCES[parse_choice(resource, "resource", LIST_RESOURCES)]
    parameters: dict[str, Any] = {}
    for name, value in {**filter_names(filters), "start": start, "end": end}.items():
        if value is None:
            continue
        if name not in row.arguments:
            takes = f"It takes: {', '.join(row.arguments)}." if row.arguments else "It takes none."
            raise MaestroQAConfigError(f"{name} is not a filter of {resource}. {takes}")
        if name in row.filters:
            parameters |= row.filter_parameter(_FILTERS[name], parse_id(value, name))
    window_start = None if start is None else parse_time(start, "start")
    window_end = None if end is None else parse_time(end, "end")
    if window_start is not None and window_end is not None:
        require_order(window_start, window_end, remedy=", or leave one out")
    for name, moment in (("startDate", window_start), ("endDate", window_end)):
        if moment is not None:
            parameters[name] = format_time(moment)
    return parameters


def filter_names(filters: Mapping[str, Any]) -> dict[str, Any]:
    """Filters by their names here, also those that are given by the API's names.

    :raises MaestroQAConfigError: one is given by both.
    """
    by_name: dict[str, Any] = {}
    for argument, value in filters.items():
        name = _API_FILTERS.get(argument, argument)
        if by_name.get(name) is not None and value is not None:
            raise MaestroQAConfigError(f"{name} and {_FILTERS[name]} are the same filter. Leave one out.")
        by_name[name] = by_name.get(name) if value is None else value
    return by_name


def parse_page_size(value: object) -> int:
    """Read the number of records to ask for at once.

    :raises MaestroQAConfigError: it is no whole number from 1 to 10,000.
    """
    return parse_count(value, "page_size", minimum=1, maximum=MAX_PAGE_SIZE)
