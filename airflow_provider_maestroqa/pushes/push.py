"""Sends any number of records, in order, each exactly once; or says which ones it cannot be sure of.

::

    source → read and check → gather a batch → send ──→ settle: report, rejects, checkpoint
                  │                ↑             │
                  └→ rejects       └── put back ─┴→ refused as a whole: find the first bad record, go on after it

Records are settled strictly in their order, so that one number says how far the push is.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import (
    MaestroQAAPIError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
    MaestroQAOutcomeUnknownError,
)
from airflow_provider_maestroqa.client.formatting import pluralize
from airflow_provider_maestroqa.client.transport.retry import outcome_is_unknown
from airflow_provider_maestroqa.pushes.checkpoint import Checkpoint, Position
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.records import Item, describe, read_items
from airflow_provider_maestroqa.pushes.rejects import Rejects
from airflow_provider_maestroqa.pushes.report import Meter, Progress, Report
from airflow_provider_maestroqa.pushes.resources import Resource

log = logging.getLogger(__name__)

#: Bytes of records in one request at most. The API names no limit; a server that has a lower one answers 413.
LARGEST_BATCH = 4_000_000
_REFUSALS = frozenset({400, 404, 413, 422})
_TOO_LARGE = 413


class Carrier(Protocol):
    """Carries a call to MaestroQA."""

    def __call__(self, call: Request, *, in_flight: Callable[[bool], None] | None = None) -> Any:
        """Send a call; ``in_flight`` is told when it leaves, and when it was certainly not carried out."""


class Push:
    """One push of one resource.

    :param resource: what is pushed.
    :param send: carries calls.
    :param options: what the user decided.
    :param report: is kept up to date.
    :param meter: brings the report's requests up to date.
    :param progress: says how far it is.
    :param rejects: takes the records that are refused.
    :param checkpoint: keeps the position for a retry.
    """

    def __init__(
        self,
        resource: Resource,
        send: Carrier,
        *,
        options: PushOptions,
        report: Report,
        meter: Meter,
        progress: Progress,
        rejects: Rejects,
        checkpoint: Checkpoint,
    ) -> None:
        self._resource = resource
        self._carry = send
        self._options = options
        self._report = report
        self._meter = meter
        self._progress = progress
        self._rejects = rejects
        self._checkpoint = checkpoint
        self._ahead: deque[Item] = deque()
        self._largest = LARGEST_BATCH
        self._last: Item | None = None

    def run(self, records: Iterable[object], position: Position | None) -> None:
        """Push all records.

        :param records: the source, from its first record.
        :param position: where an earlier try has stopped.
        :raises MaestroQADataError: a record is refused, or too many are, or the source has changed.
        :raises MaestroQAOutcomeUnknownError: records may or may not have arrived.
        """
        items = read_items(records, self._resource.record_type.check)
        if position is not None:
            self._resume(items, position)
        while batch := self._gather(items):
            try:
                self._send(batch)
            except MaestroQAAPIError as error:
                if not self._is_refusal(error):
                    raise
                self._refused(batch, error)
            self._progress.tell(batch[-1].index + 1)
        self._settle(self._last)

    # -- Reading ----------------------------------------------------------------------------------------------------

    def _resume(self, items: Iterator[Item], position: Position) -> None:
        """Read again what is settled, and find out about what was in flight."""
        self._rejects.there = position.refused
        for item in self._again(items, position.done, position.digest):
            if self._can_travel(item):
                self._rejects.seen_again(item)
        self._progress.begin(position.done)
        if position.done and not position.finished:
            log.info("Going on with record %d: an earlier try has settled all before it.", position.done)
        if position.in_flight is not None:
            count, digest = position.in_flight
            flying = [item for item in self._again(items, count, digest) if self._can_travel(item)]
            if self._options.resends:
                self._ahead.extend(flying)
            else:
                self._unknown(flying, "an earlier try of this task ended before the answer came")

    def _again(self, items: Iterator[Item], count: int, digest: bytes) -> Iterator[Item]:
        seen, last = 0, None
        while seen < count:
            last = next(items, None)
            if last is None:
                raise self._checkpoint.refusal("there are fewer of them now")
            seen += 1
            yield last
        if last is not None and last.digest != digest:
            raise self._checkpoint.refusal("they have changed, or come in another order")

    def _gather(self, items: Iterator[Item]) -> list[Item]:
        """Read as many records as travel together. What cannot travel is refused."""
        batch: list[Item] = []
        size = 0
        while len(batch) < self._resource.batch_size:
            item = self._ahead.popleft() if self._ahead else next(items, None)
            if item is None:
                break
            if not self._can_travel(item):
                if not batch:
                    self._rejects.settle(item.index + 1)
                continue
            if batch and size + item.size > self._largest:
                self._ahead.appendleft(item)
                break
            batch.append(item)
            size += item.size
        return batch

    def _can_travel(self, item: Item) -> bool:
        """Whether a record that was read can be sent; it is refused when not."""
        if self._last is None or item.index > self._last.index:
            self._last = item
        if item.body is None:
            self._refuse(item, item.problem)
        return item.body is not None

    # -- Sending ----------------------------------------------------------------------------------------------------

    def _send(self, batch: Sequence[Item]) -> None:
        """Send some records and settle them.

        :raises MaestroQAAPIError: MaestroQA refused them as a whole, or something else is wrong.
        """
        try:
            found = self._resource.send([item.body for item in batch if item.body is not None], self._carrier(batch))
        except MaestroQAOutcomeUnknownError as error:
            self._unknown(batch, error.message)
            return
        except MaestroQAAPIError as error:
            if not outcome_is_unknown(error):
                self._checkpoint.mark(batch, is_in_flight=False)
            raise
        report = self._report
        report.sent += len(batch)
        report.confirmed += len(batch) - found.missing
        report.created += found.created
        report.updated += found.updated
        report.unconfirmed += found.missing
        self._settle(batch[-1])
        if found.missing:
            suspects = describe([batch[position] for position in found.suspects])
            which = suspects if len(found.suspects) == found.missing else f"they are among {suspects}"
            took = pluralize(len(batch), "records")
            told = f"MaestroQA took {took} and does not confirm {found.missing} of them: {which}"
            if not self._options.collects:
                raise MaestroQAOutcomeUnknownError(
                    f"{told}. They are not sent again. Look at MaestroQA; then clear the task: it goes on after them "
                    "where their position is kept."
                )
            log.warning("%s. They are not sent again; look at MaestroQA.", told)

    def _carrier(self, batch: Sequence[Item]) -> Callable[[Request], Any]:
        def send(call: Request) -> Any:
            return self._carry(call, in_flight=lambda is_in_flight: self._mark(batch, is_in_flight=is_in_flight))

        return send

    def _mark(self, batch: Sequence[Item], *, is_in_flight: bool) -> None:
        try:
            self._checkpoint.mark(batch, is_in_flight=is_in_flight)
        except MaestroQAConnectionError as error:
            failure = error.message
        else:
            return
        # Not as an error of the connection: the client would take it for a lost answer of MaestroQA.
        raise MaestroQAError(
            f"The push stops before {describe(batch)}, because it cannot be kept that they are in flight: {failure}",
            retryable=True,
        )

    def _settle(self, last: Item | None) -> None:
        """All records up to this one are confirmed, refused or told to be unknown."""
        self._meter.read()
        if last is None:
            return
        self._report.rejected = self._rejects.count
        self._report.rejects_path = self._rejects.uri
        self._rejects.settle(last.index + 1)
        if self._checkpoint.is_persistent:
            # First the lines, then the position: a try that is killed in between writes them once more.
            self._rejects.publish_what_only_they_know()
        self._checkpoint.settle(last, self._report, refused=self._rejects.there)

    def _unknown(self, items: Sequence[Item], reason: str) -> None:
        named = describe(items)
        if self._options.on_unknown_outcome != "skip":
            raise MaestroQAOutcomeUnknownError(
                f"It is not known whether {named} of the {self._words} arrived: {reason.rstrip('.')}. They must not "
                "arrive twice, so they are not sent again. Look at MaestroQA; then clear the task with "
                "on_unknown_outcome='resend' to send them again, or 'skip' to go on after them."
            )
        log.warning("Going on after %s, which may or may not have arrived: %s.", named, reason.rstrip("."))
        self._report.sent += len(items)
        self._report.unconfirmed += len(items)
        self._settle(items[-1])

    # -- Refusals ---------------------------------------------------------------------------------------------------

    def _is_refusal(self, error: MaestroQAAPIError) -> bool:
        if error.status == 409:
            return self._resource.batch_size == 1
        # A 404 without a word from MaestroQA is no record's fault: the host is wrong.
        return error.status in _REFUSALS and (error.status != 404 or error.explained)

    def _refused(self, batch: Sequence[Item], error: MaestroQAAPIError) -> None:
        """MaestroQA refused a batch as a whole: find the first record that it refuses, and go on after it."""
        if len(batch) > 1 and error.status == _TOO_LARGE:
            self._largest = max(sum(item.size for item in batch) // 2, 1)
            log.info("MaestroQA finds %d records in one request too large; sending fewer.", len(batch))
            self._put_back(batch)
            return
        if not self._options.collects:
            self._refuse_all(batch, error)
        suspects = list(batch)
        told = True
        while len(suspects) > 1:
            middle = len(suspects) // 2
            first, rest = suspects[:middle], suspects[middle:]
            refusal = self._try(first)
            if refusal is None:
                # What is left was not refused on its own: it holds the bad record, unless only all together were bad.
                suspects, told = rest, False
            else:
                # What comes after travels with the next batch, so that a bad record costs no request but the search.
                self._put_back(rest)
                suspects, error, told = first, refusal, True
        refusal = error if told else self._try(suspects)
        if refusal is not None:
            self._report.sent += 1
            self._refuse(suspects[0], str(refusal))
            self._settle(suspects[0])

    def _try(self, items: Sequence[Item]) -> MaestroQAAPIError | None:
        try:
            self._send(items)
        except MaestroQAAPIError as error:
            if self._is_refusal(error):
                return error
            raise
        return None

    def _put_back(self, items: Sequence[Item]) -> None:
        self._ahead.extendleft(reversed(items))

    def _refuse(self, item: Item, reason: str) -> None:
        if not self._options.collects:
            raise MaestroQADataError(
                f"{item.label[:1].upper()}{item.label[1:]} of the {self._words} is refused: {reason.rstrip('.')}. "
                f"{self._said_so_far()}Correct it, or set on_error='collect' to go on without such records."
            )
        self._rejects.add(item, reason)

    def _refuse_all(self, batch: Sequence[Item], error: MaestroQAAPIError) -> None:
        self._report.sent += len(batch)
        hint = "" if len(batch) == 1 else " At least one of them is bad; on_error='collect' finds out which ones."
        error.message = (
            f"{error.message.rstrip('.')}. This is about {describe(batch)} of the {self._words}, none of which was "
            f"taken. {self._said_so_far()}{hint}".rstrip()
        )
        raise error

    def _said_so_far(self) -> str:
        done = self._report.confirmed
        return f"{done:,} records before were confirmed. " if done else "No record was sent before. "

    @property
    def _words(self) -> str:
        return self._resource.name.replace("_", " ")
