"""Proxies for tests: one that forwards, and one through which a tunnel with TLS leads. Real sockets, and faults.

The tunnel begins with CONNECT and ends in the proxy, which has a certificate for this machine. So it knows the
requests in the tunnel, and a fault hits exactly one of them. What a client sees is a tunnel like any other.
"""

from __future__ import annotations

import datetime
import ipaddress
import select
import socket
import ssl
import struct
import threading
from fnmatch import fnmatch
from urllib.parse import urlsplit

import pytest

#: What happens before a request is on its way: to the connection, or to CONNECT.
REFUSALS = ("close", "reset", "status", "hold")
#: What happens to a request: before it is passed on, or after its response has come.
LOSSES = ("close_before", "reset_before", "close_after", "reset_after", "hold_after", "cut_after")


class Authority:
    """A certificate authority of a day, and a certificate of its for this machine."""

    def __init__(self, folder):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tests")])
        now = datetime.datetime.now(datetime.timezone.utc)
        hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
            .sign(key, hashes.SHA256())
        )
        public = certificate.public_bytes(serialization.Encoding.PEM)
        encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.bundle = folder / "authority.pem"
        self.bundle.write_bytes(public)
        server = folder / "server.pem"
        server.write_bytes(key.private_bytes(*encoding) + public)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server)


class Proxy:
    """A proxy. Where a request is sent to does not matter: the tunnel always leads to a server without TLS."""

    def __init__(self, authority=None):
        self._context = authority and authority.context
        self._faults = []
        self._lock = threading.Lock()
        self.connections = 0
        #: Method and path of each request that was read.
        self.requests = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def fault(self, kind, *, path="*", after=0, times=1, status=502):
        """Let something go wrong with the next connections (REFUSALS) or requests for a path (LOSSES)."""
        assert kind in REFUSALS + LOSSES
        fault = {"kind": kind, "path": path, "after": after, "left": times, "status": status}
        with self._lock:
            self._faults.append(fault)

    def close(self):
        # A thread that waits in accept would keep the port open.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _take(self, kinds, path=""):
        with self._lock:
            for fault in self._faults:
                if fault["kind"] not in kinds or not fnmatch(path, fault["path"]) or fault["left"] == 0:
                    continue
                if fault["after"]:
                    fault["after"] -= 1
                    continue
                fault["left"] = fault["left"] and fault["left"] - 1
                return fault
        return {"kind": ""}

    def _serve(self, client):
        client.settimeout(60)
        try:
            head = read_head(client)
            fault = self._take(REFUSALS)
            if fault["kind"]:
                return self._refuse(client, head, fault)
            if head.startswith(b"CONNECT "):
                host, _, port = head.split()[1].decode().rpartition(":")
                if not is_there((host, int(port))):
                    return self._refuse(client, head, {"kind": "status", "status": 502})
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                client = self._context.wrap_socket(client, server_side=True)
                head = read_head(client)
            else:
                parts = urlsplit(head.split()[1].decode())
                host, port = parts.hostname, parts.port or 80
                if not is_there((host, port)):
                    return self._refuse(client, head, {"kind": "status", "status": 502})
            self._forward(client, head, (host, int(port)))
        except (OSError, EOFError):
            pass
        finally:
            client.close()

    def _refuse(self, client, head, fault):
        if fault["kind"] == "status":
            read_body(client, head)
            client.sendall(b"HTTP/1.1 %d Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % fault["status"])
        elif fault["kind"] == "hold":
            client.recv(1)
        elif fault["kind"] == "reset":
            reset(client)

    def _forward(self, client, head, server):
        method, target = head.split()[:2]
        path = urlsplit(target.decode()).path
        body = read_body(client, head)
        self.requests.append((method.decode(), path))
        fault = self._take(LOSSES, path)
        if fault["kind"].endswith("_before"):
            return reset(client) if fault["kind"] == "reset_before" else None
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        # A server is asked for a path, not for a whole URL: a presigned one is checked as it came.
        origin = urlsplit(target.decode())
        lines[0] = b" ".join([method, (origin.path + (origin.query and "?" + origin.query)).encode(), b"HTTP/1.1"])
        lines[-2:] = [b"Connection: close", b"", b""]
        with socket.create_connection(server, timeout=60) as upstream:
            upstream.sendall(b"\r\n".join(lines) + body)
            response = b""
            while True:
                ready, _, _ = select.select([client, upstream], [], [], 60)
                if client in ready or not ready:
                    # The client has gone: it sends nothing more.
                    return reset(upstream)
                block = upstream.recv(1 << 16)
                if not block:
                    break
                if fault["kind"]:
                    response += block
                else:
                    client.sendall(block)
        if fault["kind"] == "cut_after":
            client.sendall(response[: len(response) // 2])
        elif fault["kind"] == "reset_after":
            reset(client)
        elif fault["kind"] == "hold_after":
            client.recv(1)


def is_there(server):
    try:
        socket.create_connection(server, timeout=60).close()
    except OSError:
        return False
    return True


def read_head(sock):
    """Up to the empty line, and not a byte further."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            raise EOFError
        head += byte
    return head


def read_body(sock, head):
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    body = b""
    while len(body) < length:
        block = sock.recv(length - len(body))
        if not block:
            raise EOFError
        body += block
    return body


def reset(sock):
    """Close with a reset instead of an end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Route:
    """A way to a server on this machine: direct, through a forward proxy, or through a tunnel."""

    def __init__(self, kind, authority):
        self.kind = kind
        self.proxy = None if kind == "direct" else Proxy(authority)
        self.extra = {}
        if self.proxy:
            self.extra["proxies"] = {"http": self.proxy.url, "https": self.proxy.url}
        if kind == "tunnel":
            self.extra["verify"] = str(authority.bundle)

    def url(self, url):
        """A server's address on this route."""
        return url.replace("http://", "https://") if self.kind == "tunnel" else url

    def connection(self, url, **extra):
        """What a connection to this server says."""
        return {"host": self.url(url), **self.extra, **extra}

    def connection_to(self, nobody):
        """A connection that ends where nobody listens: at the server or, if there is one, at the proxy."""
        if self.proxy is None:
            return {"host": nobody}
        return {"host": self.url("http://127.0.0.1"), **self.extra, "proxies": {"http": nobody, "https": nobody}}


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["direct"])
def route(request, authority):
    """How a test reaches its server; parametrize it indirectly for proxies."""
    made = Route(request.param, authority)
    yield made
    if made.proxy:
        made.proxy.close()


#: The routes of a fault table: each of its rows runs on all of them.
ROUTES = ["direct", "forward", "tunnel"]
#: For tests that a proxy could spoil.
through_proxies = pytest.mark.parametrize("route", ["forward", "tunnel"], indirect=True)
