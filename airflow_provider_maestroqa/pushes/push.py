"""Sends any number of records, in order, each exactly once; or names those whose outcome is unknown::

    source → read and check → collect a batch → send ──→ commit: report, rejects, checkpoint
                  │                 ↑            │
                  └→ rejects        └── put back ┴→ rejected as a whole: find the bad ones, continue with the others

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
    MaestroQAError,
    MaestroQAOutcomeUnknownError,
)
from airflow_provider_maestroqa.client.transport.retry import outcome_is_unknown
from airflow_provider_maestroqa.pushes.bisect import Piece, Rejection, Search, is_rejection
from airflow_provider_maestroqa.pushes.checkpoint import Checkpoint, PushState
from airflow_provider_maestroqa.pushes.confirmation import Confirmation, key_of
from airflow_provider_maestroqa.pushes.hints import BadValues
from airflow_provider_maestroqa.pushes.late import LateRequests
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.records import Record, describe, read_records
from airflow_provider_maestroqa.pushes.rejects import Rejects
from airflow_provider_maestroqa.pushes.report import PushProgress, Report
from airflow_provider_maestroqa.pushes.resources import Resource
from airflow_provider_maestroqa.pushes.settlement import Settlement
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
        self._settlement = Settlement(
            options=options, report=report, progress=progress, rejects=rejects, checkpoint=checkpoint
        )
        self._late = LateRequests(resource.key, clock)
        self._clock = clock
        # What must not be sent twice is marked before it is sent, one batch at a time.
        self._window = Window(options.concurrency if resource.idempotent else 1, resource.key, clock)
        self._bad_values = BadValues()
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
            self._send_all(records)
        finally:
            self._window.abandon()
        if self._failure is not None:
            raise self._failure
        self._settlement.commit(self._last_read)

    def _send_all(self, records: Iterator[Record]) -> None:
        """Send batches as long as there is room for one more, and settle those that have ended, in their order."""
        # Whether no more can be sent before one that is under way is settled.
        is_blocked = False
        while self._window or not is_blocked:
            if self._window.has_result:
                self._settle(self._window.pop())
                self._progress.log_if_due(self._settlement.done)
                is_blocked = False
            elif self._window.has_room and not is_blocked:
                is_blocked = not self._send_next(records)
            else:
                self._window.wait(for_room=not is_blocked)

    # -- Reading ----------------------------------------------------------------------------------------------------

    def _resume(self, records: Iterator[Record], state: PushState) -> None:
        """Read again what is committed, and decide about what was in flight."""
        self._rejects.remote_count = state.rejected
        for record in self._reread(records, state.done, state.digest):
            if self._check(record):
                self._rejects.restore(record)
        self._progress.start(state.done)
        self._settlement.done = state.done
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
                self._settlement.leave_unknown(
                    in_flight, "an earlier try of this task ended before the response came"
                )

    def _reread(self, records: Iterator[Record], count: int, digest: bytes) -> Iterator[Record]:
        record = None
        for _ in range(count):
            record = next(records, None)
            if record is None:
                raise self._checkpoint.mismatch_error("there are fewer of them now")
            yield record
        if record is not None and record.digest != digest:
            raise self._checkpoint.mismatch_error("they have changed, or come in another order")

    def _next_piece(self, records: Iterator[Record]) -> Piece:
        """Read as many records as one request takes. What cannot be sent is rejected; a suspect travels alone."""
        batch: list[Record] = []
        size = 0
        while len(batch) < self._resource.batch_size:
            record = self._ahead.popleft() if self._ahead else next(records, None)
            if record is None:
                break
            if not self._check(record):
                if not batch and not self._window:
                    self._settlement.pass_by(record)
                continue
            if record in self._bad_values and self._may_overtake(record, batch) and self._window.takes([record]):
                self._ahead.extendleft(reversed(batch))
                return Piece([record], overtakes=bool(batch))
            if batch and size + record.size > self._max_bytes:
                self._ahead.appendleft(record)
                break
            batch.append(record)
            size += record.size
        return Piece(batch)

    def _check(self, record: Record) -> bool:
        """Whether a record that was read can be sent; it is rejected when not."""
        if self._last_read is None or record.index > self._last_read.index:
            self._last_read = record
        if record.body is None:
            self._settlement.reject_unsent(record)
        return record.body is not None

    def _may_overtake(self, record: Record, others: Sequence[Record]) -> bool:
        """Whether a record may be sent before others: twice does no harm, and it replaces none of those before it."""
        if not self._resource.idempotent:
            return False
        key = key_of(record.body or {}, self._resource.key)
        return all(
            other.index >= record.index or key_of(other.body or {}, self._resource.key) != key for other in others
        )

    # -- Sending ----------------------------------------------------------------------------------------------------

    def _send_next(self, records: Iterator[Record]) -> bool:
        """Send one more batch, if there is one that may be under way beside the others."""
        if self._failure is not None:
            return False
        try:
            piece = self._next_piece(records)
        except Exception as error:
            if not self._window:
                raise
            # What was sent before is settled first.
            self._failure = error
            return False
        if not piece.records or not self._window.takes(piece.records):
            self._ahead.extendleft(reversed(piece.records))
            return False
        self._window.add(self._flight(piece))
        return True

    def _flight(self, piece: Piece, search: Search | None = None) -> Flight:
        """Prepare a request, when no earlier one can get in its way any more."""
        batch = piece.records
        self._late.wait_before(batch)
        bodies = [record.body for record in batch if record.body is not None]

        def send(note: Callable[[bool], None]) -> Confirmation:
            def on_in_flight(is_in_flight: bool) -> None:
                self._mark(batch, is_in_flight)
                note(is_in_flight)

            def send_request(request: Request) -> Any:
                flight.begin_request()
                return self._send_request(request, on_in_flight=on_in_flight)

            return self._resource.send(bodies, send_request)

        return (flight := Flight(piece, send, self._clock, search))

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

    # -- Settling ---------------------------------------------------------------------------------------------------

    def _settle(self, flight: Flight) -> None:
        """Commit the records of a request, or go on with the search for those that MaestroQA rejects."""
        error = self._outcome(flight)
        search, batch = flight.search, flight.batch
        if search is None:
            if error is None:
                return
            if len(batch) > 1 and error.status == 413:
                self._max_bytes = max(sum(record.size for record in batch) // 2, 1)
                log.info("MaestroQA finds %d records in one request too large; sending fewer.", len(batch))
                self._put_back(batch)
                return
            if not self._options.collects:
                self._settlement.fail(batch, error)
            if flight.overtakes:
                self._settlement.hold(batch[0], error)
                return
            search, error = Search(batch, error, self._bad_values, self._may_overtake), None
        step = search.next(error)
        if isinstance(step, Piece):
            self._window.add_first([self._flight(step, search)])
        else:
            self._finish_search(step)

    def _outcome(self, flight: Flight) -> MaestroQAAPIError | None:
        """Commit the records of a request; return the error when MaestroQA rejects them as a whole."""
        batch = flight.batch
        try:
            confirmation = flight.result()
        except MaestroQAOutcomeUnknownError as error:
            self._settlement.leave_unknown(batch, error.message)
            return None
        except MaestroQAAPIError as error:
            if not outcome_is_unknown(error):
                self._checkpoint.mark(batch, is_in_flight=False)
            if is_rejection(error, batch_size=self._resource.batch_size):
                return error
            raise
        finally:
            self._report.repeated += self._late.end(batch, flight.attempts)
        for record in batch:
            self._bad_values.forget(record)
        if flight.overtakes:
            self._settlement.hold(batch[0], confirmation)
        else:
            self._settlement.confirm(batch, confirmation)
        return None

    def _finish_search(self, rejection: Rejection) -> None:
        """Reject what a search has found, and send the others."""
        for record, error in rejection.records:
            if rejection.overtakes:
                self._settlement.hold(record, error)
            else:
                self._settlement.reject(record, error)
        self._put_back(rejection.rest)

    def _put_back(self, batch: Sequence[Record]) -> None:
        """Let records be sent next, and before what is under way is committed."""
        later, self._ahead = self._ahead, deque(batch)
        pieces: list[Piece] = []
        while self._window and (piece := self._next_piece(iter(()))).records:
            pieces.append(piece)
        self._window.add_first([self._flight(piece) for piece in pieces])
        self._ahead.extend(later)
