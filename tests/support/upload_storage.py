"""A storage behind presigned URLs that does what a test tells it."""

from __future__ import annotations

import socket
import socketserver
import struct
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace

SECRET = "5ec7e75ignature"
STORED = {"status": 200, "headers": {"ETag": '"e"'}}


class UploadStorage(socketserver.ThreadingTCPServer):
    """Takes what is put, and answers each request as the next of its ``answers`` says; then as the last one."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = [STORED]
        self.seen = []
        self.stored = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """A client that breaks off is what some tests are about."""

    def address(self, number=0):
        return f"{self.url}/bucket/key-{number}?X-Amz-Expires=600&X-Amz-Signature={SECRET}{number}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        self.server.seen.append(SimpleNamespace(path=self.path, headers=self.headers))
        if answer.get("reset") == "at once":
            return self.reset()
        if not answer.get("early"):
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                self.close_connection = True
                return None
            if answer.get("keeps", answer.get("status") == 200):
                self.server.stored.append(body)
        if answer.get("reset"):
            return self.reset()
        if answer.get("hold"):
            return answer["hold"].wait(10)
        self.send_response(answer["status"])
        body = answer.get("body", b"")
        for name, value in {**answer.get("headers", {}), "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)
        if answer.get("early"):
            self.close_connection = True

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def finish(self):
        if self.connection.fileno() >= 0:
            super().finish()

    def log_message(self, *args):
        pass
