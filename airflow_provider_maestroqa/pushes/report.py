"""What a push did, and how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from airflow_provider_maestroqa.client.formatting import format_duration, pluralize
from airflow_provider_maestroqa.client.transport.request_stats import Usage

#: Seconds between two lines about the progress.
EVERY_S = 30.0


@dataclass
class Report:
    """What a push did, all its tries together.

    :param resource: what was pushed.
    :param sent: records that went out at least once.
    :param confirmed: records that MaestroQA's answers confirm.
    :param created: of these, the ones that it says were created.
    :param updated: of these, the ones that it says were updated.
    :param rejected: records that were refused, here or by MaestroQA.
    :param unconfirmed: records that went out and were neither confirmed nor refused.
    :param requests: requests sent, repeats too.
    :param waited_s: seconds waited for the token's request budget.
    :param rejects_path: where the refused records are, when there are any and the user said where to put them.
    """

    resource: str
    sent: int = 0
    confirmed: int = 0
    created: int = 0
    updated: int = 0
    rejected: int = 0
    unconfirmed: int = 0
    requests: int = 0
    waited_s: float = 0.0
    rejects_path: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return {**asdict(self), "waited_s": round(self.waited_s, 3)}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Report:
        """The report that :meth:`as_dict` made; what is not known any more is left out."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in kept.items() if name in names})

    def __str__(self) -> str:
        rejects = f" (see {self.rejects_path})" if self.rejects_path else ""
        unconfirmed = f", {self.unconfirmed:,} not confirmed" if self.unconfirmed else ""
        known = ((self.created, "created"), (self.updated, "updated"))
        how = ", ".join(f"{count:,} {word}" for count, word in known if count)
        waited = f", {format_duration(self.waited_s)} waited for the budget" if self.waited_s >= 1 else ""
        return (
            f"{pluralize(self.confirmed, self.resource.replace('_', ' '))} confirmed{f' ({how})' if how else ''}, "
            f"{self.rejected:,} refused{rejects}{unconfirmed}, in {pluralize(self.requests, 'requests')}{waited}"
        )


class Meter:
    """Adds what this try uses of the budget to what earlier tries have used.

    :param report: the report to keep up to date.
    :param usage: counts what the client sends.
    """

    def __init__(self, report: Report, usage: Usage) -> None:
        self._report = report
        self._usage = usage
        self._requests = report.requests - usage.requests
        self._waited_s = report.waited_s - usage.waited_s

    def read(self) -> None:
        """Bring the report up to date."""
        self._report.requests = self._requests + self._usage.requests
        self._report.waited_s = self._waited_s + self._usage.waited_s


class Progress:
    """Says every half minute how far a push is.

    :param report: is kept up to date by the push.
    :param total: records in all, where that is known.
    :param say: takes one line of text.
    :param clock: seconds, never going back.
    """

    def __init__(
        self,
        report: Report,
        *,
        total: int | None,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._total = total
        self._say = say
        self._clock = clock
        self._spoke = clock()
        self._done_then = 0

    def begin(self, done: int) -> None:
        """Begin to measure, with so many records done by earlier tries."""
        self._done_then = done

    def tell(self, done: int) -> None:
        """Say a line if it is time for one."""
        now = self._clock()
        since = now - self._spoke
        if since < EVERY_S:
            return
        rate = (done - self._done_then) / since
        report = self._report
        what = report.resource.replace("_", " ").capitalize()
        self._say(
            f"{what}: {done:,} {self._of_total(done)}, {rate:,.0f} a second, {report.rejected:,} refused, "
            f"{format_duration(report.waited_s)} waited for the budget{self._left(done, rate)}."
        )
        self._spoke, self._done_then = now, done

    def _of_total(self, done: int) -> str:
        if self._total is None:
            return "done, total unknown"
        return f"of {self._total:,} done ({100 * done // max(self._total, 1)} %)"

    def _left(self, done: int, rate: float) -> str:
        if self._total is None or rate <= 0:
            return ""
        return f", about {format_duration(max(self._total - done, 0) / rate)} left"
