"""Waiting for an export: when to look, and what a look means. Pure, so that every kind of waiter ends the same way.

::

    look ──→ complete ───────────────────────────────→ event "complete"
      ↑  ──→ errored ────────────────────────────────→ event "errored"
      │  ──→ refused for good (401, 403, 404, …) ────→ event "refused"
      │  ──→ not yet, unknown status, passing failure ─┬─ past the deadline → event "timeout"
      └────────────────────── pause ←──────────────────┘
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from airflow_provider_maestroqa.client.errors import (
    MaestroQAError,
    MaestroQAExportFailedError,
    MaestroQAExportTimeoutError,
)
from airflow_provider_maestroqa.client.formatting import format_duration
from airflow_provider_maestroqa.client.resources.exports import Export
from airflow_provider_maestroqa.client.transport.retry import DEFAULT_REQUEST_TIMEOUT_S

#: Each pause is a fifth longer than the last: an end is seen at most a fifth of the waiting time late.
GROWTH = 1.2
LONGEST_PAUSE_S = 300.0
#: A trigger must not fire within a moment of its start: see the scheduler's race in Airflow 3.0.
SHORTEST_PAUSE_S = 0.05
#: Seconds that the last look, at the deadline, may take with its wait for the request budget.
LAST_LOOK_S = 60.0


class ExportEvent(TypedDict):
    """How a wait ended. It travels through Airflow's database and logs, so it holds no URL."""

    status: str
    export_id: str
    has_data: bool
    message: str


@dataclass(frozen=True)
class Pause:
    """Look again later.

    :param seconds: how long to wait before the next look.
    :param news: what to tell the user, where anything changed since the last look.
    :param is_warning: whether the news is a warning.
    """

    seconds: float
    news: str = ""
    is_warning: bool = False


class ExportWait:
    """One wait for one export.

    :param export_id: the export.
    :param poll_interval: seconds before the second look; the pauses then grow up to five minutes.
    :param deadline: Unix time in seconds at which the wait ends, fixed when it began.
    :param sets_the_pace: whether the pauses are those that this wait says; a sensor on a worker has its own.
    :param jitter: a random factor near 1 for each pause, so that many waits do not look at the same time.
    """

    def __init__(
        self,
        export_id: str,
        *,
        poll_interval: float,
        deadline: float,
        sets_the_pace: bool = True,
        jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.1),  # noqa: S311
    ) -> None:
        self._export_id = export_id
        self._pause_s = max(poll_interval, SHORTEST_PAUSE_S)
        self._longest_s = max(poll_interval, LONGEST_PAUSE_S)
        self._deadline = deadline
        self._sets_the_pace = sets_the_pace
        self._jitter = jitter
        self._last = ""

    def first_pause(self, now: float) -> float:
        """Seconds to wait before the first look of a trigger, whose task has just looked."""
        return self._until_next(now)

    def after(self, look: Export | MaestroQAError, *, now: float, waited_s: float = 0.0) -> ExportEvent | Pause:
        """Decide what a look means.

        :param look: what MaestroQA said of the export, or the error that asking met.
        :param now: Unix time in seconds.
        :param waited_s: how long the look had to wait for the token's request budget, in seconds. The next pause is
            at least as long: where many wait, each looks less often, instead of standing in line all the time.
        """
        if isinstance(look, Export) and look.is_complete:
            said = "complete" if look.has_data else "complete, without data"
            return self._event("complete", f"Export {self._export_id} is {said}.", has_data=look.has_data)
        if isinstance(look, Export) and look.is_failed:
            return self._event("errored", _FAILED.format(id=self._export_id))
        if isinstance(look, MaestroQAError) and not look.retryable:
            return self._event("refused", str(look))
        state = f"not known ({look})"
        if isinstance(look, Export):
            state = look.status.replace("_", " ") or "without a status"
        if now >= self._deadline:
            return self._event("timeout", _TIMED_OUT.format(id=self._export_id, state=state))
        seconds = self._until_next(now, at_least=waited_s)
        news = "" if state == self._last else f"Export {self._export_id} is {state}.{self._then(seconds)}"
        self._last = state
        return Pause(seconds, news, is_warning=not (isinstance(look, Export) and look.is_known))

    def _then(self, seconds: float) -> str:
        return f" Next look in {format_duration(seconds)}." if self._sets_the_pace else ""

    def _until_next(self, now: float, at_least: float = 0.0) -> float:
        pause = max(self._pause_s, at_least) * self._jitter()
        self._pause_s = min(self._pause_s * GROWTH, self._longest_s)
        return max(min(pause, self._deadline - now), 0.0)

    def _event(self, status: str, message: str, *, has_data: bool = False) -> ExportEvent:
        return {"status": status, "export_id": self._export_id, "has_data": has_data, "message": message}


def call_deadline(wait_deadline: float, *, now: float) -> float:
    """When one look must be over: the last look happens at the wait's deadline and needs a moment of its own."""
    return min(max(wait_deadline, now) + LAST_LOOK_S, now + DEFAULT_REQUEST_TIMEOUT_S)


_FAILED = (
    "Export {id} failed at MaestroQA (status errored). MaestroQA exports 10,000 to 50,000 scores at a time: "
    "if the window was long, ask for shorter ones."
)
_TIMED_OUT = (
    "Export {id} was not complete at the deadline; it was last seen {state}. It goes on at MaestroQA, and cannot be "
    "cancelled there: a retry may still find it complete. A longer timeout gives it more time."
)


def read_event(event: Any, *, export_id: str | None = None) -> ExportEvent:
    """Accept an event that says that an export is complete; raise for every other one.

    :param event: what a trigger sent, or a wait in this process ended with.
    :param export_id: the export that was waited for, where the task knows it.
    :raises MaestroQAExportFailedError: MaestroQA gave up on the export.
    :raises MaestroQAExportTimeoutError: it was not complete in time.
    :raises MaestroQAError: MaestroQA refused to tell, or the event is none of ours.
    """
    if not isinstance(event, Mapping) or not {"status", "export_id", "has_data"} <= set(event):
        raise MaestroQAError(f"The wait for export {export_id} ended without a word of its status.", retryable=True)
    if export_id is not None and event["export_id"] != export_id:
        raise MaestroQAError(f"The wait was for export {export_id}, the event is of {event['export_id']}.")
    message = str(event.get("message") or f"The wait for export {event['export_id']} ended as {event['status']!r}.")
    if event["status"] == "complete":
        return {
            "status": "complete",
            "export_id": str(event["export_id"]),
            "has_data": bool(event["has_data"]),
            "message": message,
        }
    if event["status"] == "errored":
        raise MaestroQAExportFailedError(message)
    if event["status"] == "timeout":
        raise MaestroQAExportTimeoutError(message)
    raise MaestroQAError(message)
