"""The export of coaching sessions: any range of days, requested in windows that MaestroQA accepts.

MaestroQA's document does not say whether the end day itself is part of an export, nor in which time zone a day
begins. So that nothing is lost either way, a window begins on the very day on which the one before it ends: whichever
way the end day is read, the windows together have no gap. Where it is part of an export, the sessions of that day
come twice, and are recognized by their ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta

from airflow_provider_maestroqa.client.endpoints import Request, build_request
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_size
from airflow_provider_maestroqa.client.parsing import parse_choice, parse_midnight
from airflow_provider_maestroqa.client.resources.pagination import DigestSet, Record, content_key, id_of
from airflow_provider_maestroqa.client.transport.spooled_response import SpooledJsonArray

#: Which of a session's dates decides whether it is in a window.
TIME_AXES = ("meetingDate", "createdAt")
#: Days that the two ends of one window may be apart.
MAX_DAYS = 90
#: Seconds that one window may take with its retries: a response may have hundreds of megabytes.
WINDOW_TIMEOUT_S = 3600.0


def parse_day_range(start: object, end: object) -> tuple[date, date]:
    """Read a range of days.

    A plain date (a ``date``, or text such as ``2026-01-31``) is taken as it is. Of a point in time, the day in UTC is
    taken, and the end is moved to the next midnight, so that the days hold all of the time that was meant.

    :param start: first day: a date, an aware datetime, or ISO 8601 text of either.
    :param end: last day, likewise; after ``start``.
    :raises MaestroQAConfigError: a value is neither, has a time and no time zone, or the range is empty.
    """
    first, last = parse_midnight(start, "start").date(), parse_midnight(end, "end", round_up=True).date()
    if first >= last:
        raise MaestroQAConfigError(
            f"start ({first}) must be a day before end ({last}). For a single day pass the next day as the end."
        )
    return first, last


def cut_days(first: date, last: date, max_days: int = MAX_DAYS) -> list[tuple[date, date]]:
    """Cut a range of days into windows, each of which begins on the day on which the one before it ends."""
    windows = []
    while first < last:
        stop = min(first + timedelta(days=max_days), last)
        windows.append((first, stop))
        first = stop
    return windows


def session_requests(start: object, end: object, time_axis: object) -> list[Request]:
    """Validate the arguments of the export and build a request for each of its windows. (API: Get Coaching Data)

    :param start: first day; see :func:`parse_day_range`.
    :param end: last day, likewise.
    :param time_axis: ``meetingDate`` or ``createdAt``.
    :raises MaestroQAConfigError: an argument is wrong.
    """
    axis = parse_choice(time_axis, "time_axis", TIME_AXES)
    return [
        build_request(
            "export_coaching_sessions",
            {"startDate": first.isoformat(), "endDate": last.isoformat(), "timeAxis": axis},
        )
        for first, last in cut_days(*parse_day_range(start, end))
    ]


class SessionExport(Iterator[Record]):
    """The coaching sessions of all windows, one by one; each comes once. Nothing is requested before it is needed.

    The response to a window's request is saved and checked as a whole before its first session comes. When the
    iterator is dropped, its temporary file goes with it.

    :param requests: the windows.
    :param save: sends a request and saves the response in the file.
    :param log: logs each window, and at the end how many sessions came more than once.
    :param warn: logs that instead when a session had no id, or came again within one window.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        save: Callable[[Request, SpooledJsonArray], None],
        *,
        log: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        # The generator must not hold this object, or the file would stay until the garbage is collected.
        self._records = _read(requests, save, log, warn)

    def __iter__(self) -> SessionExport:
        return self

    def __next__(self) -> Record:
        return next(self._records)


def _read(
    requests: Sequence[Request],
    save: Callable[[Request, SpooledJsonArray], None],
    log: Callable[[str], None],
    warn: Callable[[str], None],
) -> Iterator[Record]:
    counter = _SessionCounter()
    for number, request in enumerate(requests, 1):
        window = f"from {request.body['startDate']} to {request.body['endDate']}"
        log(f"Requesting coaching sessions {window} (window {number} of {len(requests)}).")
        counter.begin_window()
        with SpooledJsonArray(request) as response:
            save(request, response)
            log(f"Received coaching sessions {window}: {format_size(response.size)}.")
            for session in response.records():
                if counter.is_new(session):
                    yield session
    # Windows share a day, so between windows repeats are as they should be.
    is_odd = counter.without_id or (counter.repeated and len(requests) == 1)
    if counter.without_id or counter.repeated:
        (warn if is_odd else log)(counter.summary())


class _SessionCounter:
    """Counts sessions, and recognizes those that have come before."""

    def __init__(self) -> None:
        self.read = 0
        self.repeated = 0
        self.without_id = 0
        self._seen = DigestSet()
        # By their content: sessions without an id of this window, and of the one before.
        self._this_window, self._last_window = DigestSet(), DigestSet()

    def begin_window(self) -> None:
        """Begin another window, on the day on which the last one ended."""
        self._this_window, self._last_window = DigestSet(), self._this_window

    def is_new(self, session: Record) -> bool:
        """Count a session; return whether it is new."""
        is_new = self._is_new(session)
        self.read += is_new
        self.repeated += not is_new
        return is_new

    def summary(self) -> str:
        """How many sessions there were, as one sentence."""
        parts = []
        if self.repeated:
            parts.append(f"{self.repeated:,} came more than once and were left out")
        if self.without_id:
            parts.append(f"{self.without_id:,} had no _id and were identified by their content")
        return f"Coaching sessions: {'; '.join([*parts, f'{self.read:,} different ones were read'])}."

    def _is_new(self, session: Record) -> bool:
        record_id = id_of(session)
        if record_id is not None:
            return self._seen.add(record_id)
        self.without_id += 1
        key = content_key(session)
        # Within one window, equal sessions may be two. On the day that two windows share, they are one.
        if key in self._last_window:
            return False
        self._this_window.add(key)
        return True
