"""The refused records: one JSON line each, in the order of their numbers."""

from __future__ import annotations

import json
import logging
import tempfile
import zlib
from heapq import heappop, heappush
from typing import Protocol

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.formatting import pluralize
from airflow_provider_maestroqa.pushes.records import Item, as_json
from airflow_provider_maestroqa.storage.base import Store, best_effort

log = logging.getLogger(__name__)

_MOST_NAMED = 20
_MOST_WAITING = 10_000
_BLOCK = 1 << 20


class Target(Protocol):
    """The object that refused records are written to."""

    @property
    def store(self) -> Store:
        """Where it is."""

    @property
    def name(self) -> str:
        """Its name there."""

    @property
    def uri(self) -> str:
        """Its address."""


class Rejects:
    """Collects refused records in a temporary file and publishes them as one object.

    A record that cannot be sent is found when it is read, which is before the ones in front of it are sent. It waits
    here until those are settled, so that the lines stand in the order of the records.

    :param target: where to publish; ``None`` only counts and logs them.
    :param most: how many are allowed; ``None`` is no limit.
    """

    def __init__(self, target: Target | None, *, most: int | None) -> None:
        self._target = target
        self._most = most
        self._file = tempfile.TemporaryFile() if target is not None else None  # noqa: SIM115 - closed by close()
        self._waiting: list[tuple[int, bytes]] = []
        self._earlier: dict[int, bytes] = {}
        self._unpublished = False
        self._is_urgent = False
        self._here = 0
        #: How many MaestroQA has refused, in earlier tries too. The others are found again whenever they are read.
        self.there = 0

    @property
    def count(self) -> int:
        """How many records are refused."""
        return self._here + self.there

    @property
    def uri(self) -> str | None:
        """Where the refused records are, when there are any."""
        return self._target.uri if self._target is not None and self.count else None

    def start_over(self) -> None:
        """Remove what an earlier push has left, which also shows early whether the object can be written."""
        if self._target is not None:
            self._target.store.delete(self._target.name)

    def take_up(self) -> None:
        """Go on with the object of an earlier try of the same push; see :meth:`seen_again`."""
        content = self._target.store.get_bytes(self._target.name) if self._target is not None else None
        if content:
            lines = [line for line in content.split(b"\n") if line]
            self._earlier = {json.loads(line)["index"]: line + b"\n" for line in lines}

    def seen_again(self, item: Item) -> None:
        """Bring back the line of a record that an earlier try has settled, if it was refused then."""
        line = self._earlier.pop(item.index, None)
        if line is not None:
            heappush(self._waiting, (item.index, line))

    def add(self, item: Item, reason: str) -> None:
        """Refuse a record.

        :raises MaestroQADataError: this is one more than allowed.
        """
        if item.body is None:
            self._here += 1
        else:
            self.there += 1
            self._is_urgent = True
        if self.count <= _MOST_NAMED:
            log.warning("Refused %s: %s.", item.label, reason.rstrip("."))
        elif self.count == _MOST_NAMED + 1:
            log.warning("More records are refused; only the first %d are named here.", _MOST_NAMED)
        if self._file is not None:
            heappush(self._waiting, (item.index, _line(item, reason)))
            if len(self._waiting) > _MOST_WAITING:
                # A few lines out of order are better than a source of bad records in memory.
                self.settle(item.index + 1)
        if self._most is not None and self.count > self._most:
            refused = f"{pluralize(self.count, 'records')} {'is' if self.count == 1 else 'are'} refused"
            raise MaestroQADataError(
                f"{refused}, and max_rejects={self._most} allows no more. The last one is "
                f"{item.label}: {reason.rstrip('.')}. Correct the records, or allow more."
            )

    def settle(self, position: int) -> None:
        """All records before ``position`` are settled: write down the refused ones among them."""
        while self._file is not None and self._waiting and self._waiting[0][0] < position:
            self._file.write(heappop(self._waiting)[1])
            self._unpublished = True

    def publish_what_only_they_know(self) -> None:
        """Publish when MaestroQA has refused another record: a retry will not ask again.

        What is refused here is found again when the records are read again, so it can wait.
        """
        if self._is_urgent:
            self.publish()

    def publish(self) -> None:
        """Bring the object up to date, in one atomic step."""
        if self._file is None or self._target is None or not self._unpublished:
            return
        size = self._file.tell()
        upload = self._target.store.begin(self._target.name, size=size)
        try:
            self._file.seek(0)
            crc32 = 0
            while block := self._file.read(_BLOCK):
                crc32 = zlib.crc32(block, crc32)
                upload.write(block)
            upload.seal(crc32)
            upload.publish()
        finally:
            upload.discard()
        self._unpublished = self._is_urgent = False

    def give_up(self) -> None:
        """The push stops here: publish what is known, as well as possible."""
        if self._waiting:
            self.settle(max(self._waiting)[0] + 1)
        if not best_effort(self.publish):
            log.warning("The refused records could not be written to %s.", self.uri)

    def close(self) -> None:
        """Forget the temporary file."""
        if self._file is not None:
            self._file.close()


def _line(item: Item, reason: str) -> bytes:
    line = {"index": item.index, "reason": reason, "record": json.loads(_readable(item.record))}
    if item.place:
        line["place"] = item.place
    return as_json(line) + b"\n"


def _readable(record: object) -> bytes:
    text = as_json(record)
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text.decode("utf-8", "replace")).encode()
    return text
