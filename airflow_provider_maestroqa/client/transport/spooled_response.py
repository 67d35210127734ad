"""A response too large for memory: written to a temporary file, validated as it comes, then read record by record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAServerError
from airflow_provider_maestroqa.client.temp_file import TempFile

if TYPE_CHECKING:
    from typing_extensions import Self

_BLOCK = 1 << 16
_HEAD = 80


class SpooledJsonArray:
    """The JSON array in a response. Use it in a ``with`` block: the file has no name and goes with it.

    :param request: the request, for errors.
    :raises MaestroQAConfigError: no temporary file can be created.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._file = TempFile()
        self._validator = _ArrayValidator()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._validator.finish()
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes of the response so far."""
        return self._file.size

    def restart(self) -> None:
        """Discard what has come: the response comes from its beginning now."""
        self._file.restart()
        self._validator.finish()
        self._validator = _ArrayValidator()

    def write(self, block: bytes) -> None:
        """Take the next bytes.

        :raises MaestroQAServerError: they cannot be part of a JSON array.
        :raises MaestroQAError: the disk is full.
        """
        if block:
            self._file.write(block)
            self._validate(self._validator.feed(block))

    def finish(self) -> None:
        """Take the end of the response.

        :raises MaestroQAServerError: it is not a complete JSON array.
        """
        self._validate(self._validator.finish())

    def records(self) -> Iterator[dict[str, Any]]:
        """The records, one by one; only after :meth:`finish`. Whole numbers are ``int``, all others ``float``."""
        import ijson

        file = self._file.file
        file.seek(0)
        for number, record in enumerate(ijson.items(file, "item", use_float=True, buf_size=_BLOCK)):
            if not isinstance(record, dict):
                raise MaestroQADataError(f"Item {number} of the response to {self._request} is not a JSON object.")
            yield record

    def _validate(self, problem: str) -> None:
        if not problem:
            return
        head = os.pread(self._file.fileno(), _HEAD, 0).lstrip()
        begins = "; it is an HTML page" if head[:1] == b"<" else "; it is a JSON object" if head[:1] == b"{" else ""
        raise MaestroQAServerError(
            200,
            self._request.method,
            self._request.path,
            f"the body is no complete JSON array of records ({problem}, {self.size:,} bytes came{begins}). Nothing "
            "of it was used. MaestroQA, or something between here and there, cut it off or sent another body.",
        )


class _ArrayValidator:
    """Follows a JSON text as it comes, and reports what is wrong with it."""

    def __init__(self) -> None:
        import ijson

        self._events = ijson.sendable_list()
        self._parser = ijson.basic_parse_coro(self._events, use_float=True)
        self._error: type[Exception] = ijson.JSONError
        self._is_array = False
        self._is_over = False

    def feed(self, block: bytes) -> str:
        """Take the next bytes; return a problem, or nothing."""
        problem = ""
        try:
            self._parser.send(block)
        except (self._error, UnicodeDecodeError):
            problem = "it is not JSON from some byte on"
        return self._wrong_beginning() or problem

    def finish(self) -> str:
        """Take the end of the text; return a problem, or nothing. May be called again, to no effect."""
        if self._is_over:
            return ""
        self._is_over = True
        try:
            self._parser.close()
        except (self._error, UnicodeDecodeError):
            return "it breaks off"
        return self._wrong_beginning() or ("" if self._is_array else "it is empty")

    def _wrong_beginning(self) -> str:
        if not self._is_array and self._events:
            if self._events[0][0] != "start_array":
                return "it is something else"
            self._is_array = True
        self._events.clear()
        return ""
