"""The manifest, which describes what was landed. It is written last: its presence is the commit.

::

    {"export_id" | "resource", "has_data", "destination", "window", "partition_key"?, "file_format"?, "clean"?,
     "files": [{"name", "uri", "bytes", "sha256", "content_bytes", "crc32", "verified"?, "rows"?,
                "columns"?, "natural_key"?, "duplicate_keys"?, "null_counts"?, "unreadable_dates"?}],
     "manifest"}

``bytes`` and ``sha256`` describe the stored object; ``content_bytes`` and ``crc32`` (8 hexadecimal digits) the file
before compression; for a cleaned file, after cleaning. With ``file_format="zip"`` the object is the archive as it
came: both pairs describe the archive itself, and ``rows`` counts the records of all its CSV files. A Parquet file is
compressed inside, not as a whole: both pairs describe the object. A cleaned file has ``rows`` and the five keys after
it. ``duplicate_keys`` is null where the natural key is not known; earlier versions did not store it.

``partition_key`` is the key of the partition of the run that landed it, on Airflow 3.2 and newer.

An export with data has ``file_format`` and ``clean``. Version 0.1.0 did not store them: its manifests are matched by
the names and sizes of their files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.landing.archive.members import MANIFEST_NAME
from airflow_provider_maestroqa.landing.clean.cells import ColumnStats
from airflow_provider_maestroqa.storage.base import StorageDeniedError, Store

ARCHIVE_NAME = "export.zip"
BARE_NAME = "export.csv"
PARQUET = "parquet"


@dataclass(frozen=True)
class LandedFile:
    """One published object.

    :param name: relative to the destination.
    :param bytes: of the object.
    :param sha256: of the object, in hexadecimal digits.
    :param content_bytes: of the file before compression.
    :param crc32: of the file before compression.
    :param verified: what the check rests on that it is MaestroQA's file; ``None`` for records of the API.
    :param rows: records without the header; ``None`` when they were not counted.
    :param column_stats: what is in a cleaned file; ``None`` for any other.
    """

    name: str
    bytes: int
    sha256: str
    content_bytes: int
    crc32: int
    verified: str | None = None
    rows: int | None = None
    column_stats: ColumnStats | None = None

    def entry(self, store: Store) -> dict[str, Any]:
        """The file's entry in the manifest."""
        entry: dict[str, Any] = {
            "name": self.name,
            "uri": store.uri(self.name),
            "bytes": self.bytes,
            "sha256": self.sha256,
            "content_bytes": self.content_bytes,
            "crc32": f"{self.crc32:08x}",
        }
        if self.verified is not None:
            entry["verified"] = self.verified
        if self.rows is not None:
            entry["rows"] = self.rows
        if self.column_stats is not None:
            entry.update(self.column_stats.entry())
        return entry


def build(
    store: Store,
    subject: Mapping[str, str],
    *,
    window: Mapping[str, Any] | None,
    files: Sequence[LandedFile],
    partition_key: str | None = None,
    form: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe what was landed.

    :param store: where it is.
    :param subject: what it is: ``{"export_id": …}`` or ``{"resource": …}``.
    :param window: the time that it covers.
    :param files: empty when there is no data.
    :param partition_key: of the run; ``None`` for a run that has no partition.
    :param form: how it was landed: ``{"file_format": …, "clean": …}``.
    """
    return {
        **subject,
        "has_data": bool(files),
        "destination": store.uri(),
        # As it will be read: a time becomes text here, not only in the stored object.
        "window": json.loads(json.dumps(window, default=str)),
        **({} if partition_key is None else {"partition_key": partition_key}),
        **(form or {}),
        "files": [file.entry(store) for file in files],
        "manifest": store.uri(MANIFEST_NAME),
    }


def encode(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as it is stored."""
    return json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n"


def write(store: Store, manifest: Mapping[str, Any]) -> None:
    """Write a manifest, whatever is there."""
    store.put_bytes(MANIFEST_NAME, encode(manifest))


@dataclass(frozen=True)
class StoredManifest:
    """What is in the place of the manifest.

    :param manifest: of an earlier landing; ``None`` when there is none that can be read.
    :param version: of the object, see :class:`~airflow_provider_maestroqa.storage.base.Store`.
    """

    manifest: dict[str, Any] | None
    version: str | None


def read(store: Store) -> StoredManifest:
    """Read the manifest of an earlier landing.

    Without the right to list a bucket, S3 responds 403 for an object that does not exist. So denied access counts as
    a missing manifest here; credentials that may not write either fail when the landing begins to write.
    """
    try:
        data, version = store.get_versioned(MANIFEST_NAME)
    except StorageDeniedError:
        return StoredManifest(None, None)
    try:
        manifest = json.loads(data or b"")
    except (ValueError, RecursionError):
        manifest = None
    return StoredManifest(manifest if isinstance(manifest, dict) else None, version)


def matches(
    manifest: Mapping[str, Any], store: Store, *, export_id: str, file_format: str, clean: bool, count_rows: bool
) -> bool:
    """Whether a manifest describes what a landing with these arguments would publish, and all of it still exists."""
    files = manifest.get("files")
    if (
        manifest.get("export_id") != export_id
        or manifest.get("destination") != store.uri()
        or not isinstance(files, list)
        or not all(_is_entry(file) for file in files)
    ):
        return False
    if manifest.get("has_data") is False:
        return not files
    if not files or not _has_form(manifest, files, file_format, clean=clean):
        return False
    if count_rows and not all("rows" in file for file in files if is_table(file["name"])):
        return False
    return all(_exists(store, file) for file in files)


def is_csv(name: str) -> bool:
    """Whether a file of this name in an archive is a table, which can be cleaned."""
    return name.lower().endswith(".csv")


def is_table(name: str) -> bool:
    """Whether the records of a file of this name can be counted."""
    return name.lower().removesuffix(".gz").endswith((".csv", ".zip"))


def _is_entry(file: object) -> bool:
    return (
        isinstance(file, dict)
        and isinstance(file.get("name"), str)
        and isinstance(file.get("bytes"), int)
        and isinstance(file.get("content_bytes"), int)
    )


def _has_form(
    manifest: Mapping[str, Any], files: Sequence[Mapping[str, Any]], file_format: str, *, clean: bool
) -> bool:
    if "file_format" in manifest:
        return manifest["file_format"] == file_format and manifest.get("clean") is clean
    return _seems_formatted(files, file_format) and _seems_clean(files, file_format, clean=clean)


def _seems_formatted(files: Sequence[Mapping[str, Any]], file_format: str) -> bool:
    """Guess from the files whether a manifest of version 0.1.0 is of this format."""
    is_unpacked = all(file["bytes"] == file["content_bytes"] for file in files)
    names = [file["name"] for file in files]
    if file_format == "csv.gz":
        return not is_unpacked and all(name.endswith(".gz") for name in names)
    if file_format == "zip":
        return is_unpacked and names in ([ARCHIVE_NAME], [BARE_NAME])
    return is_unpacked and names != [ARCHIVE_NAME]


def _seems_clean(files: Sequence[Mapping[str, Any]], file_format: str, *, clean: bool) -> bool:
    """Guess from the files' columns whether a manifest of version 0.1.0 is of cleaned files."""
    if file_format == PARQUET:
        return all(file["name"].endswith(f".{PARQUET}") if "columns" in file else not _is_csv(file) for file in files)
    return all(("columns" in file) == (clean and _is_csv(file)) for file in files)


def _is_csv(file: Mapping[str, Any]) -> bool:
    return is_csv(file["name"].removesuffix(".gz"))


def _exists(store: Store, file: Mapping[str, Any]) -> bool:
    try:
        return store.size(file["name"]) == int(file["bytes"])
    except StorageDeniedError:
        return False
