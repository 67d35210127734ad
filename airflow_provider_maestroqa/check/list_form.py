"""The form of a list: what a page and its records must have, whichever API the list belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_maestroqa.check.account import CheckedAccount, Page
from airflow_provider_maestroqa.check.finding import Finding, not_seen, otherwise
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.redaction import shown_names

_PAGE_FIELDS = ("startIndex", "totalResults", "itemsPerPage", "Resources")


def form_probe(
    name: str,
    reading: str,
    means: str,
    *,
    get_page: Callable[[CheckedAccount], Page],
    judge: Callable[[CheckedAccount, Page, Mapping[str, Any], str], Finding],
) -> Probe:
    """A probe that looks at the form of a list.

    :param get_page: gets the page that is looked at.
    :param judge: judges the first record of a page that is in order; it also gets what is to be shown of its fields.
    """

    def look(account: CheckedAccount) -> Finding:
        """Look at the page, and then at its first record."""
        page = get_page(account)
        if not page.reply.is_success:
            return otherwise(page.reply.says)
        missing = [field for field in _PAGE_FIELDS if field not in page.reply.fields]
        if missing:
            return otherwise(f"a page without {shown_names(missing)}")
        if not page.records:
            return not_seen("the list is empty")
        return judge(account, page, page.records[0], f"records with {shown_names(sorted(page.records[0]))}")

    return Probe(name, reading, means, look)
