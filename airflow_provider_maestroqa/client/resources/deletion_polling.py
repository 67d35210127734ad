"""Waiting for deletions of customers' data: all of them together, the same way on a worker and in the triggerer.

:class:`DeletionWait` decides and does no I/O; :func:`poll_deletions` and :func:`apoll_deletions` drive it.
"""

from __future__ import annotations

import itertools
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypedDict

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import (
    MaestroQAAPIError,
    MaestroQADeletionFailedError,
    MaestroQADeletionTimeoutError,
    MaestroQAError,
    MaestroQANotFoundError,
)
from airflow_provider_maestroqa.client.formatting import format_duration, pluralize
from airflow_provider_maestroqa.client.resources.data_deletion import COMPLETED, FAILED, DataDeletion
from airflow_provider_maestroqa.client.resources.export_polling import MIN_PAUSE_S, error_of_event, poll_deadline

_REAL_TIME = Clock()


class _RequiredFields(TypedDict):
    status: str
    deletions: dict[str, str]
    message: str


class DeletionEvent(_RequiredFields, total=False):
    """How a wait ended. It travels through Airflow's database and logs, so it holds ids and no e-mail address.

    ``status`` is ``completed``, ``failed``, ``timeout`` or ``refused``; ``deletions`` has the last status of each
    deletion by its id. Where an error ended the wait, ``error`` is the name of its class in
    :mod:`~airflow_provider_maestroqa.client.errors`, and ``http_status`` the status of MaestroQA's response, if any.
    """

    error: str
    http_status: int


class DeletionWait:
    """One wait for any number of deletions; it ends when none is pending any more.

    :param deletion_ids: the deletions.
    :param poll_interval: seconds between two polls of the same deletion.
    :param deadline: Unix time in seconds at which the wait ends, fixed when it began.
    :param jitter: returns a random factor near 1 for each pause, so that many waits do not poll at the same time.
    """

    def __init__(
        self,
        deletion_ids: Sequence[str],
        *,
        poll_interval: float,
        deadline: float,
        jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.1),  # noqa: S311
    ) -> None:
        #: Unix time in seconds at which the wait ends.
        self.deadline = deadline
        self._statuses = dict.fromkeys(deletion_ids, "pending")
        self._pause_s = max(poll_interval, MIN_PAUSE_S)
        self._jitter = jitter
        self._told = ""

    @property
    def pending(self) -> list[str]:
        """The deletions that have not ended."""
        return [one for one, status in self._statuses.items() if status != COMPLETED and status not in FAILED]

    def pause(self, now: float) -> float:
        """Seconds before the next poll."""
        return max(min(self._pause_s * self._jitter(), self.deadline - now), 0.0)

    def on_poll(self, deletion_id: str, result: DataDeletion | MaestroQAError) -> DeletionEvent | None:
        """Note what a poll of one deletion means.

        :return: how the wait ends, where an error ends it at once.
        """
        if isinstance(result, DataDeletion):
            self._statuses[deletion_id] = result.status or "without a status"
        elif isinstance(result, MaestroQANotFoundError):
            self._statuses[deletion_id] = "not found"
        elif result.retryable:
            self._statuses[deletion_id] = f"not known ({type(result).__name__})"
        else:
            event = self._event("refused", str(result))
            event["error"] = type(result).__name__
            if isinstance(result, MaestroQAAPIError) and result.status is not None:
                event["http_status"] = result.status
            return event
        return None

    def on_round(self, now: float) -> DeletionEvent | None:
        """All that are pending were polled: return how the wait ends, if it does."""
        counts = Counter(self._statuses.values())
        states = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
        if not self.pending:
            failed = sum(count for status, count in counts.items() if status in FAILED)
            if not failed:
                return self._event("completed", f"{pluralize(len(self._statuses), 'deletions')} completed.")
            return self._event(
                "failed", f"Of {pluralize(len(self._statuses), 'deletions')}: {states}. A retry requests them again."
            )
        if now >= self.deadline:
            return self._event(
                "timeout",
                f"The deletions were not completed at the deadline: {states}. They go on at MaestroQA, which "
                "finishes them once a day: a retry waits for the same ones. A longer timeout gives them more time.",
            )
        return None

    def state_message(self, pause_s: float) -> tuple[str, bool]:
        """What to log where anything changed since the last round, and whether it is a warning."""
        counts = Counter(self._statuses.values())
        states = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
        if states == self._told:
            return "", False
        self._told = states
        is_known = all(DataDeletion("", status).is_known for status in counts)
        return f"Deletions: {states}. Next poll in {format_duration(pause_s)}.", not is_known

    def _event(self, status: str, message: str) -> DeletionEvent:
        return {"status": status, "deletions": dict(self._statuses), "message": message}


def poll_deletions(
    wait: DeletionWait,
    get: Callable[[str, float], DataDeletion | None],
    *,
    log: logging.Logger,
    clock: Clock = _REAL_TIME,
    max_rounds: int | None = None,
) -> DeletionEvent | None:
    """Poll deletions until all have ended or the deadline has passed.

    :param wait: the wait.
    :param get: gets a deletion by its id, within a deadline as Unix time in seconds; ``None`` without a slot for that
        in the token's request budget.
    :param log: logs each change of state.
    :param clock: the time.
    :param max_rounds: stop after so many polls of each. Default: poll until the end.
    :return: how the wait ended; ``None`` when it has not ended within ``max_rounds``.
    """
    for number in itertools.count(1):
        for deletion_id in wait.pending:
            result: DataDeletion | MaestroQAError | None
            try:
                result = get(deletion_id, poll_deadline(wait.deadline, now=clock.wall()))
            except MaestroQAError as error:
                result = error
            if result is None:
                break  # the others would wait for a slot just as long
            if (event := wait.on_poll(deletion_id, result)) is not None:
                return event
        if (event := wait.on_round(clock.wall())) is not None:
            return event
        pause_s = _pause(wait, log, clock)
        if number == max_rounds:
            break
        clock.sleep(pause_s)
    return None


async def apoll_deletions(
    wait: DeletionWait,
    get: Callable[[str, float], Awaitable[DataDeletion]],
    *,
    log: logging.Logger,
    clock: Clock = _REAL_TIME,
) -> DeletionEvent:
    """Poll deletions without blocking the event loop; otherwise as :func:`poll_deletions`."""
    while True:
        for deletion_id in wait.pending:
            result: DataDeletion | MaestroQAError
            try:
                result = await get(deletion_id, poll_deadline(wait.deadline, now=clock.wall()))
            except MaestroQAError as error:
                result = error
            if (event := wait.on_poll(deletion_id, result)) is not None:
                return event
        if (event := wait.on_round(clock.wall())) is not None:
            return event
        await clock.sleep_async(_pause(wait, log, clock))


def _pause(wait: DeletionWait, log: logging.Logger, clock: Clock) -> float:
    pause_s = wait.pause(clock.wall())
    message, is_warning = wait.state_message(pause_s)
    if message:
        log.log(logging.WARNING if is_warning else logging.INFO, message)
    return pause_s


def read_deletion_event(event: Any) -> DeletionEvent:
    """Accept an event that says that all deletions are completed; raise for every other one.

    :param event: what a trigger sent, or how a wait in this process ended.
    :raises MaestroQADeletionFailedError: MaestroQA gave up on one, or does not know it.
    :raises MaestroQADeletionTimeoutError: one was not completed in time.
    :raises MaestroQAError: the error that ended the wait, by its own class; or this is no event of ours.
    """
    if not isinstance(event, Mapping) or not isinstance(event.get("deletions"), Mapping) or "status" not in event:
        raise MaestroQAError("The wait for the deletions ended without a status.", retryable=True)
    message = str(event.get("message") or f"The wait for the deletions ended as {event['status']!r}.")
    if event["status"] == "completed":
        return {"status": "completed", "deletions": dict(event["deletions"]), "message": message}
    if event["status"] == "failed":
        raise MaestroQADeletionFailedError(message)
    if event["status"] == "timeout":
        raise MaestroQADeletionTimeoutError(message)
    raise error_of_event(event, message, operation="get_data_deletion")
