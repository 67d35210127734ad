"""The clock of a storage service, as processes on many machines can share it.

A service states its time in whole seconds, in the header ``Date``; bookings need it to a few hundredths. The clocks
of machines agree that well where they are synchronized, as in all clouds. So the machine's clock counts, as long as
no ``Date`` contradicts it. Where one does, the service's time is measured: each response narrows down how far the two
clocks are apart, and the uncertainty that is left is smaller than a window's margin.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from math import inf

from airflow_provider_maestroqa.client.clock import Clock

log = logging.getLogger(__name__)

#: The clocks of two machines may differ by so many seconds before one of them is corrected.
TOLERANCE_S = 0.1
_SECOND = 1.0
# How exactly a wrong clock is measured, in seconds, and how many responses that may take.
_PRECISION_S = 0.15
_MAX_SAMPLES = 8


class ServiceClock:
    """Unix time as all sharers of a log see it, in seconds.

    :param clock: the machine's clocks. Between two responses its monotonic one counts, which does not jump.
    :param name: what messages call the service.
    """

    def __init__(self, clock: Clock, name: str) -> None:
        self._clock = clock
        self._name = name
        self._offset = clock.wall() - clock.monotonic()
        self._low, self._high = -inf, inf
        self._is_told = False

    def now(self) -> float:
        """Return the time."""
        return self._clock.monotonic() + self._offset

    def observe(self, sent: float, received: float, date: float | None) -> bool:
        """Compare the clock with a response.

        :param sent: when the request was sent, in monotonic seconds.
        :param received: when the response had come, in monotonic seconds.
        :param date: the response's time in whole Unix seconds.
        :return: whether the time is known well enough; otherwise :meth:`measure` it.
        """
        if date is None:
            return True
        # The service wrote the date somewhere between sending and receiving, and cut off its fraction.
        low, high = date - received, date + _SECOND - sent
        if max(low, self._low) > min(high, self._high):
            # A clock was set, or the machine slept: what was known is worth nothing.
            self._low, self._high = -inf, inf
        self._low, self._high = max(low, self._low), min(high, self._high)
        own = self._clock.wall() - self._clock.monotonic()
        if self._low - TOLERANCE_S <= own <= self._high + TOLERANCE_S:
            self._offset = own
            return True
        self._offset = (self._low + self._high) / 2
        if not self._is_told:
            self._is_told = True
            log.warning(
                "The clock of this machine is %.1f s off the clock of %s, which keeps the request budget. The "
                "difference is measured and allowed for; synchronize the clock to have it exact.",
                own - self._offset,
                self._name,
            )
        return self._high - self._low <= _PRECISION_S

    def measure(self, ask: Callable[[], tuple[float, float, float | None]]) -> None:
        """Ask for the time until it is known well enough, each time when the answer halves what is not known.

        :param ask: sends a small request; returns when it was sent and answered, and the response's date.
        """
        travel = 0.0
        for _ in range(_MAX_SAMPLES):
            if self._high - self._low <= max(_PRECISION_S, 1.5 * travel):
                return
            # The service's seconds tick at one moment of those still possible: it is asked in their middle.
            middle = (self._low + self._high) / 2
            phase = (self._clock.monotonic() + travel / 2 + middle) % _SECOND
            self._clock.sleep(_SECOND - phase)
            sent, received, date = ask()
            travel = received - sent
            if date is None or self.observe(sent, received, date):
                return
