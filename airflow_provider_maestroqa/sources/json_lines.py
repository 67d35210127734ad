"""JSON Lines files as rows."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any, NoReturn

from airflow_provider_maestroqa.sources.base import MAX_LINE_BYTES, Row, show_value
from airflow_provider_maestroqa.sources.files import OpenFile

_MAX_SHOWN = 1000


class JsonLines:
    """The objects of a JSON Lines file, one in each line. Empty lines are skipped.

    A line without an object is a row with an error, so that it does not cost the others.

    :param file: the file.
    """

    unit = "line"

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        #: The bytes of the lines that were read.
        self.size = 0

    def __iter__(self) -> Iterator[Row]:
        number = 0
        while line := self._file.readline(MAX_LINE_BYTES + 1):
            number += 1
            self.size += len(line)
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if len(line) > MAX_LINE_BYTES:
                self._skip_rest()
                yield Row(
                    number, _text(line[:_MAX_SHOWN]) + "...", f"the line has more than {MAX_LINE_BYTES:,} bytes"
                )
            elif line.strip():
                yield _row(number, line)

    def _skip_rest(self) -> None:
        while (rest := self._file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            pass


class _BadLineError(ValueError):
    """A line holds JSON that is not good enough."""


def _row(number: int, line: bytes) -> Row:
    try:
        value = json.loads(
            line.decode("utf-8"), object_pairs_hook=_reject_duplicates, parse_constant=_reject_constant
        )
    except UnicodeDecodeError as error:
        message = f"the line is not UTF-8: its byte {error.start + 1} is {line[error.start]:#04x}"
    except _BadLineError as error:
        message = f"the line {error}"
    except RecursionError:
        message = "the line is nested too deep"
    except ValueError as error:
        at = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
        message = f"the line is not JSON ({getattr(error, 'msg', error)}{at}): {show_value(_text(line))}"
    else:
        if isinstance(value, dict):
            return Row(number, value)
        hint = "; a JSON array is not JSON Lines, which has one object a line" if isinstance(value, list) else ""
        return Row(number, value, f"the line must hold a JSON object, and holds a {type(value).__name__}{hint}")
    if line.lstrip().startswith(b"["):
        message += "; a JSON array is not JSON Lines, which has one object a line"
    return Row(number, _text(line), message)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").strip()


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise _BadLineError(f"has the key {show_value(duplicate)} more than once")
    return value


def _reject_constant(name: str) -> NoReturn:
    raise _BadLineError(f"holds {name}, which JSON does not have")
