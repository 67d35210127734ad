"""How a file's bytes are sent, and what may go wrong meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from airflow_provider_maestroqa.sandbox.faults import Fault
from airflow_provider_maestroqa.sandbox.request_context import pause, update_log
from airflow_provider_maestroqa.sandbox.responses import drop_connection

_CHUNK = 1 << 18


@dataclass
class Delivery:
    """A response with bytes of a file."""

    file: Path
    status: int
    start: int
    stop: int
    headers: Mapping[str, str]
    flip: int | None = None  # position in the file of a byte to flip
    cut: int | None = None  # bytes after which the connection is closed, by a reset or not
    reset: bool = False
    stall: int | None = None  # bytes after which the response is held
    pause: float = 0.0  # seconds between two pieces
    piece: int = _CHUNK
    with_length: bool = True
    endless: bool = False

    def apply_faults(self, faults: Sequence[Fault], size: int) -> None:
        """Change the delivery of an object of this size as the faults say."""
        for fault in faults:
            if fault.kind in ("drop_at_byte", "expire_after_bytes", "reset_at_byte"):
                self.cut, self.reset = fault.at, fault.kind == "reset_at_byte"
            elif fault.kind == "stall_at_byte":
                self.stall = fault.at
            elif fault.kind == "truncated":
                keep = (self.stop - self.start) // 2 if fault.at is None else fault.at
                self.stop = min(self.stop, self.start + keep)
            elif fault.kind == "corrupt":
                self.flip = size // 2 if fault.at is None else fault.at
            elif fault.kind == "slow":
                self.pause, self.piece = fault.seconds, fault.at or 1024
            elif fault.kind in ("no_length", "endless"):
                self.with_length = False
                self.endless = self.endless or fault.kind == "endless"

    def pieces(self) -> Iterator[bytes]:
        """The bytes to send, with a boundary at each byte where something happens."""
        boundaries = sorted({boundary for boundary in (self.cut, self.stall) if boundary is not None})
        sent = 0
        for _ in itertools.count() if self.endless else range(1):
            for piece in self._file_pieces():
                remainder = piece
                for boundary in boundaries:
                    if sent < boundary < sent + len(remainder):
                        yield remainder[: boundary - sent]
                        remainder = remainder[boundary - sent :]
                        sent = boundary
                yield remainder
                sent += len(remainder)

    def _file_pieces(self) -> Iterator[bytes]:
        with self.file.open("rb") as file:
            file.seek(self.start)
            position = self.start
            while position < self.stop:
                piece = file.read(min(self.piece, self.stop - position))
                if not piece:
                    return
                if self.flip is not None and position <= self.flip < position + len(piece):
                    at = self.flip - position
                    piece = piece[:at] + bytes([piece[at] ^ 0xFF]) + piece[at + 1 :]
                position += len(piece)
                yield piece


async def deliver(request: web.Request, delivery: Delivery) -> web.StreamResponse:
    """Send a delivery, and log how many bytes were sent.

    The log is always written first: a client that has the response finds it there.
    """
    response = web.StreamResponse(status=delivery.status, headers=delivery.headers)
    if delivery.with_length:
        response.content_length = delivery.stop - delivery.start
    else:
        response.enable_chunked_encoding()
    # When the client goes away, the log has how many bytes were sent.
    with contextlib.suppress(ConnectionError):
        await _send(request, response, delivery)
    return response


async def _send(request: web.Request, response: web.StreamResponse, delivery: Delivery) -> None:
    update_log(request, status=response.status)
    await response.prepare(request)
    _send_headers(response)
    sent = 0
    if await _reached(request, delivery, sent):
        return
    for piece in delivery.pieces():
        sent += len(piece)
        update_log(request, sent=sent, done=sent == delivery.stop - delivery.start and not delivery.endless)
        await response.write(piece)
        if await _reached(request, delivery, sent):
            return
        if delivery.pause:
            await asyncio.sleep(delivery.pause)
        elif delivery.endless:
            # A write that finds room does not yield by itself.
            await asyncio.sleep(0)
    await response.write_eof()


async def _reached(request: web.Request, delivery: Delivery, sent: int) -> bool:
    """Do what is to happen at this byte; return whether the connection is closed."""
    if sent == delivery.stall:
        await pause(request)
    if sent != delivery.cut:
        return False
    update_log(request, done=True)
    drop_connection(request, reset=delivery.reset)
    return True


def _send_headers(response: web.StreamResponse) -> None:
    # Newer aiohttp keeps the headers back until the first byte of the body, which may never come here.
    send = getattr(response._payload_writer, "send_headers", None)
    if send is not None:
        send()
