"""What every storage must provide, and how its errors are translated.

Publishing takes two steps, so that a set of files can be checked as a whole before any of it becomes visible. An
:class:`Upload` takes a file's bytes and is *sealed* when all of them have arrived. It is *published*, in one atomic
step, when all the others are sealed as well. Until then readers see what was there before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import IO, Protocol, TypeVar

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
)
from airflow_provider_maestroqa.client.server_text import clean_text

T = TypeVar("T")
_QUERY = re.compile(r"\?[^\s\"'<>]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_ERROR_CHARS = 300
_MAX_CAUSES = 5


class StorageDeniedError(MaestroQAConfigError):
    """The storage denied these credentials access."""


class StorageConflictError(MaestroQAError):
    """Someone else has changed a file that was to be replaced. Nothing was written; a retry sees the new one."""

    default_retryable = True


#: The version of a file that does not exist. Any other version changes with every write; ``None`` means not known.
ABSENT = ""


def conflict(uri: str) -> StorageConflictError:
    """The error of a file that is not as expected."""
    return StorageConflictError(f"{uri} was not written: someone else has changed it at the same time.")


def check_name(name: str, subject: str = "name") -> str:
    """Refuse a path that would lead out of its folder, or to another name than the one that is shown.

    :param subject: what the name is, for the message.
    :raises MaestroQAConfigError: a part of it is ``.`` or ``..``, or it contains a control character.
    """
    if any(part in (".", "..") for part in name.split("/")) or _CONTROL.search(name):
        raise MaestroQAConfigError(
            f"The {subject} {name[:_MAX_ERROR_CHARS]!r} has a part that is . or .., or a control character. Storages "
            "read such names differently, and some lead out of the destination. Write the name without it."
        )
    return name


class Upload(Protocol):
    """A file that is being stored and is not visible yet."""

    def write(self, data: bytes) -> None:
        """Append some bytes."""

    def seal(self, crc32: int) -> None:
        """Wait until the storage has all bytes that were written.

        :param crc32: of the whole file, for a storage that can verify it.
        """

    def publish(self, *, expected: str | None = None) -> str | None:
        """Make the sealed file visible under its name, replacing what was there, in one step.

        :param expected: the version that it may replace; any by default. S3 and the local disk compare and replace in
            one step, other storages one after the other.
        :return: the file's version.
        :raises StorageConflictError: another version is there. It may be published again, over that one.
        """

    def discard(self) -> None:
        """Discard the file. Never raises; does nothing after ``publish``."""


class Store(Protocol):
    """A folder, bucket or prefix that files are published to, by names relative to it."""

    @property
    def is_conditional(self) -> bool:
        """Whether it compares versions and replaces a file in one step; else it looks first."""

    def uri(self, name: str = "") -> str:
        """The address of a name, as users write it; without a name, the address of the store itself."""

    def begin(
        self, name: str, *, size: int, content_type: str | None = None, on_wait: Callable[[], None] = ...
    ) -> Upload:
        """Begin to store a file.

        :param name: relative to the store; ``/`` separates folders.
        :param size: in bytes; an upper bound where it is not known exactly.
        :param content_type: for a storage that keeps it; guessed from the name by default.
        :param on_wait: called every few seconds while waiting for the storage.
        """

    def put_bytes(self, name: str, data: bytes, *, expected: str | None = None) -> str | None:
        """Store a small file in one atomic step, replacing what was there; see :meth:`Upload.publish`."""

    def get_bytes(self, name: str) -> bytes | None:
        """Read a small file; ``None`` when there is none."""

    def get_versioned(self, name: str) -> tuple[bytes | None, str | None]:
        """Read a small file; also its version, :data:`ABSENT` when there is none."""

    def version(self, name: str) -> str | None:
        """The version of a file; :data:`ABSENT` when there is none, ``None`` when the storage does not say."""

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; ``None`` when there is none."""

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading."""

    def delete(self, name: str, *, expected: str | None = None) -> None:
        """Delete a file, if it exists; see :meth:`Upload.publish`."""


def noop() -> None:
    """Do nothing."""


def translate_errors(action: str, uri: str, call: Callable[[], T]) -> T:
    """Call a storage, and turn whatever it raises into an error of this package.

    The original error is not chained: the text of some contains signed addresses.

    :param action: for the message, such as ``write``.
    :param uri: what the action is done to.
    :param call: does it.
    """
    try:
        return call()
    except MaestroQAError:
        raise
    except Exception as error:  # noqa: BLE001 - each storage has errors of its own
        failure = to_storage_error(action, uri, error)
    raise failure


def best_effort(call: Callable[[], object]) -> bool:
    """Call a storage and ignore errors, to clean up while another error is being raised.

    :return: whether it succeeded.
    """
    try:
        call()
    except Exception:  # noqa: BLE001 - the first error is the one to report
        return False
    return True


def to_storage_error(action: str, uri: str, error: Exception) -> MaestroQAError:
    """Explain a storage's error, with a remedy."""
    problem = f"Cannot {action} {uri}: {describe_error(error)}"
    code, status = next(filter(any, map(_code_of, _causes(error))), ("", 0))
    name = type(error).__name__
    if code == "InvalidObjectState":
        return MaestroQAConfigError(
            f"{problem}. The object is archived (S3 Glacier, or an archive tier). Restore it, wait for the "
            f"restore to complete, and run the task again."
        )
    if code in _CONFLICT or status == 412:
        return conflict(uri)
    # Google's file system tells 403 in words alone.
    if code in _DENIED or status == 403 or isinstance(error, PermissionError) or str(error).startswith("Forbidden"):
        return StorageDeniedError(
            f"{problem}. Check that the connection's credentials are valid and may read, write and delete there "
            f"(on S3: s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload, s3:ListBucket). A bucket "
            f"whose policy asks for encryption or for the requester to pay needs s3_extra_args."
        )
    if code in _NO_BUCKET:
        return MaestroQAConfigError(f"{problem}. Check the bucket's name and region.")
    if name == "ParamValidationError":
        return MaestroQAConfigError(f"{problem}. Check the bucket's name, and that boto3 is 1.37 or newer.")
    if name in _NO_CREDENTIALS:
        return MaestroQAConfigError(f"{problem}. Check the storage connection's credentials.")
    if code in _DAMAGED:
        return MaestroQADataError(
            f"{problem}. The data was altered in transit; a retry sends it again.", retryable=True
        )
    if status == 401:
        return StorageDeniedError(
            f"{problem}. Check that the connection's credentials are valid and have not expired."
        )
    if isinstance(error, FileNotFoundError) or status == 404:
        return MaestroQAConfigError(f"{problem}. Check that the bucket or folder exists.")
    if status >= 500 or status in (408, 429) or code in _BUSY or any(map(_is_network, _causes(error))):
        return MaestroQAConnectionError(f"{problem}. The storage may be busy or out of reach; a retry may succeed.")
    if isinstance(error, OSError):
        return MaestroQAError(f"{problem}. Check the free space and the settings of the storage.", retryable=True)
    return MaestroQAError(f"{problem}.", retryable=True)


def describe_error(error: Exception) -> str:
    """An error's message, without the queries of URLs, which may be signatures."""
    text = clean_text(_QUERY.sub("?***", str(error)), max_length=_MAX_ERROR_CHARS).rstrip(".")
    return f"{text} ({type(error).__name__})" if text else type(error).__name__


_DENIED = {
    "AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidAccessKeyId", "SignatureDoesNotMatch",
    "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "RequestTimeTooSkewed", "Forbidden",
}  # fmt: skip
_CONFLICT = {"PreconditionFailed", "ConditionalRequestConflict"}
_NO_BUCKET = {
    "NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
    "InvalidBucketName", "ContainerNotFound", "ContainerDisabled", "ResourceNotFound", "AccountNotFound",
}  # fmt: skip
_DAMAGED = {
    "BadDigest", "InvalidDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch",
}  # fmt: skip
_BUSY = {
    "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling", "503", "500", "NoSuchUpload",
}  # fmt: skip
_NO_CREDENTIALS = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"}


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that led to it: file systems wrap what a service has answered."""
    seen = 0
    cause: BaseException | None = error
    while cause is not None and seen < _MAX_CAUSES:
        yield cause
        cause, seen = cause.__cause__ or cause.__context__, seen + 1


def _code_of(error: BaseException) -> tuple[str, int]:
    """The code and HTTP status of botocore's errors, and of those that look alike."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return str(response.get("Error", {}).get("Code", "")), int(status or 0)
    code = getattr(error, "error_code", None)  # of Azure
    for attribute in ("status_code", "status", "code"):
        number = getattr(error, attribute, None)
        if isinstance(number, int) or (isinstance(number, str) and number.isdigit()):
            return str(getattr(code, "value", code) or ""), int(number)
    return "", 0


def _is_network(error: BaseException) -> bool:
    name = type(error).__name__
    # The last two are Azure's.
    signs = ("Timeout", "Connection", "ServiceRequestError", "ServiceResponseError")
    return isinstance(error, (ConnectionError, TimeoutError)) or any(sign in name for sign in signs)
