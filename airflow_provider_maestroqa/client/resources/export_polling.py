"""Waiting for an export: when to poll, what each poll means, and how a wait ends.

:class:`ExportWait` decides and does no I/O; :func:`poll_export` and :func:`apoll_export` drive it, so that a worker
and the triggerer end a wait the same way.

::

    poll ──→ complete ───────────────────────────────→ event "complete"
      ↑  ──→ errored ────────────────────────────────→ event "errored"
      │  ──→ an error that no retry mends (401, …) ──→ event "refused"
      │  ──→ not yet, unknown status, passing error ───┬─ past the deadline → event "timeout"
      └────────────────────── pause ←──────────────────┘
"""

from __future__ import annotations

import itertools
import logging
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.endpoints import ENDPOINTS
from airflow_provider_maestroqa.client.errors import (
    MaestroQAAPIError,
    MaestroQAError,
    MaestroQAExportFailedError,
    MaestroQAExportTimeoutError,
)
from airflow_provider_maestroqa.client.formatting import format_duration
from airflow_provider_maestroqa.client.resources.exports import Export
from airflow_provider_maestroqa.client.transport.retry import DEFAULT_REQUEST_TIMEOUT_S

#: Each pause is longer than the last by this factor: an end is seen at most a fifth of the waiting time late.
BACKOFF_FACTOR = 1.2
MAX_PAUSE_S = 300.0
#: A trigger must not fire within a moment of its start: see the scheduler's race in Airflow 3.0.
MIN_PAUSE_S = 0.05
#: Seconds that the last poll, at the deadline, may take, including its wait for the request budget.
FINAL_POLL_TIMEOUT_S = 60.0
_REAL_TIME = Clock()
#: The status of an error, for an event that does not give it.
_STATUSES = {"MaestroQAAuthError": 401, "MaestroQAPermissionError": 403, "MaestroQANotFoundError": 404}


class _EventOfOlderTriggers(TypedDict):
    status: str
    export_id: str
    has_data: bool
    message: str


class ExportEvent(_EventOfOlderTriggers, total=False):
    """How a wait ended. It travels through Airflow's database and logs, so it holds no URL.

    Where an error ended the wait, ``error`` is the name of its class in
    :mod:`~airflow_provider_maestroqa.client.errors`, and ``http_status`` the status of MaestroQA's response, if any.
    """

    error: str
    http_status: int


@dataclass(frozen=True)
class Pause:
    """Poll again later.

    :param seconds: how long to wait before the next poll.
    :param message: what to log, where anything changed since the last poll.
    :param is_warning: whether the message is a warning.
    """

    seconds: float
    message: str = ""
    is_warning: bool = False


class ExportWait:
    """One wait for one export.

    :param export_id: the export.
    :param poll_interval: seconds before the second poll; the pauses then grow up to five minutes.
    :param deadline: Unix time in seconds at which the wait ends, fixed when it began.
    :param controls_pauses: whether its pauses are those that are made; a sensor on a worker has its own.
    :param jitter: returns a random factor near 1 for each pause, so that many waits do not poll at the same time.
    """

    def __init__(
        self,
        export_id: str,
        *,
        poll_interval: float,
        deadline: float,
        controls_pauses: bool = True,
        jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.1),  # noqa: S311
    ) -> None:
        self.export_id = export_id
        #: Unix time in seconds at which the wait ends.
        self.deadline = deadline
        self._pause_s = max(poll_interval, MIN_PAUSE_S)
        self._max_pause_s = max(poll_interval, MAX_PAUSE_S)
        self._controls_pauses = controls_pauses
        self._jitter = jitter
        self._last_state = ""

    def initial_delay(self, now: float) -> float:
        """Seconds before the first poll of a trigger, whose task has just polled."""
        return self._next_pause(now)

    def on_poll(
        self, result: Export | MaestroQAError | None, *, now: float, waited_s: float = 0.0
    ) -> ExportEvent | Pause:
        """Decide what a poll means.

        :param result: the export, or the error that the poll met; ``None`` when there was no poll, for want of a slot
            in the token's request budget.
        :param now: Unix time in seconds.
        :param waited_s: seconds that the poll had to wait for the token's request budget. The next pause is at least
            as long: where many wait, each polls less often instead of standing in the queue all the time.
        """
        if isinstance(result, Export) and result.is_complete:
            state = "complete" if result.has_data else "complete, without data"
            return self._event("complete", f"Export {self.export_id} is {state}.", has_data=result.has_data)
        if isinstance(result, Export) and result.is_failed:
            return self._event("errored", _FAILED.format(id=self.export_id))
        if isinstance(result, MaestroQAError) and not result.retryable:
            return self._error_event(result)
        state, is_warning = f"not known ({result})", True
        if isinstance(result, Export):
            state, is_warning = result.status.replace("_", " ") or "without a status", not result.is_known
        elif result is None:
            state, is_warning = "not polled now, because the token's request budget is used up", False
        if now >= self.deadline:
            return self._event("timeout", _TIMED_OUT.format(id=self.export_id, state=state))
        seconds = self._next_pause(now, at_least=waited_s)
        message = ""
        if state != self._last_state:
            next_poll = f" Next poll in {format_duration(seconds)}." if self._controls_pauses else ""
            message = f"Export {self.export_id} is {state}.{next_poll}"
        self._last_state = state
        return Pause(seconds, message, is_warning=is_warning)

    def _next_pause(self, now: float, at_least: float = 0.0) -> float:
        pause = max(self._pause_s, at_least) * self._jitter()
        self._pause_s = min(self._pause_s * BACKOFF_FACTOR, self._max_pause_s)
        return max(min(pause, self.deadline - now), 0.0)

    def _event(self, status: str, message: str, *, has_data: bool = False) -> ExportEvent:
        return {"status": status, "export_id": self.export_id, "has_data": has_data, "message": message}

    def _error_event(self, error: MaestroQAError) -> ExportEvent:
        event = self._event("refused", str(error))
        event["error"] = type(error).__name__
        if isinstance(error, MaestroQAAPIError) and error.status is not None:
            event["http_status"] = error.status
        return event


def poll_export(
    wait: ExportWait,
    get_export: Callable[[float], Export | None],
    *,
    budget_wait_s: Callable[[], float],
    log: logging.Logger,
    clock: Clock = _REAL_TIME,
    max_polls: int | None = None,
) -> ExportEvent | None:
    """Poll an export until it has ended or the deadline has passed.

    :param wait: the wait; each of its states is logged once.
    :param get_export: gets the export, within a deadline as Unix time in seconds; ``None`` without a slot for that.
    :param budget_wait_s: seconds spent so far on waiting for the token's request budget.
    :param log: logs each change of state.
    :param clock: the time.
    :param max_polls: stop after so many polls. Default: poll until the end.
    :return: how the wait ended; ``None`` when it has not ended within ``max_polls``.
    """
    for number in itertools.count(1):
        before_s = budget_wait_s()
        result: Export | MaestroQAError | None
        try:
            result = get_export(poll_deadline(wait.deadline, now=clock.wall()))
        except MaestroQAError as error:
            result = error
        step = wait.on_poll(result, now=clock.wall(), waited_s=budget_wait_s() - before_s)
        if not isinstance(step, Pause):
            return step
        _log_pause(log, step)
        if number == max_polls:
            break
        clock.sleep(step.seconds)
    return None


async def apoll_export(
    wait: ExportWait,
    get_export: Callable[[float], Awaitable[Export]],
    *,
    budget_wait_s: Callable[[], float],
    log: logging.Logger,
    clock: Clock = _REAL_TIME,
) -> ExportEvent:
    """Poll an export without blocking the event loop; otherwise as :func:`poll_export`."""
    while True:
        before_s = budget_wait_s()
        result: Export | MaestroQAError
        try:
            result = await get_export(poll_deadline(wait.deadline, now=clock.wall()))
        except MaestroQAError as error:
            result = error
        step = wait.on_poll(result, now=clock.wall(), waited_s=budget_wait_s() - before_s)
        if not isinstance(step, Pause):
            return step
        _log_pause(log, step)
        await clock.sleep_async(step.seconds)


def poll_deadline(wait_deadline: float, *, now: float) -> float:
    """When one poll must be over: the last poll happens at the wait's deadline and needs a moment of its own."""
    return min(max(wait_deadline, now) + FINAL_POLL_TIMEOUT_S, now + DEFAULT_REQUEST_TIMEOUT_S)


def read_event(event: Any, *, export_id: str | None = None) -> ExportEvent:
    """Accept an event that says that an export is complete; raise for every other one.

    :param event: what a trigger sent, or how a wait in this process ended.
    :param export_id: the export that was waited for, where the task knows it.
    :raises MaestroQAExportFailedError: MaestroQA gave up on the export.
    :raises MaestroQAExportTimeoutError: it was not complete in time.
    :raises MaestroQAAPIError: the error that ended the wait, by its own class: a :class:`.MaestroQAAuthError`, …
    :raises MaestroQAError: the event names no error of this package, or is not an event of ours.
    """
    if not isinstance(event, Mapping) or not {"status", "export_id", "has_data"} <= set(event):
        raise MaestroQAError(f"The wait for export {export_id} ended without a status.", retryable=True)
    if export_id is not None and event["export_id"] != export_id:
        raise MaestroQAError(f"The wait was for export {export_id}, but the event is of {event['export_id']}.")
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
    raise error_of_event(event, message, operation="get_export")


def error_of_event(event: Mapping[str, Any], message: str, *, operation: str) -> MaestroQAError:
    """Make the error again that ended a wait.

    :param operation: the operation that polled.
    """
    error_class = getattr(errors, str(event.get("error")), None)
    if not (isinstance(error_class, type) and issubclass(error_class, MaestroQAError)):
        return MaestroQAError(message)
    if not issubclass(error_class, MaestroQAAPIError):
        return error_class(message)
    endpoint, status = ENDPOINTS[operation], event.get("http_status")
    if not isinstance(status, int):
        status = _STATUSES.get(error_class.__name__, 400)
    method, path = endpoint.method, endpoint.full_path
    # The error puts this in front of its message again.
    if prefix := re.match(rf"(\w+) (\S+) answered {status}: ", message):
        (method, path), message = prefix.groups(), message[prefix.end() :]
    return error_class(status, method, path, message)


def _log_pause(log: logging.Logger, pause: Pause) -> None:
    if pause.message:
        log.log(logging.WARNING if pause.is_warning else logging.INFO, pause.message)


_FAILED = (
    "Export {id} failed at MaestroQA (status errored). MaestroQA exports 10,000 to 50,000 scores at a time: "
    "if the window was long, ask for shorter ones."
)
_TIMED_OUT = (
    "Export {id} was not complete at the deadline; its last known status is: {state}. It goes on at MaestroQA and "
    "cannot be cancelled there: a retry may still find it complete. A longer timeout gives it more time."
)
