"""Listening sockets on loopback addresses, and nowhere else."""

from __future__ import annotations

import errno
import socket

_TRIES = 20


def api_sockets(port: int) -> list[socket.socket]:
    """The API listens on 127.0.0.1.

    :raises OSError: the port is taken.
    """
    return [_listen(socket.AF_INET, "127.0.0.1", port)]


def storage_sockets(port: int) -> list[socket.socket]:
    """The storage listens on whatever ``localhost`` may mean: 127.0.0.1, and ::1 where there is one.

    :raises OSError: the port is taken.
    """
    for _ in range(_TRIES):
        first = _listen(socket.AF_INET, "127.0.0.1", port)
        try:
            return [first, _listen(socket.AF_INET6, "::1", first.getsockname()[1])]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return [first]
            first.close()
            if port:
                raise
    raise OSError(errno.EADDRINUSE, "No port was found that is free on both 127.0.0.1 and ::1.")


def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
