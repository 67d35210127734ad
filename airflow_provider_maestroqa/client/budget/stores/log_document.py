"""A log as one small JSON document, for stores that only keep what they are given.

Such a store reads the document, lets ``slot_log`` decide, and writes it back, in one transaction or by compare and
swap. So the algorithm needs no third edition in another language.
"""

from __future__ import annotations

import json
import os
import secrets
from math import inf, isinf
from typing import Any

from airflow_provider_maestroqa.client.budget import slot_log
from airflow_provider_maestroqa.client.budget.slot_log import State
from airflow_provider_maestroqa.client.budget.stores.memory_log import MemoryLog

_VERSION = 1
_POLL, _FREED = 1, 2
# A handle is a counter, then who has booked, then random bits. Earlier versions did not say who.
_WHO_BITS = _RANDOM_BITS = 32
# The clock of one server is never read a little earlier than before, unless it was set back. Seconds.
_SET_BACK_S = 1.0
# A document is kept a little longer than it matters. Seconds.
_SPARE_S = 60.0


class LogDocument(MemoryLog):
    """A log that was read from a document, or a new one. Moments are Unix seconds of the store's clock.

    A handle is a booking's number, which no other booking ever has: a store that has lost the last bookings must not
    give their numbers to others.

    :param booker: names the process in 32 bits.
    """

    def __init__(self, booker: int = 0) -> None:
        super().__init__()
        self._booker = booker
        #: Whether there was no document.
        self.is_new = True
        self._seen = -inf
        self._server = ""

    @classmethod
    def parse(cls, text: str | bytes | None, booker: int = 0) -> LogDocument:
        """Read a document; ``None`` is a log that begins.

        :raises ValueError: it is no document of this version.
        """
        log = cls(booker)
        if text is None:
            return log
        content = json.loads(text)
        try:
            if content["version"] != _VERSION:
                raise ValueError("another version")
            log._fill(content)
            log.is_new = False
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a log of bookings") from error
        return log

    def dump(self) -> str:
        """Write the document. No two are equal, so that what the store calls a version never comes again."""
        polls, freed = {number for _, number in self._polls}, {number for _, number in self._free}
        return json.dumps(
            {
                "version": _VERSION,
                "nonce": os.urandom(8).hex(),
                "generation": self.state.generation,
                "not_before": _finite(self.state.not_before),
                "contended_until": _finite(self.state.contended_until),
                "keep": self.state.keep,
                "seen": _finite(self._seen),
                "server": self._server,
                "numbers": self._numbers,
                "bookings": [
                    [at, number, _POLL * (number in polls) + _FREED * (number in freed)] for at, number in self._log
                ],
                "queue": {waiter_id: list(place) for waiter_id, place in self._queue.items()},
            },
            separators=(",", ":"),
        )

    def enter(self, now: float, server: str = "") -> None:
        """Begin a transaction at a moment of the store's clock.

        :param server: names the server that keeps the document. Where another one has taken over, which may lack the
            last bookings, everybody waits until all that may have been sent is past.
        """
        if now < self._seen - _SET_BACK_S:
            self._move(now - self._seen)
            self._seen = now
        self._seen = max(self._seen, now)
        if server and self._server and server != self._server:
            self.clear()
            self.state.generation = slot_log.new_generation()
            self.state.not_before = max(self.state.not_before, now + self.state.keep)
        self._server = server or self._server

    def lifetime(self, now: float) -> float:
        """Return for how many seconds the document matters."""
        last = self._log[-1][0] if self._log else -inf
        until = max(last, self.state.not_before, self.state.contended_until, now)
        return until - now + self.state.keep + _SPARE_S

    def count_others(self, after: float) -> int:
        """Count the other processes that have bookings after a moment."""
        return len({_booker(number) for at, number in self._log if at > after} - {self._booker})

    def _next_number(self) -> int:
        self._numbers += 1
        return (self._numbers << _WHO_BITS | self._booker) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)

    def _fill(self, content: dict[str, Any]) -> None:
        self.state = State(
            generation=str(content["generation"]),
            not_before=_number(content["not_before"]),
            contended_until=_number(content["contended_until"]),
            keep=float(content["keep"]),
        )
        self._seen = _number(content["seen"])
        self._server = str(content["server"])
        self._numbers = int(content["numbers"])
        for at, number, flags in content["bookings"]:
            self._slots[number] = at
            self._log.append((at, number))
            if flags & _POLL:
                self._polls.append((at, number))
            if flags & _FREED:
                self._free.append((at, number))
        self._queue = {waiter_id: (since, until) for waiter_id, (since, until) in content["queue"].items()}

    def _move(self, seconds: float) -> None:
        """Take the whole log along when the store's clock was set back."""
        self.state.not_before += seconds
        self.state.contended_until += seconds
        self._slots = {number: at + seconds for number, at in self._slots.items()}
        for entries in (self._log, self._polls, self._free):
            entries[:] = [(at + seconds, number) for at, number in entries]
        self._queue.clear()


def _booker(number: int) -> int:
    has_booker = number >> (_WHO_BITS + _RANDOM_BITS)
    return number >> _RANDOM_BITS & ((1 << _WHO_BITS) - 1) if has_booker else 0


def _finite(moment: float) -> float | None:
    return None if isinf(moment) else moment


def _number(moment: float | None) -> float:
    return -inf if moment is None else float(moment)
