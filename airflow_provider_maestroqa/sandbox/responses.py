"""Responses in the forms of the two hosts: JSON from the API, XML from the storage."""

from __future__ import annotations

import socket
import struct
from html import escape

from aiohttp import web

LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Log in</title></head>"
    "<body><h1>Please log in</h1><form><input name='user'></form></body></html>"
)


class APIError(Exception):
    """The API rejects a request."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


def api_error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error of the API."""
    return web.json_response({"error": message}, status=status, headers=headers)


def error_response(request: web.Request, error: APIError | web.HTTPException) -> web.Response:
    """The response of the API to a request that it rejects."""
    if isinstance(error, APIError):
        return api_error(error.status, error.message, error.headers)
    return api_error(error.status, f"{error.reason}: {request.method} {request.path}")


def storage_error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error of the storage, as S3 words it."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "<RequestId>SANDBOX000000000</RequestId><HostId>sandbox</HostId></Error>"
    )
    return web.Response(status=status, text=text, content_type="application/xml", headers=headers)


def drop_connection(request: web.Request, *, reset: bool) -> None:
    """Close the client's connection.

    :param reset: at once, so that the client sees a reset; otherwise what is still in the buffers is sent first, so
        that the client gets exactly the bytes that were written.
    """
    transport = request.transport
    if transport is None:
        return
    if not reset:
        transport.close()
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        # A linger time of zero turns the close into a reset.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
