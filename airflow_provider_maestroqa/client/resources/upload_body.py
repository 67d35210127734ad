"""The file of an upload: its size and digest, and its bytes as the body of a request.

The file is read twice: once to compute its size and digest, once to send it. The last block is held back until the
digest of all that was read is the one that was computed first. So a file that changes in between ends the request in
the middle, and a storage keeps nothing of such a request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import IO, Protocol

from airflow_provider_maestroqa.client.errors import MaestroQADataError

#: What S3 takes in one PUT.
MAX_BYTES = 5 << 30
#: Also the least that must go out within the connection's timeout, so not large.
_BLOCK = 64 << 10


class Source(Protocol):
    """A file that can be read repeatedly."""

    @property
    def name(self) -> str:
        """Its name in logs and messages."""

    def size(self) -> int | None:
        """Its size in bytes, if that is known without reading it."""

    def open(self) -> IO[bytes]:
        """Open it at its first byte.

        :raises MaestroQAError: it cannot be read; reading from what this returns raises the same.
        """


@dataclass(frozen=True)
class FileDigest:
    """What a file held when it was first read.

    :param size: its bytes.
    :param sha256: their digest, as hexadecimal digits.
    """

    size: int
    sha256: str


def compute_digest(source: Source) -> FileDigest:
    """Read a file once, in constant memory, to compute its size and digest.

    :raises MaestroQADataError: it is empty, or larger than a storage accepts in one piece.
    """
    announced = source.size()
    if announced is not None:
        _check_size(source, announced)
    digest, size = hashlib.sha256(), 0
    with closing(source.open()) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            if size > MAX_BYTES:
                break
    _check_size(source, size)
    return FileDigest(size, digest.hexdigest())


class ChangedError(MaestroQADataError):
    """The file is not what it was when it was first read."""


class UploadBody:
    """The body of one request: as long as announced, and read once.

    :param source: the file.
    :param digest: what it must still hold.
    :param on_progress: called with the number of bytes that were sent, after each block.
    """

    def __init__(self, source: Source, digest: FileDigest, on_progress: Callable[[int], None]) -> None:
        self._source = source
        self._expected = digest
        self._on_progress = on_progress
        #: Whether every byte was sent.
        self.is_sent = False

    def __len__(self) -> int:
        return self._expected.size

    def __iter__(self) -> Iterator[bytes]:
        digest, left = hashlib.sha256(), self._expected.size
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
                self._on_progress(self._expected.size - left)
            if file.read(1):
                raise ChangedError("it is longer")
        if digest.hexdigest() != self._expected.sha256:
            raise ChangedError("it holds other bytes")
        yield block
        self.is_sent = True


def _check_size(source: Source, size: int) -> None:
    if size == 0:
        raise MaestroQADataError(f"{source.name} is empty, so there is nothing to attach. Nothing was sent.")
    if size > MAX_BYTES:
        raise MaestroQADataError(
            f"{source.name} is larger than the {MAX_BYTES >> 30} GB that a storage accepts in one piece. Nothing was "
            f"sent. Make it smaller, or pass its address as url."
        )
