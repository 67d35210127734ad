"""What a push did, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from airflow_provider_maestroqa.client.formatting import format_duration, pluralize
from airflow_provider_maestroqa.client.progress import RECORDS, Progress
from airflow_provider_maestroqa.client.transport.request_stats import RequestStats

#: Seconds between two log lines about the progress.
_LOG_INTERVAL_S = 30.0


@dataclass
class Report:
    """What a push did, all its tries together.

    :param resource: what was pushed.
    :param sent: records that were sent at least once.
    :param confirmed: records that MaestroQA's responses confirm.
    :param created: of these, the ones that were created, as far as the responses say so.
    :param updated: of these, the ones that were updated.
    :param rejected: records that were rejected, here or by MaestroQA.
    :param unconfirmed: records that were sent and neither confirmed nor rejected.
    :param repeated: records that were sent again because a response was lost.
    :param requests: requests sent, retries too.
    :param waited_s: seconds waited for the token's request budget.
    :param rejects_path: where the rejected records are, when there are any and the user said where to put them.
    """

    resource: str
    sent: int = 0
    confirmed: int = 0
    created: int = 0
    updated: int = 0
    rejected: int = 0
    unconfirmed: int = 0
    repeated: int = 0
    requests: int = 0
    waited_s: float = 0.0
    rejects_path: str | None = None

    @property
    def noun(self) -> str:
        """The records' name in a sentence, such as ``ticket metrics``."""
        return noun_of(self.resource)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return {**asdict(self), "waited_s": round(self.waited_s, 3)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Report:
        """The report that :meth:`as_dict` wrote; fields that are unknown here are left out."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: field for name, field in value.items() if name in names})

    def __str__(self) -> str:
        rejects = f" (see {self.rejects_path})" if self.rejects_path else ""
        unconfirmed = f", {self.unconfirmed:,} not confirmed" if self.unconfirmed else ""
        repeated = f", {self.repeated:,} sent again after a lost response" if self.repeated else ""
        known = ((self.created, "created"), (self.updated, "updated"))
        how = ", ".join(f"{count:,} {verb}" for count, verb in known if count)
        waited = f", {format_duration(self.waited_s)} waited for the budget" if self.waited_s >= 1 else ""
        return (
            f"{pluralize(self.confirmed, self.noun)} confirmed{f' ({how})' if how else ''}, "
            f"{self.rejected:,} rejected{rejects}{unconfirmed}{repeated}, "
            f"in {pluralize(self.requests, 'requests')}{waited}"
        )


def noun_of(resource: str) -> str:
    """The name of a resource's records in a sentence, such as ``ticket metrics``."""
    return resource.replace("_", " ").replace("csat", "CSAT")


class PushProgress:
    """Keeps a report up to date with the requests of this try, and logs every half minute how far the push is.

    :param report: what earlier tries have done; the push adds to it.
    :param request_stats: counts the requests of this try.
    :param total: records in all, where that is known.
    :param log: takes one line of text.
    :param clock: seconds that never go back.
    """

    def __init__(
        self,
        report: Report,
        request_stats: RequestStats,
        *,
        total: int | None,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._request_stats = request_stats
        self._earlier = report.requests - request_stats.requests, report.waited_s - request_stats.waited_s
        self._progress = Progress(
            report.noun[:1].upper() + report.noun[1:],
            total=total,
            log=log,
            clock=clock,
            unit=RECORDS,
            details=lambda: f"{report.rejected:,} rejected, {format_duration(report.waited_s)} waited for the budget",
            interval_s=_LOG_INTERVAL_S,
        )
        self._total = total

    def start(self, done: int) -> None:
        """Begin to measure, after so many records of earlier tries."""
        self._progress.restart(done=done, total=self._total)

    def update_report(self) -> None:
        """Add the requests so far to the report."""
        requests, waited_s = self._earlier
        self._report.requests = requests + self._request_stats.requests
        self._report.waited_s = waited_s + self._request_stats.waited_s

    def log_if_due(self, done: int) -> None:
        """Log a line if it is time for one."""
        self._progress.advance(done - self._progress.done)
