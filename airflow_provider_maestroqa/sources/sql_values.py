"""Values of a database that Python cannot hold, such as a time of the year 15000 or before Christ.

Drivers convert values while they fetch, and one that they cannot convert would end the query. Their converters are
wrapped here, so that it becomes a :class:`~.base.BadCell`, and its row one rejected record.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from airflow_provider_maestroqa.sources.base import BadCell, unreadable_value

#: PostgreSQL's dates and times, and lists of them. psycopg2 turns infinite ones into the last that Python has.
_TIME_OIDS = frozenset({1082, 1114, 1184, 1115, 1182, 1185})


def guard_psycopg2(cursor: Any) -> None:
    """Wrap the converters that a cursor of psycopg2 uses."""
    extensions = importlib.import_module("psycopg2.extensions")
    for oid, convert in list(extensions.string_types.items()):
        guarded = partial(_convert, convert, oid in _TIME_OIDS)
        extensions.register_type(extensions.new_type((oid,), "MAESTROQA", guarded), cursor)


def guard_psycopg(cursor: Any) -> None:
    """Wrap the converters that a cursor of psycopg 3 uses."""
    adapt = importlib.import_module("psycopg.adapt")
    for info in list(cursor.adapters.types):
        for oid in (info.oid, info.array_oid):
            loader = cursor.adapters.get_loader(oid, adapt.Loader.format) if oid else None
            if loader is not None:
                cursor.adapters.register_loader(oid, _guarded_loader(adapt.Loader, loader))


def guard_sqlite(connection: Any) -> None:
    """Wrap what a connection to SQLite makes of text, which need not be UTF-8 there."""
    if connection.text_factory is str:
        connection.text_factory = lambda text: _or_bad_cell(bytes.decode, text)


def _convert(convert: Callable[[Any, Any], Any], is_time: bool, text: Any, cursor: Any) -> Any:
    if is_time and text is not None and "infinity" in text:
        return BadCell(text, unreadable_value(text))
    return _or_bad_cell(convert, text, cursor)


def _guarded_loader(base: Any, loader: Any) -> type[Any]:
    class GuardedLoader(base):
        # Not a subclass of the loader: its C functions would go by what it was before.
        def __init__(self, oid: int, context: Any = None) -> None:
            super().__init__(oid, context)
            self._load = loader(oid, context).load

        def load(self, data: Any) -> Any:
            return _or_bad_cell(self._load, data)

    return GuardedLoader


def _or_bad_cell(convert: Callable[..., Any], value: Any, *rest: Any) -> Any:
    try:
        return convert(value, *rest)
    except Exception as error:  # noqa: BLE001 - each driver brings errors of its own
        text = value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")
        return BadCell(text, unreadable_value(text, error))
