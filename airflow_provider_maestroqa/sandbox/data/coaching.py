"""The account's coaching data: which records match, page by page, without keeping any of them in memory.

Only the server's event loop changes it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timezone
from functools import partial
from typing import Any, overload

from airflow_provider_maestroqa.sandbox.data import documents
from airflow_provider_maestroqa.sandbox.data.coaching_rows import (
    MEETING_AFTER,
    OWNERS,
    Fields,
    Rows,
)
from airflow_provider_maestroqa.sandbox.options import SandboxOptions
from airflow_provider_maestroqa.sandbox.validation import format_date, parse_date

_DAY = 86400


class RecordList(Sequence[Fields]):
    """Records of a list: the generated ones, each made when it is accessed, and then those that were added."""

    def __init__(self, numbers: Sequence[int], make: Callable[[int], Fields], added: Sequence[Fields]) -> None:
        self._numbers = numbers
        self._make = make
        self._added = added

    def __len__(self) -> int:
        return len(self._numbers) + len(self._added)

    @overload
    def __getitem__(self, index: int) -> Fields: ...

    @overload
    def __getitem__(self, index: slice) -> list[Fields]: ...

    def __getitem__(self, index: int | slice) -> Fields | list[Fields]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        generated = len(self._numbers)
        return self._make(self._numbers[index]) if index < generated else dict(self._added[index - generated])


@dataclass
class Coaching:
    """To-dos, coaching points and coaching sessions."""

    options: SandboxOptions
    #: Coaching sessions that were added, as the export gives them.
    added: list[Fields] = field(default_factory=list)

    def __post_init__(self) -> None:
        options = self.options
        counts = {"todo": options.todos, "point": options.coaching_points, "session": options.coaching_sessions}
        is_documents = options.account == "documents"
        self.rows = Rows(options.seed, counts, documents.YEAR if is_documents else 2026)
        self._own = documents.coaching_records(self.rows) if is_documents else {}
        self.reset()

    def reset(self) -> None:
        """Go back to the records of the start."""
        self.added = [*self._own.get("session", ())]

    def all_of(self, record_type: str) -> RecordList:
        """All records of a type, as lists give them."""
        return RecordList(
            range(self.rows.counts[record_type]), self.rows.maker(record_type), self._listed(record_type)
        )

    def get(self, record_type: str, record_id: str) -> Fields | None:
        """A record by its id."""
        number = self.rows.number_of(record_type, record_id)
        if number is not None:
            return self.rows.maker(record_type)(number)
        return next((one for one in self._listed(record_type) if one["id"] == record_id), None)

    def match(self, record_type: str, query: Mapping[str, str]) -> RecordList:
        """The records of a list that match its filters: created between the start and the end."""
        count = self.rows.counts[record_type]
        after = parse_date(query["startDate"]).timestamp() if "startDate" in query else float("-inf")
        before = parse_date(query["endDate"]).timestamp() if "endDate" in query else float("inf")
        numbers = range(count)
        first, last = (bisect_left, bisect_right) if self._includes_ends else (bisect_right, bisect_left)
        low = first(numbers, after, key=lambda number: self.rows.created_at(record_type, number))
        high = last(numbers, before, key=lambda number: self.rows.created_at(record_type, number))
        owners = {name: query[name] for name in OWNERS if name in query}
        added = [one for one in self._listed(record_type) if self._matches(one, owners, after, before)]
        make, numbers_in = self.rows.maker(record_type), _numbers_of(owners, low, high)
        if self.options.list_times == "created":
            return RecordList(numbers_in, make, added)
        of_owners = _numbers_of(owners, 0, count)
        return RecordList([one for one in of_owners if self._matches(make(one), {}, after, before)], make, added)

    def exported(self, start: date, end: date, time_axis: str) -> Iterator[Fields]:
        """The sessions of an export, one by one."""
        low, high = _midnight(start), _midnight(end) + (_DAY if self.options.export_end_day == "included" else 0)
        count = self.rows.counts["session"]
        created_from, created_until = low, high
        if time_axis == "meetingDate":
            created_from, created_until = low - MEETING_AFTER[1], high - MEETING_AFTER[0]
        created_at = partial(self.rows.created_at, "session")
        number = bisect_left(range(count), created_from, key=created_at)
        while number < count and created_at(number) < created_until:
            if time_axis == "createdAt" or low <= self.rows.meeting_at(number) < high:
                yield self.rows.exported_session(number)
            number += 1
        for session in self.added:
            if low <= parse_date(session[time_axis]).timestamp() < high:
                yield session

    def add_session(self, fields: Mapping[str, Any]) -> Fields:
        """Add a coaching session."""
        now = format_date(self.options.clock())
        generated = self.rows.exported_session(self.rows.counts["session"] + len(self.added))
        empty: Fields = {"activityLog": [], "coachingPoints": [], "todos": []}
        dates = dict.fromkeys(("createdAt", "updatedAt", "meetingDate"), now)
        session = {**generated, **dates, **empty, **fields}
        self.added = [*self.added, session]
        return session

    @property
    def _includes_ends(self) -> bool:
        return self.options.list_ends == "included"

    def _matches(self, record: Fields, owners: Mapping[str, str], after: float, before: float) -> bool:
        names = ("createdAt", "updatedAt") if self.options.list_times == "changed" else ("createdAt",)
        moments = [parse_date(record[name]).timestamp() for name in names]
        is_in = any((self._includes_ends and one in (after, before)) or after < one < before for one in moments)
        return is_in and all(record[name] == value for name, value in owners.items())

    def _listed(self, record_type: str) -> list[Fields]:
        if record_type == "session":
            return [_as_listed(session) for session in self.added]
        return self._own.get(record_type, [])


def _numbers_of(owners: Mapping[str, str], low: int, high: int) -> range:
    """The numbers from ``low`` to ``high`` whose records have these owners."""
    remainders, step = [], 1
    for name, value in owners.items():
        count, prefix = OWNERS[name]
        number = value.removeprefix(prefix)
        if not value.startswith(prefix) or not number.isdigit() or not 1 <= int(number) <= count:
            return range(0)
        remainders.append((count, int(number) - 1))
        step *= count
    first = next(one for one in range(low, low + step) if all(one % size == rest for size, rest in remainders))
    return range(first, high, step)


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), timezone.utc).timestamp()


def _as_listed(session: Fields) -> Fields:
    """An added session in the form of the list; its own fields win."""
    renamed = {"_id": "id", "formCreatorId": "creatorId", "coachingFormName": "name"}
    left_out = {"activityLog", "coachingPoints", "todos", "meetingDate", "isDeleted"}
    return {renamed.get(name, name): value for name, value in session.items() if name not in left_out}
