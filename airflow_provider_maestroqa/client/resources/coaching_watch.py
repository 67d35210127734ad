"""Watching for new coaching sessions: what to request, and which of the sessions are new. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAError
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.parsing import parse_time
from airflow_provider_maestroqa.client.resources.catalogue import list_parameters
from airflow_provider_maestroqa.client.resources.pagination import content_key, id_of

#: How far each poll goes back behind the newest session seen, because another one may show up late.
OVERLAP = timedelta(minutes=10)
#: Seconds between two polls at least, whatever the user asks for: a watcher never ends, and uses a token's budget.
MIN_PAUSE_S = 60.0
_MAX_PAUSE_S = 3600.0
#: Enough failures for the longest pause.
_MANY_FAILURES = 12


class SessionsEvent(TypedDict):
    """New coaching sessions. It travels through Airflow's database and logs, so it holds none of their content."""

    status: str
    resource: str
    count: int
    since: str
    until: str


class SessionWatch:
    """What one watcher knows: the newest session it has seen, and the ids near it.

    :param since: sessions created after this time are new.
    :param poll_interval: seconds between two polls.
    :param filters: as for the list of coaching sessions.
    :raises MaestroQAConfigError: a filter is wrong.
    """

    def __init__(self, since: datetime, *, poll_interval: float, filters: Mapping[str, object] | None = None) -> None:
        self._filters = dict(filters or {})
        list_parameters("coaching_sessions", **self._filters)
        self._since = since
        self._known: dict[str, datetime] = {}
        self._failures = 0
        self._interval_s = max(poll_interval, MIN_PAUSE_S)
        #: Up to here all sessions are known: when the newest one was created, but never ahead of a request's time.
        self.newest = since

    @property
    def pause_s(self) -> float:
        """Seconds until the next poll; longer and longer while polls fail."""
        return min(self._interval_s * 2.0**self._failures, max(self._interval_s, _MAX_PAUSE_S))

    def parameters(self) -> dict[str, Any]:
        """The filters of the next request for the list."""
        start = max(_overlap_before(self.newest), self._since)
        return list_parameters("coaching_sessions", start=start, **self._filters)

    def on_sessions(
        self, sessions: Iterable[Mapping[str, Any]], *, requested_at: datetime | None = None
    ) -> SessionsEvent | None:
        """Add the sessions that a poll has read; return the event to fire, if any of them is new.

        :param sessions: what was read.
        :param requested_at: when it was requested. The position never moves ahead of it: a session that is dated
            ahead would hide those that come after it.
        """
        self._failures = 0
        since = until = self.newest
        count = 0
        for session in sessions:
            key = id_of(session) or content_key(session)
            created = _created(session) or since
            if key in self._known or created < self._since:
                continue
            self._known[key] = created
            until = max(until, created)
            count += 1
        self.newest = max(since, until if requested_at is None else min(until, requested_at))
        start = _overlap_before(self.newest)
        self._known = {key: created for key, created in self._known.items() if created >= start}
        if not count:
            return None
        return {
            "status": "new",
            "resource": "coaching_sessions",
            "count": count,
            "since": format_time(since),
            "until": format_time(until),
        }

    def on_error(self, error: MaestroQAError) -> str:
        """Note that a poll has failed; return the message to log."""
        # What no retry can mend, a person can: the token may be replaced. So polling goes on, but seldom.
        self._failures = self._failures + 1 if error.retryable else _MANY_FAILURES
        return f"{error} Next poll for new coaching sessions in {self.pause_s:.0f} s."


def _overlap_before(moment: datetime) -> datetime:
    # The first years have nothing before them.
    return moment - OVERLAP if moment.year > 1 else moment


def _created(session: Mapping[str, Any]) -> datetime | None:
    try:
        return parse_time(session.get("createdAt"), "createdAt")
    except MaestroQAConfigError:
        return None
