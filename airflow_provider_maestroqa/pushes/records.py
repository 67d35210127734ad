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
    :raises MaestroQADataError: the source has ended, and none of what it gave is a record.
    """
    digest = START
    index, has_record, first = -1, False, ""
    for index, item in enumerate(source):
        located = item if isinstance(item, SourceRecord) else SourceRecord(item, "")
        row, error = located.row, located.error
        has_record = has_record or isinstance(row, Mapping)
        digest = hashlib.sha256(digest + as_json(row)).digest()
        body, size = None, 0
        try:
            if not error:
                body = check(row)
                size = len(as_json(body))
        except MaestroQADataError as invalid:
            error = invalid.message
        first = first or error
        yield Record(index, row, body, size, error, digest, located.position)
    if index >= 0 and not has_record:
        hint = (
            "Check the file." if located.position else "Pass dicts; flatten a list of lists, as mapped tasks give it."
        )
        raise MaestroQADataError(f"None of the {index + 1:,} records is one. The first: {first.rstrip('.')}. {hint}")


def as_json(value: object) -> bytes:
    """A record as JSON, for digests, sizes and people; what JSON cannot hold is written as Python does."""
    try:
        return _ENCODER.encode(value).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        return repr(value).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return f"<{type(value).__name__} that is too large to show>".encode()


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
        records = _from_json(records, name)
    if isinstance(records, Mapping):
        # A mapped task gets its one record.
        return [records]
    if hasattr(records, "to_dict") and hasattr(records, "columns"):
        raise MaestroQAConfigError(f"The {name} are a DataFrame. Pass its rows: frame.to_dict('records').")
    if not isinstance(records, Iterable):
        raise MaestroQAConfigError(
            f"The {name} must be an iterable of dicts, got {type(records).__name__}. Check what produces it."
        )
    return records


def _from_json(text: str | bytes, name: str) -> object:
    """The records that a template has rendered to JSON."""
    try:
        records = json.loads(text)
    except (ValueError, RecursionError):
        records = None
    if isinstance(records, (list, dict)):
        return records
    raise MaestroQAConfigError(
        f"The {name} are text, not a list of dicts: a template renders to text. Pass the task's output itself (such "
        f"as rows=read.output), or let the template render to JSON, with | tojson at its end."
    )


def format_ranges(indexes: Sequence[int]) -> str:
    """Numbers as a person writes them: ``3, 7, 10 to 499``."""
    ranges: list[list[int]] = []
    for index in indexes:
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in ranges)


def describe(records: Sequence[Record]) -> str:
    """Name records, by their numbers and by the position of the first one."""
    if len(records) == 1:
        return records[0].label
    first = f" (the first one: {records[0].position})" if records[0].position else ""
    return f"records {format_ranges([record.index for record in records])}{first}"
