"""What became of the records that were sent: counted, saved and told in the order of the records."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NoReturn

from airflow_provider_maestroqa.client.errors import (
    MaestroQAAPIError,
    MaestroQADataError,
    MaestroQAOutcomeUnknownError,
)
from airflow_provider_maestroqa.pushes.checkpoint import Checkpoint, PositionTakenError
from airflow_provider_maestroqa.pushes.confirmation import Confirmation
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.partial import add_rejected, describe_unconfirmed
from airflow_provider_maestroqa.pushes.records import Record, describe
from airflow_provider_maestroqa.pushes.rejects import Rejects
from airflow_provider_maestroqa.pushes.report import PushProgress, Report

log = logging.getLogger(__name__)


class Settlement:
    """Commits records: report, rejects, checkpoint.

    What is known of a record before the ones in front of it are committed is held back until they are. So what is
    saved is always about all records up to its position, and about no others.

    :param options: what the user decided.
    :param report: is kept up to date.
    :param progress: knows the requests so far.
    :param rejects: takes the records that are rejected.
    :param checkpoint: saves the position for a retry.
    """

    def __init__(
        self,
        *,
        options: PushOptions,
        report: Report,
        progress: PushProgress,
        rejects: Rejects,
        checkpoint: Checkpoint,
    ) -> None:
        self._options = options
        self._report = report
        self._progress = progress
        self._rejects = rejects
        self._checkpoint = checkpoint
        self._held: dict[int, tuple[Record, Confirmation | MaestroQAAPIError]] = {}
        #: How many records are committed.
        self.done = 0

    def confirm(self, batch: Sequence[Record], confirmation: Confirmation) -> None:
        """Commit the records of a request, as its response confirms them.

        :raises MaestroQAOutcomeUnknownError: it does not confirm all of them.
        :raises MaestroQADataError: it says that some were not taken, and the push cannot continue.
        """
        noun = self._report.noun
        unconfirmed = self._count(batch, confirmation)
        rejection = add_rejected(self._rejects, batch, confirmation, self._options.collects, noun)
        if rejection is not None and len(confirmation.rejected) == len(batch):
            self._checkpoint.mark(batch, is_in_flight=False)
            raise rejection
        try:
            # Past the rejected ones, too, because others of their batch were taken.
            self.commit(batch[-1])
        except PositionTakenError as error:
            names = describe(batch)
            raise PositionTakenError(f"{error.message} It cannot know that {names} have arrived as well.") from error
        if unconfirmed and not self._options.collects:
            raise MaestroQAOutcomeUnknownError(
                f"{unconfirmed}. Check MaestroQA; then clear the task: it resumes after them where their position is "
                "saved."
            )
        if rejection is not None:
            raise rejection

    def hold(self, record: Record, outcome: Confirmation | MaestroQAAPIError) -> None:
        """Remember what became of a record until the ones in front of it are committed."""
        self._held[record.index] = record, outcome

    def reject(self, record: Record, error: MaestroQAAPIError) -> None:
        """MaestroQA rejects a record, and all before it are committed."""
        self._report.sent += 1
        self._rejects.add(record, str(error))
        self.commit(record)

    def reject_unsent(self, record: Record) -> None:
        """A record cannot be sent.

        :raises MaestroQADataError: the push stops at such a record.
        """
        if not self._options.collects:
            raise MaestroQADataError(
                f"{record.label[:1].upper()}{record.label[1:]} of the {self._report.noun} is rejected: "
                f"{record.error.rstrip('.')}. {self._confirmed_before()} Correct it, or set on_error='collect' to "
                "go on without such records."
            )
        self._rejects.add(record, record.error)

    def pass_by(self, record: Record) -> None:
        """All records before one that cannot be sent are committed; the position need not be saved for it alone."""
        self._release(record.index)
        self._rejects.commit(record.index + 1)

    def commit(self, last: Record | None) -> None:
        """All records up to this one are confirmed, rejected or reported as unknown."""
        self._progress.update_report()
        if last is None:
            return
        self._release(last.index)
        self._report.rejected = self._rejects.count
        self._report.rejects_path = self._rejects.uri
        self._rejects.commit(last.index + 1)
        if self._checkpoint.is_persistent:
            # First the lines, then the position: a try that is killed in between writes them once more.
            self._rejects.save_remote()
        self._checkpoint.commit(last, self._report, rejected=self._rejects.remote_count)
        self.done = last.index + 1

    def leave_unknown(self, records: Sequence[Record], reason: str) -> None:
        """It is not known whether records arrived that must not arrive twice.

        :raises MaestroQAOutcomeUnknownError: the push stops there.
        """
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
        self.commit(records[-1])

    def fail(self, batch: Sequence[Record], error: MaestroQAAPIError) -> NoReturn:
        """MaestroQA rejects a batch as a whole, and the push stops there."""
        self._report.sent += len(batch)
        hint = "" if len(batch) == 1 else " At least one of them is bad; on_error='collect' finds out which ones."
        error.message = (
            f"{error.message.rstrip('.')}. This is about {describe(batch)} of the {self._report.noun}, none of which "
            f"was taken. {self._confirmed_before()}{hint}"
        )
        raise error

    def _count(self, batch: Sequence[Record], confirmation: Confirmation) -> str:
        """Count the records of a request; return the names of those that its response does not confirm."""
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
        return unconfirmed

    def _release(self, index: int) -> None:
        """Count what was held back of the records up to an index."""
        for number in sorted(number for number in self._held if number <= index):
            record, outcome = self._held.pop(number)
            if isinstance(outcome, Confirmation):
                self._count([record], outcome)
            else:
                self._report.sent += 1
                self._rejects.add(record, str(outcome))

    def _confirmed_before(self) -> str:
        done = self._report.confirmed
        return f"{done:,} records before were confirmed." if done else "No record was sent before."
