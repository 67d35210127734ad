"""A storage host that does exactly what a test says, and stores to publish to."""

from __future__ import annotations

import socketserver
import threading
import uuid
from collections import deque
from dataclasses import dataclass, field, replace

import fsspec
import pytest
import requests
from clocks import FakeClock
from zip_builder import Part, build_zip, deflated

from airflow_provider_maestroqa.landing.exports import LandingOptions, land_export
from airflow_provider_maestroqa.storage.compression import isal_engine, zlib_engine
from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore
from airflow_provider_maestroqa.storage.s3_store import S3Store

SECRET = "X-Amz-Signature=5ec2e7"
DATA = b"h\n" + b"some text\n" * 50


@dataclass
class Reply:
    """One answer of the origin. ``cut`` sends that many bytes of the body and hangs up."""

    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    with_length: bool = True


class Origin:
    """A storage host. Answers as S3 does, unless ``plan`` holds something for the next request."""

    def __init__(self):
        self.body = b"a,b\n1,2\n"
        self.etag = '"v1"'
        self.modified = None
        self.plan = deque()
        self.seen = []
        self.url = ""

    @property
    def link(self):
        return f"{self.url}/export?{SECRET}"

    @property
    def ranges(self):
        return [headers.get("range") for headers in self.seen]

    def respond(self, path, headers):
        self.seen.append({**headers, ":path": path})
        planned = self.plan.popleft() if self.plan else self.serve
        return planned(headers) if callable(planned) else planned

    def serve(self, headers, *, cut=None):
        """As S3 would, but perhaps hanging up in the middle."""
        base = {"Content-Type": "binary/octet-stream"}
        if self.etag:
            base["ETag"] = self.etag
        if self.modified:
            base["Last-Modified"] = self.modified
        start = int(headers["range"][6:-1]) if "range" in headers else 0
        if headers.get("if-range", self.etag) not in (self.etag, self.modified):
            start = 0
        if start and start >= len(self.body):
            return Reply(416, {"Content-Range": f"bytes */{len(self.body)}"})
        if start:
            base["Content-Range"] = f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"
        return Reply(206 if start else 200, base, self.body[start:], cut=cut)

    def dropping(self, cut):
        return lambda headers: self.serve(headers, cut=cut)

    def ignoring_ranges(self, cut=None):
        return lambda headers: self.serve({k: v for k, v in headers.items() if k != "range"}, cut=cut)


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode()
        if not line:
            return
        headers = {}
        while (text := self.rfile.readline().decode().strip()) != "":
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        reply = self.server.origin.respond(line.split(" ")[1], headers)
        fields = {"Connection": "close", **reply.headers}
        if reply.with_length:
            fields.setdefault("Content-Length", len(reply.body))
        head = f"HTTP/1.1 {reply.status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items() if v is not None)
        body = reply.body if reply.cut is None else reply.body[: reply.cut]
        try:
            self.wfile.write(head.encode() + b"\r\n" + body)
        except OSError:
            return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


@pytest.fixture
def origin():
    made = Origin()
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.origin = made
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def reply():
    return Reply


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def session():
    with requests.Session() as made:
        yield made


@pytest.fixture
def log_lines():
    return []


@pytest.fixture
def land(origin, clock, session, log_lines, tmp_path):
    """Land the origin's file; every argument can be replaced. ``limits`` replaces single limits."""

    def run(store, *, file_format="csv.gz", count_rows=False, clean=False, limits=None, **changed):
        options = LandingOptions(file_format=file_format, count_rows=count_rows, clean=clean)
        options = replace(options, limits=replace(options.limits, **(limits or {})))
        arguments = {
            "export_id": "e1",
            "fresh_url": lambda: origin.link,
            "options": options,
            "session": session,
            "log": log_lines.append,
            "clock": clock,
            "temp_dir": str(tmp_path / "scratch"),
            **changed,
        }
        (tmp_path / "scratch").mkdir(exist_ok=True)
        return land_export(store=store, **arguments)

    return run


@pytest.fixture
def memory():
    """A store in memory that nobody else sees."""
    root = f"/{uuid.uuid4().hex}"
    fs = fsspec.filesystem("memory")
    yield FilesystemStore(fs, root, "memory")
    for path in [path for path in fs.store if path.startswith(root)]:
        del fs.store[path]


@pytest.fixture
def local(tmp_path):
    return FilesystemStore(fsspec.filesystem("file"), str(tmp_path / "landed"), "file")


@pytest.fixture(scope="session")
def s3_client(s3_server):
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    yield client
    client.close()


@pytest.fixture
def s3_store(s3_client):
    """A prefix of a fresh bucket."""
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    s3_client.create_bucket(Bucket=bucket)
    return S3Store(s3_client, bucket, "exports/day")


@pytest.fixture(params=["s3_store", "local", "memory"])
def store(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["isal", "zlib"])
def engine(request):
    if request.param == "zlib":
        return zlib_engine()
    pytest.importorskip("isal")
    return isal_engine()


@pytest.fixture
def part():
    return Part


@pytest.fixture
def make_zip():
    return build_zip


@pytest.fixture
def deflate():
    return deflated


@pytest.fixture
def two_files(origin, make_zip, part):
    origin.body = make_zip(part(name=b"a.csv", data=DATA), part(name=b"x/b.csv"))


def listing(store):
    """All names in a store, hidden ones too."""
    if isinstance(store, S3Store):
        found = store.client.list_objects_v2(Bucket=store.bucket).get("Contents", [])
        uploads = store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])
        return sorted(item["Key"].removeprefix(f"{store.prefix}/") for item in found) + [u["Key"] for u in uploads]
    return sorted(path.removeprefix(store.root + "/") for path in store.fs.find(store.root))
