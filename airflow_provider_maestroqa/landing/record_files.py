"""Which files a resource becomes, and their bytes: gzipped JSON Lines in UTF-8, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.temp_file import TempFile
from airflow_provider_maestroqa.landing.archive.content import GZIP_HEADER, GZIP_TRAILER, ContentDigest, read_range
from airflow_provider_maestroqa.storage.compression import Engine

_BLOCK = 1 << 17

#: Turns a record into rows, each with the name of its file.
RowSplitter = Callable[[Mapping[str, Any]], Iterator[tuple[str, Mapping[str, Any]]]]

SUFFIX = ".jsonl.gz"
EXPORT = "coaching_sessions_export"
#: The nested lists of an exported session, and the file of each.
_NESTED = {"coachingPoints": "coaching_points", "todos": "todos", "activityLog": "activity_log"}


class RecordFile:
    """A file that is being written to temporary space.

    :param name: under which it will be published.
    :param temp_file: takes its bytes.
    :param engine: compresses.
    """

    def __init__(self, name: str, temp_file: TempFile, engine: Engine) -> None:
        self.name = name
        self.rows = 0
        #: Size and CRC-32 before compression.
        self.content = ContentDigest(engine, count_rows=False)
        self._temp_file = temp_file
        self._deflater = engine.deflater()
        self._lines: list[bytes] = []
        self._buffered = 0
        temp_file.write(GZIP_HEADER)

    @property
    def size(self) -> int:
        """Its compressed size so far, in bytes."""
        return self._temp_file.size

    def write(self, record: Mapping[str, Any]) -> None:
        """Append a record.

        :raises MaestroQADataError: it contains what JSON cannot hold, such as NaN.
        """
        line = self._line(record)
        self.rows += 1
        self._lines.append(line)
        self._buffered += len(line)
        if self._buffered >= _BLOCK:
            self._compress()

    def finish(self) -> None:
        """Complete the file, after the last record."""
        self._compress()
        self._temp_file.write(self._deflater.flush())
        self._temp_file.write(GZIP_TRAILER.pack(self.content.crc32, self.content.size & 0xFFFFFFFF))

    def blocks(self) -> Iterator[bytes]:
        """Its bytes; only after :meth:`finish`."""
        return read_range(self._temp_file.fileno(), 0, self._temp_file.size)

    def _compress(self) -> None:
        block = b"".join(self._lines)
        self._lines.clear()
        self._buffered = 0
        self.content.add(block)
        self._temp_file.write(self._deflater.compress(block))

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
            # Half of a surrogate pair cannot be written in UTF-8, but it can be escaped.
            return json.dumps(record, separators=(",", ":")).encode() + b"\n"


_DUMP = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def file_names(resource: str, *, split_nested: bool) -> tuple[str, ...]:
    """The files of a resource; always all of them, even when one has no rows."""
    return tuple(f"{name}{SUFFIX}" for name in (("sessions", *_NESTED.values()) if split_nested else (resource,)))


def row_splitter(resource: str, *, split_nested: bool) -> RowSplitter:
    """How the records of a resource become rows."""
    if split_nested:
        return split_session
    name = f"{resource}{SUFFIX}"

    def one_row(record: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield name, record

    return one_row


def split_session(session: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Split an exported session into rows of four files that can be joined.

    Each nested row has ``session_id``. The rows of ``activity_log`` have no id of their own, so they have their
    ``position`` in the session, from 0. A nested value that is not a list of objects stays in the session's row.
    """
    session_id = session.get("_id", session.get("id"))
    nested = {field: rows for field in _NESTED if (rows := session.get(field)) is None or _is_table(rows)}
    yield f"sessions{SUFFIX}", {name: value for name, value in session.items() if name not in nested}
    for field, rows in nested.items():
        for position, row in enumerate(rows or ()):
            key = {"session_id": session_id, "position": position}
            if field != "activityLog":
                del key["position"]
            yield f"{_NESTED[field]}{SUFFIX}", {**key, **row, **key}


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, Mapping) for row in value)
