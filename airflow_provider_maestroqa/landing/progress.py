"""Say how far a long job is, at least every half minute."""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_maestroqa.client.formatting import MOMENT_S, format_duration

#: Seconds between two lines. Below half a minute, because a line can only come between two blocks of data.
EVERY = 20.0


def megabytes(size: float) -> str:
    """Bytes as a person reads them: ``3.9 kB``, ``12.5 MB``, ``1,250.0 MB``."""
    return f"{size / 1_000:,.1f} kB" if 0 < size < 100_000 else f"{size / 1_000_000:,.1f} MB"


class Progress:
    """Counts bytes and tells about them now and then.

    :param what: what is being done, such as ``Downloading export 42``.
    :param total: bytes to do, or ``None`` when nobody knows.
    :param say: takes one line of text.
    :param clock: seconds, never going back.
    """

    def __init__(
        self, what: str, *, total: int | None, say: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self.what = what
        self.total = total
        self.done = 0
        self._say = say
        self._clock = clock
        self._started = self._spoke = clock()
        self._done_then = 0

    def advance(self, size: int) -> None:
        """``size`` more bytes are done."""
        self.done += size
        self.tick()

    def restart(self, *, done: int, total: int | None) -> None:
        """Go on from another byte, with what is now known of the total."""
        self.done = self._done_then = done
        self.total = total

    def tick(self) -> None:
        """Nothing new; say a line if it is time for one."""
        now = self._clock()
        since = now - self._spoke
        if since < EVERY:
            return
        self._say(self._line((self.done - self._done_then) / since))
        self._spoke = now
        self._done_then = self.done

    def summary(self) -> str:
        """What was done, how long it took and how fast it was."""
        took = self._clock() - self._started
        rate = f", {megabytes(self.done / took)}/s" if took >= MOMENT_S else ""
        return f"{megabytes(self.done)} in {format_duration(took)}{rate}"

    def _line(self, rate: float) -> str:
        if self.total is None:
            return f"{self.what}: {megabytes(self.done)} so far, {megabytes(rate)}/s, total unknown"
        share = 100 if not self.total else 100 * self.done // self.total
        if self.done >= self.total:
            left = "finishing"
        else:
            left = f"{format_duration((self.total - self.done) / rate)} left" if rate > 0 else "nothing new"
        return (
            f"{self.what}: {megabytes(self.done)} of {megabytes(self.total)} ({share} %), {megabytes(rate)}/s, {left}"
        )
