"""A file that is to be sent: what it holds, and its bytes once more.

It is read twice: once to learn its size and digest, once to send it. The last block is held back until the digest of
all that was read is the one that was announced. So a file that changes in between ends the request in the middle, and
a storage keeps nothing of a request that ends in the middle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import IO, Protocol

from airflow_provider_maestroqa.client.errors import MaestroQADataError

#: What S3 takes in one PUT.
MOST_BYTES = 5 << 30
#: Also the least that must go out within the connection's time-out, so not large.
_BLOCK = 64 << 10


class Source(Protocol):
    """A file that can be read again and again."""

    @property
    def name(self) -> str:
        """What people call it; shown in logs."""

    def size(self) -> int | None:
        """Its bytes, where that is known without reading it."""

    def open(self) -> IO[bytes]:
        """Open it at its first byte.

        :raises MaestroQAError: it cannot be read; reading from what this returns raises the same.
        """


@dataclass(frozen=True)
class Content:
    """What a file held when it was looked at.

    :param size: bytes.
    :param sha256: of the bytes, as hexadecimal digits.
    """

    size: int
    sha256: str


def look_through(source: Source) -> Content:
    """Read a file once, in constant memory, to learn its size and digest.

    :raises MaestroQADataError: it is empty, or larger than a storage takes in one piece.
    """
    announced = source.size()
    if announced is not None:
        _check_size(source, announced)
    digest, size = hashlib.sha256(), 0
    with closing(source.open()) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            if size > MOST_BYTES:
                break
    _check_size(source, size)
    return Content(size, digest.hexdigest())


class ChangedError(MaestroQADataError):
    """The file is not what it was when it was looked at."""


class Body:
    """The bytes of one try: as long as announced, and read once."""

    def __init__(self, source: Source, content: Content, news: Callable[[int], None]) -> None:
        self._source = source
        self._content = content
        self._news = news
        #: Whether every byte was handed over.
        self.is_sent = False

    def __len__(self) -> int:
        return self._content.size

    def __iter__(self) -> Iterator[bytes]:
        digest, left = hashlib.sha256(), self._content.size
        with closing(self._source.open()) as file:
            while True:
                block = file.read(min(_BLOCK, left))
                if not block:
                    raise ChangedError(f"it is {left} bytes shorter")
                digest.update(block)
                left -= len(block)
                if not left:
                    break
                yield block
                self._news(self._content.size - left)
            if file.read(1):
                raise ChangedError("it is longer")
        if digest.hexdigest() != self._content.sha256:
            raise ChangedError("it holds other bytes")
        yield block
        self.is_sent = True


def _check_size(source: Source, size: int) -> None:
    if size == 0:
        raise MaestroQADataError(f"{source.name} is empty, so there is nothing to attach. Nothing was sent.")
    if size > MOST_BYTES:
        raise MaestroQADataError(
            f"{source.name} is larger than the {MOST_BYTES >> 30} GB that a storage takes in one piece. Nothing was "
            f"sent. Make it smaller, or pass its address as url."
        )
