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
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
GZIP_TRAILER = struct.Struct("<2L")
#: Bytes that gzip adds to a deflate stream.
GZIP_FRAME = len(GZIP_HEADER) + GZIP_TRAILER.size
_INFLATED_BLOCK = 1 << 18
#: Bytes for a thread that deflates: so many that it hardly ever waits for Python's lock.
_DEFLATED_BLOCK = 2 << 20
_MAX_IN_FLIGHT = 2


class ContentDigest:
    """Size, CRC-32 and, if wanted, number of records of content before compression.

    :param count_rows: whether to count CSV records too.
    """

    def __init__(self, engine: Engine, *, count_rows: bool) -> None:
        self.size = 0
        self.crc32 = 0
        self._crc32 = engine.crc32
        self.counter = RecordCounter() if count_rows else None

    def add(self, block: bytes) -> None:
        """Add the next bytes."""
        self.size += len(block)
        self.crc32 = self._crc32(block, self.crc32)
        if self.counter is not None:
            self.counter.add(block)

    def copy_from(self, other: ContentDigest) -> None:
        """Take over what another digest holds."""
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


def read_member(fd: int, member: Member, engine: Engine, digest: ContentDigest) -> Iterator[bytes]:
    """The content of a member of the archive.

    :param digest: of the content; complete with the last block.
    """
    blocks = read_range(fd, member.start, member.compressed_size)
    yield from add_to_digest(blocks if member.method == STORED else inflate(blocks, member, engine), digest)
    if digest.size != member.size:
        _raise_damaged(member, f"it holds {digest.size} bytes and declares {member.size}")
    if digest.crc32 != member.crc32:
        _raise_damaged(member, "its checksum is wrong")


def add_to_digest(blocks: Iterator[bytes], digest: ContentDigest) -> Iterator[bytes]:
    """The blocks as they are, each added to the digest."""
    for block in blocks:
        digest.add(block)
        yield block


def as_gzip_member(
    fd: int, member: Member, digest: ContentDigest, verify: Callable[[], ContentDigest]
) -> Iterator[bytes]:
    """A deflated member of the archive as a gzip file, without compressing anything again.

    :param digest: of the content; complete with the last block.
    :param verify: inflates the member to check it, and returns the digest of its content.
    """
    yield GZIP_HEADER
    yield from read_range(fd, member.start, member.compressed_size)
    digest.copy_from(verify())
    yield _gzip_trailer(digest)


def as_gzip(blocks: Iterator[bytes], engine: Engine, digest: ContentDigest) -> Iterator[bytes]:
    """Content as a gzip file. The same content and engine give the same bytes.

    :param blocks: the content, which is added to ``digest`` where it is made.
    """
    yield GZIP_HEADER
    deflater = engine.deflater()
    for block in blocks:
        compressed = deflater.compress(block)
        if compressed:
            yield compressed
    yield deflater.flush()
    yield _gzip_trailer(digest)


def as_gzip_in_thread(blocks: Iterator[bytes], engine: Engine, digest: ContentDigest) -> Iterator[bytes]:
    """Content as a gzip file, deflated in a thread beside the work that makes the content.

    :param blocks: the content, which is added to ``digest`` here.
    """
    deflater = engine.deflater()
    yield GZIP_HEADER
    with ThreadPoolExecutor(1, thread_name_prefix="maestroqa-deflate") as thread:
        in_flight: deque[Future[bytes]] = deque()
        for block in _coalesce(add_to_digest(blocks, digest)):
            in_flight.append(thread.submit(deflater.compress, block))
            while len(in_flight) > _MAX_IN_FLIGHT:
                yield in_flight.popleft().result()
        while in_flight:
            yield in_flight.popleft().result()
    yield deflater.flush()
    yield _gzip_trailer(digest)


def _gzip_trailer(digest: ContentDigest) -> bytes:
    return GZIP_TRAILER.pack(digest.crc32, digest.size & 0xFFFFFFFF)


def _coalesce(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Small blocks as larger ones."""
    pending, size = [], 0
    for block in blocks:
        pending.append(block)
        size += len(block)
        if size >= _DEFLATED_BLOCK:
            yield b"".join(pending)
            pending, size = [], 0
    if pending:
        yield b"".join(pending)


def inflate(blocks: Iterator[bytes], member: Member, engine: Engine) -> Iterator[bytes]:
    """Inflate a stream, which must end where its data ends and hold no more than the member declares."""
    inflater, size = engine.inflater(), 0
    for data in blocks:
        while True:
            if inflater.eof:
                _raise_damaged(member, "its data continues behind its end")
            block, failed = b"", False
            try:
                block = inflater.decompress(data, _INFLATED_BLOCK)
            except (engine.error, zlib.error):
                failed = True
            if failed:
                _raise_damaged(member, "it cannot be inflated")
            size += len(block)
            if size > member.size:
                # A flipped byte does this too, so a retry may help; nothing is inflated beyond what was declared.
                _raise_damaged(member, f"it holds more than the {member.size} bytes it declares")
            if block:
                yield block
            data = inflater.unused_data or inflater.unconsumed_tail
            if not data and (inflater.eof or len(block) < _INFLATED_BLOCK):
                break
    if not inflater.eof:
        _raise_damaged(member, "its data is cut off")


def _raise_damaged(member: Member, problem: str) -> NoReturn:
    raise MaestroQADataError(
        f"The export's {member.container} is damaged: member {member.name!r}: {problem}. Nothing was published; a "
        f"retry downloads it again.",
        retryable=True,
    )
