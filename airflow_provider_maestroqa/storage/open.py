"""Open storage URLs and paths: as a store to publish to, as one small object, or as a file to read.

This is the only module here that knows Airflow's connections. S3 goes through boto3, everything else through fsspec.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
)
from airflow_provider_maestroqa.client.parsing import is_blank, number_as_text, show
from airflow_provider_maestroqa.storage.azure import open_azure
from airflow_provider_maestroqa.storage.base import describe_error, translate_errors
from airflow_provider_maestroqa.storage.google import open_google
from airflow_provider_maestroqa.storage.urls import (
    AIRFLOW_SCHEMES,
    AZURE,
    DEFAULT_CONNECTIONS,
    GCS,
    LOCAL,
    S3,
    StorageUrl,
    is_access_point,
    local_path,
    parse_url,
)

if TYPE_CHECKING:
    from airflow_provider_maestroqa.client.resources.upload_body import Source
    from airflow_provider_maestroqa.storage.base import Store

_WEB = ("http://", "https://")


def open_s3_store(
    *, bucket: str, prefix: str, aws_conn_id: str | None, extra_args: Mapping[str, Any] | str | None = None
) -> Store:
    """Open a prefix of an S3 bucket with an AWS connection.

    :param bucket: the bucket's name, or the ARN of an access point.
    :param prefix: what every key begins with; slashes at its ends do not matter.
    :param aws_conn_id: id of the AWS connection; ``None`` leaves it to boto3's own chain.
    :param extra_args: arguments for boto3, in addition to ``s3_extra_args`` in the connection's extra.
    :raises MaestroQAConfigError: the Amazon provider is not installed, or the bucket is missing.
    """
    from airflow_provider_maestroqa.storage.s3_store import S3Store

    bucket, prefix = number_as_text(bucket), number_as_text(prefix)
    if not isinstance(bucket, str) or not bucket or ("/" in bucket and not is_access_point(bucket)):
        raise MaestroQAConfigError(
            f"s3_bucket must be a bucket's name, or the ARN of an access point, without s3:// or a key; got "
            f"{bucket!r}."
        )
    if not isinstance(prefix, str):
        raise MaestroQAConfigError(f"s3_prefix must be text, what every key begins with; got {show(prefix)}.")
    hook = s3_hook(aws_conn_id)
    client = hook.get_conn()
    of_connection = as_extra_args(hook.conn_config.extra_config.get("s3_extra_args"), f"connection {aws_conn_id}")
    return S3Store(client, bucket, prefix, extra_args={**of_connection, **as_extra_args(extra_args, "argument")})


def s3_hook(aws_conn_id: str | None) -> Any:
    """Airflow's hook of an AWS connection.

    :raises MaestroQAConfigError: the Amazon provider is not installed.
    """
    try:
        from airflow.providers.amazon.aws.hooks.s3 import S3Hook
    except ImportError:
        S3Hook = None  # noqa: N806
    if S3Hook is None:
        raise MaestroQAConfigError("S3 needs the Amazon provider: pip install 'airflow-provider-maestroqa[amazon]'.")
    return S3Hook(aws_conn_id=aws_conn_id)


def as_extra_args(value: object, place: str) -> Mapping[str, Any]:
    """``s3_extra_args`` as a dict; in a connection or a template it may be the text of one.

    :param place: where it stands, for the message.
    :raises MaestroQAConfigError: it is neither.
    """
    if is_blank(value):
        return {}
    with suppress(ValueError):
        value = json.loads(value) if isinstance(value, str) else value
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return value
    raise MaestroQAConfigError(
        f"s3_extra_args ({place}) must be a JSON object of arguments for boto3, such as "
        '{"ServerSideEncryption": "aws:kms"}.'
    )


def open_store(url: str, *, conn_id: str | None = None) -> Store:
    """Open the folder, bucket or prefix that a storage URL names.

    :param url: ``s3://…``, ``gs://…``, ``abfs://…``, ``file:///…`` or any other for which Airflow has a
        filesystem. It may name the connection, as in ``s3://my_conn@bucket/prefix``.
    :param conn_id: id of the storage's connection. Default: the one in the URL, else the provider's default.
    :raises MaestroQAConfigError: the URL is not a storage URL, or nothing is installed for its scheme.
    """
    parts = parse_url(url)
    conn_id = conn_id or parts.conn_id or None
    if parts.storage == S3:
        return open_s3_store(bucket=parts.bucket, prefix=parts.key, aws_conn_id=conn_id or DEFAULT_CONNECTIONS[S3])
    from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore

    fs = open_filesystem(parts, conn_id)
    address = f"{parts.scheme}://{parts.bucket}/{parts.key}"
    # Not all versions of Azure's file system find the container in front of an account.
    return FilesystemStore(
        fs, f"{parts.container}/{parts.key}", parts.scheme, address=address if parts.account else ""
    )


def open_filesystem(parts: StorageUrl, conn_id: str | None) -> Any:
    """Open the file system that Airflow has for a scheme, with a connection's credentials.

    :raises MaestroQAConfigError: nothing is installed for the scheme, or the connection cannot be used.
    """
    if parts.storage == LOCAL:
        # The one that Airflow has. It would first import the file systems of all providers, a third of a second.
        from fsspec.implementations.local import LocalFileSystem

        return LocalFileSystem()
    conn_id = conn_id or parts.conn_id or _default_connection(parts.storage)
    scheme = AIRFLOW_SCHEMES.get(parts.scheme, parts.scheme)
    try:
        if parts.storage == AZURE:
            fs = open_azure(scheme, conn_id, parts)
        elif parts.storage == GCS:
            fs = open_google(scheme, conn_id)
        else:
            fs = _compat.get_fs(scheme, conn_id)
    except (ImportError, ValueError) as error:
        problem = describe_error(error)
    else:
        return fs
    extra = {GCS: "google", AZURE: "azure"}.get(parts.storage)
    remedy = f"Run pip install 'airflow-provider-maestroqa[{extra}]'" if extra else "Install its Airflow provider"
    raise MaestroQAConfigError(
        f"{parts.scheme}:// cannot be opened ({problem}). {remedy}, and check the URL and the connection {conn_id!r}."
    )


def _default_connection(storage: str) -> str | None:
    """The provider's default connection; ``None`` where there is none, for the credentials of the machine."""
    conn_id = DEFAULT_CONNECTIONS.get(storage)
    if conn_id is not None:
        try:
            _compat.BaseHook.get_connection(conn_id)
        except Exception as error:
            # Each Airflow has its own error for it.
            if type(error).__name__ != "AirflowNotFoundException" and "NOT_FOUND" not in str(error):
                raise
            return None
    return conn_id


@dataclass(frozen=True)
class StoredObject:
    """One small object in a store, such as a task's state.

    :param store: where it is.
    :param name: its name there.
    """

    store: Store
    name: str

    @property
    def uri(self) -> str:
        """The object's address."""
        return self.store.uri(self.name)

    def read(self) -> bytes | None:
        """Read all of it; ``None`` when it does not exist."""
        return self.store.get_bytes(self.name)

    def read_versioned(self) -> tuple[bytes | None, str | None]:
        """Read all of it, and its version; see :meth:`~.base.Upload.publish`."""
        return self.store.get_versioned(self.name)

    def write(self, content: bytes, *, expected: str | None = None) -> str | None:
        """Replace it atomically, if it has the expected version; see :meth:`~.base.Upload.publish`."""
        return self.store.put_bytes(self.name, content, expected=expected)

    def delete(self) -> None:
        """Delete it, if it exists."""
        self.store.delete(self.name)


def open_object(url: str, *, conn_id: str | None = None) -> StoredObject:
    """Open one object by its storage URL; a plain absolute path is a local file.

    :raises MaestroQAConfigError: the URL is not a storage URL, or names no object.
    """
    if isinstance(url, str) and url.startswith("/"):
        url = f"{LOCAL}://{url}"
    folder, _, name = url.rpartition("/") if isinstance(url, str) else ("", "", "")
    if not name or not folder or folder.endswith(":/"):
        raise MaestroQAConfigError(f"{url!r} names no object. Write it like s3://bucket/state/task.json.")
    return StoredObject(open_store(folder, conn_id=conn_id), name)


def open_file(file: str | os.PathLike[str], *, conn_id: str | None = None) -> Source:
    """Open a file on this machine or in an object storage, to be read from its first byte as often as needed.

    :param file: a path, or a storage URL such as ``s3://bucket/key``. It may name the connection, as in
        ``s3://my_conn@bucket/key``.
    :param conn_id: id of the storage's connection. Default: the one in the URL, else the provider's default.
    :raises MaestroQAConfigError: it is neither a path nor a storage URL, or nothing is installed for its scheme.
    """
    if not isinstance(file, (str, os.PathLike)) or not str(file).strip() or str(file) == "None":
        raise MaestroQAConfigError(
            f"file must be a path on this machine or a storage URL such as s3://bucket/key, got {file!r}."
        )
    text = os.fspath(file)
    if text.lower().startswith(_WEB):
        raise MaestroQAConfigError(
            "file must be a path on this machine or a storage URL such as s3://bucket/key, got a web address. "
            "If MaestroQA can read that address, pass it as url."
        )
    path = local_path(text)
    if path is not None:
        return LocalFile(path)
    if text.endswith("/"):
        raise MaestroQAConfigError(f"{text} names a folder. Pass the URL of one object, such as s3://bucket/key.")
    return StoredFile(open_object(text, conn_id=conn_id))


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine.

    :param path: where it is.
    """

    path: Path

    @property
    def name(self) -> str:
        """Its path, as it was given."""
        return str(self.path)

    def size(self) -> int | None:
        """Its size in bytes.

        :raises MaestroQADataError: there is no such file.
        """
        if not self.path.exists():
            raise MaestroQADataError(f"There is no file {self.name} on this worker. Check the path.")
        if not self.path.is_file():
            raise MaestroQADataError(f"{self.name} is a folder or a device, not a file. Check the path.")
        return self.path.stat().st_size

    def open(self) -> IO[bytes]:
        """Open it at its first byte."""
        try:
            return cast("IO[bytes]", _Reader(self.path.open("rb"), self.name))
        except OSError as error:
            problem = error.strerror
        raise MaestroQADataError(
            f"{self.name} cannot be read: {problem}. Check that it is still there, and that the worker may read it."
        )


@dataclass(frozen=True)
class StoredFile:
    """An object in a storage.

    :param stored: where it is.
    """

    stored: StoredObject

    @property
    def name(self) -> str:
        """Its address."""
        return self.stored.uri

    def size(self) -> int | None:
        """Its size in bytes.

        :raises MaestroQADataError: there is no such object.
        """
        size = self.stored.store.size(self.stored.name)
        if size is None:
            raise MaestroQADataError(f"There is no object {self.name}. Check its key and the bucket.")
        return size

    def open(self) -> IO[bytes]:
        """Open it at its first byte."""
        return cast("IO[bytes]", _Reader(self.stored.store.open(self.stored.name), self.name))


class _Reader:
    """Reads a file, and turns what its storage raises into errors of this package."""

    def __init__(self, file: Any, name: str) -> None:
        self._file = file
        self._name = name

    def read(self, size: int) -> bytes:
        try:
            return translate_errors("read", self._name, lambda: bytes(self._file.read(size)))
        except MaestroQAError as error:
            if not error.retryable:
                raise
            lost = MaestroQAConnectionError(error.message)
        raise lost

    def close(self) -> None:
        self._file.close()
