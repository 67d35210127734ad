"""Export files of any size: a ZIP of CSV files, or one bare CSV, written as a stream.

Tests and benchmarks use :func:`write_export_file` without a server::

    files = write_export_file("export.zip", export_type="raw", rows=rows_for_bytes(200_000_000), seed=7)
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from airflow_provider_maestroqa.sandbox.data.export_cells import Content
from airflow_provider_maestroqa.sandbox.data.export_rows import Table, file_names, tables

_ZIP64_FROM = 1 << 31


@dataclass(frozen=True)
class ExportFile:
    """The truth about one CSV file of an export, before compression.

    :param name: such as ``total_scores.csv``.
    :param rows: records, the header not counted.
    :param bytes: its length.
    :param sha256: of its bytes, in hexadecimal digits.
    :param crc32: of its bytes, in 8 hexadecimal digits.
    """

    name: str
    rows: int
    bytes: int
    sha256: str
    crc32: str


class GenerationCancelledError(Exception):
    """The sandbox was stopped while a file was being made."""


def is_zip(export_type: str, single_file: str | None) -> bool:
    """Whether this export comes as a ZIP rather than as one bare CSV."""
    return len(file_names(export_type, single_file)) > 1


def write_export_file(
    target: str | Path | IO[bytes],
    *,
    export_type: str = "raw",
    rows: int = 200,
    seed: int = 1,
    single_file: str | None = None,
    content: Content | None = None,
    level: int = 6,
    cancelled: Callable[[], bool] = lambda: False,
) -> Mapping[str, ExportFile]:
    """Write the file that MaestroQA would offer for download, and describe its content.

    The unpacked content depends on the arguments alone. Memory does not grow with the size.

    :param target: a path, or a file open for writing bytes; it need not be seekable.
    :param export_type: ``raw``, ``groups`` or ``audit_log``.
    :param rows: grades, memberships or activities. See :func:`rows_for_bytes`.
    :param seed: another seed, another content.
    :param single_file: only this file of a raw export, as a bare CSV.
    :param content: window and grade types, where they matter; its seed wins.
    :param level: how hard to compress, 1 to 9.
    :param cancelled: called between blocks; once it is true, :class:`GenerationCancelledError` is raised.
    :return: for each CSV file, by name, its records, bytes and checksums.
    """
    if isinstance(target, (str, Path)):
        opened: AbstractContextManager[IO[bytes]] = Path(target).open("wb")  # noqa: SIM115
    else:
        opened = nullcontext(target)
    csv_tables = tables(export_type, rows, content or Content(seed=seed), single_file)
    with opened as file:
        if is_zip(export_type, single_file):
            return _write_zip(file, csv_tables, level, cancelled)
        return {table.name + ".csv": _write_table(file.write, table, cancelled) for table in csv_tables}


def rows_for_bytes(size: int, *, export_type: str = "raw", single_file: str | None = None, seed: int = 1) -> int:
    """How many ``rows`` make an export of about this many bytes, unpacked.

    :param size: bytes wanted, all CSV files together.
    :param export_type: ``raw``, ``groups`` or ``audit_log``.
    :param single_file: the one file of a raw export that is made of one file.
    :param seed: what the sandbox's rows begin with, as for :class:`Sandbox`.
    """
    sample = 2100
    sampled = sum(
        len(block)
        for table in tables(export_type, sample, Content(seed=seed), single_file)
        for block in table.blocks()
    )
    return max(1, round(size * sample / sampled))


def _write_zip(
    target: IO[bytes], csv_tables: list[Table], level: int, cancelled: Callable[[], bool]
) -> Mapping[str, ExportFile]:
    files = {}
    # A file that cannot seek makes zipfile write sizes behind the data, as servers that stream archives do.
    with zipfile.ZipFile(_Unseekable(target), "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:  # type: ignore[call-overload]
        for table in csv_tables:
            info = zipfile.ZipInfo(table.name + ".csv", date_time=(2021, 3, 8, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            _set_level(info, level)
            large = table.rows * 700 > _ZIP64_FROM
            with archive.open(info, "w", force_zip64=large) as member:
                files[info.filename] = _write_table(member.write, table, cancelled)
    return files


def _set_level(info: zipfile.ZipInfo, level: int) -> None:
    # Python renamed the attribute; an entry opened by its ZipInfo ignores the archive's own level.
    name = "compress_level" if hasattr(info, "compress_level") else "_compresslevel"
    setattr(info, name, level)


def _write_table(write: Callable[[bytes], Any], table: Table, cancelled: Callable[[], bool]) -> ExportFile:
    digest, checksum, size = hashlib.sha256(), 0, 0
    for block in table.blocks():
        if cancelled():
            raise GenerationCancelledError
        write(block)
        digest.update(block)
        checksum = zlib.crc32(block, checksum)
        size += len(block)
    return ExportFile(table.name + ".csv", len(table.numbers), size, digest.hexdigest(), f"{checksum:08x}")


class _Unseekable:
    """A file that can only be written to its end."""

    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write
        self.flush = file.flush
