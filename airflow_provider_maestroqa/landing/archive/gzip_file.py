"""A CSV file that is stored as gzip, read like the only member of an archive."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.formatting import format_size
from airflow_provider_maestroqa.landing.archive.content import (
    GZIP_TRAILER,
    ContentDigest,
    add_to_digest,
    inflate,
    read_range,
)
from airflow_provider_maestroqa.landing.archive.members import DEFLATED, MIN_RATIO_SIZE, Member, is_zip_bomb
from airflow_provider_maestroqa.storage.compression import Engine

_HEADER_SIZE = 10
_MAX_HEADER = 1 << 16
_HAS_CRC, _HAS_EXTRA, _HAS_NAME, _HAS_COMMENT = 2, 4, 8, 16


def read_gzip_member(
    fd: int, size: int, name: str, engine: Engine, *, max_content_bytes: int, on_wait: Callable[[], None]
) -> Member:
    """Inflate a gzip file to check it and to learn its size, of which its end holds only 32 bits.

    :param name: what to call its content.
    :param max_content_bytes: the most that it may hold.
    :raises MaestroQADataError: it is damaged, or holds too much.
    """
    start = _data_start(os.pread(fd, _MAX_HEADER, 0))
    compressed_size = size - start - GZIP_TRAILER.size
    if compressed_size <= 0:
        _raise_damaged("it is cut off")
    member = Member(name, DEFLATED, start, compressed_size, sys.maxsize, 0, "gzip file")
    digest = ContentDigest(engine, count_rows=False)
    for _ in add_to_digest(inflate(read_range(fd, start, compressed_size), member, engine), digest):
        on_wait()
        is_bomb = digest.size > MIN_RATIO_SIZE and is_zip_bomb(digest.size, compressed_size)
        if is_bomb or digest.size > max_content_bytes:
            raise MaestroQADataError(
                f"The export's gzip file is rejected: it has {format_size(size)} and holds more than "
                f"{format_size(digest.size)}. Nothing was published."
            )
    if GZIP_TRAILER.unpack(os.pread(fd, GZIP_TRAILER.size, start + compressed_size)) != (
        digest.crc32,
        digest.size & 0xFFFFFFFF,
    ):
        _raise_damaged("its checksum is wrong")
    return replace(member, size=digest.size, crc32=digest.crc32)


def _data_start(head: bytes) -> int:
    """Where the compressed data begins."""
    if len(head) < _HEADER_SIZE or head[2] != DEFLATED:
        _raise_damaged("its beginning is altered")
    flags, at = head[3], _HEADER_SIZE
    if flags & _HAS_EXTRA:
        at += 2 + int.from_bytes(head[at : at + 2], "little")
    for flag in (_HAS_NAME, _HAS_COMMENT):
        if flags & flag:
            at = head.find(b"\0", at) + 1
            if not at:
                _raise_damaged("its beginning is altered")
    return at + (2 if flags & _HAS_CRC else 0)


def _raise_damaged(problem: str) -> NoReturn:
    raise MaestroQADataError(
        f"The export's gzip file is damaged: {problem}. Nothing was published; a retry downloads it again.",
        retryable=True,
    )
