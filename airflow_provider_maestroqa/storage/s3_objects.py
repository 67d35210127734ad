"""Requests to Amazon S3 about single objects, with the conditions, checksums and extra arguments that they carry."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import IO, Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.storage.base import (
    ABSENT,
    StorageConflictError,
    best_effort,
    check_name,
    conflict,
    translate_errors,
)
from airflow_provider_maestroqa.storage.compression import best_engine

_MAX_KEY_BYTES = 1024
_CONTENT_TYPES = {
    ".json": "application/json",
    ".gz": "application/gzip",
    ".zip": "application/zip",
    ".csv": "text/csv",
}
_OPERATIONS = (
    "PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload",
    "GetObject", "HeadObject", "DeleteObject",
)  # fmt: skip
#: What requests are given here already, so that it cannot be given from outside.
_OWN_ARGS = {
    "Body", "Bucket", "Key", "UploadId", "PartNumber", "MultipartUpload", "MpuObjectSize", "IfMatch", "IfNoneMatch",
    "ContentLength", "ContentMD5", "ContentEncoding", "Range", "VersionId",
}  # fmt: skip
#: How stores respond that know no conditions.
_NO_CONDITIONS = {"NotImplemented", "501", "InvalidArgument", "InvalidRequest"}


def known_arguments(client: Any, operation: str) -> frozenset[str]:
    """The arguments that an operation of boto3's client takes; empty where the client cannot tell."""
    model = getattr(getattr(client, "meta", None), "service_model", None)
    return frozenset(model.operation_model(operation).input_shape.members) if model is not None else frozenset()


def check_extra_args(client: Any, extra_args: Mapping[str, Any]) -> dict[str, Any]:
    """Validate ``s3_extra_args``.

    :raises MaestroQAConfigError: boto3 knows no such argument, or the package gives it already.
    """
    known = frozenset[str]().union(*(known_arguments(client, operation) for operation in _OPERATIONS))
    for name in extra_args:
        if name in _OWN_ARGS or "Checksum" in str(name) or name not in known:
            raise MaestroQAConfigError(
                f"s3_extra_args: {name!r} cannot be given. Give arguments of boto3's put_object, such as "
                "ServerSideEncryption, SSEKMSKeyId, ACL, StorageClass, Tagging, ExpectedBucketOwner or RequestPayer."
            )
    return dict(extra_args)


class S3Objects:
    """The objects below a prefix of a bucket: each method sends one request, with all arguments that it needs.

    :param client: made by ``boto3.client("s3")`` or ``S3Hook().get_conn()``.
    :param bucket: the bucket's name.
    :param prefix: of all keys, without the slash at its end; empty for the bucket itself.
    :param extra_args: given to every request that knows them, such as ``ServerSideEncryption`` or ``RequestPayer``.
    """

    def __init__(
        self, client: Any, bucket: str, prefix: str = "", *, extra_args: Mapping[str, Any] | None = None
    ) -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = check_name(prefix.strip("/"), "prefix")
        meta = getattr(client, "meta", None)
        self.checksums = (
            getattr(getattr(meta, "config", None), "request_checksum_calculation", None) != "when_required"
        )
        #: Whether the store compares versions; some that are compatible with S3 refuse to.
        self.is_conditional = True
        self._known_args = {operation: known_arguments(client, operation) for operation in _OPERATIONS}
        self._extra_args = check_extra_args(client, extra_args or {})

    def uri(self, name: str = "") -> str:
        """``s3://bucket/prefix/name``."""
        return "/".join(part for part in (f"s3://{self.bucket}", self.prefix, name) if part)

    def object_ref(self, name: str) -> dict[str, str]:
        """The bucket and key of a name, as boto3 wants them."""
        key = f"{self.prefix}/{check_name(name)}" if self.prefix else check_name(name)
        if len(key.encode()) > _MAX_KEY_BYTES:
            raise MaestroQAConfigError(
                f"The key of {self.uri(name)} is longer than the {_MAX_KEY_BYTES} bytes that S3 allows. "
                f"Use a shorter prefix."
            )
        return {"Bucket": self.bucket, "Key": key}

    def put_bytes(self, name: str, data: bytes, *, expected: str | None = None) -> str | None:
        """Store a small object in one request."""
        return self.put(name, data, best_engine().crc32(data, 0), expected=expected)

    def put(
        self, name: str, data: bytes, crc32: int, content_type: str | None = None, *, expected: str | None = None
    ) -> str | None:
        """Store an object of known CRC-32 in one request; its version."""
        arguments = {**self.checksum_args(data, crc32), **self.create_args("PutObject", name, content_type)}
        return self.replace(
            "write",
            name,
            lambda condition: self.client.put_object(Body=data, **arguments, **condition).get("ETag"),
            operation="PutObject",
            expected=expected,
            content=(len(data), crc32),
        )

    def replace(
        self,
        action: str,
        name: str,
        send: Callable[[Mapping[str, str]], str | None],
        *,
        operation: str,
        expected: str | None,
        content: tuple[int, int],
    ) -> str | None:
        """Send a request that creates or replaces an object, if the version is there that it may replace.

        :param send: sends it with a condition, and returns the version.
        :param content: size and CRC-32 of the object.
        :raises StorageConflictError: another version is there, with other content. The same content may be this very
            object: boto3 repeats a request whose response was lost.
        """
        condition = self._condition(operation, expected)
        try:
            return translate_errors(action, self.uri(name), lambda: self._send_conditionally(name, send, condition))
        except StorageConflictError:
            version = self._version_of_content(name, content)
            if version is None:
                raise
            return version

    def _send_conditionally(
        self, name: str, send: Callable[[Mapping[str, str]], str | None], condition: Mapping[str, str]
    ) -> str | None:
        try:
            return send(condition)
        except Exception as error:
            # With If-Match and no object there, S3 responds as to a request for one.
            is_gone = bool(condition) and is_missing(error)
            if not is_gone and (not condition or error_code(error) not in _NO_CONDITIONS):
                raise
        if is_gone:
            raise conflict(self.uri(name))
        version = send({})
        self.is_conditional = False
        return version

    def _condition(self, operation: str, expected: str | None) -> dict[str, str]:
        name = "IfNoneMatch" if expected == ABSENT else "IfMatch"
        if expected is None or not self.is_conditional or name not in self._known_args[operation]:
            return {}
        return {name: expected or "*"}

    def _version_of_content(self, name: str, content: tuple[int, int]) -> str | None:
        """The version of an object, if it has the size and CRC-32; else ``None``."""
        etags: list[str | None] = []

        def head_object() -> None:
            head = self.client.head_object(ChecksumMode="ENABLED", **self.request_args("HeadObject", name))
            if (head["ContentLength"], head.get("ChecksumCRC32")) == (content[0], base64_crc32(content[1])):
                etags.append(head.get("ETag"))

        return etags[0] if best_effort(head_object) and etags else None

    def get_versioned(self, name: str) -> tuple[bytes | None, str | None]:
        """Read a small object, and its version."""

        def get() -> tuple[bytes | None, str | None]:
            try:
                response = self.client.get_object(**self.request_args("GetObject", name))
            except Exception as error:
                if is_missing(error):
                    return None, ABSENT
                raise
            with closing(response["Body"]) as body:
                return body.read(), response.get("ETag")

        return translate_errors("read", self.uri(name), get)

    def get_bytes(self, name: str) -> bytes | None:
        """Read a small object; ``None`` when there is none."""
        return self.get_versioned(name)[0]

    def version(self, name: str) -> str | None:
        """The ETag of an object."""
        head = self._head(name)
        return ABSENT if head is None else head.get("ETag")

    def size(self, name: str) -> int | None:
        """The bytes of an object; ``None`` when there is none."""
        head = self._head(name)
        return None if head is None else int(head["ContentLength"])

    def _head(self, name: str) -> Mapping[str, Any] | None:
        def head() -> Mapping[str, Any] | None:
            try:
                response: Mapping[str, Any] = self.client.head_object(**self.request_args("HeadObject", name))
            except Exception as error:
                if is_missing(error):
                    return None
                raise
            return response

        return translate_errors("look up", self.uri(name), head)

    def exists(self, name: str) -> bool:
        """Whether there is an object of this name."""
        return self.size(name) is not None

    def open(self, name: str) -> IO[bytes]:
        """Open an object for reading."""

        def body() -> IO[bytes]:
            opened: IO[bytes] = self.client.get_object(**self.request_args("GetObject", name))["Body"]
            return opened

        return translate_errors("read", self.uri(name), body)

    def delete(self, name: str, *, expected: str | None = None) -> None:
        """Delete an object, if it exists."""

        def delete(condition: Mapping[str, str]) -> None:
            self.client.delete_object(**self.request_args("DeleteObject", name), **condition)

        condition = self._condition("DeleteObject", expected or None)
        # No condition says "if there is none".
        if expected is not None and not condition and self.version(name) != expected:
            raise conflict(self.uri(name))
        translate_errors("delete", self.uri(name), lambda: self._send_conditionally(name, delete, condition))

    def checksum_args(self, data: bytes | bytearray, crc32: int | None = None) -> dict[str, str]:
        """The argument by which the store can verify what it receives."""
        if self.checksums:
            crc32 = best_engine().crc32(data, 0) if crc32 is None else crc32
            return {"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": base64_crc32(crc32)}
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        return {"ContentMD5": base64.b64encode(digest).decode()}

    def request_args(self, operation: str, name: str) -> dict[str, Any]:
        """The arguments of every request about an object."""
        known = self._known_args[operation]
        return {**self.object_ref(name), **{key: value for key, value in self._extra_args.items() if key in known}}

    def create_args(self, operation: str, name: str, content_type: str | None) -> dict[str, Any]:
        """The arguments of a request that creates an object."""
        guessed = _CONTENT_TYPES.get(name[name.rfind(".") :], "application/octet-stream")
        return {"ContentType": content_type or guessed, **self.request_args(operation, name)}


def base64_crc32(crc32: int) -> str:
    """A CRC-32 as S3 writes it."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def error_code(error: Exception) -> str:
    """The code of an error of botocore."""
    return str((getattr(error, "response", None) or {}).get("Error", {}).get("Code", ""))


def is_missing(error: Exception) -> bool:
    """Whether an error says that there is no such object."""
    return error_code(error) in {"NoSuchKey", "404", "NotFound"}
