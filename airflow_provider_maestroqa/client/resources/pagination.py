"""Reads a list to its end, whatever the server does with its pages.

:class:`Paginator` decides and does no I/O, so that workers and the triggerer page alike; :class:`RecordIterator` is
what users get. A page is requested again when it is empty although more was announced, or when it holds only records
that have come before: such pages come from servers that lag behind. A page that stays useless is skipped.

When ``totalResults`` shrinks, the records behind the removed ones have moved forward, past the place where the next
page begins. So the list is read again from as far back as it shrank.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.endpoints import Request, build_request
from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.formatting import pluralize

#: Seconds before a useless page is requested again; after the last pause it is skipped.
PAUSES_S = (0.5, 2.0)
#: After so many skipped pages in a row no more records are expected.
_MAX_SKIPPED_IN_A_ROW = 3
#: Pages in a row that may begin with old records before all of them are expected to.
_MAX_OVERLAPS_IN_A_ROW = 3
#: A total with more digits is none.
_MAX_DIGITS = 15
_REAL_TIME = Clock()

Record = dict[str, Any]


class Paginator:
    """Which page of a list to request next, and which of its records are new.

    ``next_request`` → send it → ``add_page`` its response → wait ``pause_s`` → ``next_request`` …, until that is
    ``None``.

    :param operation: the list's key in :data:`~.endpoints.ENDPOINTS`.
    :param parameters: its filters, by the API's names.
    :param page_size: how many records to request at once; the server may return fewer.
    :param first_index: the ``startIndex`` of the list's first record.
    """

    def __init__(
        self, operation: str, parameters: Mapping[str, Any] | None = None, *, page_size: int, first_index: int = 0
    ) -> None:
        self._operation = operation
        self._parameters = dict(parameters or {})
        self._page_size = page_size
        self._first_index = first_index
        self._seen = DigestSet()
        # Places are counted from 0, whatever the API does.
        self._next = 0
        # Up to here a page need not bring anything new, because it is read for the second time.
        self._read_to = 0
        self._done = False
        self._retries = 0
        self._skipped_in_a_row = 0
        self._overlaps_in_a_row = 0
        self._max_page = 0
        self._max_total = 0
        self._stepped_back = 0
        #: The number of records that the server announced last.
        self.total: int | None = None
        #: Seconds to wait before the next request.
        self.pause_s = 0.0
        #: Different records so far.
        self.read = 0
        #: Records that came again.
        self.repeated = 0
        #: Records without an id; they are identified by their content.
        self.without_id = 0
        #: Pages that stayed useless.
        self.skipped = 0

    def next_request(self) -> Request | None:
        """The request for the next page; ``None`` when the list has ended."""
        if self._done:
            return None
        page = {"count": self._page_size, "startIndex": self._first_index + self._next}
        return build_request(self._operation, {**self._parameters, **page})

    def add_page(self, response: Any) -> list[Record]:
        """Add a page.

        :param response: MaestroQA's response to the last request.
        :return: the records of the page that have not come before.
        :raises MaestroQADataError: again and again the response was no page.
        """
        page = response.get("Resources") if isinstance(response, Mapping) else None
        if not isinstance(page, list) or not all(isinstance(record, Mapping) for record in page):
            return self._invalid_page()
        end = self._next + len(page)
        step_back = self._update_total(_as_count(response.get("totalResults")), end=end if page else 0)
        is_new = [self._is_new(record) for record in page]
        new = [dict(record) for record, one_is_new in zip(page, is_new, strict=True) if one_is_new]
        self.read += len(new)
        self.repeated += len(page) - len(new)
        self._max_page = max(self._max_page, len(page))
        # Old records in front of the first new one, at places that are not read again: either this page began too
        # early, and the next one begins before its end; or records were inserted before it, so that all pages begin
        # with old ones. After a while the latter is taken for granted.
        old_in_front = is_new.index(True) if new else len(page)
        overlap = max(old_in_front - max(min(self._read_to, end) - self._next, 0), 0)
        if new:
            self._skipped_in_a_row = 0
        if step_back or new or (page and not overlap):
            self._overlaps_in_a_row = self._overlaps_in_a_row + 1 if overlap else 0
            if step_back or self._overlaps_in_a_row > _MAX_OVERLAPS_IN_A_ROW:
                self._read_to = max(self._read_to, end)
            self._move_to(max(self._next - step_back, 0) if step_back else end - overlap)
        elif not page and (self.total is None or self._next >= self.total):
            self._done = True
        else:
            self._retry_page(skip=len(page) or self._max_page or self._page_size)
        return new

    def warning(self) -> str:
        """What the user must know about a list that has ended; empty when nothing was wrong."""
        problems = []
        if self.repeated:
            problems.append(f"{pluralize(self.repeated, 'records')} came more than once and were left out")
        if self.skipped:
            problems.append(f"{pluralize(self.skipped, 'pages')} stayed empty or repeated, and were skipped")
        if self.without_id:
            problems.append(f"{pluralize(self.without_id, 'records')} had no id and were identified by their content")
        missing = (self.total or 0) - self.read
        if missing > 0:
            problems.append(f"{missing:,} of the {self.total:,} announced records never came")
        if not problems:
            return ""
        return f"{self._operation}: {'; '.join(problems)}. {pluralize(self.read, 'different records')} were read."

    def _update_total(self, total: int | None, *, end: int) -> int:
        """Note the announced total; return how far to step back because the list has shrunk."""
        if total is not None and end > total:
            # It contradicts itself: more records have come than it announces.
            total = self.total
        before, self.total = self.total, total
        if total is None:
            return 0
        self._max_total = max(self._max_total, total)
        # A server whose totals jump up and down must not make us read forever: the list is read again once at most.
        step = min(max((before or 0) - total, 0), self._max_total - self._stepped_back)
        self._stepped_back += step
        return step

    def _is_new(self, record: Mapping[str, Any]) -> bool:
        record_id = id_of(record)
        self.without_id += record_id is None
        return self._seen.add(content_key(record) if record_id is None else record_id)

    def _move_to(self, place: int) -> None:
        self._next = place
        self._retries, self.pause_s = 0, 0.0
        self._done = self.total is not None and place >= self.total

    def _retry_page(self, *, skip: int) -> None:
        if self._retry():
            return
        self.skipped += 1
        self._skipped_in_a_row += 1
        self._move_to(self._next + skip)
        self._done = self._done or self._skipped_in_a_row >= _MAX_SKIPPED_IN_A_ROW

    def _invalid_page(self) -> list[Record]:
        if self._retry():
            return []
        raise MaestroQADataError(
            f"{self.next_request()} (startIndex {self._first_index + self._next}) returned no list of Resources, "
            f"{self._retries + 1} times. Something between here and MaestroQA may have answered; try again later.",
            retryable=True,
        )

    def _retry(self) -> bool:
        """Request the page again, unless that was done often enough."""
        if self._retries == len(PAUSES_S):
            return False
        self.pause_s = PAUSES_S[self._retries]
        self._retries += 1
        return True


class RecordIterator(Iterator[Record]):
    """All records of a list, page by page as they are needed. Each record comes once.

    :param send: sends a request and returns the response.
    :param paginator: the list.
    :param warn: called once, at the end, when the list was not in order.
    :param clock: the time.
    """

    def __init__(
        self,
        send: Callable[[Request], Any],
        paginator: Paginator,
        *,
        warn: Callable[[str], None],
        clock: Clock = _REAL_TIME,
    ) -> None:
        self._paginator = paginator
        self._records = _read(send, paginator, warn, clock)

    def __iter__(self) -> RecordIterator:
        return self

    def __next__(self) -> Record:
        return next(self._records)

    @property
    def total(self) -> int | None:
        """The number of records that MaestroQA announced last; ``None`` before the first page."""
        return self._paginator.total


def _read(
    send: Callable[[Request], Any], paginator: Paginator, warn: Callable[[str], None], clock: Clock
) -> Iterator[Record]:
    while (request := paginator.next_request()) is not None:
        yield from paginator.add_page(send(request))
        if paginator.pause_s:
            clock.sleep(paginator.pause_s)
    if warning := paginator.warning():
        warn(warning)


# -- Which records have come ----------------------------------------------------------------------------------------


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
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        value = int(value)
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**_MAX_DIGITS
    return value if is_count else None


_BUCKETS = 4096
_DIGEST_SIZE = 8
#: Ids in one generation. Two generations are kept, so that at least the last five million ids are known.
GENERATION = 5_000_000


class DigestSet:
    """A set of ids that keeps a digest of each, about 10 bytes, instead of the id.

    A million ids take about 10 MB. At least the last five million are known, and at most ten million, in 100 MB:
    repeats come soon after their first, so the oldest ones are dropped. Of each id 76 bits are compared: among a
    million ids, two different ones pass for the same once in 100 billion times.

    :param generation: how many ids are known at least.
    """

    def __init__(self, generation: int = GENERATION) -> None:
        self._generation = generation
        self._current: dict[int, bytearray] = {}
        self._previous: dict[int, bytearray] = {}
        self._count = 0

    def add(self, key: str) -> bool:
        """Add an id.

        :return: whether it was new.
        """
        bucket, digest = _digest(key)
        if self._contains(bucket, digest):
            return False
        if self._count >= self._generation:
            self._previous, self._current, self._count = self._current, {}, 0
        self._current.setdefault(bucket, bytearray()).extend(digest)
        self._count += 1
        return True

    def __contains__(self, key: str) -> bool:
        return self._contains(*_digest(key))

    def _contains(self, bucket: int, digest: bytes) -> bool:
        return any(_bucket_has(ids.get(bucket, b""), digest) for ids in (self._current, self._previous))


def _digest(key: str) -> tuple[int, bytes]:
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_SIZE + 2).digest()
    return int.from_bytes(digest[:2], "big") % _BUCKETS, digest[2:]


def _bucket_has(bucket: bytes | bytearray, digest: bytes) -> bool:
    place = bucket.find(digest)
    # A match across the border of two digests is none.
    while place >= 0 and place % _DIGEST_SIZE:
        place = bucket.find(digest, place + 1)
    return place >= 0
