"""The hook's methods for coaching data: to-dos, coaching points and coaching sessions."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.resources.catalogue import DEFAULT_PAGE_SIZE
from airflow_provider_maestroqa.client.resources.coaching_export import (
    WINDOW_TIMEOUT_S,
    SessionExport,
    session_requests,
)
from airflow_provider_maestroqa.client.resources.pagination import RecordIterator
from airflow_provider_maestroqa.client.transport.spooled_response import SpooledJsonArray
from airflow_provider_maestroqa.hooks.lists import ListMethods
from airflow_provider_maestroqa.runtime.lineage import record_read


class CoachingMethods(ListMethods):
    """Coaching data: read one, read a list to its end, export sessions. (API: To-Dos, Coaching Points, …)"""

    def get_todo(self, todo_id: str) -> dict[str, Any]:
        """Read one to-do. (API: Retrieve a Single To-do)

        :param todo_id: its id.
        :raises MaestroQANotFoundError: MaestroQA knows no such to-do.
        """
        return self._get("todos", todo_id)

    def get_coaching_point(self, coaching_point_id: str) -> dict[str, Any]:
        """Read one coaching point. (API: Retrieve a Single Coaching Point)

        :param coaching_point_id: its id.
        :raises MaestroQANotFoundError: MaestroQA knows no such coaching point.
        """
        return self._get("coaching_points", coaching_point_id)

    def get_coaching_session(self, coaching_session_id: str) -> dict[str, Any]:
        """Read one coaching session. (API: Retrieve a Single Coaching Session)

        :param coaching_session_id: its id.
        :raises MaestroQANotFoundError: MaestroQA knows no such coaching session.
        """
        return self._get("coaching_sessions", coaching_session_id)

    def list_todos(
        self,
        *,
        agent_id: str | None = None,
        creator_id: str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        page_size: int = DEFAULT_PAGE_SIZE,
        **others: object,
    ) -> RecordIterator:
        """Read all to-dos that match, page by page as they are needed. (API: Retrieve Many To-dos)

        :param agent_id: only those for this agent.
        :param creator_id: only those made by this user.
        :param start: only those created after this time: an aware datetime, or ISO 8601 text with a time zone.
        :param end: only those created before this time, likewise.
        :param page_size: how many to request at once; MaestroQA may return fewer.
        :param others: there is no other filter; one that is not ``None`` is an error that names it.
        :return: an iterator of dicts with MaestroQA's own keys.
        :raises MaestroQAConfigError: a filter is wrong or not known; nothing was sent.
        """
        filters = {"agent_id": agent_id, "creator_id": creator_id, **others}
        return self.list_records("todos", start=start, end=end, page_size=page_size, **filters)

    def list_coaching_points(
        self,
        *,
        agent_id: str | None = None,
        creator_id: str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        page_size: int = DEFAULT_PAGE_SIZE,
        **others: object,
    ) -> RecordIterator:
        """Read all coaching points that match, page by page as needed. (API: Retrieve Many Coaching Points)

        :param agent_id: only those for this agent.
        :param creator_id: only those made by this user.
        :param start: only those created after this time: an aware datetime, or ISO 8601 text with a time zone.
        :param end: only those created before this time, likewise.
        :param page_size: how many to request at once; MaestroQA may return fewer.
        :param others: there is no other filter; one that is not ``None`` is an error that names it.
        :return: an iterator of dicts with MaestroQA's own keys.
        :raises MaestroQAConfigError: a filter is wrong or not known; nothing was sent.
        """
        filters = {"agent_id": agent_id, "creator_id": creator_id, **others}
        return self.list_records("coaching_points", start=start, end=end, page_size=page_size, **filters)

    def list_coaching_sessions(
        self,
        *,
        agent_id: str | None = None,
        creator_id: str | None = None,
        coach_id: str | None = None,
        start: datetime | str | None = None,
        end: datetime | str | None = None,
        page_size: int = DEFAULT_PAGE_SIZE,
        **others: object,
    ) -> RecordIterator:
        """Read all coaching sessions that match, page by page as needed. (API: Retrieve Many Coaching Sessions)

        :param agent_id: only those for this agent.
        :param creator_id: only those made by this user.
        :param coach_id: only those with this coach.
        :param start: only those created after this time: an aware datetime, or ISO 8601 text with a time zone.
        :param end: only those created before this time, likewise.
        :param page_size: how many to request at once; MaestroQA may return fewer.
        :param others: there is no other filter; one that is not ``None`` is an error that names it.
        :return: an iterator of dicts with MaestroQA's own keys.
        :raises MaestroQAConfigError: a filter is wrong or not known; nothing was sent.
        """
        filters = {"agent_id": agent_id, "creator_id": creator_id, "coach_id": coach_id, **others}
        return self.list_records("coaching_sessions", start=start, end=end, page_size=page_size, **filters)

    def export_coaching_sessions(
        self, start: date | datetime | str, end: date | datetime | str, *, time_axis: str = "meetingDate"
    ) -> SessionExport:
        """Read coaching sessions with their activity log, coaching points and to-dos. (API: Get Coaching Data)

        Any length of range is cut into windows of at most 90 days, each of which begins on the day on which the one
        before it ends. A window is requested when its first session is needed. Its response is saved in a temporary
        file and validated before the first session is returned. Memory stays flat however large it is.

        The API takes plain dates. A plain date is sent as it is. Of an aware datetime the day in UTC is sent; an
        ``end`` that is no midnight is rounded up to the next one. MaestroQA does not document whether the end day
        itself belongs to an export. If it does not, you get exactly the time up to ``end``; if it does, you also get
        the sessions of that whole day, and two consecutive ranges both hold it. So load by ``_id``.

        :param start: first day: a date, an aware datetime, or ISO 8601 text of either (``2026-01-31``).
        :param end: last day, likewise; after ``start``.
        :param time_axis: which date of a session counts: ``meetingDate`` or ``createdAt``.
        :return: an iterator of dicts with MaestroQA's own keys; a session that comes in two windows comes once.
        :raises MaestroQAConfigError: an argument is wrong; nothing was sent.
        :raises MaestroQAServerError: the response was no complete JSON array in any of the tries.
        """
        windows = session_requests(start, end, time_axis)
        record_read(self, "coaching_sessions")
        return SessionExport(windows, self._save, log=self.log.info, warn=self.log.warning)

    def _save(self, call: Request, target: SpooledJsonArray) -> None:
        # The client is looked up for each request, because a hook may be closed and used again.
        self.client.stream(call, target, timeout_s=WINDOW_TIMEOUT_S)
