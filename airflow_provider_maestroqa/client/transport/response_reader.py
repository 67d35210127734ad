"""Reads the body of a response block by block, up to a limit that counts what it decodes to."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from airflow_provider_maestroqa.client.endpoints import Request
from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError
from airflow_provider_maestroqa.client.formatting import format_size
from airflow_provider_maestroqa.client.transport.retry import Response, connection_error, is_success

#: Bytes that a response may have in memory, decoded.
MAX_RESPONSE_BYTES = 64 << 20
#: Bytes that are read, and decoded, at once.
BLOCK = 1 << 18
#: What is asked of a server: one that encodes all the same is understood as far as these bounds allow.
ACCEPT_ENCODING = "identity"
_GZIP = b"\x1f\x8b"


class ResponseSink(Protocol):
    """Where a response too large for memory goes."""

    def restart(self) -> None:
        """Discard what has come: the response comes from its beginning now."""

    def write(self, block: bytes) -> None:
        """Take the next bytes. Raises ``MaestroQAServerError`` when they are more than it takes."""

    def finish(self) -> None:
        """Take the end of the response. Raises ``MaestroQAServerError`` when it is not complete."""


class UndecodableError(ValueError):
    """The bytes are not encoded as their header says."""


class ContentDecoder:
    """Undoes a Content-Encoding in pieces of a limited size, however much the bytes inflate to.

    :param encoding: the header.
    :raises UndecodableError: the encoding is one that nobody asked for.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        if self._encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise UndecodableError
        self._inflater = None if self._encoding in ("", "identity") else zlib.decompressobj(zlib.MAX_WBITS | 32)

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Yield what the next bytes decode to.

        :raises UndecodableError: they are not encoded as the header says.
        """
        if self._inflater is None:
            yield block
            return
        try:
            while block:
                if self._inflater.eof:
                    # A gzip file may have several members. What else follows one is no part of it.
                    if not block.startswith(_GZIP):
                        return
                    self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32)
                yield self._inflater.decompress(block, BLOCK)
                block = self._inflater.unconsumed_tail or self._inflater.unused_data
        except zlib.error:
            raise UndecodableError from None

    def finish(self) -> None:
        """Take the end of the bytes. Raises ``UndecodableError`` when they break off."""
        if self._inflater is not None and not self._inflater.eof:
            raise UndecodableError


def read_beginning(raw: Any, headers: Mapping[str, str], size: int) -> bytes:
    """Read the first bytes of a body that only serves for a message; empty where they cannot be decoded.

    :param raw: urllib3's response, not decoded.
    :param headers: the headers, in any case.
    :param size: how many bytes are read, and decoded, at most.
    """
    block = raw.read(size, decode_content=False) or b""
    with contextlib.suppress(UndecodableError):
        return next(ContentDecoder(headers.get("Content-Encoding", "")).feed(block), b"")[:size]
    return b""


class ResponseReader:
    """Takes a response as it comes. What is not read to its end, or is too large, is lost: nothing says what it was.

    :param request: the request, for errors.
    :param status: the HTTP status.
    :param headers: the headers, with lower-case names.
    :param sink: takes the body of a success, instead of memory.
    """

    def __init__(
        self, request: Request, status: int, headers: Mapping[str, str], sink: ResponseSink | None = None
    ) -> None:
        self._request = request
        self._status = status
        self._headers = headers
        self._sink = sink if is_success(status) else None
        self._size = self._received = 0
        self._pieces: list[bytes] = []
        if self._sink is not None:
            self._sink.restart()
        try:
            self._decoder = ContentDecoder(headers.get("content-encoding", ""))
        except UndecodableError:
            raise self._lost("has a Content-Encoding that was not asked for") from None

    def feed(self, block: bytes) -> None:
        """Take the next bytes, as they came.

        :raises MaestroQAConnectionError: the response is too large, or not encoded as it says.
        """
        self._received += len(block)
        try:
            for piece in self._decoder.feed(block):
                self._add(piece)
        except UndecodableError:
            raise self._lost("is not encoded as its Content-Encoding says") from None

    def finish(self) -> Response:
        """Take the end of the response.

        :raises MaestroQAConnectionError: it breaks off.
        :raises MaestroQAServerError: the sink finds it incomplete.
        """
        try:
            if self._received:
                self._decoder.finish()
        except UndecodableError:
            raise self._lost("breaks off in the middle of its Content-Encoding") from None
        if self._sink is not None:
            self._sink.finish()
        return Response(self._status, self._headers, b"".join(self._pieces))

    def _add(self, piece: bytes) -> None:
        if self._sink is not None:
            self._sink.write(piece)
            return
        self._size += len(piece)
        if max(self._size, self._received) > MAX_RESPONSE_BYTES:
            self._pieces.clear()
            raise self._lost(f"is larger than {format_size(MAX_RESPONSE_BYTES)}, the most that is read")
        self._pieces.append(piece)

    def _lost(self, what: str) -> MaestroQAConnectionError:
        hint = "Something between here and MaestroQA may have sent it."
        return connection_error(self._request, f"the response (status {self._status}) {what}", sent=True, hint=hint)
