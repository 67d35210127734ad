"""Decodes the JSON of responses within bounds: how deep it may be nested, and how large one record may be."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

#: How deep a response may be nested. Python, and whatever reads what was landed, gives up not far above this.
MAX_DEPTH = 100
#: Characters of one record in a response that is read record by record.
MAX_RECORD_CHARS = 16 << 20
_SPACE = re.compile(r"[ \t\n\r]*")
_NOT_JSON = "is not JSON from some byte on"
_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels"
#: What a text that breaks off may end in, besides a string.
_WORDS = ("true", "false", "null", "-", ".", "e+", "e-", "E+", "E-")
_MAX_ESCAPE = len(r"\ud83d\ude00")


class InvalidJSONError(ValueError):
    """A response cannot be read. The message is a predicate: what is wrong with it."""


def _reject_constant(name: str) -> None:
    raise ValueError(name)


_decoder = json.JSONDecoder(parse_constant=_reject_constant)


def decode_json(body: bytes) -> Any:
    """Decode a whole JSON text.

    :raises InvalidJSONError: it is not JSON, or nested too deep.
    """
    try:
        value = json.loads(body, parse_constant=_reject_constant)
    except RecursionError:
        raise InvalidJSONError(_TOO_DEEP) from None
    except ValueError:
        # Also a number of thousands of digits, which Python refuses.
        raise InvalidJSONError("is not JSON") from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Raise ``InvalidJSONError`` for a value that is nested too deep, found level by level, without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent if type(parent) is list else ())
            if type(child) in (dict, list)
        ]
        if not level:
            return
    raise InvalidJSONError(_TOO_DEEP)


class JSONArrayParser:
    """Parses a JSON array as it comes, and returns its items one by one. A byte order mark is skipped.

    :param max_item: characters that one item may have.
    """

    def __init__(self, max_item: int = MAX_RECORD_CHARS) -> None:
        self._max_item = max_item
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._blocks: list[str] = []
        self._pending = 0
        # An item that breaks off is parsed again only when twice as much of it is there.
        self._enough = 1
        # What is expected next: "[", the first item or the end, an item, a comma or the end, nothing.
        self._state = "start"

    def feed(self, block: bytes) -> Iterator[Any]:
        """Yield the items that the next bytes complete; read it to its end.

        :raises InvalidJSONError: these bytes cannot be part of a JSON array.
        """
        yield from self._feed(block, is_last=False)

    def finish(self) -> None:
        """Take the end of the text.

        :raises InvalidJSONError: the array has no end.
        """
        for _ in self._feed(b"", is_last=True):
            pass  # pragma: no cover -- the end of a text completes no item
        if self._state != "end":
            raise InvalidJSONError("breaks off" if self._state != "start" or self._pending else "is empty")

    def _feed(self, block: bytes, *, is_last: bool) -> Iterator[Any]:
        try:
            text = self._utf8.decode(block, is_last)
        except UnicodeDecodeError:
            raise InvalidJSONError(_NOT_JSON) from None
        self._blocks.append(text)
        self._pending += len(text)
        if self._pending < self._enough:
            return
        text, place = "".join(self._blocks), 0
        while True:
            place = _SPACE.match(text, place).end()  # type: ignore[union-attr]
            if place == len(text):
                break
            if self._state in ("first", "item") and not (self._state == "first" and text[place] == "]"):
                end, value = self._item(text, place)
                if not end:
                    break
                place, self._state = end, "comma"
                yield value
            else:
                place, self._state = place + 1, self._after(text[place])
        self._blocks, self._pending = [text[place:]], len(text) - place
        self._enough = max(2 * self._pending, 1) if self._pending > self._max_item // 64 else 1

    def _after(self, mark: str) -> str:
        following = {
            ("start", "["): "first",
            ("first", "]"): "end",
            ("comma", ","): "item",
            ("comma", "]"): "end",
        }.get((self._state, mark))
        if following is None:
            raise InvalidJSONError("is something else" if self._state == "start" else _NOT_JSON)
        return following

    def _item(self, text: str, place: int) -> tuple[int, Any]:
        """Parse an item; return where it ends, or 0 where its end has not come."""
        value, end = None, 0
        try:
            value, end = _decoder.raw_decode(text, place)
        except json.JSONDecodeError as error:
            if not _may_continue(error, text[error.pos : error.pos + _MAX_ESCAPE + 1]):
                raise InvalidJSONError(_NOT_JSON) from None
        except RecursionError:
            raise InvalidJSONError(_TOO_DEEP) from None
        except ValueError:
            raise InvalidJSONError(_NOT_JSON) from None
        if (end or len(text)) - place > self._max_item:
            raise InvalidJSONError(f"has a record of more than {self._max_item:,} characters")
        # A number at the end of the text may have more digits.
        return (0, None) if end == len(text) and text[-1] not in '}]"' else (end, value)


def _may_continue(error: json.JSONDecodeError, rest: str) -> bool:
    """Whether the fault may be that the text is not all there yet.

    :param rest: the text from the fault on, cut to what is longer than any escape.
    """
    if error.msg.startswith("Unterminated string"):
        return True
    return any(word.startswith(rest) for word in _WORDS) or ("escape" in error.msg and len(rest) <= _MAX_ESCAPE)
