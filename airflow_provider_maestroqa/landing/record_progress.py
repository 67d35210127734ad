"""Say how far the reading of records is, at least every half minute."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_maestroqa.client.formatting import MOMENT_S, format_duration, pluralize
from airflow_provider_maestroqa.landing.progress import EVERY


class RecordProgress:
    """Counts records and tells about them now and then.

    :param what: what is read.
    :param total: tells how many there are; ``None`` when nobody knows.
    :param say: takes one line of text.
    :param clock: seconds, never going back.
    """

    def __init__(
        self, what: str, *, total: Callable[[], int | None], say: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self.done = 0
        self._what = what
        self._total = total
        self._say = say
        self._clock = clock
        self._started = self._spoke = clock()
        self._done_then = 0

    def advance(self) -> None:
        """One more record has come; say a line if it is time for one."""
        self.done += 1
        now = self._clock()
        since = now - self._spoke
        if since < EVERY:
            return
        self._say(self._line((self.done - self._done_then) / since))
        self._spoke = now
        self._done_then = self.done

    def summary(self) -> str:
        """How many records there were, how long they took, and how many came in a second."""
        took = self._clock() - self._started
        rate = f", {self.done / took:,.0f}/s" if took >= MOMENT_S else ""
        return f"{pluralize(self.done, 'records')} in {format_duration(took)}{rate}"

    def _line(self, rate: float) -> str:
        total = self._total()
        if total is None or total < self.done:
            return f"Reading {self._what}: {self.done:,} records so far, {rate:,.0f}/s"
        left = format_duration((total - self.done) / rate)
        return f"Reading {self._what}: {self.done:,} of {total:,} records, {rate:,.0f}/s, {left} left"
