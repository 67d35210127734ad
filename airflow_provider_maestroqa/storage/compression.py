"""Inflate, deflate and compute checksums: with isal where it is installed, else with Python's zlib."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

#: Bytes that an engine gets at a time. Small enough for the processor's cache.
BLOCK = 1 << 18


class Inflater(Protocol):
    """What ``zlib.decompressobj`` returns."""

    @property
    def unconsumed_tail(self) -> bytes:
        """Input that is left because the output was full."""

    @property
    def unused_data(self) -> bytes:
        """Input after the end of the stream."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was seen."""

    def decompress(self, data: bytes, max_length: int = 0, /) -> bytes:
        """Inflate some more."""


class Deflater(Protocol):
    """What ``zlib.compressobj`` returns."""

    def compress(self, data: bytes, /) -> bytes:
        """Deflate some more."""

    def flush(self) -> bytes:
        """End the stream."""


@dataclass(frozen=True)
class Engine:
    """One implementation of deflate.

    :param name: ``isal`` or ``zlib``.
    :param inflater: makes an object that inflates one raw stream.
    :param deflater: makes an object that deflates into one raw stream.
    :param crc32: CRC-32 of a block, continued from an earlier one.
    :param error: raised on a damaged stream.
    """

    name: str
    inflater: Callable[[], Inflater]
    deflater: Callable[[], Deflater]
    crc32: Callable[[bytes | bytearray, int], int]
    error: type[Exception]


def zlib_engine() -> Engine:
    """The engine that Python brings."""
    return Engine(
        name="zlib",
        inflater=lambda: zlib.decompressobj(-zlib.MAX_WBITS),
        deflater=lambda: zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS),
        crc32=zlib.crc32,
        error=zlib.error,
    )


def isal_engine() -> Engine:
    """The fast engine. Raises ``ImportError`` where isal is not installed."""
    from isal import isal_zlib

    return Engine(
        name="isal",
        inflater=lambda: isal_zlib.decompressobj(-zlib.MAX_WBITS),
        # 2 of 0 to 3: as fast as 1, and a tenth smaller.
        deflater=lambda: isal_zlib.compressobj(2, isal_zlib.DEFLATED, -zlib.MAX_WBITS),
        crc32=isal_zlib.crc32,
        error=cast("type[Exception]", isal_zlib.error),
    )


def best_engine() -> Engine:
    """The fastest engine that is installed."""
    try:
        return isal_engine()
    except ImportError:
        return zlib_engine()
