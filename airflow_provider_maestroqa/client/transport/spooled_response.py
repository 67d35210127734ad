"""An answer too large for memory: saved in a temporary file, checked while it comes, then read record by record."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAError, MaestroQAServerError

if TYPE_CHECKING:
    from typing_extensions import Self

_BLOCK = 1 << 16
_HEAD = 80
_REMEDY = "Free some space there, or set TMPDIR on the worker to a folder on a larger disk."


class SpooledJsonArray:
    """The JSON array that answers a call. Use it in a ``with`` block: the file has no name and goes with it.

    :param call: what was asked, for errors.
    """

    def __init__(self, call: Request) -> None:
        self._call = call
        self._folder = tempfile.gettempdir()
        self._file = self._open()
        self._check = _Check()
        #: Bytes of the answer so far.
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._check.finish()
        self._file.close()

    def restart(self) -> None:
        """Forget what has come: the answer comes from its beginning now."""
        self._file.seek(0)
        self._file.truncate()
        self._check.finish()
        self._check = _Check()
        self.size = 0

    def write(self, block: bytes) -> None:
        """Take the next bytes.

        :raises MaestroQAServerError: they cannot be part of a JSON array.
        :raises MaestroQAError: the disk is full.
        """
        if not block:
            return
        failure = ""
        try:
            self._file.write(block)
        except OSError as error:
            failure = error.strerror or type(error).__name__
        if failure:
            raise MaestroQAError(
                f"The answer to {self._call} cannot be kept in {self._folder} ({failure}). {_REMEDY}",
                retryable=True,
            )
        self.size += len(block)
        self._judge(self._check.feed(block))

    def finish(self) -> None:
        """The answer is over.

        :raises MaestroQAServerError: it is no whole JSON array.
        """
        self._judge(self._check.finish())

    def records(self) -> Iterator[dict[str, Any]]:
        """The records, one by one; only after :meth:`finish`. Whole numbers are ``int``, all others ``float``."""
        import ijson

        self._file.seek(0)
        for number, record in enumerate(ijson.items(self._file, "item", use_float=True, buf_size=_BLOCK)):
            if not isinstance(record, dict):
                raise MaestroQADataError(f"Item {number} of the answer to {self._call} is no JSON object.")
            yield record

    def _open(self) -> BinaryIO:
        failure = ""
        try:
            # It is closed by __exit__. Written in large blocks anyway, and read by ijson in its own.
            return tempfile.TemporaryFile(buffering=0, prefix="maestroqa-", dir=self._folder)
        except OSError as error:
            failure = error.strerror or type(error).__name__
        raise MaestroQAError(f"No temporary file can be made in {self._folder} ({failure}). {_REMEDY}")

    def _judge(self, complaint: str) -> None:
        if not complaint:
            return
        head = os.pread(self._file.fileno(), _HEAD, 0).lstrip()
        begins = "; it is an HTML page" if head[:1] == b"<" else "; it is a JSON object" if head[:1] == b"{" else ""
        raise MaestroQAServerError(
            200,
            self._call.method,
            self._call.path,
            f"the body is no whole JSON array of records ({complaint}, {self.size:,} bytes came{begins}). Nothing of "
            "it was used. MaestroQA, or something between here and there, cut it off or answered something else.",
        )


class _Check:
    """Follows a JSON text as it comes, and says what is wrong with it."""

    def __init__(self) -> None:
        import ijson

        self._events = ijson.sendable_list()
        self._parser = ijson.basic_parse_coro(self._events, use_float=True)
        self._error: type[Exception] = ijson.JSONError
        self._is_array = False
        self._is_over = False

    def feed(self, block: bytes) -> str:
        """Take the next bytes; the answer is a complaint, or nothing."""
        complaint = ""
        try:
            self._parser.send(block)
        except (self._error, UnicodeDecodeError):
            complaint = "it is no JSON from some byte on"
        return self._begins_wrong() or complaint

    def finish(self) -> str:
        """The text is over; the answer is a complaint, or nothing. May be called again, to no effect."""
        if self._is_over:
            return ""
        self._is_over = True
        try:
            self._parser.close()
        except (self._error, UnicodeDecodeError):
            return "it breaks off"
        return self._begins_wrong() or ("" if self._is_array else "it is empty")

    def _begins_wrong(self) -> str:
        if not self._is_array and self._events:
            if self._events[0][0] != "start_array":
                return "it is something else"
            self._is_array = True
        self._events.clear()
        return ""
