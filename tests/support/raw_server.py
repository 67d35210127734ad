"""A server that says what no HTTP server would: bytes as a test has them, at its own pace."""

from __future__ import annotations

import contextlib
import socket
import threading


class RawServer:
    """Answers every connection with what ``answer`` yields; ``received`` has the requests.

    :param answer: takes the bytes of a request, and yields the blocks of the response.
    """

    def __init__(self, answer):
        self.answer = answer
        self.received = []
        self.stopping = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        # Closing alone does not wake a thread that accepts.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)

    def drip(self, text, pause_s=0.05):
        """Yield a text again and again, byte by byte, as long as somebody listens."""
        while True:
            for byte in text:
                if self.stopping.wait(pause_s):
                    return
                yield bytes([byte])

    def _accept(self):
        while not self.stopping.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self.threads[-1].start()

    def _serve(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            request = b""
            while not _is_complete(request):
                block = connection.recv(1 << 16)
                if not block:
                    return
                request += block
            self.received.append(request)
            for block in self.answer(request):
                connection.sendall(block)


def _is_complete(request):
    head, end, body = request.partition(b"\r\n\r\n")
    if not end:
        return False
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return len(body) >= (int(lengths[0].split(b":")[1]) if lengths else 0)


def respond(body, *, status="200 OK", **headers):
    """Make the blocks of a whole response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ["\r\n".join([*lines, "", ""]).encode() + body]
