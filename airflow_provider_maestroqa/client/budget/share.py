"""The share of a token's budget that a log takes when others use the token and do not count in it.

Machines without a common store know of each other by 429s alone. A log that has not used its budget up and is refused
all the same spreads its requests evenly from then on, which costs it nothing and lets others in between. If that
happens again, it takes a smaller share. The share grows while nothing is refused: slowly at first, faster later. So
machines that meet on one token find shares that fit, with few 429s. What a log takes is never more than its limits.

Everything here is arithmetic; :class:`LoneStore` does it in its transactions.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from math import inf

from airflow_provider_maestroqa.client.budget import slot_log
from airflow_provider_maestroqa.client.budget.limits import Rules
from airflow_provider_maestroqa.client.budget.slot_log import Denied, Reservation, SlotLog, SlotRequest
from airflow_provider_maestroqa.client.formatting import format_number

log = logging.getLogger(__name__)

# A log that has all requests of a window in so many times its length may have filled it by itself: some came late.
_LATE = 1.1
# The increase after so many windows without a decrease; it doubles in each further so many.
_INCREASE, _DOUBLING = 0.005, 10
# The first 429 may be an accident, or due to a process that has ended: then all is as before after so many windows.
_FIRST = 1 - _INCREASE
# The second one halves the share, further ones decrease it by less, down to the smallest one.
_HALF, _DECREASE, _LEAST = 0.5, 0.85, 0.05


@dataclass(frozen=True)
class Refusal:
    """A 429 to a request that had its slot.

    :param window: the length in seconds of the window that the response names, as the limits state it.
    :param age: seconds since the request was sent.
    """

    window: float | None
    age: float


@dataclass(frozen=True)
class Share:
    """What a log has learnt.

    :param level: the share when it was last decreased; 1 is all.
    :param since: when that was, in the store's time.
    """

    level: float = 1.0
    since: float = -inf

    @property
    def is_for_others(self) -> bool:
        """Whether it leaves a part of the budget to others, rather than spread all of it evenly."""
        return self.level < _FIRST

    def at(self, rules: Rules, now: float) -> float:
        """Return the share at a moment, 1 for all."""
        if self.level >= 1:
            return 1.0
        windows = min(100 * _DOUBLING, max(0.0, now - self.since) / rules.longest)
        gained: float = _INCREASE * (2.0 ** (windows / _DOUBLING) - 1)
        return min(1.0, self.level + gained)


class LoneStore(ABC):
    """A store that other machines do not see, so that they may use the token without counting in it."""

    @abstractmethod
    def learn(self, budget: str, rules: Rules, refusal: Refusal) -> float | None:
        """Take a 429 into account; return the share if it was made smaller, because others use the token."""


def book(log: SlotLog, share: Share, rules: Rules, request: SlotRequest, now: float) -> Reservation | Denied:
    """Book the earliest slot that the log's share allows; see :func:`.slot_log.book`."""
    level = share.at(rules, now)
    result = slot_log.book(log, rules.paced(level), request, now)
    if level >= 1 or isinstance(result, Denied):
        return result
    window = rules.slowest if result.window == len(rules.windows) else result.window
    return replace(result, window=window, share=level)


def pause(log: SlotLog, share: Share, rules: Rules, seconds: float, now: float) -> None:
    """Let everybody wait; see :func:`.slot_log.pause`."""
    slot_log.pause(log, rules.paced(share.at(rules, now)), seconds, now)


def learn(log: SlotLog, share: Share, rules: Rules, refusal: Refusal, now: float) -> Share:
    """Return the share after a 429."""
    sent = now - refusal.age
    if sent <= share.since:
        return share  # it was on its way when the last one came, and says nothing new
    level = share.at(rules, now)
    requests, seconds = rules.windows[rules.position_of(refusal.window)]
    if level >= 1 and log.count(sent - _LATE * seconds, sent) >= requests:
        return share
    # No slot is further away than the log is long.
    least = max(_LEAST, rules.interval / rules.longest)
    return Share(max(least, _FIRST if level >= 1 else min(_HALF, _DECREASE * level)), now)


def warn(rules: Rules, share: float, store: str) -> None:
    """Say what to configure."""
    requests, seconds = rules.limits[rules.slowest]
    log.warning(
        "MaestroQA rate limits requests (429) although the budget in %s has some left: others use the same token. "
        "From now on %s of the token's %d requests in %s s are used here, and more again while nothing is rate "
        "limited. If the others are machines of this Airflow, set rate_limit_store in the connection to a Redis, a "
        "PostgreSQL database or a bucket that all of them reach; otherwise use a token of your own.",
        "this process" if store == "memory" else store,
        max(1, int(share * requests)),
        requests,
        format_number(seconds, 6),
    )
