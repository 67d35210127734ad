"""Log the progress of a long job, at least every half minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_maestroqa.client.formatting import MOMENT_S, format_duration, format_size

#: Seconds between two lines. Less than half a minute, because a line can only come between two blocks of data.
_INTERVAL_S = 20.0


@dataclass(frozen=True)
class Unit:
    """What is counted.

    :param format: writes an amount.
    :param noun: follows an amount that stands alone.
    """

    format: Callable[[float], str]
    noun: str = ""


BYTES = Unit(format_size)
RECORDS = Unit("{:,.0f}".format, " records")


class Progress:
    """Counts what is done, and logs it now and then with the rate and the time left.

    :param job: what is being done, such as ``Downloading export 42``.
    :param total: how much there is to do, or a function that returns it; ``None`` when it is not known.
    :param log: logs one line of text.
    :param clock: returns seconds that never go back.
    :param unit: what is counted.
    :param details: returns what else to log, before the time left.
    :param interval_s: seconds between two lines.
    """

    def __init__(
        self,
        job: str,
        *,
        total: int | Callable[[], int | None] | None,
        log: Callable[[str], None],
        clock: Callable[[], float],
        unit: Unit = BYTES,
        details: Callable[[], str] | None = None,
        interval_s: float = _INTERVAL_S,
    ) -> None:
        self.job = job
        self.done = 0
        self._total = total
        self._log = log
        self._clock = clock
        self._unit = unit
        self._details = details
        self._interval_s = interval_s
        self._started_at = self._logged_at = clock()
        self._done_when_logged = 0

    def advance(self, amount: int = 1) -> None:
        """Count ``amount`` more as done."""
        self.done += amount
        self.tick()

    def restart(self, *, done: int, total: int | None) -> None:
        """Continue from another position, with what is now known of the total."""
        self.done = self._done_when_logged = done
        self._total = total

    def tick(self) -> None:
        """Log a line if it is time for one."""
        now = self._clock()
        elapsed = now - self._logged_at
        if elapsed < self._interval_s:
            return
        self._log(self._line((self.done - self._done_when_logged) / elapsed))
        self._logged_at, self._done_when_logged = now, self.done

    def summary(self) -> str:
        """How much was done, how long it took, and how fast it was."""
        elapsed = self._clock() - self._started_at
        rate = f", {self._unit.format(self.done / elapsed)}/s" if elapsed >= MOMENT_S else ""
        noun = self._unit.noun[:-1] if self.done == 1 else self._unit.noun
        return f"{self._unit.format(self.done)}{noun} in {format_duration(elapsed)}{rate}"

    def _line(self, rate: float) -> str:
        total = self._total() if callable(self._total) else self._total
        done, noun, speed = self._unit.format(self.done), self._unit.noun, f"{self._unit.format(rate)}/s"
        if self._details is not None:
            speed = f"{speed}, {self._details()}"
        if total is None or total < self.done:
            return f"{self.job}: {done}{noun} so far, {speed}, total unknown"
        if self.done == total:
            left = "finishing"
        else:
            left = f"{format_duration((total - self.done) / rate)} left" if rate > 0 else "nothing new"
        percent = 100 * self.done // total if total else 100
        return f"{self.job}: {done} of {self._unit.format(total)}{noun} ({percent} %), {speed}, {left}"
