"""Read a ZIP archive's directory and local headers: sizes and offsets, nothing trusted.

Python's ``zipfile`` is lenient where an export must not be: it takes archives with bytes in front of or behind them
or with a wrong number of entries, loads a directory of any size, and does not compare it with the local headers.
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
_LOCAL_MAGIC = b"PK\x03\x04"
#: Bytes of a local header without name and extra fields.
LOCAL_HEADER_SIZE = _LOCAL.size
# Bytes that a data descriptor may take between a member's data and the next header.
_DESCRIPTOR_SIZES = (0, 12, 16, 20, 24)
#: Bytes behind a member's data in which the next header begins.
MAX_GAP = _DESCRIPTOR_SIZES[-1] + len(_LOCAL_MAGIC)

_MAX_COMMENT = 0xFFFF
_MAX_DIRECTORY = 64 << 20
_IN_ZIP64 = 0xFFFFFFFF
_UTF8_NAME = 0x800
#: The flag that sizes and checksum are in a data descriptor behind the data.
HAS_DESCRIPTOR = 0x8


@dataclass(frozen=True)
class Header:
    """What the directory, or the local header in front of the data, says of a member.

    :param raw_name: its name as the archive has it.
    :param flags: the general purpose bits.
    :param method: 0 stored, 8 deflated.
    :param crc32: of its content.
    :param compressed_size: bytes in the archive.
    :param size: bytes of its content, as declared.
    :param offset: in the directory, of the local header; in a local header, of the data.
    :param mode: Unix file mode, or 0; in the directory only.
    """

    raw_name: bytes
    flags: int
    method: int
    crc32: int
    compressed_size: int
    size: int
    offset: int
    mode: int = 0

    @property
    def name(self) -> str:
        """The decoded name."""
        # Many writers put UTF-8 names without saying so; what is no UTF-8 is what the format began with.
        try:
            return self.raw_name.decode("utf-8")
        except UnicodeDecodeError:
            if self.flags & _UTF8_NAME:
                raise_damaged("a member's name is no UTF-8")
            return self.raw_name.decode("cp437")


@dataclass(frozen=True)
class Directory:
    """An archive's directory.

    :param offset: where it begins; all members end before it.
    :param entries: how many members it announces.
    """

    offset: int
    entries: int
    size: int


def display(name: str) -> str:
    """A member's name for messages: short, with control characters and direction marks shown and not written."""
    return repr(name if len(name) <= 200 else name[:200] + "…")


def raise_damaged(problem: str) -> NoReturn:
    """Reject an archive that was cut off or altered; another download may be whole."""
    raise MaestroQADataError(
        f"The export's ZIP archive is damaged: {problem}. It will be downloaded again when the task is retried.",
        retryable=True,
    )


def has_end_record(fd: int, size: int) -> bool:
    """Whether a file that does not begin like a ZIP archive ends like one."""
    return bool(_find_ends(fd, size))


def begins_with_member(fd: int, size: int) -> bool:
    """Whether a file should begin with a member's header, by its directory."""
    try:
        return any(entry.offset == 0 for entry in read_entries(fd, read_directory(fd, size)))
    except MaestroQADataError:
        return False


def read_directory(fd: int, size: int) -> Directory:
    """Find an archive's directory."""
    ends = _find_ends(fd, size)
    if not ends:
        raise_damaged("its end is missing, or bytes follow behind its end")
    if len(ends) > 1:
        raise_damaged("it has more than one end")
    end = ends[0]
    _, disk, start_disk, on_disk, entries, length, offset, _ = _END.unpack(_read_at(fd, end, _END.size))
    end64 = _read_end64(fd, end)
    if end64 is not None:
        end, on_disk64, entries64, length64, offset64 = end64
        for narrow, wide, limit in (
            (on_disk, on_disk64, 0xFFFF),
            (entries, entries64, 0xFFFF),
            (length, length64, _IN_ZIP64),
            (offset, offset64, _IN_ZIP64),
        ):
            if narrow not in {wide, limit}:
                raise_damaged("its two ends contradict each other")
        on_disk, entries, length, offset = on_disk64, entries64, length64, offset64
    if (disk, start_disk) not in {(0, 0), (0xFFFF, 0), (0xFFFF, 0xFFFF)} or on_disk != entries:
        raise_damaged("it is one piece of several")
    if offset + length != end:
        raise_damaged("its directory is not where it should be; bytes were added or lost")
    if length > _MAX_DIRECTORY:
        raise MaestroQADataError(f"The export's ZIP archive is rejected: its directory has {length} bytes.")
    return Directory(offset, entries, length)


def read_entries(fd: int, directory: Directory) -> Iterator[Header]:
    """Read the directory's entries in its order."""
    data = _read_at(fd, directory.offset, directory.size)
    at = 0
    for _ in range(directory.entries):
        if at + _ENTRY.size > len(data) or data[at : at + 4] != _ENTRY_MAGIC:
            raise_damaged("its directory is cut off or altered")
        (_, _, _, flags, method, _, _, crc32, compressed_size, size, *lengths, disk, _, attributes, offset) = (
            _ENTRY.unpack_from(data, at)
        )
        name_start = at + _ENTRY.size
        name_end = name_start + lengths[0]
        at = name_start + sum(lengths)
        if at > len(data):
            raise_damaged("its directory is cut off or altered")
        raw_name = data[name_start:name_end]
        extra = data[name_end : name_end + lengths[1]]
        size, compressed_size, offset = _widen(extra, size, compressed_size, offset)
        if disk not in {0, 0xFFFF}:
            raise_damaged("it is one piece of several")
        yield Header(raw_name, flags, method, crc32, compressed_size, size, offset, attributes >> 16)
    if at != len(data):
        raise_damaged("its directory holds more than it announces")


def read_local_header(fd: int, entry: Header, limit: int) -> Header:
    """Read the header in front of a member's data.

    :param limit: where the directory begins.
    """
    if entry.offset + _LOCAL.size > limit:
        raise_damaged(f"member {display(entry.name)} lies outside of it")
    data = _read_at(fd, entry.offset, _LOCAL.size)
    magic, _, flags, method, _, _, crc32, compressed_size, size, name_length, extra_length = _LOCAL.unpack(data)
    if magic != _LOCAL_MAGIC:
        raise_damaged(f"member {display(entry.name)} is not where the directory says")
    start = entry.offset + _LOCAL.size
    rest = _read_at(fd, start, name_length + extra_length)
    size, compressed_size, _ = _widen(rest[name_length:], size, compressed_size, 0)
    return Header(rest[:name_length], flags, method, crc32, compressed_size, size, start + len(rest))


def parse_local_header(data: bytes) -> tuple[int, int | None, int] | None:
    """Read the fixed part of a local header, before the directory is known; ``None`` if it is none.

    :return: the method, the bytes of the content unless they follow behind the data, and the bytes of the header.
    """
    if len(data) < _LOCAL.size or not data.startswith(_LOCAL_MAGIC):
        return None
    _, _, flags, method, _, _, _, _, size, name_length, extra_length = _LOCAL.unpack(data[: _LOCAL.size])
    is_known = not flags & HAS_DESCRIPTOR and size != _IN_ZIP64
    return method, size if is_known else None, _LOCAL.size + name_length + extra_length


def find_local_header(gap: bytes) -> int | None:
    """Where a local header begins behind a member's data, or ``None``.

    :param gap: up to :data:`MAX_GAP` bytes behind the data, which a descriptor may begin.
    """
    return next((size for size in _DESCRIPTOR_SIZES if gap[size : size + 4] == _LOCAL_MAGIC), None)


def _find_ends(fd: int, size: int) -> list[int]:
    """Offsets of the end records whose comment reaches exactly to the end of the file."""
    start = max(0, size - _END.size - _MAX_COMMENT)
    tail = os.pread(fd, size - start, start)
    ends, at = [], tail.rfind(_END_MAGIC)
    while at >= 0:
        if at + _END.size <= len(tail):
            comment = int.from_bytes(tail[at + 20 : at + 22], "little")
            if at + _END.size + comment == len(tail):
                ends.append(start + at)
        at = tail.rfind(_END_MAGIC, 0, at)
    return ends


def _read_end64(fd: int, end: int) -> tuple[int, int, int, int, int] | None:
    if end < _END64_LOCATOR.size:
        return None
    magic, disk, at, disks = _END64_LOCATOR.unpack(_read_at(fd, end - _END64_LOCATOR.size, _END64_LOCATOR.size))
    if magic != _END64_LOCATOR_MAGIC:
        return None
    if disk or disks > 1 or at + _END64.size > end:
        raise_damaged("its end is altered")
    magic, length, _, _, disk, start_disk, on_disk, entries, size, offset = _END64.unpack(
        _read_at(fd, at, _END64.size)
    )
    if magic != _END64_MAGIC or disk or start_disk or at + 12 + length + _END64_LOCATOR.size != end:
        raise_damaged("its end is altered")
    return at, on_disk, entries, size, offset


def _widen(extra: bytes, size: int, compressed_size: int, offset: int) -> tuple[int, int, int]:
    """Take the 64-bit numbers from the extra fields where the 32-bit ones are full."""
    at, wide = 0, b""
    while at + 4 <= len(extra):
        field, length = struct.unpack_from("<2H", extra, at)
        if field == 1:
            wide = extra[at + 4 : at + 4 + length]
            break
        at += 4 + length
    numbers = [size, compressed_size, offset]
    for index, number in enumerate(numbers):
        if number == _IN_ZIP64 and len(wide) >= 8:
            numbers[index] = int.from_bytes(wide[:8], "little")
            wide = wide[8:]
    return numbers[0], numbers[1], numbers[2]


def _read_at(fd: int, offset: int, length: int) -> bytes:
    data = os.pread(fd, length, offset)
    if len(data) != length:
        raise_damaged("it is cut off")
    return data
