"""Requests whose response was lost and that MaestroQA may carry out after the ones that are sent later.

A request that timed out was perhaps only slow. It is sent again at once, which does no harm by itself: both hold the
same values. But a later record that replaces one of them could be replaced by it again. So a record waits while a
lost request with an earlier record of its key may be under way.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.formatting import format_duration
from airflow_provider_maestroqa.pushes.confirmation import key_of
from airflow_provider_maestroqa.pushes.records import Record, describe

log = logging.getLogger(__name__)

#: Seconds after which a lost request counts as gone. The API promises nothing about it; servers and proxies commonly
#: end a request after a minute.
MAX_LATE_S = 120.0


class Attempts:
    """Counts how often each request of a batch left."""

    def __init__(self) -> None:
        self._is_open = False
        #: Whether it was sent again although it may have been carried out before.
        self.has_repeated = False

    def begin(self) -> None:
        """Another request begins."""
        self._is_open = False

    def record(self, is_in_flight: bool) -> None:
        """The request leaves, or certainly had no effect."""
        self.has_repeated = self.has_repeated or (is_in_flight and self._is_open)
        self._is_open = is_in_flight


class LateRequests:
    """Knows the records of a push that may still be under way.

    :param key: the fields by which a record replaces an earlier one; without any, nothing has to wait.
    :param clock: waits.
    """

    def __init__(self, key: Sequence[str], clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._until: dict[tuple[str, ...], tuple[int, float]] = {}

    def end(self, batch: Sequence[Record], attempts: Attempts) -> int:
        """All requests for a batch have ended; return how many records were sent again after a lost response."""
        if not attempts.has_repeated:
            return 0
        if self._key:
            until = self._clock.monotonic() + MAX_LATE_S
            self._until |= {key_of(one.body, self._key): (one.index, until) for one in batch if one.body is not None}
        return len(batch)

    def wait_before(self, batch: Sequence[Record]) -> None:
        """Wait until no lost request with an earlier record of the same keys can be under way."""
        if not self._until:
            return
        now = self._clock.monotonic()
        self._until = {key: late for key, late in self._until.items() if late[1] > now}
        waits = [
            late[1] - now
            for one in batch
            if one.body is not None and (late := self._until.get(key_of(one.body, self._key))) and late[0] < one.index
        ]
        if waits:
            log.info(
                "Waiting %s before %s: the response to an earlier record of the same key was lost, and MaestroQA may "
                "still carry it out.",
                format_duration(max(waits)),
                describe(batch),
            )
            self._clock.sleep(max(waits))
