"""The account's coaching data: which records match, page by page, without holding any of them.

Only the server's event loop changes it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timezone
from typing import Any, NamedTuple, overload

from airflow_provider_maestroqa.sandbox.data.coaching_rows import (
    MEETING_AFTER,
    OWNERS,
    Fields,
    Rows,
    created_at,
    meeting_at,
)
from airflow_provider_maestroqa.sandbox.dates import parse_date, write_date

LISTS = {"todos": "todo", "coaching-points": "point", "coaching-sessions": "session"}
_DAY = 86400


class Matches(NamedTuple):
    """Generated records that match: an arithmetic progression of their numbers, and then those that were added."""

    first: int
    step: int
    made: int
    added: Sequence[Fields]

    @property
    def total(self) -> int:
        """How many there are."""
        return self.made + len(self.added)


class RecordList(Sequence[Fields]):
    """All records of a list, each made when it is looked at."""

    def __init__(self, count: int, made: Callable[[int], Fields], added: Sequence[Fields]) -> None:
        self._count = count
        self._made = made
        self._added = added

    def __len__(self) -> int:
        return self._count + len(self._added)

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
        return self._made(index) if index < self._count else dict(self._added[index - self._count])


@dataclass
class Coaching:
    """To-dos, coaching points and coaching sessions.

    :param rows: the generated records.
    :param end_day: ``included`` or ``excluded``: whether the end day belongs to an export.
    :param clock: gives Unix seconds.
    """

    rows: Rows
    end_day: str
    clock: Callable[[], float]
    added: list[Fields] = field(default_factory=list)
    #: How many records have gone from the beginning of each list.
    gone: dict[str, int] = field(default_factory=dict)

    def restart(self) -> None:
        """Go back to the generated records."""
        self.added = []
        self.gone = {}

    def all_of(self, kind: str) -> RecordList:
        """All records of a kind, as lists give them."""
        added = [_as_listed(session) for session in self.added] if kind == "session" else []
        return RecordList(self._count(kind), getattr(self.rows, kind), added)

    def get(self, kind: str, record_id: str) -> Fields | None:
        """A record by its id."""
        number = self.rows.number_of(kind, record_id)
        if number is not None:
            made: Fields = getattr(self.rows, kind)(number)
            return made
        added = self.added if kind == "session" else []
        return next((_as_listed(one) for one in added if one["_id"] == record_id), None)

    def match(self, kind: str, asked: Mapping[str, str]) -> Matches:
        """The records of a list that match its filters: created after the start and before the end."""
        there_are = self._count(kind)
        after = parse_date(asked["startDate"]).timestamp() if "startDate" in asked else float("-inf")
        before = parse_date(asked["endDate"]).timestamp() if "endDate" in asked else float("inf")
        numbers = range(there_are)
        low = bisect_right(numbers, after, key=lambda number: created_at(number, there_are))
        high = bisect_left(numbers, before, key=lambda number: created_at(number, there_are))
        first, step = _progression({name: asked[name] for name in OWNERS if name in asked}, low)
        count = max(0, -(-(high - first) // step)) if step else 0
        gone = min(self.gone.get(kind, 0), count)
        added = [_as_listed(one) for one in (self.added if kind == "session" else [])]
        added = [one for one in added if _fits(one, asked, after, before)]
        return Matches(first + gone * step, step, count - gone, added)

    def page(self, kind: str, matches: Matches, start: int, count: int) -> list[Fields]:
        """So many of the records that match, from one on."""
        made = getattr(self.rows, kind)
        stop = min(start + count, matches.made)
        page = [made(matches.first + place * matches.step) for place in range(start, stop)]
        rest = max(start - matches.made, 0)
        return page + list(matches.added[rest : rest + count - len(page)])

    def exported(self, start: date, end: date, time_axis: str) -> Iterator[Fields]:
        """The sessions of an export, one by one."""
        low, high = _midnight(start), _midnight(end) + (_DAY if self.end_day == "included" else 0)
        there_are = self.rows.sessions
        made_from, made_until = low, high
        if time_axis == "meetingDate":
            made_from, made_until = low - MEETING_AFTER[1], high - MEETING_AFTER[0]
        number = bisect_left(range(there_are), made_from, key=lambda one: created_at(one, there_are))
        while number < there_are and created_at(number, there_are) < made_until:
            if time_axis == "createdAt" or low <= meeting_at(number, there_are) < high:
                yield self.rows.exported_session(number)
            number += 1
        for session in self.added:
            if low <= parse_date(session[time_axis]).timestamp() < high:
                yield session

    def add_session(self, fields: Mapping[str, Any]) -> Fields:
        """Keep a new coaching session."""
        now = write_date(self.clock())
        number = self.rows.sessions + len(self.added)
        made = self.rows.exported_session(number)
        nothing: Fields = {"activityLog": [], "coachingPoints": [], "todos": []}
        dates = dict.fromkeys(("createdAt", "updatedAt", "meetingDate"), now)
        session = {**made, **dates, **nothing, **fields}
        self.added = [*self.added, session]
        return session

    def _count(self, kind: str) -> int:
        return {"todo": self.rows.todos, "point": self.rows.points, "session": self.rows.sessions}[kind]


def _progression(wanted: Mapping[str, str], low: int) -> tuple[int, int]:
    """First number from ``low`` on whose owners are as wanted, and the step to the next one; step 0 for none."""
    rests, step = [], 1
    for name, value in wanted.items():
        there_are, prefix = OWNERS[name]
        number = value.removeprefix(prefix)
        if not value.startswith(prefix) or not number.isdigit() or not 1 <= int(number) <= there_are:
            return low, 0
        rests.append((there_are, int(number) - 1))
        step *= there_are
    first = next(one for one in range(low, low + step) if all(one % size == rest for size, rest in rests))
    return first, step


def _fits(record: Fields, asked: Mapping[str, str], after: float, before: float) -> bool:
    owned = all(record[name] == asked[name] for name in OWNERS if name in asked)
    return owned and after < parse_date(record["createdAt"]).timestamp() < before


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), timezone.utc).timestamp()


def _as_listed(session: Fields) -> Fields:
    """An added session in the form of the list; its own fields win."""
    renamed = {"_id": "id", "formCreatorId": "creatorId", "coachingFormName": "name"}
    left_out = {"activityLog", "coachingPoints", "todos", "meetingDate", "isDeleted"}
    return {renamed.get(name, name): value for name, value in session.items() if name not in left_out}
