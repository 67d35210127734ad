"""The judge of the token's limits: what the service took, what it answered with 429, and whose fault that was."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_maestroqa.sandbox.request_log import LoggedRequest
from soak.sent import ALLOWED, SLOT

#: The sandbox looks at its clock a moment after it has written the time into its log.
_MOMENT_S = 0.005

Limits = Mapping[str, Sequence[Sequence[float]]]


def bucket_of(request: LoggedRequest) -> str:
    """The bucket of the limits that a request is counted in; the soak uses one operation of the hard one."""
    is_hard = (request.method, request.path) == ("POST", "/api/v1/coaching-sessions")
    return "hard" if is_hard else "normal"


@dataclass
class Usage:
    """What was made of the budget.

    :param taken: how many requests the service took, by bucket.
    :param by_faults: 429s that the soak has ordered.
    :param late: 429s because the machine was late: by the slots that were booked, or by the times at which the budget
        let them go, they had room.
    :param own: 429s because the budget let something go too early.
    :param fullest: the fullest window of each limit, as a share of what it allows.
    """

    taken: Counter[str] = field(default_factory=Counter)
    by_faults: int = 0
    late: int = 0
    own: int = 0
    fullest: dict[str, float] = field(default_factory=dict)

    def broken_promises(self) -> list[str]:
        """What is not as it was promised."""
        broken = [f"{name}: {share:.2f} of what is allowed" for name, share in self.fullest.items() if share > 1]
        return [*broken, *([f"{self.own} requests went too early and got a 429"] if self.own else [])]


def usage_of(requests: Sequence[LoggedRequest], limits: Limits) -> Usage:
    """Judge the sandbox's log.

    :param limits: for each bucket the requests and seconds of its windows.
    """
    usage = Usage()
    for bucket, windows in limits.items():
        arrived: list[float] = []
        noted: dict[str, list[float]] = {ALLOWED: [], SLOT: []}
        for request in requests:
            if request.host != "api" or bucket_of(request) != bucket:
                continue
            times = {name: float(request.headers.get(name, request.at)) for name in noted}
            if request.status == 429 and _is_full(arrived, request.at, windows, _MOMENT_S):
                is_early = all(_is_full(sorted(noted[name]), at, windows, 0.0) for name, at in times.items())
                usage.own += is_early
                usage.late += not is_early
                continue
            usage.by_faults += request.status == 429
            usage.taken[bucket] += 1
            arrived.append(request.at)
            for name, at in times.items():
                noted[name].append(at)
        for number, seconds in windows:
            most = max((_inside(arrived, at, seconds, at=index + 1) for index, at in enumerate(arrived)), default=0)
            usage.fullest[f"{bucket}, {number:g} in {seconds:g} s"] = most / number
    return usage


def _is_full(times: list[float], now: float, windows: Sequence[Sequence[float]], slack: float) -> bool:
    return any(_inside(times, now, seconds + slack) >= number for number, seconds in windows)


def _inside(times: list[float], now: float, seconds: float, *, at: int | None = None) -> int:
    """How many of the sorted times are in the window that ends now."""
    end = bisect_right(times, now) if at is None else at
    return end - bisect_right(times, now - seconds, 0, end)
