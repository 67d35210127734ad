"""The lists: their form, their pages and their windows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

from airflow_provider_maestroqa.check.account import CheckedAccount
from airflow_provider_maestroqa.check.finding import Finding, as_read, not_seen, otherwise, told
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.redaction import shown_names
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import parse_time
from airflow_provider_maestroqa.client.resources.catalogue import DEFAULT_PAGE_SIZE, LIST_RESOURCES, ListResource

_PAGE_FIELDS = ("startIndex", "totalResults", "itemsPerPage", "Resources")
_LARGE_PAGE = 1000
#: The lists that are filtered by the time of creation.
_ROWS = [row for row in LIST_RESOURCES.values() if row.is_windowed]
_SECOND = timedelta(seconds=1)


def _form(account: CheckedAccount, row: ListResource) -> Finding:
    page = account.first_page(row)
    if not page.reply.is_success:
        return otherwise(page.reply.says)
    missing = [name for name in _PAGE_FIELDS if name not in page.reply.fields]
    if missing:
        return otherwise(f"a page without {shown_names(missing)}")
    if not page.records:
        return not_seen("the list is empty")
    record = page.records[0]
    id_name = "id" if "id" in record else "_id" if "_id" in record else None
    lacking = not _is_time(record.get("createdAt"))
    single = account.get(f"{row.path}/{quote(page.ids[0], safe='')}") if id_name else None
    seen = f"{page.total:,} records with {shown_names(sorted(record))}"
    if single is not None:
        seen += f"; one by its id: {single.says}"
    is_found = single is not None and single.is_success
    return told(is_found and not lacking, seen, **{row.name: page.total})


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
    at_zero, at_one = (account.page(row, count=2, startIndex=index) for index in (0, 1))
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
    received = len(account.page(row, count=_LARGE_PAGE).records)
    capped: Mapping[str, Any] = {"max_page": received} if received < min(total, _LARGE_PAGE) else {}
    seen = f"{received:,} of {total:,} records for count={_LARGE_PAGE:,}"
    return told(received >= DEFAULT_PAGE_SIZE, seen, **capped)


def _past_the_end(account: CheckedAccount) -> Finding:
    row = account.longest_list
    page = account.page(row, count=2, startIndex=account.first_page(row).total + 1)
    return told(page.reply.is_success and not page.records, f"{page.reply.says}, {len(page.records)} records")


def _ends(account: CheckedAccount) -> Finding:
    row = next((one for one in _ROWS if account.first_page(one).records), None)
    if row is None:
        return not_seen("all lists are empty")
    first = account.first_page(row)
    created_at = parse_time(first.records[0].get("createdAt"), "createdAt")
    at, around = format_time(created_at), [format_time(created_at + step) for step in (-_SECOND, _SECOND)]
    windows = {"the start": (at, around[1]), "the end": (around[0], at), "both": (around[0], around[1])}
    pages = {
        name: account.page(row, startDate=start, endDate=end, count=DEFAULT_PAGE_SIZE)
        for name, (start, end) in windows.items()
    }
    if not all(page.reply.is_success for page in pages.values()):
        return otherwise("; ".join(f"{name}: {page.reply.says}" for name, page in pages.items()))
    inside = [name for name, page in pages.items() if first.ids[0] in page.ids]
    if "both" not in inside:
        return otherwise("a window around createdAt does not hold the record: it filters by something else")
    ends = [name for name in inside if name != "both"]
    seen = f"a record at {' and at '.join(ends)} is in" if ends else "a record at either end is out"
    list_ends = {0: "excluded", 2: "included"}.get(len(ends))
    return told(not ends, seen, **({"list_ends": list_ends} if list_ends else {}))


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
        Probe(
            f"list_{row.name}",
            f"The list of {_label(row)} has the documented form; its records have an id and `createdAt`.",
            "Records may be repeated or left out when the list is landed.",
            partial(_form, row=row),
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
)
