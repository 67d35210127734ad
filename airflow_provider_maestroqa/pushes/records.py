"""Records on their way in: read one at a time, checked, numbered, and digested so that a retry knows them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError

#: The digest before the first record.
START = b""
_MOST_SPANS = 12


@dataclass(frozen=True)
class Located:
    """A record whose source knows where it stands.

    :param record: the record.
    :param place: where, such as ``s3://bucket/metrics.csv line 12``.
    :param problem: why it cannot travel, where the source knows that already.
    """

    record: object
    place: str
    problem: str = ""


@dataclass(frozen=True)
class Item:
    """One record of a source.

    :param index: its number, from 0.
    :param record: the record as the source gave it.
    :param body: the record as it travels; ``None`` when it cannot.
    :param size: the bytes of the body as JSON.
    :param problem: why it cannot travel.
    :param digest: of this record and all before it.
    :param place: where the source has it, where it knows.
    """

    index: int
    record: object
    body: dict[str, Any] | None
    size: int
    problem: str
    digest: bytes
    place: str

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return f"record {self.index}{f' ({self.place})' if self.place else ''}"


def read_items(records: Iterable[object], check: Callable[[object], dict[str, Any]]) -> Iterator[Item]:
    """Check records as they come.

    :param records: dicts, or :class:`Located` ones.
    :param check: gives back what travels, or raises ``MaestroQADataError``.
    """
    digest = START
    for index, given in enumerate(records):
        located = given if isinstance(given, Located) else Located(given, "")
        record, place, problem = located.record, located.place, located.problem
        digest = hashlib.sha256(digest + as_json(record)).digest()
        body, size = None, 0
        try:
            if not problem:
                body = check(record)
                size = len(as_json(body))
        except MaestroQADataError as error:
            problem = error.message
        yield Item(index, record, body, size, problem, digest, place)


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


def checked_source(records: object, what: str) -> Iterable[object]:
    """Tell records from what a broken template or an empty XCom leaves.

    :param what: what the records are called, for the error.
    :raises MaestroQAConfigError: these are no records.
    """
    if isinstance(records, (str, bytes)):
        raise MaestroQAConfigError(
            f"The {what} are text, not a list of dicts: a template renders to text. Pass the task's output itself "
            "(such as rows=query.output), or set render_template_as_native_obj=True on the DAG."
        )
    if isinstance(records, Mapping) or not isinstance(records, Iterable):
        raise MaestroQAConfigError(
            f"The {what} must be an iterable of dicts, got {type(records).__name__}. "
            + ("Put the one record into a list." if isinstance(records, Mapping) else "Look at what feeds it.")
        )
    return records


def spans(indexes: Sequence[int]) -> str:
    """Numbers as a person writes them: ``3, 7, 10 to 499``."""
    found: list[list[int]] = []
    for index in indexes:
        if found and index == found[-1][1] + 1:
            found[-1][1] = index
        else:
            found.append([index, index])
    said = [f"{first}" if first == last else f"{first} to {last}" for first, last in found[:_MOST_SPANS]]
    return ", ".join(said) + (f" and {len(found) - _MOST_SPANS} more stretches" if len(found) > _MOST_SPANS else "")


def describe(items: Sequence[Item]) -> str:
    """Name records, by their numbers and by where the first one stands."""
    if len(items) == 1:
        return items[0].label
    first = f" (the first one: {items[0].place})" if items[0].place else ""
    return f"records {spans([item.index for item in items])}{first}"
