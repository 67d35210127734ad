"""The two ends of the landing benchmark: a source of files with Range, and a sink that talks S3.

Each runs in a process of its own, and does as little as it can: the source lets the kernel copy from disk to socket,
the sink lets the kernel drop what arrives. Small objects such as a manifest are kept, because a landing reads its own
again.
"""

from __future__ import annotations

import os
import re
import socket
import socketserver
import sys
import zlib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_NO_SUCH_KEY = b"<Error><Code>NoSuchKey</Code><Message>The sink has no such object.</Message></Error>"
_SMALL = 1 << 16


class Handler(socketserver.BaseRequestHandler):
    """Reads requests off a connection until it closes."""

    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        rest = b""
        while True:
            while b"\r\n\r\n" not in rest:
                more = self.request.recv(1 << 16)
                if not more:
                    return
                rest += more
            head, _, rest = rest.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ", 2)
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            if headers.get("expect", "").lower() == "100-continue":
                self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            length = int(headers.get("content-length", "0"))
            body, rest = self.read_body(length, rest) if length <= _SMALL else (b"", self.drop_body(length, rest))
            self.answer(method, target, headers, body)

    def read_body(self, length: int, rest: bytes) -> tuple[bytes, bytes]:
        self.server.received += length  # type: ignore[attr-defined]
        while len(rest) < length:
            more = self.request.recv(1 << 16)
            if not more:
                break
            rest += more
        return rest[:length], rest[length:]

    def drop_body(self, length: int, rest: bytes) -> bytes:
        self.server.received += length  # type: ignore[attr-defined]
        if len(rest) >= length:
            return rest[length:]
        left, scratch = length - len(rest), bytearray(1 << 20)
        while left:
            size = self.request.recv_into(scratch, min(left, len(scratch)), socket.MSG_TRUNC)
            if not size:
                break
            left -= size
        return b""

    def send(self, status: str, body: bytes = b"", *, length: int | None = None, **headers: str) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n"
        head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.request.sendall(head.encode() + b"\r\n" + body)

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        raise NotImplementedError


class Source(Handler):
    """GET /name, with Range."""

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:  # noqa: ARG002
        path = Path(self.server.folder) / Path(urlsplit(target).path).name  # type: ignore[attr-defined]
        size = path.stat().st_size
        byte_range = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        start = int(byte_range.group(1)) if byte_range else 0
        extra = {"Content_Range": f"bytes {start}-{size - 1}/{size}"} if byte_range else {}
        status = "206 Partial Content" if byte_range else "200 OK"
        self.send(status, length=size - start, ETag=f'"{size:x}"', Content_Type="application/zip", **extra)
        with path.open("rb") as file:
            while start < size:
                start += os.sendfile(self.request.fileno(), file.fileno(), start, min(size - start, 1 << 24))


class Sink(Handler):
    """As much of S3 as an upload needs, and GET /received, which tells how many bytes came."""

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:  # noqa: ARG002
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        objects: dict[str, bytes] = self.server.objects  # type: ignore[attr-defined]
        if parts.path == "/received":
            self.send("200 OK", str(self.server.received).encode())  # type: ignore[attr-defined]
        elif method == "POST" and "uploads" in query:
            self.xml("InitiateMultipartUploadResult", "<UploadId>sink</UploadId>")
        elif method == "POST":
            objects[parts.path] = b""
            self.xml("CompleteMultipartUploadResult", f"<ETag>{_etag(b'')}</ETag>")
        elif method == "PUT":
            if "partNumber" not in query:
                objects[parts.path] = body
            self.send("200 OK", ETag=_etag(body))
        elif method == "DELETE":
            objects.pop(parts.path, None)
            self.send("204 No Content")
        elif parts.path in objects:
            stored = objects[parts.path]
            self.send("200 OK", b"" if method == "HEAD" else stored, length=len(stored), ETag=_etag(stored))
        elif method == "HEAD":
            self.send("404 Not Found")
        else:
            self.send("404 Not Found", _NO_SUCH_KEY, Content_Type="application/xml")

    def xml(self, name: str, inner: str) -> None:
        body = f'<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{name}>'
        self.send("200 OK", body.encode(), Content_Type="application/xml")


def _etag(data: bytes) -> str:
    return f'"{zlib.crc32(data):08x}"'


def main(kind: str, folder: str) -> None:
    """Serve until standard input closes; the port is the first line of standard output."""
    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Source if kind == "source" else Sink) as server:
        server.folder = folder  # type: ignore[attr-defined]
        server.received = 0  # type: ignore[attr-defined]
        server.objects = {}  # type: ignore[attr-defined]
        import threading

        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:3])
