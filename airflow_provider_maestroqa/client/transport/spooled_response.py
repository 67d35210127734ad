"""A response too large for memory: written to a temporary file, validated as it comes, then read record by record."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAServerError
from airflow_provider_maestroqa.client.formatting import format_size
from airflow_provider_maestroqa.client.temp_file import TempFile
from airflow_provider_maestroqa.client.transport.json_decoding import InvalidJSONError, JSONArrayParser, check_depth

if TYPE_CHECKING:
    from typing_extensions import Self

#: Bytes that a response may have on the disk.
MAX_SPOOLED_BYTES = 4 << 30
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
        self._parser = JSONArrayParser()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes of the response so far."""
        return self._file.size

    def restart(self) -> None:
        """Discard what has come: the response comes from its beginning now."""
        self._file.restart()
        self._parser = JSONArrayParser()

    def write(self, block: bytes) -> None:
        """Take the next bytes.

        :raises MaestroQAServerError: they cannot be part of a JSON array, or are more than the limits allow.
        :raises MaestroQAError: the disk is full.
        """
        if self.size + len(block) > MAX_SPOOLED_BYTES:
            raise self._invalid(f"is larger than {format_size(MAX_SPOOLED_BYTES)}")
        self._file.write(block)
        try:
            for record in self._parser.feed(block):
                check_depth(record)
        except InvalidJSONError as error:
            raise self._invalid(str(error)) from None

    def finish(self) -> None:
        """Take the end of the response.

        :raises MaestroQAServerError: it is not a complete JSON array.
        """
        try:
            self._parser.finish()
        except InvalidJSONError as error:
            raise self._invalid(str(error)) from None

    def records(self) -> Iterator[dict[str, Any]]:
        """The records, one by one; only after :meth:`finish`."""
        file, parser = self._file.file, JSONArrayParser()
        file.seek(0)
        blocks = iter(lambda: file.read(_BLOCK), b"")
        for number, record in enumerate(itertools.chain.from_iterable(map(parser.feed, blocks))):
            if not isinstance(record, dict):
                raise MaestroQADataError(f"Item {number} of the response to {self._request} is not a JSON object.")
            yield record

    def _invalid(self, problem: str) -> MaestroQAServerError:
        head = os.pread(self._file.fileno(), _HEAD, 0).lstrip()
        begins = "; it is an HTML page" if head[:1] == b"<" else "; it is a JSON object" if head[:1] == b"{" else ""
        return MaestroQAServerError(
            200,
            self._request.method,
            self._request.path,
            f"the body is no complete JSON array of records (it {problem}, {self.size:,} bytes came{begins}). "
            "Nothing of it was used. MaestroQA, or something between here and there, cut it off or sent another "
            "body.",
        )
