"""The export of coaching sessions: any range of days, asked for in windows that MaestroQA accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

from airflow_provider_maestroqa.client.endpoints import Request, build_request
from airflow_provider_maestroqa.client.formatting import format_size
from airflow_provider_maestroqa.client.parsing import parse_choice
from airflow_provider_maestroqa.client.resources.date_windows import as_days, cut_days
from airflow_provider_maestroqa.client.resources.pagination import DigestSet, Record, content_key, id_of
from airflow_provider_maestroqa.client.transport.spooled_response import SpooledJsonArray

#: Which of a session's dates decides whether it is in a window.
TIME_AXES = ("meetingDate", "createdAt")
#: Seconds that one window may take with its repeats: an answer may have hundreds of megabytes.
PATIENCE_S = 3600.0


def session_windows(start: object, end: object, time_axis: object) -> list[Request]:
    """Check the arguments of the export and list the calls that it takes. (API: Get Coaching Data)

    :param start: first day; see :func:`~.date_windows.as_days`.
    :param end: last day, likewise.
    :param time_axis: ``meetingDate`` or ``createdAt``.
    :raises MaestroQAConfigError: an argument is wrong.
    """
    axis = parse_choice(time_axis, "time_axis", TIME_AXES)
    return [_call(first, last, axis) for first, last in cut_days(*as_days(start, end))]


def _call(first: date, last: date, time_axis: str) -> Request:
    parameters: dict[str, Any] = {"startDate": first.isoformat(), "endDate": last.isoformat(), "timeAxis": time_axis}
    return build_request("export_coaching_sessions", parameters)


class SessionExport(Iterator[Record]):
    """The coaching sessions of all windows, one by one; each comes once. Nothing is asked for before it is needed.

    A window's answer is saved and checked as a whole before the first of its sessions comes. When the iterator is
    dropped, its temporary file goes with it.

    :param calls: the windows.
    :param save: sends a call and gives its answer to the file.
    :param say: told of each window, and at the end how many sessions came more than once.
    :param warn: told of that instead, when a session had no id, or came again within one window.
    """

    def __init__(
        self,
        calls: Sequence[Request],
        save: Callable[[Request, SpooledJsonArray], None],
        *,
        say: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        # The generator must not hold this object, or the file would stay until the garbage is collected.
        self._records = _read(calls, save, say, warn)

    def __iter__(self) -> SessionExport:
        return self

    def __next__(self) -> Record:
        return next(self._records)


def _read(
    calls: Sequence[Request],
    save: Callable[[Request, SpooledJsonArray], None],
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> Iterator[Record]:
    sessions = _Sessions()
    for number, call in enumerate(calls, 1):
        window = f"from {call.body['startDate']} to {call.body['endDate']}"
        say(f"Asking for coaching sessions {window} (window {number} of {len(calls)}).")
        sessions.begin_window()
        with SpooledJsonArray(call) as saved:
            save(call, saved)
            say(f"Coaching sessions {window} have come: {format_size(saved.size)}.")
            for session in saved.records():
                if sessions.is_new(session):
                    yield session
    # Windows share a day, so between windows repeats are as they should be.
    is_odd = sessions.unnamed or (sessions.repeated and len(calls) == 1)
    if sessions.unnamed or sessions.repeated:
        (warn if is_odd else say)(sessions.summary())


class _Sessions:
    """Tells new sessions from those that have come, and counts them."""

    def __init__(self) -> None:
        self.read = 0
        self.repeated = 0
        self.unnamed = 0
        self._seen = DigestSet()
        # By their content: sessions without an id of this window, and of the one before.
        self._unnamed_here, self._unnamed_before = DigestSet(), DigestSet()

    def begin_window(self) -> None:
        """Another window begins, on the day on which the last one ended."""
        self._unnamed_here, self._unnamed_before = DigestSet(), self._unnamed_here

    def is_new(self, session: Record) -> bool:
        """Count a session, and say whether it is a new one."""
        is_new = self._is_new(session)
        self.read += is_new
        self.repeated += not is_new
        return is_new

    def summary(self) -> str:
        """How many there were."""
        said = []
        if self.repeated:
            said.append(f"{self.repeated} came more than once and were left out")
        if self.unnamed:
            said.append(f"{self.unnamed} had no _id and were told apart by their content")
        return f"Coaching sessions: {'; '.join([*said, f'{self.read} different ones were read'])}."

    def _is_new(self, session: Record) -> bool:
        name = id_of(session)
        if name is not None:
            return self._seen.add(name)
        self.unnamed += 1
        key = content_key(session)
        # Within one window, equal sessions may be two. On the day that two windows share, they are one.
        if key in self._unnamed_before:
            return False
        self._unnamed_here.add(key)
        return True
