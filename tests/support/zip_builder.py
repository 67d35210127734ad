"""ZIP archives built byte by byte, as the format allows them or as it does not."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass


@dataclass
class Part:
    """One member of a hand-made archive. What is ``None`` is computed."""

    name: bytes = b"a.csv"
    data: bytes = b"h\n1\n"
    method: int = 8
    flags: int = 0
    mode: int = 0
    crc32: int | None = None
    size: int | None = None
    packed: bytes | None = None
    local_name: bytes | None = None
    local_method: int | None = None
    local_flags: int | None = None
    local_crc32: int | None = None
    offset: int | None = None
    listed: bool = True
    descriptor: bool = False
    zip64: bool = False
    after: bytes = b""


def deflated(data):
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def build_zip(*parts, before=b"", behind=b"", comment=b"", before_directory=b"", entries=None, zip64_end=False):
    """An archive as the format allows it, or as it does not."""
    out, central, listed = bytearray(before), bytearray(), 0
    for part in parts:
        packed = part.packed
        if packed is None:
            packed = deflated(part.data) if part.method == 8 else part.data
        crc32 = zlib.crc32(part.data) if part.crc32 is None else part.crc32
        size = len(part.data) if part.size is None else part.size
        flags = part.flags | (8 if part.descriptor else 0)
        offset = len(out) if part.offset is None else part.offset
        local_name = part.name if part.local_name is None else part.local_name
        known = (0, 0, 0) if part.descriptor else (part.local_crc32 or crc32, len(packed), size)
        extra = b""
        if part.zip64:
            extra = struct.pack("<2H2Q", 1, 16, size, len(packed))
            known = (known[0], 0xFFFFFFFF, 0xFFFFFFFF)
        out += struct.pack(
            "<4s5H3L2H",
            b"PK\x03\x04",
            20,
            flags if part.local_flags is None else part.local_flags,
            part.method if part.local_method is None else part.local_method,
            0,
            0,
            *known,
            len(local_name),
            len(extra),
        )
        out += local_name + extra + packed
        if part.descriptor:
            out += b"PK\x07\x08" + struct.pack("<3L", crc32, len(packed), size)
        out += part.after
        if part.listed:
            listed += 1
            sizes = (len(packed), size)
            if part.zip64:
                extra = struct.pack("<2H3Q", 1, 24, size, len(packed), offset)
                sizes, offset = (0xFFFFFFFF, 0xFFFFFFFF), 0xFFFFFFFF
            central += struct.pack(
                "<4s6H3L5H2L",
                b"PK\x01\x02",
                (3 << 8) | 20,
                20,
                flags,
                part.method,
                0,
                0,
                crc32,
                *sizes,
                len(part.name),
                len(extra),
                0,
                0,
                0,
                part.mode << 16,
                offset,
            )
            central += part.name + extra
    out += before_directory
    start = len(out)
    out += central
    number = listed if entries is None else entries
    if zip64_end:
        end64 = len(out)
        out += struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, number, number, len(central), start)
        out += struct.pack("<4sLQL", b"PK\x06\x07", 0, end64, 1)
        out += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, len(comment))
    else:
        out += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, number, number, len(central), start, len(comment))
    return bytes(out + comment + behind)
