"""The formats that an export can be landed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airflow_provider_maestroqa.landing.clean.cells import Cleaner
from airflow_provider_maestroqa.landing.clean.encoders import csv_blocks, parquet_blocks, require_pyarrow
from airflow_provider_maestroqa.landing.manifest import PARQUET
from airflow_provider_maestroqa.storage.csv_reader import CsvReader


@dataclass(frozen=True)
class OutputFormat:
    """A format that an export can be landed in. Operators, manifest and docs follow this declaration.

    :param name: as users write it.
    :param extension: of a table, before ``.gz``.
    :param content_type: of a landed table, or of the archive.
    :param encode: writes cleaned records; ``None`` where nothing can be cleaned.
    :param is_gzipped: whether every file is stored as gzip.
    :param keeps_archive: whether a ZIP is stored as it came.
    :param always_cleans: whether tables are cleaned without being asked.
    :param verify_while_downloading: whether members that are not cleaned are checked while the archive arrives. The
        others are inflated anyway while they are sent, and once is enough.
    :param date_remedy: how to land a date that cannot be read; such a cell is an error. Without it, it stays text.
    :param require: raises ``MaestroQAConfigError`` when something is not installed.
    """

    name: str
    extension: str
    content_type: str
    encode: Callable[[CsvReader, Cleaner], Iterator[bytes]] | None
    is_gzipped: bool = False
    keeps_archive: bool = False
    always_cleans: bool = False
    verify_while_downloading: bool = False
    date_remedy: str | None = None
    require: Callable[[], object] = lambda: None

    def stored_name(self, name: str) -> str:
        """The name under which a file is stored that is not a cleaned table."""
        return f"{name}.gz" if self.is_gzipped else name

    def table_name(self, name: str) -> str:
        """The name under which a cleaned CSV file is stored."""
        stem = name if self.extension == "csv" else f"{name[: -len('csv')]}{self.extension}"
        return self.stored_name(stem)


OUTPUT_FORMATS = {
    output_format.name: output_format
    for output_format in (
        OutputFormat("csv.gz", "csv", "application/gzip", csv_blocks, is_gzipped=True, verify_while_downloading=True),
        OutputFormat("csv", "csv", "text/csv", csv_blocks),
        OutputFormat("zip", "zip", "application/zip", None, keeps_archive=True, verify_while_downloading=True),
        OutputFormat(
            PARQUET,
            PARQUET,
            "application/vnd.apache.parquet",
            parquet_blocks,
            always_cleans=True,
            date_remedy="A Parquet timestamp cannot hold it, so nothing was published. clean=True with "
            "file_format='csv.gz' keeps such cells as text, and counts them.",
            require=require_pyarrow,
        ),
    )
}
#: The names of the formats, the default first.
FILE_FORMATS = tuple(OUTPUT_FORMATS)
