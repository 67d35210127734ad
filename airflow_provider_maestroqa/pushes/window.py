"""Batches that are under way at once. Their outcomes are taken in the order of the records, whichever comes first.

Only records that may be sent twice are sent like this: what was under way when a push stops is sent again by the
next try. And no two batches that are under way hold a record of the same key, so that the last one of a key stays the
last.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.pushes.confirmation import Confirmation, key_of
from airflow_provider_maestroqa.pushes.late import Attempts
from airflow_provider_maestroqa.pushes.options import MAX_CONCURRENCY
from airflow_provider_maestroqa.pushes.records import Record

#: Seconds between two requests of a token: MaestroQA allows 100 a minute. A response that takes longer than this is
#: worth another request beside it.
_PACE_S = 0.5

#: Sends a batch; is given what to call when a request leaves, and when it certainly had no effect.
SendBatch = Callable[[Callable[[bool], None]], Confirmation]


class AbandonedError(Exception):
    """The push has stopped, so that this request must not leave any more."""


class Flight:
    """One batch on its way.

    :param batch: the records.
    :param send: sends them.
    :param clock: measures how long it waits for the budget, and how long for the response.
    """

    def __init__(self, batch: Sequence[Record], send: SendBatch, clock: Clock) -> None:
        self.batch = batch
        self.attempts = Attempts()
        self.waited_s = self.response_s = 0.0
        self.is_abandoned = False
        self._send = send
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._left_at: float | None = None
        self._confirmation: Confirmation | None = None
        self._error: BaseException | None = None

    def start(self) -> None:
        """Send it in a thread, which does not keep a process alive."""
        self._thread = threading.Thread(target=self._run, name="maestroqa-push", daemon=True)
        self._thread.start()

    def result(self) -> Confirmation:
        """Wait for the outcome; raises the error that sending has raised."""
        if self._thread is None:
            self._run()
        else:
            self._thread.join()
        if self._error is not None:
            raise self._error
        if self._confirmation is None:
            raise RuntimeError("a batch has ended without an outcome")
        return self._confirmation

    def _run(self) -> None:
        began = self._clock.monotonic()
        try:
            self._confirmation = self._send(self._note)
        except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
            self._error = error
        if self._left_at is not None:
            self.waited_s = self._left_at - began
            self.response_s = self._clock.monotonic() - self._left_at

    def _note(self, is_in_flight: bool) -> None:
        if is_in_flight and self.is_abandoned:
            raise AbandonedError
        if is_in_flight and self._left_at is None:
            self._left_at = self._clock.monotonic()
        self.attempts.record(is_in_flight)


class Window:
    """The batches that are under way, the oldest first.

    :param size: how many at most; ``None`` picks it from how long responses take and the budget lets wait.
    :param key: the fields by which a record replaces an earlier one.
    """

    def __init__(self, size: int | None, key: Sequence[str]) -> None:
        self._is_picked = size is None
        self.size = size or 1
        self._key = key
        self._flights: deque[Flight] = deque()
        self._keys: deque[set[tuple[str, ...]]] = deque()

    def __len__(self) -> int:
        return len(self._flights)

    def takes(self, batch: Sequence[Record]) -> bool:
        """Whether a batch holds no record that replaces one of those under way."""
        keys = self._keys_of(batch)
        return all(keys.isdisjoint(others) for others in self._keys)

    def add(self, flight: Flight) -> None:
        """Send a batch: in a thread, unless it is the only one that may be under way."""
        if self.size > 1:
            flight.start()
        self._flights.append(flight)
        self._keys.append(self._keys_of(flight.batch))

    def pop(self) -> Flight:
        """The oldest one; its result may be still to come."""
        self._keys.popleft()
        return self._flights.popleft()

    def adapt(self, flight: Flight) -> None:
        """Pick how many may be under way, after one has ended."""
        if not self._is_picked:
            return
        if flight.waited_s > flight.response_s:
            # The budget is what limits the push, and others may share it.
            self.size = max(self.size - 1, 1)
        else:
            self.size = min(1 + int(flight.response_s / _PACE_S), MAX_CONCURRENCY)

    def abandon(self) -> None:
        """Let nothing more leave. What is under way is not waited for."""
        for flight in self._flights:
            flight.is_abandoned = True
        self._flights.clear()
        self._keys.clear()

    def _keys_of(self, batch: Sequence[Record]) -> set[tuple[str, ...]]:
        if not self._key or self.size == 1:
            return set()
        return {key_of(record.body, self._key) for record in batch if record.body is not None}
