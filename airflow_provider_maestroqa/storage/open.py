"""A path or a storage URL becomes a file that can be read from its first byte, again and again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
)
from airflow_provider_maestroqa.storage.base import attempt

if TYPE_CHECKING:
    from airflow_provider_maestroqa.client.resources.upload_body import Source
    from airflow_provider_maestroqa.storage.urls import StoredObject

_WEB = ("http://", "https://")


def open_file(file: str | os.PathLike[str], *, conn_id: str | None = None) -> Source:
    """Find a file on this machine or in an object storage.

    :param file: a path, or a storage URL such as ``s3://bucket/key``. The connection may stand in it, as in
        ``s3://my_conn@bucket/key``.
    :param conn_id: id of the storage's connection. Default: the one in the URL, else the provider's default.
    :raises MaestroQAConfigError: it is no path and no storage URL, or nothing is installed for its scheme.
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
    if "://" not in text or text.startswith("file://"):
        return LocalFile(Path(text.removeprefix("file://")))
    return _stored(text, conn_id)


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
        """Its bytes.

        :raises MaestroQADataError: there is no such file.
        """
        if not self.path.exists():
            raise MaestroQADataError(f"There is no file {self.name} on this worker. Check the path.")
        if not self.path.is_file():
            raise MaestroQADataError(f"{self.name} is a folder or a device, and no file. Check the path.")
        return self.path.stat().st_size

    def open(self) -> IO[bytes]:
        """Open it at its first byte."""
        try:
            return cast("IO[bytes]", _Reading(self.path.open("rb"), self.name))
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
        """Its bytes.

        :raises MaestroQADataError: there is no such object.
        """
        size = self.stored.store.size(self.stored.name)
        if size is None:
            raise MaestroQADataError(f"There is no object {self.name}. Check its key and the bucket.")
        return size

    def open(self) -> IO[bytes]:
        """Open it at its first byte."""
        return cast("IO[bytes]", _Reading(attempt("read", self.name, self._open), self.name))

    def _open(self) -> Any:
        from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore
        from airflow_provider_maestroqa.storage.s3_store import S3Store

        store, name = self.stored.store, self.stored.name
        if isinstance(store, S3Store):
            return store.client.get_object(**store.place(name))["Body"]
        assert isinstance(store, FilesystemStore)
        return store.fs.open(store.path(name), "rb")


class _Reading:
    """A file that is being read. What its storage raises becomes an error of this package."""

    def __init__(self, file: Any, name: str) -> None:
        self._file = file
        self._name = name

    def read(self, most: int) -> bytes:
        try:
            return attempt("read", self._name, lambda: bytes(self._file.read(most)))
        except MaestroQAError as error:
            if not error.retryable:
                raise
            lost = MaestroQAConnectionError(error.message)
        raise lost

    def close(self) -> None:
        self._file.close()


def _stored(url: str, conn_id: str | None) -> StoredFile:
    from airflow_provider_maestroqa.storage.urls import open_object

    if url.endswith("/"):
        raise MaestroQAConfigError(f"{url} names a folder. Pass the URL of one object, such as s3://bucket/key.")
    return StoredFile(open_object(url, conn_id=conn_id))
