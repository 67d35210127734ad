"""Publish to Amazon S3, or to a compatible store, with a client made by boto3.

Large files are uploaded in parts while they are still being checked. Nothing is visible before the last request,
which names the CRC-32 of the whole object, so that S3 itself rejects an object that is not what was read. A killed
process leaves invisible parts behind that cost money; a lifecycle rule with ``AbortIncompleteMultipartUpload``
deletes them.

For stores without checksums, set ``request_checksum_calculation`` to ``when_required`` in the client's configuration
(in Airflow, ``config_kwargs`` in the AWS connection's extra). Each part then carries an MD5 instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError, MaestroQADataError
from airflow_provider_maestroqa.storage.base import best_effort, noop, translate_errors
from airflow_provider_maestroqa.storage.s3_objects import S3Objects, base64_crc32, error_code

#: Bytes of a part, the minimum of S3: a request costs a millisecond, and with three parts in flight and one being
#: filled, memory hardly grows with the file.
PART_SIZE = 5 << 20
_MAX_IN_FLIGHT = 3
_MAX_PARTS = 9_500
_MAX_HELD = 2 * PART_SIZE
_WAIT_S = 5.0


class S3Store(S3Objects):
    """A prefix of a bucket, to publish to; see :class:`~.s3_objects.S3Objects`."""

    #: Bytes of sealed uploads that are kept in memory.
    held = 0

    def begin(
        self, name: str, *, size: int, content_type: str | None = None, on_wait: Callable[[], None] = noop
    ) -> S3Upload:
        """Begin to store an object; see :class:`~.base.Store`."""
        return S3Upload(self, name, size=size, content_type=content_type, on_wait=on_wait)


class S3Upload:
    """An object being stored: in memory while it is small, as a multipart upload when it is not."""

    def __init__(
        self, store: S3Store, name: str, *, size: int, content_type: str | None, on_wait: Callable[[], None]
    ) -> None:
        self._store = store
        self._name = name
        self._uri = store.uri(name)
        self._content_type = content_type
        self._on_wait = on_wait
        # Parts grow when the object would need more of them than S3 allows.
        self._part_size = max(PART_SIZE, -(-size // _MAX_PARTS))
        # Made at once: one that grows is copied from place to place, and leaves its places to nobody.
        self._buffer = bytearray(min(size, self._part_size))
        self._filled = 0
        self._free: list[bytearray] = []
        self._held = 0
        self._size = 0
        self._crc32 = 0
        self._upload_id: str | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._in_flight: set[Future[bytearray]] = set()
        self._parts: dict[int, dict[str, Any]] = {}
        self._part_count = 0
        self._done = False

    def write(self, data: bytes) -> None:
        """Append some bytes; full parts are sent by threads."""
        self._size += len(data)
        view = memoryview(data)
        while view:
            # All parts but the last have one size; some stores insist on it.
            chunk = view[: self._part_size - self._filled]
            end = self._filled + len(chunk)
            self._buffer[self._filled : end] = chunk
            self._filled = end
            view = view[len(chunk) :]
            if end == self._part_size:
                self._send()

    def seal(self, crc32: int) -> None:
        """Wait until S3 has all parts; a small object is kept in memory until it is published."""
        self._crc32 = crc32
        del self._buffer[self._filled :]
        if self._upload_id is None and self._store.held + self._size <= _MAX_HELD:
            self._held = self._size
            self._store.held += self._held
            return
        if self._filled or not self._part_count:
            self._send()
        while self._in_flight:
            self._collect()
        self._close_pool()
        self._buffer, self._free = bytearray(), []

    def publish(self, *, expected: str | None = None) -> str | None:
        """Make the object visible under its key, with its checksum."""
        if self._upload_id is None:
            data = bytes(self._buffer)
            version = self._store.put(self._name, data, self._crc32, self._content_type, expected=expected)
        else:
            version = self._store.replace(
                "complete the upload of",
                self._name,
                self._complete,
                operation="CompleteMultipartUpload",
                expected=expected,
                content=(self._size, self._crc32),
            )
        self._end()
        return version

    def discard(self) -> None:
        """Abort the upload, as well as possible."""
        if self._done:
            return
        for part in self._in_flight:
            part.cancel()
        self._close_pool()
        upload_id = self._upload_id
        if upload_id is not None:
            arguments = self._store.request_args("AbortMultipartUpload", self._name)
            best_effort(lambda: self._store.client.abort_multipart_upload(UploadId=upload_id, **arguments))
        self._end()

    def _send(self) -> None:
        """Hand the buffer to a thread, and continue with one that has been sent."""
        if self._upload_id is None:
            self._upload_id = translate_errors("begin the upload of", self._uri, self._create)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_MAX_IN_FLIGHT, thread_name_prefix="maestroqa-upload")
        while len(self._in_flight) >= _MAX_IN_FLIGHT:
            self._collect()
        self._part_count += 1
        self._in_flight.add(self._pool.submit(self._send_part, self._part_count, self._buffer))
        self._buffer, self._filled = self._free.pop() if self._free else bytearray(self._part_size), 0

    def _collect(self) -> None:
        """Wait for a part, and raise its error."""
        done, self._in_flight = wait(self._in_flight, timeout=_WAIT_S, return_when=FIRST_COMPLETED)
        for part in done:
            self._free.append(part.result())
        self._on_wait()

    def _create(self) -> str:
        checksum = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"} if self._store.checksums else {}
        arguments = self._store.create_args("CreateMultipartUpload", self._name, self._content_type)
        return str(self._store.client.create_multipart_upload(**checksum, **arguments)["UploadId"])

    def _send_part(self, number: int, part: bytearray) -> bytearray:
        def send(body: bytes | bytearray) -> None:
            checksum_args = self._store.checksum_args(part)
            response = self._store.client.upload_part(
                UploadId=self._upload_id,
                PartNumber=number,
                Body=body,
                **checksum_args,
                **self._store.request_args("UploadPart", self._name),
            )
            checksum_args.pop("ContentMD5", None)
            checksum_args.pop("ChecksumAlgorithm", None)
            self._parts[number] = {"PartNumber": number, "ETag": response["ETag"], **checksum_args}

        # boto3 sends a bytearray in one piece, which takes half the time of many pieces. But then the whole part must
        # leave within boto3's time-out: a connection that is too slow for that gets the pieces.
        action, in_one_piece = f"upload part {number} of", False
        try:
            translate_errors(action, self._uri, lambda: send(part))
            in_one_piece = True
        except MaestroQAConnectionError:
            pass
        if not in_one_piece:
            translate_errors(action, self._uri, lambda: send(bytes(part)))
        return part

    def _complete(self, condition: Mapping[str, str]) -> str | None:
        checksum_args: dict[str, Any] = {}
        if self._store.checksums:
            checksum_args = {"ChecksumCRC32": base64_crc32(self._crc32), "ChecksumType": "FULL_OBJECT"}
            checksum_args["MpuObjectSize"] = self._size
        parts = [self._parts[number] for number in sorted(self._parts)]
        version: str | None = None
        try:
            version = self._store.client.complete_multipart_upload(
                UploadId=self._upload_id,
                MultipartUpload={"Parts": parts},
                **checksum_args,
                **condition,
                **self._store.request_args("CompleteMultipartUpload", self._name),
            ).get("ETag")
        except Exception as error:
            # When the response was lost, boto3 repeats the request, and the upload has already become the object.
            if error_code(error) != "NoSuchUpload" or self._store.size(self._name) != self._size:
                raise
        if not self._store.checksums and self._store.size(self._name) != self._size:
            raise MaestroQADataError(f"{self._uri} does not have the size of what was sent.", retryable=True)
        return version or self._store.version(self._name)

    def _close_pool(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _end(self) -> None:
        self._done = True
        self._store.held -= self._held
        self._held = 0
        self._buffer, self._free = bytearray(), []
