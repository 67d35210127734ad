"""The content of an export's files, block by block, checked while it flows.

Each function here is a generator of the bytes that will be stored. It raises ``MaestroQADataError`` at the first byte
that cannot be right, and at the latest before its last block: whoever consumes it to the end has the whole file.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NoReturn

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.landing.archive.csv_counting import RecordCounter
from airflow_provider_maestroqa.landing.archive.members import STORED, Member
from airflow_provider_maestroqa.storage.compression import BLOCK, Engine

# No name, no time, "unknown" system: the same content gives the same bytes.
_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_GZIP_TRAILER = struct.Struct("<2L")
#: Bytes that gzip adds to a deflate stream.
GZIP_FRAME = len(_GZIP_HEADER) + _GZIP_TRAILER.size
_INFLATED_BLOCK = 1 << 20
#: Bytes for a thread that deflates: so many that it hardly ever waits for Python's lock.
_DEFLATED_BLOCK = 2 << 20
_ON_THEIR_WAY = 2


class Meter:
    """Measures content before compression: size, CRC-32 and, if wanted, records.

    :param engine: computes the CRC.
    :param count_rows: whether to count CSV records too.
    """

    def __init__(self, engine: Engine, *, count_rows: bool) -> None:
        self.size = 0
        self.crc32 = 0
        self._crc32 = engine.crc32
        self.counter = RecordCounter() if count_rows else None

    def add(self, block: bytes) -> None:
        """Measure the next bytes."""
        self.size += len(block)
        self.crc32 = self._crc32(block, self.crc32)
        if self.counter is not None:
            self.counter.add(block)

    def adopt(self, other: Meter) -> None:
        """Take over what another meter measured."""
        self.size, self.crc32, self.counter = other.size, other.crc32, other.counter


def read_range(fd: int, start: int, length: int, *, block: int = BLOCK) -> Iterator[bytes]:
    """Read ``length`` bytes of a file from ``start`` on."""
    end = start + length
    while start < end:
        data = os.pread(fd, min(block, end - start), start)
        if not data:
            raise MaestroQADataError("The temporary file lost its end while it was being read.", retryable=True)
        start += len(data)
        yield data


def unpacked(fd: int, member: Member, engine: Engine, meter: Meter) -> Iterator[bytes]:
    """The content of a member of the archive.

    :param meter: measures the content; it is complete when the last block has come.
    """
    if member.method == STORED:
        for block in read_range(fd, member.start, member.packed):
            meter.add(block)
            yield block
    else:
        inflation = _Inflation(member, engine)
        for packed in read_range(fd, member.start, member.packed):
            for block in inflation.feed(packed):
                meter.add(block)
                yield block
        inflation.finish()
    _check(member, meter)


def reframed(fd: int, member: Member, meter: Meter, measure: Callable[[], Meter]) -> Iterator[bytes]:
    """A deflated member of the archive as a gzip file, without compressing anything again.

    :param meter: has the content's measures in the end.
    :param measure: inflates the member to check it, and measures its content.
    """
    yield _GZIP_HEADER
    yield from read_range(fd, member.start, member.packed)
    meter.adopt(measure())
    yield _GZIP_TRAILER.pack(meter.crc32, meter.size & 0xFFFFFFFF)


def compressed(blocks: Iterator[bytes], engine: Engine, meter: Meter) -> Iterator[bytes]:
    """Content as a gzip file. The same content and engine give the same bytes.

    :param blocks: the content; measured by ``meter`` on its way.
    """
    yield _GZIP_HEADER
    deflater = engine.deflater()
    for block in blocks:
        packed = deflater.compress(block)
        if packed:
            yield packed
    yield deflater.flush()
    yield _GZIP_TRAILER.pack(meter.crc32, meter.size & 0xFFFFFFFF)


def compressed_beside(blocks: Iterator[bytes], engine: Engine, meter: Meter) -> Iterator[bytes]:
    """Content as a gzip file, deflated in a thread beside the work that makes the content.

    :param blocks: the content; measured by ``meter`` here.
    """
    deflater = engine.deflater()
    yield _GZIP_HEADER
    with ThreadPoolExecutor(1, thread_name_prefix="maestroqa-deflate") as thread:
        sent: deque[Future[bytes]] = deque()
        for block in _gathered(measured(blocks, meter)):
            sent.append(thread.submit(deflater.compress, block))
            while len(sent) > _ON_THEIR_WAY:
                yield sent.popleft().result()
        while sent:
            yield sent.popleft().result()
    yield deflater.flush()
    yield _GZIP_TRAILER.pack(meter.crc32, meter.size & 0xFFFFFFFF)


def _gathered(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Small blocks as larger ones."""
    some, size = [], 0
    for block in blocks:
        some.append(block)
        size += len(block)
        if size >= _DEFLATED_BLOCK:
            yield b"".join(some)
            some, size = [], 0
    if some:
        yield b"".join(some)


def measured(blocks: Iterator[bytes], meter: Meter) -> Iterator[bytes]:
    """Content as it is, measured on its way."""
    for block in blocks:
        meter.add(block)
        yield block


class _Inflation:
    """One deflate stream, which must end where its data ends."""

    def __init__(self, member: Member, engine: Engine) -> None:
        self._member = member
        self._inflater = engine.inflater()
        self._errors = (engine.error, zlib.error)
        self._size = 0

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """Inflate some more of the stream."""
        if self._has_ended():
            _damaged(self._member, "its data goes on behind its end")
        while True:
            block, failed = b"", False
            try:
                block = self._inflater.decompress(packed, _INFLATED_BLOCK)
            except self._errors:
                failed = True
            if failed:
                _damaged(self._member, "it cannot be inflated")
            self._size += len(block)
            if self._size > self._member.size:
                # A flipped byte does this too, so a retry may help; nothing is inflated beyond what was declared.
                _damaged(self._member, f"it holds more than the {self._member.size} bytes it declares")
            if block:
                yield block
            packed = self._inflater.unconsumed_tail
            if self._has_ended():
                if self._inflater.unused_data or packed:
                    _damaged(self._member, "its data goes on behind its end")
                return
            if not packed and len(block) < _INFLATED_BLOCK:
                return

    def finish(self) -> None:
        """All data has been fed."""
        if not self._has_ended():
            _damaged(self._member, "its data is cut off")

    def _has_ended(self) -> bool:
        return self._inflater.eof


def _check(member: Member, meter: Meter) -> None:
    if meter.size != member.size:
        _damaged(member, f"it holds {meter.size} bytes and declares {member.size}")
    if meter.crc32 != member.crc32:
        _damaged(member, "its checksum is wrong")


def _damaged(member: Member, what: str) -> NoReturn:
    raise MaestroQADataError(
        f"The export's ZIP archive is damaged: member {member.name!r}: {what}. Nothing was published; a retry "
        f"downloads it again.",
        retryable=True,
    )
