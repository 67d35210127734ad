"""What the budget is: limits as MaestroQA states them, and the windows as this package counts them.

A window is counted a little longer than MaestroQA counts it, because a request arrives a little later than it was
sent, and the next one may arrive sooner. The window with the lowest rate is the one that costs throughput, so it is
stretched by little; stretching the others is free as long as they stay the faster ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError

#: For each bucket the windows that hold at once, each as (requests, seconds).
Limits = Mapping[str, Sequence[tuple[int, float]]]

#: What MaestroQA documents for a token.
DEFAULT_LIMITS: Limits = {"normal": ((10, 1.0), (100, 60.0)), "hard": ((1, 1.0), (30, 60.0))}

#: The part of the budget that polls may use while other requests use it up.
POLL_SHARE = 0.08

#: The part of the budget that polls leave free while other requests come, so that those need not wait.
POLL_RESERVE = 0.02

#: Nobody pauses longer than this for one 429, whatever the response asks for. Seconds.
MAX_PAUSE_S = 3600.0

_POLLS_AT_ONCE = 3


@dataclass(frozen=True)
class Rules:
    """The windows of one bucket, and what follows from them.

    :param limits: windows as MaestroQA counts them: (requests, seconds).
    :param windows: the same windows as the budget counts them: (requests, seconds with the margin).
    :param margin: the smallest margin in seconds: a caller that wakes later than this books again.
    """

    limits: tuple[tuple[int, float], ...]
    windows: tuple[tuple[int, float], ...]
    margin: float

    @cached_property
    def longest(self) -> float:
        """The longest counted window in seconds: bookings older than this no longer matter."""
        return max(seconds for _, seconds in self.windows)

    @cached_property
    def slowest(self) -> int:
        """The position of the window that binds in the long run."""
        return max(
            range(len(self.windows)), key=lambda position: self.windows[position][1] / self.windows[position][0]
        )

    @cached_property
    def interval(self) -> float:
        """Seconds for each request when the budget is used up evenly."""
        requests, seconds = self.windows[self.slowest]
        return seconds / requests

    def paced(self, share: float) -> Rules:
        """Return the rules of one that takes a share of the budget, 1 for all: the same, evenly spread."""
        if share >= 1:
            return self
        pace = (1, self.interval / share)
        return replace(self, limits=(*self.limits, pace), windows=(*self.windows, pace))

    def position_of(self, seconds: float | None) -> int:
        """Return the position of the window that is stated with so many seconds; else the slowest one's."""
        return next((place for place, limit in enumerate(self.limits) if limit[1] == seconds), self.slowest)

    @property
    def polls_at_once(self) -> int:
        """How many polls may go without a pause between them."""
        return _POLLS_AT_ONCE

    @cached_property
    def polls_paced(self) -> int:
        """The pace of so many polls is that of the budget: those that came late are made up for."""
        return max(self.windows[self.slowest][0], self.polls_at_once)

    @cached_property
    def before_reserve(self) -> int:
        """How many requests the slowest window may hold before the next poll, while other requests come."""
        requests, _ = self.windows[self.slowest]
        return requests - max(1, int(requests * POLL_RESERVE))

    @property
    def poll_lookahead(self) -> float:
        """How far ahead, in seconds, a poll may book a slot that nobody else waits for."""
        return self.polls_at_once * self.interval

    @cached_property
    def poll_share(self) -> tuple[int, float]:
        """How many polls may go in so many seconds while other requests use the budget up."""
        requests, seconds = self.windows[self.slowest]
        polls = max(1, int(requests * POLL_SHARE))
        return polls, max(seconds, polls * self.interval / POLL_SHARE)

    @cached_property
    def poll_gap(self) -> tuple[int, float]:
        """How many slots, or else how many seconds, are between two polls while other requests use it up."""
        return math.ceil(0.5 / POLL_SHARE), 0.5 * self.interval / POLL_SHARE

    @property
    def contention(self) -> float:
        """For how many seconds polls make room after another request."""
        return self.longest / 6

    @property
    def poll_retry(self) -> tuple[float, float]:
        """The shortest and the longest pause, in seconds, before a denied poll asks again."""
        return self.longest / 3000, self.longest / 60


def make_rules(limits: Limits, margins: Mapping[float, float] | None = None) -> dict[str, Rules]:
    """Check the limits and work out how each window is counted.

    :param limits: for each bucket the windows as (requests, seconds).
    :param margins: seconds to add to a window, by the window's length in seconds. A window that is not named here
        gets 1/120 of its length (0.04 to 0.5 s) if it is the slowest of its bucket, else a quarter of its
        length (at most 0.25 s): 1 s counts as 1.25 s, 60 s as 60.5 s.
    :raises MaestroQAConfigError: the limits are no limits.
    """
    if not isinstance(limits, Mapping) or not limits:
        raise _bad_limits(limits)
    return {str(bucket): _rules(limits, windows, margins or {}) for bucket, windows in limits.items()}


def _rules(limits: Limits, windows: Sequence[tuple[int, float]], margins: Mapping[float, float]) -> Rules:
    try:
        pairs = tuple((requests, float(seconds)) for requests, seconds in windows)
    except (TypeError, ValueError):
        pairs = ()
    good = all(
        isinstance(requests, int) and not isinstance(requests, bool) and requests >= 1
        and math.isfinite(seconds) and seconds > 0
        for requests, seconds in pairs
    )  # fmt: skip
    if not pairs or not good:
        raise _bad_limits(limits)
    slowest = max(pairs, key=lambda pair: (pair[1] / pair[0], pair[1]))
    stretched = slowest[1] + margins.get(slowest[1], min(0.5, max(0.04, slowest[1] / 120)))
    interval = stretched / slowest[0]
    stretched_windows = []
    for requests, seconds in pairs:
        if (requests, seconds) == slowest:
            stretched_windows.append((requests, stretched))
        elif seconds in margins:
            stretched_windows.append((requests, seconds + margins[seconds]))
        else:
            free = max(seconds, requests * interval)
            stretched_windows.append((requests, min(seconds + min(0.25, seconds / 4), free)))
    if not all(math.isfinite(margin) and margin >= 0 for margin in margins.values()):
        raise MaestroQAConfigError(f"Margins are seconds to add to a window, 0 or more; got {dict(margins)!r}.")
    smallest = min(stretch - seconds for (_, seconds), (_, stretch) in zip(pairs, stretched_windows, strict=True))
    return Rules(limits=pairs, windows=tuple(stretched_windows), margin=max(smallest, 0.02))


def _bad_limits(limits: object) -> MaestroQAConfigError:
    return MaestroQAConfigError(
        f"rate_limits must name for each bucket its windows as [requests, seconds], as in "
        f'{{"normal": [[10, 1], [100, 60]], "hard": [[1, 1], [30, 60]]}}; got {limits!r}.'
    )
