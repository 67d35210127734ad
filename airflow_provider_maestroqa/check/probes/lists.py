"""The lists: their form, their pages and their windows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from airflow_provider_maestroqa.check.account import CheckedAccount, Page
from airflow_provider_maestroqa.check.finding import Finding, as_read, not_seen, otherwise, told
from airflow_provider_maestroqa.check.list_form import form_probe
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.redaction import shown_names
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import parse_time
from airflow_provider_maestroqa.client.resources.catalogue import DEFAULT_PAGE_SIZE, LIST_RESOURCES, ListResource

_LARGE_PAGE = 1000
#: The lists that are filtered by the time of creation.
_ROWS = [row for row in LIST_RESOURCES.values() if row.is_windowed]
_SECOND = timedelta(seconds=1)


def _record(
    account: CheckedAccount, page: Page, record: Mapping[str, Any], shown: str, *, row: ListResource
) -> Finding:
    has_id = "id" in record or "_id" in record
    single = account.get(f"{row.path}/{quote(page.ids[0], safe='')}") if has_id else None
    seen = f"{page.total:,} {shown}"
    if single is not None:
        seen += f"; one by its id: {single.says}"
    is_found = single is not None and single.is_success
    return told(is_found and _is_time(record.get("createdAt")), seen, **{row.name: page.total})


def _record_id(account: CheckedAccount) -> Finding:
    names = {
        name
        for row in _ROWS
        for record in account.first_page(row).records
        for name in record
        if name in ("id", "_id")
    }
    if not names:
        return not_seen("all lists are empty")
    return told(names == {"id"}, shown_names(sorted(names)), record_id="id" if "id" in names else "_id")


def _first_index(account: CheckedAccount) -> Finding:
    row = account.longest_list
    first = account.first_page(row)
    if first.total < 2 or len(first.ids) < 2:
        return not_seen("no list with two records")
    at_zero, at_one = _large_page(account, row), account.page(row, count=2, startIndex=1)
    if at_one.ids[:1] == first.ids[:1]:
        refused = "" if at_zero.reply.is_success else f"; startIndex=0: {at_zero.reply.says}"
        return otherwise(f"startIndex=1 begins with the first record{refused}", first_index=1)
    if at_zero.ids[:1] == first.ids[:1] and at_one.ids[:1] == first.ids[1:2]:
        return as_read("startIndex=1 begins with the second record", first_index=0)
    return otherwise(
        f"startIndex=0: {at_zero.reply.says}, startIndex=1: {at_one.reply.says}, with other records: "
        "the order is not stable"
    )


def _page_size(account: CheckedAccount) -> Finding:
    row = account.longest_list
    total = account.first_page(row).total
    if total <= DEFAULT_PAGE_SIZE:
        return not_seen(f"no list with more than {DEFAULT_PAGE_SIZE} records")
    page = _large_page(account, row)
    received = len((page if page.reply.is_success else account.page(row, count=_LARGE_PAGE)).records)
    capped: Mapping[str, Any] = {"max_page": received} if received < min(total, _LARGE_PAGE) else {}
    seen = f"{received:,} of {total:,} records for count={_LARGE_PAGE:,}"
    return told(received >= DEFAULT_PAGE_SIZE, seen, **capped)


def _large_page(account: CheckedAccount, row: ListResource) -> Page:
    return account.page(row, count=_LARGE_PAGE, startIndex=0)


def _past_the_end(account: CheckedAccount) -> Finding:
    row = account.longest_list
    page = account.page(row, count=2, startIndex=account.first_page(row).total + 1)
    return told(page.reply.is_success and not page.records, f"{page.reply.says}, {len(page.records)} records")


def _windows(account: CheckedAccount) -> tuple[str, Mapping[str, Page]] | None:
    """A record's id, and three windows around its creation: it is at the start, at the end, and within.

    The times of the first two have milliseconds, those of the third one have none. Where milliseconds are rejected,
    and the time of creation has none, the first two are requested without.
    """
    row = next((one for one in _ROWS if account.first_page(one).records), None)
    if row is None:
        return None
    first = account.first_page(row)
    at = parse_time(first.records[0].get("createdAt"), "createdAt")
    before, after = at - _SECOND, at + _SECOND
    pages = {
        "the start": _window(account, row, _to_milliseconds(at), _to_milliseconds(after)),
        "the end": _window(account, row, _to_milliseconds(before), _to_milliseconds(at)),
        "both": _window(account, row, _to_seconds(before), _to_seconds(after + _SECOND)),
    }
    if not pages["the start"].reply.is_success and at == at.replace(microsecond=0):
        pages |= {
            "the start in seconds": _window(account, row, _to_seconds(at), _to_seconds(after)),
            "the end in seconds": _window(account, row, _to_seconds(before), _to_seconds(at)),
        }
    return first.ids[0], pages


def _window(account: CheckedAccount, row: ListResource, start: str, end: str) -> Page:
    return account.page(row, startDate=start, endDate=end, count=DEFAULT_PAGE_SIZE)


def _ends(account: CheckedAccount) -> Finding:
    windows = _windows(account)
    if windows is None:
        return not_seen("all lists are empty")
    record_id, pages = windows
    taken = {name.removesuffix(" in seconds"): page for name, page in pages.items() if page.reply.is_success}
    if len(taken) < 3:
        return not_seen("; ".join(f"{name}: {page.reply.says}" for name, page in pages.items()))
    inside = [name for name, page in taken.items() if record_id in page.ids]
    if "both" not in inside:
        return otherwise("a window around createdAt does not hold the record: it filters by something else")
    ends = [name for name in inside if name != "both"]
    seen = f"a record at {' and at '.join(ends)} is in" if ends else "a record at either end is out"
    list_ends = {0: "excluded", 2: "included"}.get(len(ends))
    return told(not ends, seen, **({"list_ends": list_ends} if list_ends else {}))


def _dates(account: CheckedAccount) -> Finding:
    windows = _windows(account)
    if windows is None:
        return not_seen("all lists are empty")
    milliseconds, seconds = windows[1]["the start"].reply, windows[1]["both"].reply
    others = account.page(account.longest_list, count=1, startDate="2020-01-01T00:00:00.000001+00:00").reply
    seen = f"seconds: {seconds.says}; milliseconds: {milliseconds.says}; microseconds and +00:00: {others.says}"
    forms = {(True, True): "iso8601", (True, False): "documented", (False, False): "seconds"}
    profile = {"list_dates": forms.get((milliseconds.is_success, others.is_success))} if seconds.is_success else {}
    is_as_read = milliseconds.is_success and seconds.is_success
    return told(is_as_read, seen, **{name: form for name, form in profile.items() if form})


def _times(account: CheckedAccount) -> Finding:
    for row in _ROWS:
        for record, record_id in zip(account.first_page(row).records, account.first_page(row).ids, strict=True):
            if not (_is_time(record.get("createdAt")) and _is_time(record.get("updatedAt"))):
                continue
            created_at, changed_at = (parse_time(record[name], name) for name in ("createdAt", "updatedAt"))
            if changed_at - created_at <= 3 * _SECOND:
                continue
            start, end = _to_seconds(changed_at - _SECOND), _to_seconds(changed_at + 2 * _SECOND)
            page = _window(account, row, start, end)
            if not page.reply.is_success:
                return not_seen(page.reply.says)
            is_in = record_id in page.ids
            seen = f"a record is {'in' if is_in else 'not in'} a window around the time of its last change"
            return told(not is_in, seen, list_times="changed" if is_in else "created")
    return not_seen("no record that was changed after its creation")


def _unknown_filter(account: CheckedAccount) -> Finding:
    reply = account.get(LIST_RESOURCES["todos"].path, {"count": 1, "airflowCheck": 1})
    is_rejected = reply.status in (400, 422) and reply.is_explained
    profile = {"unknown_filters": "ignore"} if reply.is_success else {}
    return told(is_rejected, reply.says, **profile)


def _to_milliseconds(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _to_seconds(moment: datetime) -> str:
    return format_time(moment.replace(microsecond=0))


def _is_time(value: object) -> bool:
    try:
        parse_time(value, "the time")
    except MaestroQAConfigError:
        return False
    return True


def _label(row: ListResource) -> str:
    return row.name.replace("_", " ").replace("todos", "to-dos")


PROBES = (
    *(
        form_probe(
            f"list_{row.name}",
            f"The list of {_label(row)} has the documented form; its records have an id and `createdAt`.",
            "Records may be repeated or left out when the list is landed.",
            get_page=partial(CheckedAccount.first_page, row=row),
            judge=partial(_record, row=row),
        )
        for row in _ROWS
    ),
    Probe(
        "record_id",
        "The id of a listed record is called `id`.",
        "Nothing to do: `_id` is understood as well. Columns of your tables are named after it.",
        _record_id,
    ),
    Probe(
        "first_index",
        "Lists count from 0, in a stable order.",
        "The first record comes twice and the last one may be missed. Report it before you land lists.",
        _first_index,
    ),
    Probe(
        "page_size",
        f"A page holds {DEFAULT_PAGE_SIZE} records or more.",
        "Lists are read completely, with more requests.",
        _page_size,
    ),
    Probe(
        "past_the_end",
        "A page past the end of a list is empty.",
        "Reading a list may end with an error.",
        _past_the_end,
    ),
    Probe(
        "list_ends",
        "A record that was created exactly at an end of a list's window is left out.",
        "A record at the border of two windows comes twice. Windows that overlap drop it by its id.",
        _ends,
    ),
    Probe(
        "list_dates",
        "The window of a list is taken with milliseconds and without.",
        "Windows whose times have milliseconds are rejected. Pass times of whole seconds.",
        _dates,
    ),
    Probe(
        "list_times",
        "The window of a list goes by the time of creation alone.",
        "A record that was changed comes again in a later window. Keep the newest one of each id.",
        _times,
    ),
    Probe(
        "unknown_filters",
        "A list rejects a query parameter that it does not know, and says so.",
        "A filter that MaestroQA does not have is ignored: the list comes whole. Names are checked here, before.",
        _unknown_filter,
    ),
)
