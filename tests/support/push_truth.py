"""The judge of a push, for the random histories and for the soak: nothing lost or doubled without being told."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

#: ``record 3`` or ``records 0 to 3, 7 and 9``, as the log and the errors name them.
_NAMED = re.compile(r"\brecords? ((?:\d+(?: to \d+)?(?:, )?)+)")
_RANGE = re.compile(r"(\d+)(?: to (\d+))?")


def numbers_told(text: str) -> set[int]:
    """The numbers of the records that a text names."""
    ranges = [one for named in _NAMED.findall(text) for one in _RANGE.findall(named)]
    return {number for first, last in ranges for number in range(int(first), int(last or first) + 1)}


@dataclass(frozen=True)
class PushTruth:
    """What is known of one push when it has ended.

    :param total: how many records its source has.
    :param bad: the numbers of those that must be rejected.
    :param stored: the numbers of those that are there, by the service's own record.
    :param twice: the numbers of those that are there more than once.
    :param told: the numbers that the task has named as in doubt.
    :param may_be_twice: the numbers that were sent again by choice.
    :param may_be_rejected: the numbers of good records that the service has refused once, such as too large alone.
    """

    total: int
    bad: Collection[int]
    stored: Collection[int]
    twice: Collection[int]
    told: Collection[int]
    may_be_twice: Collection[int] = field(default_factory=set)
    may_be_rejected: Collection[int] = field(default_factory=set)

    def broken_by_doubles(self) -> list[str]:
        """What is there more than once though nobody chose so."""
        twice = set(self.twice) - set(self.may_be_twice)
        return [f"there twice, not by choice: {sorted(twice)}"] if twice else []

    def broken_by(self, report: Mapping[str, int], rejected: list[int]) -> list[str]:
        """The promises that are broken.

        :param report: the push's report.
        :param rejected: the numbers in its object of rejected records, in their order.
        """
        broken = self.broken_by_doubles()
        # A bad record may have been in a request whose response was lost: then it is in doubt like the others.
        bad = set(self.bad) - (set(self.told) - set(rejected)) | (set(self.may_be_rejected) & set(rejected))
        if rejected != sorted(bad):
            broken.append(f"rejected are {rejected}, and bad are {sorted(bad)}")
        if report["rejected"] != len(bad):
            broken.append(f"{report['rejected']} are reported as rejected, and {len(bad)} are bad")
        missing = set(range(self.total)) - bad - set(self.stored)
        if missing - set(self.told):
            broken.append(f"missing, never told: {sorted(missing - set(self.told))}")
        if len(missing) > report["unconfirmed"]:
            broken.append(f"missing are {sorted(missing)}, and {report['unconfirmed']} are reported as unconfirmed")
        counted = report["confirmed"] + report["rejected"] + report["unconfirmed"]
        if counted != self.total:
            broken.append(f"{counted} of {self.total} records are reported")
        return broken
