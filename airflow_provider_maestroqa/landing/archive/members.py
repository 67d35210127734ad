"""Which members of an export's ZIP archive may be published, decided before any of them is."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.landing.archive import zip_directory
from airflow_provider_maestroqa.landing.archive.zip_directory import Directory, Entry, LocalHeader
from airflow_provider_maestroqa.landing.progress import megabytes

STORED, DEFLATED = 0, 8

#: The manifest lies beside the members.
MANIFEST_NAME = "_manifest.json"

_MOST_MEMBERS = 10_000
_MOST_RATIO = 200
#: Bytes of content from which on the ratio counts.
RATIO_COUNTS_FROM = 64 << 20
# What a file system takes as one part of a path, less what a temporary name adds.
_LONGEST_PART = 200
_ENCRYPTED = 0x1 | 0x40 | 0x2000
# They make a name look like another one.
_DIRECTION_MARKS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_DRIVE = re.compile(r"[A-Za-z]:")
_METHODS = {1: "shrunk", 6: "imploded", 9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstandard", 95: "XZ", 99: "AES"}


@dataclass(frozen=True)
class Member:
    """A file in the archive that may be read.

    :param name: its path, safe to use below a prefix.
    :param method: ``STORED`` or ``DEFLATED``.
    :param start: where its data begins in the archive.
    :param packed: bytes of its data in the archive.
    :param size: bytes of its content.
    :param crc32: of its content.
    """

    name: str
    method: int
    start: int
    packed: int
    size: int
    crc32: int


def read_members(fd: int, size: int, *, max_content_bytes: int) -> list[Member]:
    """Check an archive's structure as a whole and list its files.

    What is in the files is checked when they are read.

    :param fd: the open archive.
    :param size: its bytes.
    :param max_content_bytes: the most that all files together may hold.
    :return: at least one member, in the archive's own order.
    :raises MaestroQADataError: with the member's name and the reason.
    """
    directory = zip_directory.read_directory(fd, size)
    if directory.entries > _MOST_MEMBERS:
        _refuse(f"it has {directory.entries} members; more than {_MOST_MEMBERS} are refused")
    entries = list(zip_directory.read_entries(fd, directory))
    for entry in entries:
        _check_entry(entry)
    files = [entry for entry in entries if not entry.name.endswith("/")]
    if not files:
        _refuse("it holds no files")
    _check_names_together(entry.name for entry in files)
    unpacked = sum(entry.size for entry in files)
    if unpacked > max_content_bytes:
        allowed = megabytes(max_content_bytes)
        _refuse(f"its files hold {megabytes(unpacked)} unpacked; {allowed} are allowed")
    headers = [_local_header(fd, entry, directory) for entry in entries]
    _check_extents(fd, directory, entries, headers)
    return [
        Member(entry.name, entry.method, header.data_offset, entry.packed, entry.size, entry.crc32)
        for entry, header in zip(entries, headers, strict=True)
        if not entry.name.endswith("/")
    ]


def is_absurd(size: int, packed: int) -> bool:
    """Whether content is out of all proportion to what it was compressed to."""
    return size > _MOST_RATIO * packed


def refuse_disguised_archive(fd: int, size: int) -> None:
    """Raise ``MaestroQADataError`` for a file that ends as a ZIP archive but begins as something else."""
    if zip_directory.ends_like_an_archive(fd, size):
        _refuse("other data stands in front of it (a self-extracting archive, for example)")


def _refuse(reason: str, name: str | None = None) -> NoReturn:
    # repr shows control characters and direction marks instead of writing them into a log.
    member = "" if name is None else f"member {_shown(name)} "
    raise MaestroQADataError(f"The export's ZIP archive is refused: {member}{reason}. Nothing was published.")


def _shown(name: str) -> str:
    return repr(name if len(name) <= 200 else name[:200] + "…")


def _check_entry(entry: Entry) -> None:
    name = entry.name
    _check_name(name)
    if entry.flags & _ENCRYPTED or entry.method == 99:
        _refuse("is encrypted", name)
    kind = stat.S_IFMT(entry.mode)
    if name.endswith("/"):
        if entry.size or kind not in {0, stat.S_IFDIR}:
            _refuse("is named like a folder and holds data", name)
        return
    if kind == stat.S_IFLNK:
        _refuse("is a link", name)
    if kind not in {0, stat.S_IFREG}:
        _refuse("is neither a file nor a folder", name)
    if entry.method not in {STORED, DEFLATED}:
        _refuse(f"is compressed with {_METHODS.get(entry.method, f'method {entry.method}')}, not deflate", name)
    if entry.method == STORED and entry.size != entry.packed:
        zip_directory.damaged(f"member {_shown(name)} is not compressed, yet its two sizes differ")
    if entry.size > RATIO_COUNTS_FROM and is_absurd(entry.size, entry.packed):
        _refuse(
            f"would grow from {entry.packed} to {entry.size} bytes; more than {_MOST_RATIO}:1 is no honest file", name
        )


def _check_name(name: str) -> None:
    parts = name.removesuffix("/").split("/")
    reason = ""
    if not name or name == "/":
        reason = "has no name"
    elif name.startswith("/"):
        reason = "has an absolute path"
    elif "\\" in name:
        reason = "has a backslash in its path"
    elif _DRIVE.match(name):
        reason = "has a drive letter in its path"
    elif any(part == ".." for part in parts):
        reason = "leads out of its folder"
    elif any(part in {"", "."} for part in parts):
        reason = "has an empty part in its path"
    elif any(unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} or sign in _DIRECTION_MARKS for sign in name):
        reason = "has control characters in its name"
    elif any(len(part.encode()) > _LONGEST_PART for part in parts):
        reason = f"has a name of more than {_LONGEST_PART} bytes"
    elif _same_key(parts[0]) == MANIFEST_NAME:
        reason = "has the name of the manifest"
    if reason:
        _refuse(reason, name)


def _check_names_together(names: Iterable[str]) -> None:
    files: dict[str, str] = {}
    for name in names:
        key = _same_key(name)
        if key in files:
            _refuse(f"has the same name as member {_shown(files[key])}", name)
        files[key] = name
    for key, name in files.items():
        parts = key.split("/")
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in files:
                _refuse("lies in a folder that is a file as well", name)


def _same_key(name: str) -> str:
    """What is one name on a file system that ignores case or normalises Unicode."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _local_header(fd: int, entry: Entry, directory: Directory) -> LocalHeader:
    header = zip_directory.read_local_header(fd, entry, directory.offset)
    if header.raw_name != entry.raw_name:
        shown = _shown(header.raw_name.decode("utf-8", "replace"))
        _refuse(f"is called {shown} in front of its data", entry.name)
    if header.method != entry.method or (header.flags ^ entry.flags) & _ENCRYPTED:
        _refuse("is described in two ways that contradict each other", entry.name)
    promised = (entry.crc32, entry.packed, entry.size)
    if not header.flags & zip_directory.SIZES_FOLLOW and (header.crc32, header.packed, header.size) != promised:
        zip_directory.damaged(f"member {_shown(entry.name)} has other sizes or checksums in front of its data")
    if header.data_offset + entry.packed > directory.offset:
        zip_directory.damaged(f"member {_shown(entry.name)} reaches into the directory")
    return header


def _check_extents(fd: int, directory: Directory, entries: list[Entry], headers: list[LocalHeader]) -> None:
    order = sorted(zip(entries, headers, strict=True), key=lambda pair: pair[0].offset)
    if order[0][0].offset != 0:
        _refuse("other data stands in front of its first member")
    starts = [entry.offset for entry, _ in order[1:]] + [directory.offset]
    for (entry, header), following in zip(order, starts, strict=True):
        end = header.data_offset + entry.packed
        if end > following:
            _refuse("overlaps another member", entry.name)
        if _holds_a_header(fd, end, following):
            _refuse("is followed by a member that the directory does not list", entry.name)


def _holds_a_header(fd: int, start: int, end: int) -> bool:
    gap = os.pread(fd, min(end - start, 28), start)
    return any(gap[at : at + 4] == zip_directory.LOCAL_MAGIC for at in zip_directory.DESCRIPTOR_LENGTHS)
