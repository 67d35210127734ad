"""Records on their way in: read one at a time, checked, numbered, and digested so that a retry recognizes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError

#: The digest before the first record.
START = b""
_MAX_RANGES = 12


@dataclass(frozen=True)
class SourceRecord:
    """A record whose source knows its position.

    :param row: the record.
    :param position: where it stands, such as ``s3://bucket/metrics.csv line 12``.
    :param error: why it cannot be sent, where the source knows that already.
    """

    row: object
    position: str
    error: str = ""


@dataclass(frozen=True)
class Record:
    """One record of a push.

    :param index: its number, from 0.
    :param row: the record as the source gave it.
    :param body: the record as it is sent; ``None`` when it cannot be.
    :param size: the bytes of the body as JSON.
    :param error: why it cannot be sent.
    :param digest: of this record and all before it.
    :param position: where the source has it, where it knows.
    """

    index: int
    row: object
    body: dict[str, Any] | None
    size: int
    error: str
    digest: bytes
    position: str

    @property
    def label(self) -> str:
        """What a message calls it."""
        return f"record {self.index}{f' ({self.position})' if self.position else ''}"


def read_records(source: Iterable[object], check: Callable[[object], dict[str, Any]]) -> Iterator[Record]:
    """Check records as they come.

    :param source: dicts, or :class:`SourceRecord` objects.
    :param check: returns what is sent, or raises ``MaestroQADataError``.
    """
    digest = START
    for index, item in enumerate(source):
        located = item if isinstance(item, SourceRecord) else SourceRecord(item, "")
        row, error = located.row, located.error
        digest = hashlib.sha256(digest + as_json(row)).digest()
        body, size = None, 0
        try:
            if not error:
                body = check(row)
                size = len(as_json(body))
        except MaestroQADataError as invalid:
            error = invalid.message
        yield Record(index, row, body, size, error, digest, located.position)


def as_json(value: object) -> bytes:
    """A record as JSON, for digests, sizes and people; what JSON cannot hold is written as Python does."""
    try:
        return _ENCODER.encode(value).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError):
        return repr(value).encode("utf-8", "surrogatepass")


def _readable(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else str(value)


# Made once: json.dumps would make one for each record, which takes as long as writing the record.
_ENCODER = json.JSONEncoder(default=_readable, ensure_ascii=False)


def check_source(records: object, name: str) -> Iterable[object]:
    """Tell records from what a broken template or an empty XCom leaves.

    :param name: what the records are called, for the error.
    :raises MaestroQAConfigError: these are no records.
    """
    if isinstance(records, (str, bytes)):
        raise MaestroQAConfigError(
            f"The {name} are text, not a list of dicts: a template renders to text. Pass the task's output itself "
            "(such as rows=query.output), or set render_template_as_native_obj=True on the DAG."
        )
    if isinstance(records, Mapping) or not isinstance(records, Iterable):
        raise MaestroQAConfigError(
            f"The {name} must be an iterable of dicts, got {type(records).__name__}. "
            + ("Put the one record into a list." if isinstance(records, Mapping) else "Check what produces it.")
        )
    return records


def format_ranges(indexes: Sequence[int]) -> str:
    """Numbers as a person writes them: ``3, 7, 10 to 499``."""
    ranges: list[list[int]] = []
    for index in indexes:
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    texts = [f"{first}" if first == last else f"{first} to {last}" for first, last in ranges[:_MAX_RANGES]]
    return ", ".join(texts) + (f" and {len(ranges) - _MAX_RANGES} more ranges" if len(ranges) > _MAX_RANGES else "")


def describe(records: Sequence[Record]) -> str:
    """Name records, by their numbers and by the position of the first one."""
    if len(records) == 1:
        return records[0].label
    first = f" (the first one: {records[0].position})" if records[0].position else ""
    return f"records {format_ranges([record.index for record in records])}{first}"
