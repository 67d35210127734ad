"""Publish to Amazon S3, or a store that speaks its language, with the client that boto3 made.

Large files go up in parts while they are still being checked; nothing is visible before the last request, which
names the CRC-32 of the whole object, so that S3 itself refuses an object that is not what was read. A process that is
killed leaves parts behind that nobody sees and that cost money: a lifecycle rule with
``AbortIncompleteMultipartUpload`` removes them.

Stores that know no checksums: set ``request_checksum_calculation`` to ``when_required`` in the client's configuration
(in Airflow, ``config_kwargs`` in the AWS connection's extra). Each part then carries an MD5 instead.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
)
from airflow_provider_maestroqa.storage.base import attempt, nothing, quietly
from airflow_provider_maestroqa.storage.compression import best_engine

#: Bytes of a part, the least that S3 takes: a request costs a millisecond, and with three parts on their way and one
#: being filled, memory hardly grows with the file.
PART_SIZE = 5 << 20
_ON_THEIR_WAY = 3
_MOST_PARTS = 9_500
_MOST_HELD = 2 * PART_SIZE
_TICK = 5.0
_LONGEST_KEY = 1024
_TYPES = {
    ".json": "application/json",
    ".gz": "application/gzip",
    ".zip": "application/zip",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
}


class S3Store:
    """A prefix of a bucket.

    :param client: made by ``boto3.client("s3")`` or ``S3Hook().get_conn()``.
    :param bucket: the bucket's name.
    :param prefix: of all keys, without the slash at its end; empty for the bucket itself.
    :param extra_args: given to every request that creates an object, such as ``ServerSideEncryption``.
    """

    def __init__(
        self, client: Any, bucket: str, prefix: str = "", *, extra_args: Mapping[str, Any] | None = None
    ) -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self.extra_args = dict(extra_args or {})
        self.held = 0
        config = getattr(getattr(client, "meta", None), "config", None)
        self.checksums = getattr(config, "request_checksum_calculation", None) != "when_required"

    def uri(self, name: str = "") -> str:
        """``s3://bucket/prefix/name``."""
        return "/".join(part for part in (f"s3://{self.bucket}", self.prefix, name) if part)

    def place(self, name: str) -> dict[str, str]:
        """The bucket and key of a name, as boto3 wants them."""
        key = f"{self.prefix}/{name}" if self.prefix else name
        if len(key.encode()) > _LONGEST_KEY:
            raise MaestroQAConfigError(
                f"The key of {self.uri(name)} is longer than the {_LONGEST_KEY} bytes that S3 allows. "
                f"Use a shorter prefix."
            )
        return {"Bucket": self.bucket, "Key": key}

    def begin(self, name: str, *, size: int, waiting: Callable[[], None] = nothing) -> S3Upload:
        """Begin to store an object; see :class:`~.base.Store`."""
        return S3Upload(self, name, size=size, waiting=waiting)

    def put_bytes(self, name: str, data: bytes) -> None:
        """Store a small object in one request."""
        self.put(name, data, best_engine().crc32(data, 0))

    def put(self, name: str, data: bytes, crc32: int) -> None:
        """Store an object of known CRC-32 in one request."""
        attempt(
            "write",
            self.uri(name),
            lambda: self.client.put_object(Body=data, **self.proof(data, crc32), **self.created_with(name)),
        )

    def get_bytes(self, name: str) -> bytes | None:
        """Read a small object; ``None`` when there is none."""

        def get() -> bytes | None:
            try:
                body = self.client.get_object(**self.place(name))["Body"]
            except Exception as error:
                if _is_missing(error):
                    return None
                raise
            try:
                return bytes(body.read())
            finally:
                body.close()

        return attempt("read", self.uri(name), get)

    def size(self, name: str) -> int | None:
        """The bytes of an object; ``None`` when there is none."""

        def head() -> int | None:
            try:
                return int(self.client.head_object(**self.place(name))["ContentLength"])
            except Exception as error:
                if _is_missing(error):
                    return None
                raise

        return attempt("look up", self.uri(name), head)

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is no error."""
        attempt("delete", self.uri(name), lambda: self.client.delete_object(**self.place(name)))

    def proof(self, data: bytes | bytearray, crc32: int | None = None) -> dict[str, str]:
        """The argument by which the store can check what it receives."""
        if self.checksums:
            return {"ChecksumCRC32": _base64(best_engine().crc32(data, 0) if crc32 is None else crc32)}
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        return {"ContentMD5": base64.b64encode(digest).decode()}

    def created_with(self, name: str) -> dict[str, Any]:
        """The arguments of every request that creates an object."""
        kind = _TYPES.get(name[name.rfind(".") :], "application/octet-stream")
        return {**self.place(name), "ContentType": kind, **self.extra_args}


class S3Upload:
    """An object on its way: in memory while it is small, as a multipart upload when it is not."""

    def __init__(self, store: S3Store, name: str, *, size: int, waiting: Callable[[], None]) -> None:
        self._store = store
        self._name = name
        self._uri = store.uri(name)
        self._waiting = waiting
        # Parts grow when the object would need more of them than S3 allows.
        self._part_size = max(PART_SIZE, -(-size // _MOST_PARTS))
        self._buffer = bytearray()
        self._filled = 0
        self._free: list[bytearray] = []
        self._held = 0
        self._size = 0
        self._crc32 = 0
        self._upload_id: str | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._sending: set[Future[bytearray]] = set()
        self._parts: dict[int, dict[str, Any]] = {}
        self._sent = 0
        self._over = False

    def write(self, data: bytes) -> None:
        """Append some bytes; full parts are sent by threads."""
        self._size += len(data)
        view = memoryview(data)
        while view:
            # All parts but the last have one size; some stores insist on it.
            some = view[: self._part_size - self._filled]
            end = self._filled + len(some)
            self._buffer[self._filled : end] = some
            self._filled = end
            view = view[len(some) :]
            if end == self._part_size:
                self._send()

    def seal(self, crc32: int) -> None:
        """Wait until S3 has all parts; a small object is kept in memory until it is published."""
        self._crc32 = crc32
        if self._upload_id is None and self._store.held + self._size <= _MOST_HELD:
            self._held = self._size
            self._store.held += self._held
            return
        if self._filled or not self._sent:
            del self._buffer[self._filled :]
            self._send()
        while self._sending:
            self._collect()
        self._close_pool()
        self._buffer, self._free = bytearray(), []

    def publish(self) -> None:
        """Make the object visible under its key, with its checksum."""
        if self._upload_id is None:
            self._store.put(self._name, bytes(self._buffer), self._crc32)
        else:
            attempt("complete the upload of", self._uri, self._complete)
        self._end()

    def discard(self) -> None:
        """Abort the upload, as well as possible."""
        if self._over:
            return
        for sending in self._sending:
            sending.cancel()
        self._close_pool()
        upload_id = self._upload_id
        if upload_id is not None:
            place = self._store.place(self._name)
            quietly(lambda: self._store.client.abort_multipart_upload(UploadId=upload_id, **place))
        self._end()

    def _send(self) -> None:
        """Hand the buffer to a thread, and go on with one that has been sent."""
        if self._upload_id is None:
            self._upload_id = attempt("begin the upload of", self._uri, self._create)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_ON_THEIR_WAY, thread_name_prefix="maestroqa-upload")
        while len(self._sending) >= _ON_THEIR_WAY:
            self._collect()
        self._sent += 1
        self._sending.add(self._pool.submit(self._send_part, self._sent, self._buffer))
        self._buffer, self._filled = self._free.pop() if self._free else bytearray(), 0

    def _collect(self) -> None:
        """Wait for a part, and raise what went wrong with it."""
        done, self._sending = wait(self._sending, timeout=_TICK, return_when=FIRST_COMPLETED)
        for sent in done:
            self._free.append(sent.result())
        self._waiting()

    def _create(self) -> str:
        kind = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"} if self._store.checksums else {}
        created = self._store.client.create_multipart_upload(**kind, **self._store.created_with(self._name))
        return str(created["UploadId"])

    def _send_part(self, number: int, part: bytearray) -> bytearray:
        def send(body: bytes | bytearray) -> None:
            proof = self._store.proof(part)
            answer = self._store.client.upload_part(
                UploadId=self._upload_id, PartNumber=number, Body=body, **proof, **self._store.place(self._name)
            )
            proof.pop("ContentMD5", None)
            self._parts[number] = {"PartNumber": number, "ETag": answer["ETag"], **proof}

        # boto3 sends a bytearray in one piece, which takes half the time that many pieces take. But then the whole
        # part must leave within boto3's time-out: on a line that is too slow for that, the pieces are the way.
        what, in_one_piece = f"upload part {number} of", False
        try:
            attempt(what, self._uri, lambda: send(part))
            in_one_piece = True
        except MaestroQAConnectionError:
            pass
        if not in_one_piece:
            attempt(what, self._uri, lambda: send(bytes(part)))
        return part

    def _complete(self) -> None:
        proof: dict[str, Any] = {}
        if self._store.checksums:
            proof = {"ChecksumCRC32": _base64(self._crc32), "ChecksumType": "FULL_OBJECT"}
            proof["MpuObjectSize"] = self._size
        parts = [self._parts[number] for number in sorted(self._parts)]
        try:
            self._store.client.complete_multipart_upload(
                UploadId=self._upload_id,
                MultipartUpload={"Parts": parts},
                **proof,
                **self._store.place(self._name),
            )
        except Exception as error:
            # When the answer was lost, boto3 asks again, and the upload it asks for has already become the object.
            if _code(error) != "NoSuchUpload" or self._store.size(self._name) != self._size:
                raise
        if not self._store.checksums and self._store.size(self._name) != self._size:
            raise MaestroQADataError(f"{self._uri} has another size than what was sent.", retryable=True)

    def _close_pool(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _end(self) -> None:
        self._over = True
        self._store.held -= self._held
        self._held = 0
        self._buffer, self._free = bytearray(), []


def _base64(crc32: int) -> str:
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def _code(error: Exception) -> str:
    return str((getattr(error, "response", None) or {}).get("Error", {}).get("Code", ""))


def _is_missing(error: Exception) -> bool:
    return _code(error) in {"NoSuchKey", "404", "NotFound"}
