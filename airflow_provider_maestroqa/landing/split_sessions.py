"""Which files a resource becomes, and which rows a record becomes in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Row = tuple[str, Mapping[str, Any]]
#: Turns a record into rows, each with the name of its file.
Shape = Callable[[Mapping[str, Any]], Iterator[Row]]

ENDING = ".jsonl.gz"
EXPORT = "coaching_sessions_export"
#: The nested lists of an exported session, and the file of each.
_NESTED = {"coachingPoints": "coaching_points", "todos": "todos", "activityLog": "activity_log"}


def file_names(resource: str, *, split_nested: bool) -> tuple[str, ...]:
    """The files of a resource; always all of them, even when one has no rows."""
    return tuple(f"{name}{ENDING}" for name in (("sessions", *_NESTED.values()) if split_nested else (resource,)))


def shape_of(resource: str, *, split_nested: bool) -> Shape:
    """How the records of a resource become rows."""
    if split_nested:
        return split_session
    name = f"{resource}{ENDING}"

    def whole(record: Mapping[str, Any]) -> Iterator[Row]:
        yield name, record

    return whole


def split_session(session: Mapping[str, Any]) -> Iterator[Row]:
    """An exported session as rows of four files that can be joined.

    Each nested row carries ``session_id``. The rows of ``activity_log`` have no id of their own, so they carry their
    ``position`` in the session, from 0. A nested value that is no list of objects stays where it is.
    """
    session_id = session.get("_id", session.get("id"))
    nested = {field: rows for field in _NESTED if (rows := session.get(field)) is None or _is_table(rows)}
    yield f"sessions{ENDING}", {name: value for name, value in session.items() if name not in nested}
    for field, rows in nested.items():
        for position, row in enumerate(rows or ()):
            key = {"session_id": session_id, "position": position}
            if field != "activityLog":
                del key["position"]
            yield f"{_NESTED[field]}{ENDING}", {**key, **row, **key}


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, Mapping) for row in value)
