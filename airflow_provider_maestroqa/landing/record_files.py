"""Records as gzipped JSON Lines, written to temporary space: one JSON object a line, in UTF-8."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.temp_file import TempFile
from airflow_provider_maestroqa.landing.archive.content import ContentDigest, read_range
from airflow_provider_maestroqa.storage.compression import Engine

# No name, no time, "unknown" system: the same records give the same bytes.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_TRAILER = struct.Struct("<2L")
_BLOCK = 1 << 17


class RecordFile:
    """One file on its way.

    :param name: what it will be called.
    :param scratch: takes its bytes.
    :param engine: compresses.
    """

    def __init__(self, name: str, scratch: TempFile, engine: Engine) -> None:
        self.name = name
        self.rows = 0
        #: Size and CRC-32 before compression.
        self.content = ContentDigest(engine, count_rows=False)
        self._scratch = scratch
        self._deflater = engine.deflater()
        self._lines: list[bytes] = []
        self._waiting = 0
        scratch.write(_HEADER)

    @property
    def size(self) -> int:
        """Its bytes so far, compressed."""
        return self._scratch.size

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record.

        :raises MaestroQADataError: it holds what JSON cannot, such as NaN.
        """
        line = self._line(record)
        self.rows += 1
        self._lines.append(line)
        self._waiting += len(line)
        if self._waiting >= _BLOCK:
            self._pack()

    def finish(self) -> None:
        """All records have been written."""
        self._pack()
        self._scratch.write(self._deflater.flush())
        self._scratch.write(_TRAILER.pack(self.content.crc32, self.content.size & 0xFFFFFFFF))

    def blocks(self) -> Iterator[bytes]:
        """Its bytes; only after :meth:`finish`."""
        return read_range(self._scratch.fileno(), 0, self._scratch.size)

    def _pack(self) -> None:
        block = b"".join(self._lines)
        self._lines.clear()
        self._waiting = 0
        self.content.add(block)
        packed = self._deflater.compress(block)
        if packed:
            self._scratch.write(packed)

    def _line(self, record: Mapping[str, Any]) -> bytes:
        failure = ""
        try:
            text = _DUMP(record)
        except (ValueError, TypeError) as error:
            failure, text = str(error), ""
        if failure:
            raise MaestroQADataError(f"Record {self.rows} of {self.name} cannot be written as JSON: {failure}.")
        try:
            return text.encode() + b"\n"
        except UnicodeEncodeError:
            # Half of a pair of surrogates has no form in UTF-8, but it has an escape.
            return json.dumps(record, separators=(",", ":")).encode() + b"\n"


_DUMP = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
