"""The ZIP format, as far as reading an archive's directory needs it: sizes and offsets, nothing trusted.

Python's ``zipfile`` is lenient where an export must not be: it takes archives with bytes in front of or behind them,
and does not compare the directory with what stands before each member.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from airflow_provider_maestroqa.client.errors import MaestroQADataError

_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\x05\x06"
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64_LOCATOR_MAGIC = b"PK\x06\x07"
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_MAGIC = b"PK\x06\x06"
_ENTRY = struct.Struct("<4s6H3L5H2L")
_ENTRY_MAGIC = b"PK\x01\x02"
_LOCAL = struct.Struct("<4s5H3L2H")
LOCAL_SIZE = _LOCAL.size
LOCAL_MAGIC = b"PK\x03\x04"
#: Bytes that may stand between a member's data and the next header.
DESCRIPTOR_LENGTHS = (0, 12, 16, 20, 24)

_LONGEST_COMMENT = 0xFFFF
_LARGEST_DIRECTORY = 64 << 20
_IN_ZIP64 = 0xFFFFFFFF
_UTF8_NAME = 0x800
SIZES_FOLLOW = 0x8


@dataclass(frozen=True)
class Entry:
    """One member, as the archive's directory describes it.

    :param name: its decoded name.
    :param raw_name: its name as it stands in the archive.
    :param flags: the general purpose bits.
    :param method: 0 stored, 8 deflated.
    :param crc32: of its content.
    :param packed: bytes in the archive.
    :param size: bytes of its content, as declared.
    :param offset: where its local header begins.
    :param mode: Unix file mode, or 0.
    """

    name: str
    raw_name: bytes
    flags: int
    method: int
    crc32: int
    packed: int
    size: int
    offset: int
    mode: int


@dataclass(frozen=True)
class LocalHeader:
    """What stands in front of a member's data.

    :param data_offset: where its data begins.
    """

    raw_name: bytes
    flags: int
    method: int
    crc32: int
    packed: int
    size: int
    data_offset: int


@dataclass(frozen=True)
class Beginning:
    """What the fixed part of a local header says, before the directory is known.

    :param method: 8 for deflated.
    :param size: bytes of the content, or ``None`` if that follows behind the data.
    :param length: bytes of the whole header.
    """

    method: int
    size: int | None
    length: int


@dataclass(frozen=True)
class Directory:
    """An archive's directory.

    :param offset: where it begins; all members end before it.
    :param entries: how many members it announces.
    :param size: its bytes.
    """

    offset: int
    entries: int
    size: int


def damaged(what: str) -> NoReturn:
    """Refuse an archive that was cut off or altered; another download may be whole."""
    raise MaestroQADataError(
        f"The export's ZIP archive is damaged: {what}. It will be downloaded again when the task is retried.",
        retryable=True,
    )


def ends_like_an_archive(fd: int, size: int) -> bool:
    """Whether a file that does not begin like a ZIP archive ends like one."""
    return bool(_find_ends(fd, size))


def read_directory(fd: int, size: int) -> Directory:
    """Find an archive's directory.

    :param fd: the open file.
    :param size: its bytes.
    """
    ends = _find_ends(fd, size)
    if not ends:
        damaged("its end is missing, or bytes follow behind its end")
    if len(ends) > 1:
        damaged("it has more than one end")
    at = ends[0]
    _, disk, start_disk, here, entries, length, offset, _ = _END.unpack(_at(fd, at, _END.size))
    behind = at
    wide = _read_end64(fd, at)
    if wide is not None:
        behind, wide_here, wide_entries, wide_length, wide_offset = wide
        for narrow, wider, limit in (
            (here, wide_here, 0xFFFF),
            (entries, wide_entries, 0xFFFF),
            (length, wide_length, _IN_ZIP64),
            (offset, wide_offset, _IN_ZIP64),
        ):
            if narrow not in {wider, limit}:
                damaged("its two ends contradict each other")
        here, entries, length, offset = wide_here, wide_entries, wide_length, wide_offset
    if (disk, start_disk) not in {(0, 0), (0xFFFF, 0), (0xFFFF, 0xFFFF)} or here != entries:
        damaged("it is one piece of several")
    if offset + length != behind:
        damaged("its directory is not where it should be; bytes were added or lost")
    if length > _LARGEST_DIRECTORY:
        raise MaestroQADataError(f"The export's ZIP archive has a directory of {length} bytes; that is refused.")
    return Directory(offset, entries, length)


def read_entries(fd: int, directory: Directory) -> Iterator[Entry]:
    """Read the directory's entries in its order."""
    data = _at(fd, directory.offset, directory.size)
    at = 0
    for _ in range(directory.entries):
        if at + _ENTRY.size > len(data) or data[at : at + 4] != _ENTRY_MAGIC:
            damaged("its directory is cut off or altered")
        (_, _, _, flags, method, _, _, crc32, packed, size, named, extra, comment, disk, _, attributes, offset) = (
            _ENTRY.unpack_from(data, at)
        )
        at += _ENTRY.size
        if at + named + extra + comment > len(data):
            damaged("its directory is cut off or altered")
        raw_name = data[at : at + named]
        fields = data[at + named : at + named + extra]
        at += named + extra + comment
        size, packed, offset = _widen(fields, size, packed, offset)
        if disk not in {0, 0xFFFF}:
            damaged("it is one piece of several")
        yield Entry(
            _decode(raw_name, flags), raw_name, flags, method, crc32, packed, size, offset, mode=attributes >> 16
        )
    if at != len(data):
        damaged("its directory holds more than it announces")


def read_local_header(fd: int, entry: Entry, limit: int) -> LocalHeader:
    """Read what stands in front of a member's data.

    :param limit: where the directory begins.
    """
    if entry.offset + _LOCAL.size > limit:
        damaged(f"member {entry.name!r} lies outside of it")
    magic, _, flags, method, _, _, crc32, packed, size, named, extra = _LOCAL.unpack(
        _at(fd, entry.offset, _LOCAL.size)
    )
    if magic != LOCAL_MAGIC:
        damaged(f"member {entry.name!r} is not where the directory says")
    start = entry.offset + _LOCAL.size
    rest = _at(fd, start, named + extra)
    size, packed, _ = _widen(rest[named:], size, packed, 0)
    return LocalHeader(rest[:named], flags, method, crc32, packed, size, start + named + extra)


def parse_local_header(data: bytes) -> Beginning | None:
    """Read the fixed part of a local header; ``None`` if it is none."""
    if len(data) < _LOCAL.size or not data.startswith(LOCAL_MAGIC):
        return None
    _, _, flags, method, _, _, _, _, size, named, extra = _LOCAL.unpack(data[: _LOCAL.size])
    known = not flags & SIZES_FOLLOW and size != _IN_ZIP64
    return Beginning(method, size if known else None, _LOCAL.size + named + extra)


def _find_ends(fd: int, size: int) -> list[int]:
    """Where an end record stands whose comment reaches exactly to the end of the file."""
    start = max(0, size - _END.size - _LONGEST_COMMENT)
    tail = os.pread(fd, size - start, start)
    found, at = [], tail.rfind(_END_MAGIC)
    while at >= 0:
        if at + _END.size <= len(tail):
            comment = int.from_bytes(tail[at + 20 : at + 22], "little")
            if at + _END.size + comment == len(tail):
                found.append(start + at)
        at = tail.rfind(_END_MAGIC, 0, at)
    return found


def _read_end64(fd: int, end: int) -> tuple[int, int, int, int, int] | None:
    if end < _END64_LOCATOR.size:
        return None
    magic, disk, at, disks = _END64_LOCATOR.unpack(_at(fd, end - _END64_LOCATOR.size, _END64_LOCATOR.size))
    if magic != _END64_LOCATOR_MAGIC:
        return None
    if disk or disks > 1 or at + _END64.size > end:
        damaged("its end is altered")
    magic, length, _, _, this, first, here, entries, size, offset = _END64.unpack(_at(fd, at, _END64.size))
    if magic != _END64_MAGIC or this or first or at + 12 + length + _END64_LOCATOR.size != end:
        damaged("its end is altered")
    return at, here, entries, size, offset


def _widen(fields: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Take the 64-bit numbers from the extra fields where the 32-bit ones are full."""
    at, wide = 0, b""
    while at + 4 <= len(fields):
        kind, length = struct.unpack_from("<2H", fields, at)
        if kind == 1:
            wide = fields[at + 4 : at + 4 + length]
            break
        at += 4 + length
    numbers = [size, packed, offset]
    for index, number in enumerate(numbers):
        if number == _IN_ZIP64 and len(wide) >= 8:
            numbers[index] = int.from_bytes(wide[:8], "little")
            wide = wide[8:]
    return numbers[0], numbers[1], numbers[2]


def _decode(raw: bytes, flags: int) -> str:
    # Many writers put UTF-8 names without saying so; what is no UTF-8 is what the format began with.
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        if flags & _UTF8_NAME:
            damaged("a member's name is no UTF-8")
        return raw.decode("cp437")


def _at(fd: int, offset: int, length: int) -> bytes:
    data = os.pread(fd, length, offset)
    if len(data) != length:
        damaged("it is cut off")
    return data
