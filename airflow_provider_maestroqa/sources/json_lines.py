"""JSON Lines files as rows."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, NoReturn

from airflow_provider_maestroqa.sources.base import LARGEST_LINE, Row
from airflow_provider_maestroqa.sources.coercion import shown
from airflow_provider_maestroqa.sources.files import Opened

_KEPT = 1000


class JsonLines:
    """The objects of a JSON Lines file, one in each line. Empty lines are passed over.

    A line that holds no object is a row with a problem, so that it does not cost the others.

    :param opened: the file.
    """

    unit = "line"

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        #: Bytes of the lines that were read.
        self.size = 0

    def __iter__(self) -> Iterator[Row]:
        number = 0
        while line := self._opened.readline(LARGEST_LINE + 1):
            number += 1
            self.size += len(line)
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if len(line) > LARGEST_LINE:
                self._skip_rest()
                yield Row(number, _text(line[:_KEPT]) + "...", f"the line has more than {LARGEST_LINE:,} bytes")
            elif line.strip():
                yield _row(number, line)

    def _skip_rest(self) -> None:
        while (rest := self._opened.readline(LARGEST_LINE)) and not rest.endswith(b"\n"):
            pass


class _BadLineError(ValueError):
    """A line holds JSON that is not good enough."""


def _row(number: int, line: bytes) -> Row:
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        problem = f"the line is not UTF-8: its byte {error.start + 1} is {line[error.start]:#04x}"
    except _BadLineError as error:
        problem = f"the line {error}"
    except RecursionError:
        problem = "the line is nested too deep"
    except ValueError as error:
        at = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        problem = f"the line is no JSON ({getattr(error, 'msg', error)}{at}): {shown(_text(line))}"
    else:
        if isinstance(value, dict):
            return Row(number, value)
        hint = "; a JSON array is not JSON Lines, which has one object a line" if isinstance(value, list) else ""
        return Row(number, value, f"the line must hold a JSON object, and holds a {type(value).__name__}{hint}")
    if line.lstrip().startswith(b"["):
        problem += "; a JSON array is not JSON Lines, which has one object a line"
    return Row(number, _text(line), problem)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").strip()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _BadLineError(f"has the key {shown(twice)} more than once")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise _BadLineError(f"holds {name}, which JSON does not have")
