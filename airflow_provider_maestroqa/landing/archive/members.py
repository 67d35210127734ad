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
from airflow_provider_maestroqa.client.formatting import format_size
from airflow_provider_maestroqa.landing.archive import zip_directory
from airflow_provider_maestroqa.landing.archive.zip_directory import Directory, Header, display, raise_damaged

STORED, DEFLATED = 0, 8

#: The manifest lies beside the members.
MANIFEST_NAME = "_manifest.json"

_MAX_MEMBERS = 10_000
_MAX_RATIO = 200
#: Bytes of content from which on the ratio counts.
MIN_RATIO_SIZE = 64 << 20
# What a file system takes as one part of a path, less what a temporary name adds.
_MAX_PART_BYTES = 200
# S3 takes 1,024 for a prefix and a name together.
_MAX_NAME_BYTES = 900
_MAX_PARTS = 50
# What macOS packs beside the files: icons and attributes.
_MACOS_FOLDER, _MACOS_FILE = "__MACOSX/", ".DS_Store"
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
    :param compressed_size: bytes of its data in the archive.
    :param size: bytes of its content.
    :param crc32: of its content.
    :param container: what holds it, for messages.
    """

    name: str
    method: int
    start: int
    compressed_size: int
    size: int
    crc32: int
    container: str = "ZIP archive"


def read_members(fd: int, size: int, *, max_content_bytes: int) -> list[Member]:
    """Check an archive's structure as a whole and list its files.

    What is in the files is checked when they are read.

    :param max_content_bytes: the most that all files together may hold.
    :return: at least one member, in the archive's own order.
    :raises MaestroQADataError: with the member's name and the reason.
    """
    directory = zip_directory.read_directory(fd, size)
    if directory.entries > _MAX_MEMBERS:
        _reject(f"it has {directory.entries} members; at most {_MAX_MEMBERS} are allowed")
    entries = list(zip_directory.read_entries(fd, directory))
    headers = [_local_header(fd, entry, directory) for entry in entries]
    for entry, header in zip(entries, headers, strict=True):
        _check_entry(entry, header)
    _check_extents(fd, directory, entries, headers)
    members = [
        Member(path, entry.method, header.offset, entry.compressed_size, entry.size, entry.crc32)
        for entry, header in zip(entries, headers, strict=True)
        if (path := _path_of(entry.name)) and not entry.name.endswith("/") and not _is_of_macos(path)
    ]
    if not members:
        _reject("it holds no files")
    _check_no_clashes([member.name for member in members])
    content_bytes = sum(member.size for member in members)
    if content_bytes > max_content_bytes:
        allowed = format_size(max_content_bytes)
        _reject(f"its files hold {format_size(content_bytes)} unpacked; {allowed} are allowed")
    if content_bytes > MIN_RATIO_SIZE and is_zip_bomb(content_bytes, size):
        _reject(f"it would grow from {size} to {content_bytes} bytes; more than {_MAX_RATIO}:1 is not allowed")
    return members


def is_zip_bomb(size: int, compressed_size: int) -> bool:
    """Whether content is out of all proportion to what it was compressed to."""
    return size > _MAX_RATIO * compressed_size


def reject_hidden_archive(fd: int, size: int) -> None:
    """Raise ``MaestroQADataError`` for a file that ends as a ZIP archive but begins as something else."""
    if zip_directory.has_end_record(fd, size):
        if zip_directory.begins_with_member(fd, size):
            raise_damaged("its first bytes are altered")
        _reject("other data stands in front of it (a self-extracting archive, for example)")


def _reject(reason: str, name: str | None = None, *, is_certain: bool = True) -> NoReturn:
    """Reject the archive.

    :param is_certain: whether one altered byte cannot be the cause, because two places say the same.
    """
    member = "" if name is None else f"member {display(name)} "
    raise MaestroQADataError(
        f"The export's ZIP archive is rejected: {member}{reason}. Nothing was published."
        + ("" if is_certain else " It may be damaged; a retry downloads it again."),
        retryable=not is_certain,
    )


def _check_entry(entry: Header, header: Header) -> None:
    """Check one entry of the directory, which does not contradict the header in front of the data."""
    name = entry.name
    _check_name(name)
    if entry.flags & _ENCRYPTED or entry.method == 99:
        _reject("is encrypted", name)
    # The mode is in the directory only, and so are the sizes where a descriptor follows the data.
    sizes_are_certain = not header.flags & zip_directory.HAS_DESCRIPTOR
    file_type = stat.S_IFMT(entry.mode)
    if name.endswith("/"):
        if entry.size:
            _reject("is named like a folder and holds data", name, is_certain=sizes_are_certain)
        if file_type not in {0, stat.S_IFDIR}:
            _reject("is named like a folder and is none", name, is_certain=False)
        return
    if file_type == stat.S_IFLNK:
        _reject("is a link", name, is_certain=False)
    if file_type not in {0, stat.S_IFREG}:
        _reject("is neither a file nor a folder", name, is_certain=False)
    if entry.method not in {STORED, DEFLATED}:
        _reject(f"is compressed with {_METHODS.get(entry.method, f'method {entry.method}')}, not deflate", name)
    if entry.method == STORED and entry.size != entry.compressed_size:
        raise_damaged(f"member {display(name)} is not compressed, yet its two sizes differ")
    if entry.size > MIN_RATIO_SIZE and is_zip_bomb(entry.size, entry.compressed_size):
        _reject(
            f"would grow from {entry.compressed_size} to {entry.size} bytes; more than {_MAX_RATIO}:1 is not allowed",
            name,
            is_certain=sizes_are_certain,
        )


def _path_of(name: str) -> str:
    """The path that a name means: ``./x.csv`` is ``x.csv``; empty for the archive's own folder."""
    return "/".join(part for part in name.removesuffix("/").split("/") if part != ".")


def _is_of_macos(path: str) -> bool:
    return path.startswith(_MACOS_FOLDER) or path.rpartition("/")[2] == _MACOS_FILE


def _check_name(name: str) -> None:
    parts = name.removesuffix("/").split("/")
    if len(name.encode()) > _MAX_NAME_BYTES or len(parts) > _MAX_PARTS:
        _reject(f"has a path of more than {_MAX_NAME_BYTES} bytes or {_MAX_PARTS} parts", name)
    reason = ""
    if not name or name == "/":
        reason = "has no name"
    elif name.startswith("/"):
        reason = "has an absolute path"
    elif "\\" in name:
        reason = "has a backslash in its path"
    elif _DRIVE.match(name):
        reason = "has a drive letter in its path"
    elif ".." in parts:
        reason = "leads out of its folder"
    elif "" in parts or name.endswith("/.") or name == ".":
        reason = "has an empty part in its path"
    elif any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or char in _DIRECTION_MARKS for char in name):
        reason = "has control characters in its name"
    elif any(len(part.encode()) > _MAX_PART_BYTES for part in parts):
        reason = f"has a name of more than {_MAX_PART_BYTES} bytes"
    elif _fold(_path_of(name)).partition("/")[0] == MANIFEST_NAME:
        reason = "has the name of the manifest"
    if reason:
        _reject(reason, name)


def _check_no_clashes(names: Iterable[str]) -> None:
    files: dict[str, str] = {}
    folders: set[str] = set()
    for name in names:
        key = _fold(name)
        if key in files:
            _reject(f"has the same name as member {display(files[key])}", name)
        files[key] = name
        folder = key.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    for key in files.keys() & folders:
        _reject("is a folder of other members as well", files[key])


def _fold(name: str) -> str:
    """What is one name on a file system that ignores case or normalizes Unicode."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _local_header(fd: int, entry: Header, directory: Directory) -> Header:
    header = zip_directory.read_local_header(fd, entry, directory.offset)
    if header.raw_name != entry.raw_name:
        shown = display(header.raw_name.decode("utf-8", "replace"))
        raise_damaged(f"member {display(entry.name)} is called {shown} in front of its data")
    if header.method != entry.method or (header.flags ^ entry.flags) & _ENCRYPTED:
        raise_damaged(f"member {display(entry.name)} is described in two ways that contradict each other")
    declared = (entry.crc32, entry.compressed_size, entry.size)
    if (
        not header.flags & zip_directory.HAS_DESCRIPTOR
        and (header.crc32, header.compressed_size, header.size) != declared
    ):
        raise_damaged(f"member {display(entry.name)} has other sizes or checksums in front of its data")
    if header.offset + entry.compressed_size > directory.offset:
        raise_damaged(f"member {display(entry.name)} reaches into the directory")
    return header


def _check_extents(fd: int, directory: Directory, entries: list[Header], headers: list[Header]) -> None:
    order = sorted(zip(entries, headers, strict=True), key=lambda pair: pair[0].offset)
    if not order:
        return
    if order[0][0].offset != 0:
        _reject("other data stands in front of its first member")
    next_starts = [entry.offset for entry, _ in order[1:]] + [directory.offset]
    for (entry, header), next_start in zip(order, next_starts, strict=True):
        end = header.offset + entry.compressed_size
        if end > next_start:
            _reject("overlaps another member", entry.name, is_certain=False)
        gap = os.pread(fd, min(next_start - end, zip_directory.MAX_GAP), end)
        if zip_directory.find_local_header(gap) is not None:
            _reject("is followed by a member that the directory does not list", entry.name)
