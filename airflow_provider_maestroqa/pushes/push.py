"""Sends any number of records, in order, each exactly once; or names those whose outcome is unknown::

    source → read and check → collect a batch → send ──→ commit: report, rejects, checkpoint
                  │                 ↑            │
                  └→ rejects        └── put back ┴→ rejected as a whole: find the first bad record, continue after it

Records are committed strictly in their order, so that one number says how far the push is.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import (
    MaestroQAAPIError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
    MaestroQAOutcomeUnknownError,
)
from airflow_provider_maestroqa.client.transport.retry import outcome_is_unknown
from airflow_provider_maestroqa.pushes.bisect import find_rejected, is_rejection
from airflow_provider_maestroqa.pushes.checkpoint import Checkpoint, PositionTakenError, PushState
from airflow_provider_maestroqa.pushes.confirmation import Confirmation
from airflow_provider_maestroqa.pushes.late import LateRequests
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.partial import add_rejected, describe_unconfirmed
from airflow_provider_maestroqa.pushes.records import Record, describe, read_records
from airflow_provider_maestroqa.pushes.rejects import Rejects
from airflow_provider_maestroqa.pushes.report import PushProgress, Report
from airflow_provider_maestroqa.pushes.resources import Resource
from airflow_provider_maestroqa.pushes.window import Flight, Window

log = logging.getLogger(__name__)

#: Bytes of records in one request at most. The API names no limit; a server that has a lower one answers 413.
MAX_BATCH_BYTES = 4_000_000


class Sender(Protocol):
    """Sends a request to MaestroQA and returns the decoded response."""

    def __call__(self, request: Request, *, on_in_flight: Callable[[bool], None] | None = None) -> Any:
        """Send a request; ``on_in_flight`` is called when it leaves, and when it certainly had no effect."""


class Push:
    """One push of one resource.

    :param resource: what is pushed.
    :param send: sends requests.
    :param options: what the user decided.
    :param report: is kept up to date.
    :param progress: logs how far it is.
    :param rejects: takes the records that are rejected.
    :param checkpoint: saves the position for a retry.
    :param clock: for waiting until a request whose response was lost cannot be under way any more.
    """

    def __init__(
        self,
        resource: Resource,
        send: Sender,
        *,
        options: PushOptions,
        report: Report,
        progress: PushProgress,
        rejects: Rejects,
        checkpoint: Checkpoint,
        clock: Clock,
    ) -> None:
        self._resource = resource
        self._send_request = send
        self._options = options
        self._report = report
        self._progress = progress
        self._rejects = rejects
        self._checkpoint = checkpoint
        self._late = LateRequests(resource.key, clock)
        self._clock = clock
        # What must not be sent twice is marked before it is sent, one batch at a time.
        self._window = Window(options.concurrency if resource.idempotent else 1, resource.key)
        self._ahead: deque[Record] = deque()
        self._failure: Exception | None = None
        self._max_bytes = MAX_BATCH_BYTES
        self._last_read: Record | None = None

    def run(self, source: Iterable[object], state: PushState | None) -> None:
        """Push all records.

        :param source: the records, from the first one.
        :param state: how far an earlier try has come.
        :raises MaestroQADataError: a record is rejected, or too many are, or the source has changed.
        :raises MaestroQAOutcomeUnknownError: records may or may not have arrived.
        """
        records = read_records(source, self._resource.record_type.check)
        if state is not None:
            self._resume(records, state)
        try:
            while self._fill(records):
                flight = self._window.pop()
                if (error := self._settle(flight)) is not None:
                    self._resolve(flight.batch, error)
                self._window.adapt(flight)
                self._progress.log_if_due(flight.batch[-1].index + 1)
        finally:
            self._window.abandon()
        if self._failure is not None:
            raise self._failure
        self._commit(self._last_read)

    # -- Reading ----------------------------------------------------------------------------------------------------

    def _resume(self, records: Iterator[Record], state: PushState) -> None:
        """Read again what is committed, and decide about what was in flight."""
        self._rejects.remote_count = state.rejected
        for record in self._reread(records, state.done, state.digest):
            if self._check(record):
                self._rejects.restore(record)
        self._progress.start(state.done)
        if state.done:
            self._rejects.finish_resuming(state.done)
            self._checkpoint.adopt_parts()
            if not state.finished:
                log.info("Resuming at record %d: an earlier try has finished all before it.", state.done)
        if state.in_flight is not None:
            in_flight = [record for record in self._reread(records, *state.in_flight) if self._check(record)]
            if self._options.resends:
                self._ahead.extend(in_flight)
            else:
                self._handle_unknown(in_flight, "an earlier try of this task ended before the response came")

    def _reread(self, records: Iterator[Record], count: int, digest: bytes) -> Iterator[Record]:
        record = None
        for _ in range(count):
            record = next(records, None)
            if record is None:
                raise self._checkpoint.mismatch_error("there are fewer of them now")
            yield record
        if record is not None and record.digest != digest:
            raise self._checkpoint.mismatch_error("they have changed, or come in another order")

    def _fill(self, records: Iterator[Record]) -> bool:
        """Send as many batches as may be under way at once; whether any is."""
        while len(self._window) < self._window.size and self._failure is None:
            try:
                batch = self._next_batch(records)
            except Exception as error:
                if not self._window:
                    raise
                # What was sent before is settled first.
                self._failure = error
                break
            if batch and self._window.takes(batch):
                self._window.add(self._take_off(batch))
                continue
            self._ahead.extendleft(reversed(batch))
            break
        return bool(self._window)

    def _next_batch(self, records: Iterator[Record]) -> list[Record]:
        """Read as many records as one request takes. What cannot be sent is rejected."""
        batch: list[Record] = []
        size = 0
        while len(batch) < self._resource.batch_size:
            record = self._ahead.popleft() if self._ahead else next(records, None)
            if record is None:
                break
            if not self._check(record):
                if not batch and not self._window:
                    self._rejects.commit(record.index + 1)
                continue
            if batch and size + record.size > self._max_bytes:
                self._ahead.appendleft(record)
                break
            batch.append(record)
            size += record.size
        return batch

    def _check(self, record: Record) -> bool:
        """Whether a record that was read can be sent; it is rejected when not."""
        if self._last_read is None or record.index > self._last_read.index:
            self._last_read = record
        if record.body is None:
            self._reject(record, record.error)
        return record.body is not None

    # -- Sending ----------------------------------------------------------------------------------------------------

    def _send(self, batch: Sequence[Record]) -> MaestroQAAPIError | None:
        """Send some records and commit them; return the error when MaestroQA rejects them as a whole."""
        return self._settle(self._take_off(batch))

    def _take_off(self, batch: Sequence[Record]) -> Flight:
        """Prepare a request, when no earlier one can get in its way any more."""
        self._late.wait_before(batch)
        bodies = [record.body for record in batch if record.body is not None]

        def send(note: Callable[[bool], None]) -> Confirmation:
            def on_in_flight(is_in_flight: bool) -> None:
                self._mark(batch, is_in_flight)
                note(is_in_flight)

            def send_request(request: Request) -> Any:
                flight.attempts.begin()
                return self._send_request(request, on_in_flight=on_in_flight)

            return self._resource.send(bodies, send_request)

        return (flight := Flight(batch, send, self._clock))

    def _settle(self, flight: Flight) -> MaestroQAAPIError | None:
        """Commit the records of a request; return the error when MaestroQA rejects them as a whole."""
        batch = flight.batch
        try:
            confirmation = flight.result()
        except MaestroQAOutcomeUnknownError as error:
            self._handle_unknown(batch, error.message)
            return None
        except MaestroQAAPIError as error:
            if not outcome_is_unknown(error):
                self._checkpoint.mark(batch, is_in_flight=False)
            if is_rejection(error, batch_size=self._resource.batch_size):
                return error
            raise
        finally:
            self._report.repeated += self._late.end(batch, flight.attempts)
        report, missing = self._report, confirmation.missing
        report.sent += len(batch)
        report.confirmed += len(batch) - missing - len(confirmation.rejected)
        report.created += confirmation.created
        report.updated += confirmation.updated
        report.unconfirmed += missing
        unconfirmed = describe_unconfirmed(batch, confirmation)
        if unconfirmed:
            # First the names, then the position: a worker that is killed in between must have named them.
            log.warning("%s; check MaestroQA.", unconfirmed)
        rejection = add_rejected(self._rejects, batch, confirmation, self._options.collects, report.noun)
        if rejection is not None and len(confirmation.rejected) == len(batch):
            self._checkpoint.mark(batch, is_in_flight=False)
            raise rejection
        try:
            # Past the rejected ones, too, because others of their batch were taken.
            self._commit(batch[-1])
        except PositionTakenError as error:
            names = describe(batch)
            raise PositionTakenError(f"{error.message} It cannot know that {names} have arrived as well.") from error
        if missing and not self._options.collects:
            raise MaestroQAOutcomeUnknownError(
                f"{unconfirmed}. Check MaestroQA; then clear the task: it resumes after them where their position is "
                "saved."
            )
        if rejection is not None:
            raise rejection
        return None

    def _mark(self, batch: Sequence[Record], is_in_flight: bool) -> None:
        try:
            self._checkpoint.mark(batch, is_in_flight=is_in_flight)
        except MaestroQAConnectionError as error:
            failure = error.message
        else:
            return
        # Not as an error of the connection: the client would take it for a lost response of MaestroQA.
        raise MaestroQAError(
            f"The push stops before {describe(batch)}, because it cannot be saved that they are in flight: {failure}",
            retryable=True,
        )

    def _commit(self, last: Record | None) -> None:
        """All records up to this one are confirmed, rejected or reported as unknown."""
        self._progress.update_report()
        if last is None:
            return
        self._report.rejected = self._rejects.count
        self._report.rejects_path = self._rejects.uri
        self._rejects.commit(last.index + 1)
        if self._checkpoint.is_persistent:
            # First the lines, then the position: a try that is killed in between writes them once more.
            self._rejects.save_remote()
        self._checkpoint.commit(last, self._report, rejected=self._rejects.remote_count)

    def _handle_unknown(self, records: Sequence[Record], reason: str) -> None:
        names, reason = describe(records), reason.rstrip(".")
        if self._options.on_unknown_outcome != "skip":
            raise MaestroQAOutcomeUnknownError(
                f"It is not known whether {names} of the {self._report.noun} arrived: {reason}. They must not "
                "be sent twice, so they are not sent again. Check MaestroQA; then clear the task with "
                "on_unknown_outcome='resend' to send them again, or 'skip' to continue after them."
            )
        log.warning("Continuing after %s, which may or may not have arrived: %s.", names, reason)
        self._report.sent += len(records)
        self._report.unconfirmed += len(records)
        self._commit(records[-1])

    # -- Rejected records -------------------------------------------------------------------------------------------

    def _resolve(self, batch: Sequence[Record], error: MaestroQAAPIError) -> None:
        """Find out about a rejected batch. While others are under way, all of it: it is committed before them."""
        later, self._ahead = self._ahead, deque()
        self._handle_rejection(batch, error)
        while self._window and self._ahead:
            rest = self._next_batch(iter(()))
            if (rejection := self._send(rest)) is not None:
                self._handle_rejection(rest, rejection)
        self._ahead.extend(later)

    def _handle_rejection(self, batch: Sequence[Record], error: MaestroQAAPIError) -> None:
        """MaestroQA rejected a batch as a whole: find the first record that it rejects, and continue after it."""
        if len(batch) > 1 and error.status == 413:
            self._max_bytes = max(sum(record.size for record in batch) // 2, 1)
            log.info("MaestroQA finds %d records in one request too large; sending fewer.", len(batch))
            self._ahead.extendleft(reversed(batch))
            return
        if not self._options.collects:
            self._fail(batch, error)
        rejection = find_rejected(batch, error, self._send)
        self._ahead.extendleft(reversed(rejection.rest))
        if rejection.record is not None:
            self._report.sent += 1
            self._reject(rejection.record, str(rejection.error))
            self._commit(rejection.record)

    def _reject(self, record: Record, reason: str) -> None:
        if not self._options.collects:
            raise MaestroQADataError(
                f"{record.label[:1].upper()}{record.label[1:]} of the {self._report.noun} is rejected: "
                f"{reason.rstrip('.')}. {self._confirmed_before()} Correct it, or set on_error='collect' to go on "
                "without such records."
            )
        self._rejects.add(record, reason)

    def _fail(self, batch: Sequence[Record], error: MaestroQAAPIError) -> None:
        self._report.sent += len(batch)
        hint = "" if len(batch) == 1 else " At least one of them is bad; on_error='collect' finds out which ones."
        error.message = (
            f"{error.message.rstrip('.')}. This is about {describe(batch)} of the {self._report.noun}, none of which "
            f"was taken. {self._confirmed_before()}{hint}"
        )
        raise error

    def _confirmed_before(self) -> str:
        done = self._report.confirmed
        return f"{done:,} records before were confirmed." if done else "No record was sent before."
