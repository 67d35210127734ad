"""What a test may read of the account's coaching data, and put there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from airflow_provider_maestroqa.sandbox.data.coaching import Coaching, RecordList
from airflow_provider_maestroqa.sandbox.data.coaching_rows import Fields


class CoachingRecords:
    """A sandbox's coaching data. Lists are sequences whose records are made when they are looked at."""

    @property
    def _coaching(self) -> Coaching:
        raise NotImplementedError

    def _do(self, work: Callable[[], Any]) -> None:
        raise NotImplementedError

    @property
    def todos(self) -> RecordList:
        """All to-dos in the order of their creation, as the API lists them."""
        return self._coaching.all_of("todo")

    @property
    def coaching_points(self) -> RecordList:
        """All coaching points in the order of their creation, as the API lists them."""
        return self._coaching.all_of("point")

    @property
    def coaching_sessions(self) -> RecordList:
        """All coaching sessions in the order of their creation, as the API lists them."""
        return self._coaching.all_of("session")

    def exported_sessions(self, start: str, end: str, time_axis: str = "meetingDate") -> list[Fields]:
        """What the export of coaching sessions gives for these days, however far apart they are."""
        return list(self._coaching.exported(date.fromisoformat(start), date.fromisoformat(end), time_axis))

    def add_coaching_session(self, **fields: Any) -> Fields:
        """Put a coaching session into the account, made now and with nothing that hangs on it.

        :param fields: fields by the names that the export gives them, such as ``_id`` or ``createdAt``.
        :return: the session as the export gives it.
        """
        made: list[Fields] = []
        self._do(lambda: made.append(self._coaching.add_session(fields)))
        return made[0]
