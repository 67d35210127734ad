"""What Google's storage does and its emulator does not: one write of a name a second, and refusals."""

from __future__ import annotations

import http.client
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

#: What the server of tokens gives for the key of a service account.
TOKEN = "token-for-a-key"


class GoogleFront:
    """A server in front of the emulator.

    :param port: of the emulator.
    :param clock: its time.
    """

    def __init__(self, port, clock):
        self.port, self.clock = port, clock
        #: Whether one object may be written once a second only.
        self.is_limited = False
        #: What requests had as their authorization.
        self.authorizations = set()
        #: The status with which everything is refused.
        self.refuses = None
        #: How often an object was written sooner than a second after it was written before, and not.
        self.too_soon = self.written = 0
        self._lock, self._written_at = threading.Lock(), {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def status_of(self, name):
        """How a request is answered that writes an object, or no object."""
        if self.refuses or name is None:
            return self.refuses
        with self._lock:
            is_too_soon = self.clock.monotonic() - self._written_at.get(name, -10) < 1
            self.too_soon, self.written = self.too_soon + is_too_soon, self.written + (not is_too_soon)
            if not is_too_soon:
                self._written_at[name] = self.clock.monotonic()
        return 429 if is_too_soon and self.is_limited else None

    def _handler(front):  # noqa: N805 - the handler has a self of its own
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self._body()
                if self.path == "/token":
                    token = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}
                    self._answer(200, {"Content-Type": "application/json"}, json.dumps(token).encode())
                    return
                front.authorizations.add(self.headers.get("Authorization"))
                status = front.status_of(_written_name(self.command, self.path, body))
                if status:
                    message = {"error": {"code": status, "message": "Refused by Google", "errors": [{"reason": "x"}]}}
                    self._answer(status, {"Content-Type": "application/json"}, json.dumps(message).encode())
                    return
                connection = http.client.HTTPConnection("127.0.0.1", front.port, timeout=30)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                headers = {name: value for name, value in response.getheaders() if name.lower() not in _HOPS}
                for name, value in headers.items():
                    # Sessions of uploads lead to the emulator itself.
                    headers[name] = value.replace(f"http://127.0.0.1:{front.port}", front.url)
                self._answer(response.status, headers, response.read())
                connection.close()

            do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815

            def _body(self):
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def _answer(self, status, headers, body):
                self.send_response(status)
                for name, value in {**headers, "Content-Length": len(body)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Quietly."""

        return Handler


_HOPS = ("connection", "content-length", "transfer-encoding", "keep-alive", "date", "server")


def _written_name(method, path, body):
    url = urlsplit(path)
    if method == "POST" and url.path.startswith("/upload/"):
        names = parse_qs(url.query).get("name") or re.findall(rb'"name": ?"([^"]+)"', body)
        return names[0].decode() if isinstance(names[0], bytes) else names[0]
    if method == "DELETE" and "/o/" in url.path:
        return unquote(url.path.rpartition("/o/")[2])
    return None
