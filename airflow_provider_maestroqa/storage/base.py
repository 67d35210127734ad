"""Where published files go: what every storage must be able to do, and how its errors are told.

Publishing has two steps, so that a set of files can be checked as a whole before any of it becomes visible: an
:class:`Upload` takes a file's bytes and is *sealed* when all of them have arrived; it is *published*, in one atomic
step, when all the others are sealed as well. Until then a reader sees what was there before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol, TypeVar

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
)

T = TypeVar("T")
_QUERY = re.compile(r"\?[^\s\"'<>]*")
_LONGEST = 300


class StorageDeniedError(MaestroQAConfigError):
    """The storage said that these credentials may not do this."""


class Upload(Protocol):
    """A file on its way into storage, not visible yet."""

    def write(self, data: bytes) -> None:
        """Append some bytes."""

    def seal(self, crc32: int) -> None:
        """All bytes were written: wait until the storage has them.

        :param crc32: of the whole file, for a storage that can check it.
        """

    def publish(self) -> None:
        """Make the sealed file visible under its name, replacing what was there, in one step."""

    def discard(self) -> None:
        """Forget the file. Never raises; does nothing after ``publish``."""


class Store(Protocol):
    """A folder, bucket or prefix that files are published to, by names relative to it."""

    def uri(self, name: str = "") -> str:
        """The address of a name, as users write it; of the place itself without a name."""

    def begin(self, name: str, *, size: int, waiting: Callable[[], None] = ...) -> Upload:
        """Begin to store a file.

        :param name: relative to the place; ``/`` parts folders.
        :param size: its bytes; more than there will be, if nobody knows exactly.
        :param waiting: called every few seconds while the storage is waited for.
        """

    def put_bytes(self, name: str, data: bytes) -> None:
        """Store a small file in one atomic step, replacing what was there."""

    def get_bytes(self, name: str) -> bytes | None:
        """Read a small file; ``None`` when there is none."""

    def size(self, name: str) -> int | None:
        """The bytes of a file; ``None`` when there is none."""

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""


def nothing() -> None:
    """Do nothing."""


def attempt(action: str, uri: str, call: Callable[[], T]) -> T:
    """Call a storage, and turn whatever it raises into an error of this package.

    The original error is left behind: the text of some holds signed addresses.

    :param action: what is tried, such as ``write``.
    :param uri: what it is tried on.
    :param call: does it.
    """
    try:
        return call()
    except MaestroQAError:
        raise
    except Exception as error:  # noqa: BLE001 - each storage brings errors of its own
        failure = explain(action, uri, error)
    raise failure


def quietly(call: Callable[[], object]) -> bool:
    """Clean up as well as possible while another error is on its way.

    :return: whether it worked.
    """
    try:
        call()
    except Exception:  # noqa: BLE001 - the first error is the one to tell
        return False
    return True


def explain(action: str, uri: str, error: Exception) -> MaestroQAError:
    """Say what a storage's error means and what can be done about it."""
    what = f"Cannot {action} {uri}: {tell(error)}"
    code, status = _code_of(error)
    name = type(error).__name__
    if code in _DENIED or status == 403 or isinstance(error, PermissionError):
        return StorageDeniedError(
            f"{what}. Check that the connection's credentials are valid and may read, write and delete there "
            f"(on S3: s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload, s3:ListBucket)."
        )
    if code in _NO_BUCKET:
        return MaestroQAConfigError(f"{what}. Check the bucket's name and region.")
    if name == "ParamValidationError":
        return MaestroQAConfigError(f"{what}. Check the bucket's name, and that boto3 is 1.37 or newer.")
    if name in _NO_CREDENTIALS:
        return MaestroQAConfigError(f"{what}. Check the storage connection's credentials.")
    if code in _DAMAGED:
        return MaestroQADataError(f"{what}. The data was altered on its way; a retry sends it again.", retryable=True)
    if isinstance(error, FileNotFoundError):
        return MaestroQAConfigError(f"{what}. Check that the bucket or folder exists.")
    if status >= 500 or code in _BUSY or _is_network(error, name):
        return MaestroQAConnectionError(f"{what}. The storage may be busy or out of reach; a retry may succeed.")
    if isinstance(error, OSError):
        return MaestroQAError(f"{what}. Check the space and the settings of the storage.", retryable=True)
    return MaestroQAError(f"{what}.", retryable=True)


def tell(error: Exception) -> str:
    """An error's own words, without queries of addresses, which may be signatures."""
    text = " ".join(_QUERY.sub("?***", str(error)).split()).rstrip(".")
    return f"{text[:_LONGEST]} ({type(error).__name__})" if text else type(error).__name__


_DENIED = {
    "AccessDenied",
    "AllAccessDisabled",
    "AccountProblem",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "TokenRefreshRequired",
    "RequestTimeTooSkewed",
    "Forbidden",
}
_NO_BUCKET = {
    "NoSuchBucket",
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "InvalidBucketName",
}
_DAMAGED = {
    "BadDigest",
    "InvalidDigest",
    "IncompleteBody",
    "XAmzContentSHA256Mismatch",
    "XAmzContentChecksumMismatch",
}
_BUSY = {
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "Throttling",
    "503",
    "500",
    "NoSuchUpload",
}
_NO_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"}


def _code_of(error: Exception) -> tuple[str, int]:
    """The code and HTTP status of botocore's errors, and of those that look alike."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return str(response.get("Error", {}).get("Code", "")), int(status or 0)
    for attribute in ("status_code", "status", "code"):
        number = getattr(error, attribute, None)
        if isinstance(number, int):
            return "", number
    return "", 0


def _is_network(error: Exception, name: str) -> bool:
    return isinstance(error, (ConnectionError, TimeoutError)) or "Timeout" in name or "Connection" in name
