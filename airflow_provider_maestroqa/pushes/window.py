"""Batches that are under way at once. Their outcomes are taken in the order of the records, whichever comes first.

Only records that may be sent twice are sent like this: what was under way when a push stops is sent again by the
next try. And no two batches that are under way hold a record of the same key, so that the last one of a key stays the
last.

A batch is sent when the one before it has left. So one batch of a push at a time waits for the token's budget, as in
a push of one request at a time, and whoever shares the budget gets the same share.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.pushes.bisect import Piece, Search
from airflow_provider_maestroqa.pushes.confirmation import Confirmation, key_of
from airflow_provider_maestroqa.pushes.late import Attempts
from airflow_provider_maestroqa.pushes.options import MAX_CONCURRENCY
from airflow_provider_maestroqa.pushes.records import Record

#: Seconds after which a request without a response gets company. MaestroQA allows one each 0.6 seconds, and the next
#: batch must be read and written in the rest of them.
PACE_S = 0.3

#: Sends a batch; is given what to call when a request leaves, and when it certainly had no effect.
SendBatch = Callable[[Callable[[bool], None]], Confirmation]


class AbandonedError(Exception):
    """The push has stopped, so that this request must not leave any more."""


class Flight:
    """One batch on its way.

    :param piece: the records.
    :param send: sends them.
    :param clock: says when the request has left.
    :param search: what the records are a piece of; ``None`` for a batch of its own.
    """

    def __init__(self, piece: Piece, send: SendBatch, clock: Clock, search: Search | None = None) -> None:
        self.batch = piece.records
        self.overtakes = piece.overtakes
        self.search = search
        self.attempts = Attempts()
        self.has_ended = False
        #: When the request that has no response yet has left; ``None`` while it waits for the budget.
        self.left_at: float | None = None
        self._is_abandoned = False
        self._send = send
        self._clock = clock
        self._on_change: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None
        self._confirmation: Confirmation | None = None
        self._error: BaseException | None = None

    @property
    def is_started(self) -> bool:
        """Whether a thread sends it."""
        return self._thread is not None

    @property
    def held(self) -> Sequence[Record]:
        """The records whose keys no other batch may have meanwhile."""
        return self.batch if self.search is None else self.search.batch

    def start(self, on_change: Callable[[], None]) -> None:
        """Send it in a thread, which does not keep a process alive.

        :param on_change: called when a request leaves, and at the end.
        """
        self._on_change = on_change
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._run,), name="maestroqa-push", daemon=True
        )
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

    def abandon(self) -> None:
        """Let no request leave any more."""
        self._is_abandoned = True

    def begin_request(self) -> None:
        """Another request for the batch begins.

        :raises AbandonedError: it must not.
        """
        if self._is_abandoned:
            raise AbandonedError
        self.attempts.begin()

    def _run(self) -> None:
        try:
            self._confirmation = self._send(self._note)
        except BaseException as error:  # noqa: BLE001 - raised where the result is waited for
            self._error = error
        self.has_ended = True
        self._tell()

    def _note(self, is_in_flight: bool) -> None:
        if is_in_flight and self._is_abandoned:
            raise AbandonedError
        self.left_at = self._clock.monotonic() if is_in_flight else None
        self.attempts.record(is_in_flight)
        self._tell()

    def _tell(self) -> None:
        if self._on_change is not None:
            self._on_change()


class Window:
    """The batches that are under way, in the order in which they are committed.

    :param size: how many at most; ``None`` sends one more only when the last one has had no response for a while.
    :param key: the fields by which a record replaces an earlier one.
    :param clock: says how long a request is under way.
    """

    def __init__(self, size: int | None, key: Sequence[str], clock: Clock) -> None:
        self._size = MAX_CONCURRENCY if size is None else size
        self._pace_s = PACE_S if size is None else 0.0
        self._key = key
        self._clock = clock
        self._flights: deque[tuple[Flight, set[tuple[str, ...]]]] = deque()
        self._newest: Flight | None = None
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def has_result(self) -> bool:
        """Whether the first one can be taken without waiting for others."""
        return bool(self._flights) and (self._flights[0][0].has_ended or not self._flights[0][0].is_started)

    @property
    def has_room(self) -> bool:
        """Whether one more may be sent now."""
        return len(self._flights) < self._size and self._room_in_s() == 0

    def takes(self, batch: Sequence[Record]) -> bool:
        """Whether a batch holds no record that replaces one of those under way."""
        keys = self._keys_of(batch)
        return all(keys.isdisjoint(others) for _, others in self._flights)

    def add(self, flight: Flight) -> None:
        """Send a batch behind the others."""
        self._flights.append((flight, self._keys_of(flight.held)))
        self._newest = flight
        self._start(flight)

    def add_first(self, flights: Sequence[Flight]) -> None:
        """Send batches that are committed before the others, in their order.

        One that holds a record of the same key as one before it is sent when that one has been committed.
        """
        entries = [(flight, self._keys_of(flight.held)) for flight in flights]
        self._flights.extendleft(reversed(entries))
        for number, (flight, keys) in enumerate(entries):
            if all(keys.isdisjoint(others) for _, others in entries[:number]):
                self._start(flight)

    def pop(self) -> Flight:
        """The first one; its result may be still to come."""
        return self._flights.popleft()[0]

    def wait(self, *, for_room: bool) -> None:
        """Wait until the first one has ended or, if wanted, one more may be sent."""
        with self._changed:
            while not self.has_result:
                room_in_s = self._room_in_s() if for_room and len(self._flights) < self._size else None
                if room_in_s == 0:
                    return
                self._changed.wait(room_in_s)

    def abandon(self) -> None:
        """Let nothing more leave. What is under way is not waited for."""
        for flight, _ in self._flights:
            flight.abandon()
        self._flights.clear()

    def _room_in_s(self) -> float | None:
        """Seconds until the newest one gets company; ``None`` while it waits for the budget."""
        newest = self._newest
        if newest is None or newest.has_ended or not self._flights:
            return 0.0
        left_at = newest.left_at
        return None if left_at is None else max(left_at + self._pace_s - self._clock.monotonic(), 0.0)

    def _start(self, flight: Flight) -> None:
        if self._size > 1:
            flight.start(self._tell)

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _keys_of(self, batch: Sequence[Record]) -> set[tuple[str, ...]]:
        if not self._key or self._size == 1:
            return set()
        return {key_of(record.body, self._key) for record in batch if record.body is not None}
