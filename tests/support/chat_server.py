"""A chat that examples write to: it keeps the messages."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Chat(BaseHTTPRequestHandler):
    """Keeps each message with its credentials."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.messages.append((self.headers["Authorization"], json.loads(body)["text"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"ok": true}')

    def log_message(self, *_):
        """Without a line for each."""


@pytest.fixture(scope="module")
def chat():
    with ThreadingHTTPServer(("127.0.0.1", 0), Chat) as server:
        server.messages = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
