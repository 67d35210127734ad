"""Reads a list to its end, whatever the server does with its pages.

:class:`Paging` decides and does no I/O, so that workers and the triggerer page alike; :class:`Listing` is the
iterator that users get. A page is asked for again when it is empty although more was announced, or when it only holds
what has come already: such pages come from servers that are behind. What stays useless is passed over, and said.

When ``totalResults`` shrinks, the records behind the removed ones have moved up, past the place where the next page
begins: so the list is read again from as far back as it shrank.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow_provider_maestroqa.client.endpoints import Request, build_request
from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.resources.digest_set import DigestSet

#: Seconds before a useless page is asked for again; then it is passed over.
PAUSES_S = (0.5, 2.0)
#: After so many useless pages in a row nothing more is expected.
_MOST_BARREN = 3
#: Pages in a row that may begin with old records before all of them are expected to.
_MOST_SHIFTED = 3

Record = dict[str, Any]


class Paging:
    """Which page of a list to ask for next, and which of its records are new.

    ``next_call`` → send it → ``take`` the answer → wait ``pause_s`` → ``next_call`` …, until that gives ``None``.

    :param operation: the list's key in :data:`~.endpoints.ENDPOINTS`.
    :param parameters: its filters, by the API's names.
    :param page_size: how many records to ask for at once; the server may give fewer.
    """

    def __init__(self, operation: str, parameters: Mapping[str, Any] | None = None, *, page_size: int) -> None:
        self._operation = operation
        self._parameters = dict(parameters or {})
        self._page_size = page_size
        self._seen = DigestSet()
        self._index = 0
        self._over = False
        #: What the server announced last.
        self.total: int | None = None
        self._most = 0
        # Up to here a page need not bring anything new, because it is read for the second time.
        self._known_to = 0
        self._steps_left: int | None = None
        self._largest = 0
        self._tries = 0
        self._barren = 0
        self._shifted = 0
        #: Seconds to wait before the next call.
        self.pause_s = 0.0
        #: Different records so far.
        self.read = 0
        #: Records that came again.
        self.repeated = 0
        #: Records without an id; they are told apart by their content.
        self.unnamed = 0
        #: Pages that stayed useless.
        self.passed_over = 0

    def next_call(self) -> Request | None:
        """The next page to ask for; ``None`` when the list has ended."""
        if self._over:
            return None
        return build_request(
            self._operation, {**self._parameters, "count": self._page_size, "startIndex": self._index}
        )

    def take(self, answer: Any) -> list[Record]:
        """Take a page.

        :param answer: what MaestroQA answered to the last call.
        :return: the records on it that have not come before.
        :raises MaestroQADataError: again and again the answer was no page.
        """
        page = answer.get("Resources") if isinstance(answer, Mapping) else None
        if not isinstance(page, list) or not all(isinstance(record, Mapping) for record in page):
            return self._no_page()
        reached = self._index + len(page)
        total = _as_count(answer.get("totalResults"))
        if total is not None and page and reached > total:
            # It contradicts itself: there are more records than it says.
            total = self.total
        shrunk = self._note_total(total)
        new, again = self._part(page)
        # Some had to come again, because their places are read for the second time.
        again -= max(min(self._known_to, reached) - self._index, 0)
        self.read += len(new)
        self.repeated += len(page) - len(new)
        self._largest = max(self._largest, len(page))
        if new:
            self._barren = 0
        if shrunk:
            self._known_to = max(self._known_to, reached)
            self._go_to(max(self._index - shrunk, 0))
        elif new or (page and again <= 0):
            # Either this page began too early, and the next one begins before its end. Or new records have come in
            # front, so that all pages begin with old ones: after a while, these are taken for granted.
            self._shifted = self._shifted + 1 if again > 0 else 0
            if self._shifted > _MOST_SHIFTED:
                self._known_to = max(self._known_to, reached)
            self._go_to(reached - max(again, 0))
        elif not page and (self.total is None or self._index >= self.total):
            self._over = True
        else:
            size = len(page) or self._largest or _as_count(answer.get("itemsPerPage")) or self._page_size
            self._come_again(otherwise=self._index + size)
        return new

    def _part(self, page: list[Mapping[str, Any]]) -> tuple[list[Record], int]:
        """Part the new records of a page from the others; say how many old ones it begins with."""
        new: list[Record] = []
        begins_with = 0
        for record in page:
            if self._is_new(record):
                new.append(dict(record))
            elif not new:
                begins_with += 1
        return new, begins_with

    def warning(self) -> str:
        """What the user must know of a list that has ended; empty when all went well."""
        said = []
        if self.repeated:
            said.append(f"{self.repeated} records came more than once and were left out")
        if self.passed_over:
            said.append(f"{self.passed_over} pages stayed empty or repeated and were passed over")
        if self.unnamed:
            said.append(f"{self.unnamed} records had no id and were told apart by their content")
        missing = (self.total or 0) - self.read
        if missing > 0:
            said.append(f"{missing} of the {self.total} announced records never came")
        if not said:
            return ""
        return f"{self._operation}: {'; '.join(said)}. {self.read} different records were read."

    def _note_total(self, total: int | None) -> int:
        """Note what the server announces; say how far to go back because the list has shrunk."""
        before, self.total = self.total, total
        if total is None:
            return 0
        if before is None or total >= before:
            self._most = max(self._most, total)
            return 0
        # A server whose totals jump up and down must not make us read for ever: the list is read again once at most.
        if self._steps_left is None:
            self._steps_left = self._most
        shrunk = min(before - total, self._steps_left)
        self._steps_left -= shrunk
        if shrunk:
            self._most = total
        return shrunk

    def _is_new(self, record: Mapping[str, Any]) -> bool:
        name = id_of(record)
        if name is not None:
            return self._seen.add(name)
        self.unnamed += 1
        return self._seen.add(content_key(record))

    def _go_to(self, index: int) -> None:
        self._index = index
        self._tries, self.pause_s = 0, 0.0
        self._over = self.total is not None and index >= self._most

    def _come_again(self, *, otherwise: int) -> None:
        if self._tries < len(PAUSES_S):
            self.pause_s = PAUSES_S[self._tries]
            self._tries += 1
            return
        self.passed_over += 1
        self._barren += 1
        self._go_to(otherwise)
        self._over = self._over or self._barren >= _MOST_BARREN

    def _no_page(self) -> list[Record]:
        if self._tries >= len(PAUSES_S):
            raise MaestroQADataError(
                f"{self.next_call()} (startIndex {self._index}) answered no list of Resources, {self._tries + 1} "
                "times. Something between here and MaestroQA may have answered; try again later.",
                retryable=True,
            )
        self.pause_s = PAUSES_S[self._tries]
        self._tries += 1
        return []


class Listing(Iterator[Record]):
    """All records of a list, page by page as they are asked for. Each record comes once.

    :param send: sends a call and returns the answer.
    :param paging: the list.
    :param warn: told once, at the end, when the list was not in order.
    :param sleep: waits for some seconds.
    """

    def __init__(
        self,
        send: Callable[[Request], Any],
        paging: Paging,
        *,
        warn: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._paging = paging
        self._records = _read(send, paging, warn, sleep)

    def __iter__(self) -> Listing:
        return self

    def __next__(self) -> Record:
        return next(self._records)

    @property
    def total(self) -> int | None:
        """How many records MaestroQA announced last; ``None`` before the first page."""
        return self._paging.total


def _read(
    send: Callable[[Request], Any], paging: Paging, warn: Callable[[str], None], sleep: Callable[[float], None]
) -> Iterator[Record]:
    while (call := paging.next_call()) is not None:
        yield from paging.take(send(call))
        if paging.pause_s:
            sleep(paging.pause_s)
    if said := paging.warning():
        warn(said)


def id_of(record: Mapping[str, Any]) -> str | None:
    """A record's own id: ``_id`` or ``id``, whichever MaestroQA gave it."""
    for name in ("_id", "id"):
        value = record.get(name)
        if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def content_key(record: Mapping[str, Any]) -> str:
    """What stands for the id of a record that has none."""
    return "content:" + json.dumps(record, sort_keys=True, default=str)


def _as_count(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
