"""The memory of what lives long: the workers and the triggerers themselves, not the tasks that they fork."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from dataclasses import dataclass, field

from cluster.services import Cluster

_EVERY_S = 3.0
#: Megabytes that the allocator may keep of what was used for a moment.
_SLACK_MB = 15.0


@dataclass
class Memory:
    """Looks at it again and again.

    :param samples: megabytes by the part's name: of its first process and the children that it began with.
    """

    cluster: Cluster
    samples: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _next: float = 0.0

    def look(self) -> None:
        """Look, but not too often."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _EVERY_S
        for name in (*self.cluster.workers(), *self.cluster.triggerers()):
            if megabytes := self.cluster.parts[name].lasting_mb():
                self.samples[name].append(megabytes)

    def change(self, name: str) -> tuple[float, float]:
        """Megabytes in the second quarter of the time, when all is imported, and in the last one."""
        samples = self.samples[name]
        quarter = max(1, len(samples) // 4)
        return statistics.median(samples[quarter : 2 * quarter] or samples), statistics.median(samples[-quarter:])

    def grown(self) -> list[str]:
        """The parts that have grown, as sentences."""
        grown = []
        for name in self.samples:
            early, late = self.change(name)
            if late > early * 1.1 + _SLACK_MB:
                grown.append(f"{name} has grown from {early:.0f} to {late:.0f} MB")
        return grown
