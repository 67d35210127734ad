"""A tiny HTTP server that counts requests within windows and answers 200 or 429, in a process of its own.

``GET /-/begin?…`` sets the windows and forgets what was; ``GET /-/report`` tells who was accepted when;
every other path is a request by the caller of that name.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from urllib.parse import unquote

from virtual_time import Server


class Counter:
    def __init__(self):
        self.begin({"limits": [[10, 1]]})

    def begin(self, settings):
        self.server = Server([tuple(limit) for limit in settings["limits"]], fixed=settings.get("fixed", False))
        self.accepted, self.refused = [], 0

    def respond(self, path):
        if path.startswith("/-/begin?"):
            self.begin(json.loads(unquote(path.partition("?")[2])))
            return 200, "{}"
        if path == "/-/report":
            return 200, json.dumps({"accepted": self.accepted, "refused": self.refused})
        now = time.monotonic()
        window = self.server.hit(now)
        if window is None:
            self.accepted.append((now, path[1:]))
            return 200, "{}"
        self.refused += 1
        return 429, json.dumps({"window": window})


class Connection(asyncio.Protocol):
    def __init__(self, counter):
        self.counter = counter
        self.received = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            status, body = self.counter.respond(head.split(b" ", 2)[1].decode())
            self.transport.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())


async def serve():
    counter = Counter()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(counter), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class LimitServer:
    """The server, started and asked from another process."""

    def __init__(self):
        self._process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline())

    def begin(self, **settings):
        self._get("begin?" + urllib.request.quote(json.dumps(settings)))

    def report(self):
        return json.loads(self._get("report"))

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def _get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/{path}", timeout=30) as result:
            return result.read()


if __name__ == "__main__":
    asyncio.run(serve())
