"""The objects on the storage host: files on this machine's disk with an ETag."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from airflow_provider_maestroqa.sandbox.data.export_files import ExportFile


@dataclass(frozen=True)
class StoredObject:
    """What a presigned URL gives."""

    key: str
    file: Path
    size: int
    sha256: str
    md5: str
    modified: float
    content_type: str
    files: Mapping[str, ExportFile] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """Strong, quoted, and the MD5, as that of an object that S3 stores in one part."""
        return f'"{self.md5}"'


class HashingFile(io.RawIOBase):
    """Writes to a file, and computes the length and the digests of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write all of it."""
        self._sha256.update(data)
        self._md5.update(data)
        self.size += len(data)
        return self._file.write(data)

    @property
    def sha256(self) -> str:
        """Of all that was written so far."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str:
        """Of all that was written so far."""
        return self._md5.hexdigest()
