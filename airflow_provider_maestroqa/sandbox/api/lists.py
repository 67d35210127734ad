"""The API's chapters "To-Dos", "Coaching Points" and "Coaching Sessions": lists, page by page, and single records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from airflow_provider_maestroqa.sandbox import validation as checks
from airflow_provider_maestroqa.sandbox.data.coaching_rows import LISTS, Fields
from airflow_provider_maestroqa.sandbox.request_context import context_of, reject_query
from airflow_provider_maestroqa.sandbox.responses import APIError
from airflow_provider_maestroqa.sandbox.state import State, state_of
from airflow_provider_maestroqa.sandbox.validation import Check, Parameter, check_parameters, format_date

_SCIM_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_PAGE = {"count": Parameter(checks.digits), "startIndex": Parameter(checks.digits)}
#: Dates in a query, by the option that says in which forms.
_DATES: Mapping[str, Check] = {
    "documented": checks.date,
    "seconds": Check(
        lambda value: checks.date.fits(value) and "." not in value, "must be a UTC date like 2017-12-13T05:00:00Z"
    ),
    "iso8601": Check(lambda value: _moment(value) is not None, "must be a date of ISO 8601 with a time zone"),
}
_FILTERS = {
    "agentId": Parameter(checks.text),
    "creatorId": Parameter(checks.text),
    "startDate": Parameter(checks.date),
    "endDate": Parameter(checks.date),
}


@dataclass(frozen=True)
class ListEndpoint:
    """A list and its single records."""

    path: str
    label: str
    filters: Mapping[str, Parameter]
    select: Callable[[State, Mapping[str, str]], Sequence[Fields]]
    find: Callable[[State, str], Fields | None]
    page_size: int = 100
    max_page_size: int | None = None  # by default as the options say
    is_scim: bool = False
    show: Callable[[State, Fields], Fields] = lambda _state, record: record

    async def get_page(self, request: web.Request) -> web.Response:
        """Return a page of the list, changed by the faults that fire on it."""
        state = state_of(request)
        query = self._checked_query(state, request.query)
        at = {fault.kind: fault.at or 0 for fault in context_of(request).faults}
        offset = state.list_offsets[self.path] = state.list_offsets.get(self.path, 0) + at.get("shrink", 0)
        first_index = state.options.scim_first_index if self.is_scim else state.options.first_index
        max_page = self.max_page_size or state.options.max_page
        # As SCIM has it, an index before the first one means the first one.
        start = max(int(query.get("startIndex", first_index)), first_index)
        count = min(int(query.get("count", self.page_size)), at.get("page_cap", max_page), max_page)
        records = self.select(state, query)
        total = max(len(records) - offset, 0)
        slice_start = start - first_index
        resources = [] if "empty_page" in at else _slice(records, offset, slice_start, count, at)
        page = {
            **({"schemas": [_SCIM_LIST]} if self.is_scim else {}),
            "startIndex": start,
            "totalResults": max(total + at.get("wrong_total", 0), 0),
            "itemsPerPage": count,
            "Resources": [self._written(state, record) for record in resources],
        }
        return web.json_response(page)

    async def get_record(self, request: web.Request) -> web.Response:
        """Return a record."""
        reject_query(request)
        record = self.find(state_of(request), request.match_info["id"])
        if record is None:
            raise APIError(404, f"There is no {self.label} with this id.")
        return web.json_response(self._written(state_of(request), record))

    def _checked_query(self, state: State, given: Mapping[str, str]) -> dict[str, str]:
        """The parameters of the query as this account takes them, dates in the documented form."""
        known = {**_PAGE, **self.filters}
        if state.options.unknown_filters == "ignore":
            given = {name: value for name, value in given.items() if name in known}
        date = Parameter(_DATES[state.options.list_dates])
        known = {name: date if one.check is checks.date else one for name, one in known.items()}
        check_parameters(given, known)
        return {name: _documented(value) if known[name] is date else value for name, value in given.items()}

    def _written(self, state: State, record: Fields) -> Fields:
        """The record, with its id under the name that this account has for it; in SCIM that is always ``id``."""
        id_name = "id" if self.is_scim else state.options.record_id
        return {id_name if name == "id" else name: value for name, value in self.show(state, record).items()}


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment


def _documented(date: str) -> str:
    moment = None if checks.date.fits(date) else _moment(date)
    return date if moment is None else format_date(moment.timestamp())


def _slice(records: Sequence[Fields], offset: int, start: int, count: int, at: Mapping[str, int]) -> list[Fields]:
    if "repeat_page" in at:
        start = max(start - count, 0)
    start = offset + max(start - at.get("overlap_page", 0), 0)
    page = list(records[start : start + count])
    bare = (at["no_id"] or 1) if "no_id" in at else 0
    return [{k: v for k, v in one.items() if k != "id"} for one in page[:bare]] + page[bare:]


def _coaching(name: str, label: str, **more_filters: Parameter) -> ListEndpoint:
    record_type = LISTS[name]
    return ListEndpoint(
        f"/api/v1/{name}",
        label,
        {**_FILTERS, **more_filters},
        select=lambda state, query: state.coaching.match(record_type, query),
        find=lambda state, record_id: state.coaching.get(record_type, record_id),
    )


#: The lists of the API; a further one is a row.
ENDPOINTS = (
    _coaching("todos", "to-do"),
    _coaching("coaching-points", "coaching point"),
    _coaching("coaching-sessions", "coaching session", coachId=Parameter(checks.text)),
)

routes = web.RouteTableDef()
for _endpoint in ENDPOINTS:
    routes.get(_endpoint.path, allow_head=False)(_endpoint.get_page)
    routes.get(f"{_endpoint.path}/{{id}}", allow_head=False)(_endpoint.get_record)
