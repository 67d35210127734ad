"""Publish to any file system that fsspec knows.

``with fs.open(path, "wb")`` publishes half a file when its source fails in the middle. So the bytes go, in this
order of preference: beside the target and are renamed (this machine's disk); into an upload that is committed later
(Amazon S3, Google Cloud Storage); into blocks that become a blob when the file is closed (Azure); or under a
temporary name in the same folder, from where they are moved.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.storage.base import Upload, attempt, nothing, quietly
from airflow_provider_maestroqa.storage.local_store import LocalUpload

_AZURE = {"abfs", "abfss", "az", "adl", "wasb", "wasbs"}


class _Way(Enum):
    """How a file becomes visible in one step."""

    COMMIT = "commit() after close()"
    CLOSE = "close()"
    MOVE = "move from a temporary name"


class FilesystemStore:
    """A folder or prefix on an fsspec file system.

    :param fs: the file system.
    :param root: the folder, as the file system writes paths (``bucket/prefix``, ``/data/exports``).
    :param protocol: for addresses: ``gs``, ``abfs``, ``file``.
    """

    def __init__(self, fs: Any, root: str, protocol: str) -> None:
        from fsspec.implementations.local import LocalFileSystem

        self.fs = fs
        self.root = str(fs._strip_protocol(root)).rstrip("/")
        self.protocol = protocol
        self.is_local = isinstance(fs, LocalFileSystem)
        self._way: _Way | None = None

    def uri(self, name: str = "") -> str:
        """The protocol, the folder and the name as one address."""
        place = self.path(name)
        return f"{self.protocol}://{place}"

    def path(self, name: str = "") -> str:
        """The path of a name on the file system."""
        return f"{self.root}/{name}" if name else self.root

    def begin(self, name: str, *, size: int, waiting: Callable[[], None] = nothing) -> Upload:  # noqa: ARG002
        """Begin to store a file; see :class:`~.base.Store`."""
        if self.is_local:
            return LocalUpload(Path(self.path(name)))
        return FilesystemUpload(self, name)

    def put_bytes(self, name: str, data: bytes) -> None:
        """Store a small file in one atomic step."""
        upload = self.begin(name, size=len(data))
        try:
            upload.write(data)
            upload.seal(0)
            upload.publish()
        except BaseException:
            upload.discard()
            raise

    def get_bytes(self, name: str) -> bytes | None:
        """Read a small file; ``None`` when there is none."""

        def read() -> bytes | None:
            self._forget(name)
            with suppress(FileNotFoundError):
                return bytes(self.fs.cat_file(self.path(name)))
            return None

        return attempt("read", self.uri(name), read)

    def size(self, name: str) -> int | None:
        """The bytes of a file; ``None`` when there is none."""

        def look() -> int | None:
            self._forget(name)
            with suppress(FileNotFoundError):
                info = self.fs.info(self.path(name))
                return None if info.get("type") == "directory" else info.get("size")
            return None

        return attempt("look up", self.uri(name), look)

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""

        def remove() -> None:
            with suppress(FileNotFoundError):
                self.remove(self.path(name))

        attempt("delete", self.uri(name), remove)

    def remove(self, path: str) -> None:
        """Remove what is at a path, on old file systems too."""
        try:
            self.fs.rm_file(path)
        except NotImplementedError:
            self.fs.rm(path)

    def open(self, name: str) -> tuple[Any, str, _Way]:
        """Open a file for writing that is not visible under its name yet.

        :return: the file, its path, and how it becomes visible.
        """
        path = self.path(name)
        folder, _, base = path.rpartition("/")
        beside = f"{folder}/.{base}.{secrets.token_hex(4)}.part"
        if self._way is None:
            self._way = self._try_out(beside)
        if self._way is _Way.MOVE:
            return self._open(beside), beside, _Way.MOVE
        return self._open_uncommitted(path), path, self._way

    def move(self, source: str, target: str) -> None:
        """Move a file onto another, without reading its name as a pattern."""
        from fsspec import AbstractFileSystem

        if type(self.fs).mv is not AbstractFileSystem.mv:
            self.fs.mv(source, target)
        else:
            self.fs.cp_file(source, target)
            self.remove(source)

    def _try_out(self, path: str) -> _Way:
        """Find out how this file system commits, on a path where an empty file that shows up at once does no harm."""
        from fsspec.spec import AbstractBufferedFile

        try:
            file = self._open_uncommitted(path)
        except TypeError:
            return _Way.MOVE
        if isinstance(file, AbstractBufferedFile):
            _abandon(file)
            if type(file).commit is not AbstractBufferedFile.commit:
                return _Way.COMMIT
            if self.protocol in _AZURE:
                return _Way.CLOSE
        else:
            quietly(file.close)
            quietly(lambda: file.discard())
        quietly(lambda: self.remove(path))
        return _Way.MOVE

    def _open_uncommitted(self, path: str) -> Any:
        file = self._open(path, autocommit=False)
        # fsspec remembers such files for a transaction; a later one must not commit ours.
        with suppress(AttributeError, ValueError):
            self.fs.transaction.files.remove(file)
        return file

    def _open(self, path: str, **arguments: Any) -> Any:
        try:
            return self.fs.open(path, "wb", **arguments)
        except FileNotFoundError:
            # Never before: where folders are no things, making one would make a bucket.
            self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            return self.fs.open(path, "wb", **arguments)

    def _forget(self, name: str) -> None:
        """Listings are cached; what another process stored would not be seen."""
        parent = self.path(name).rpartition("/")[0]
        with suppress(AttributeError, TypeError, KeyError):
            self.fs.invalidate_cache(parent)


class FilesystemUpload:
    """A file on its way, invisible under its name."""

    def __init__(self, store: FilesystemStore, name: str) -> None:
        self._store = store
        self._name = name
        self._uri = store.uri(name)
        self._size = 0
        self._over = False
        self._file, self._path, self._way = attempt("write", self._uri, lambda: store.open(name))

    def write(self, data: bytes) -> None:
        """Append some bytes."""
        self._size += len(data)
        attempt("write", self._uri, lambda: self._file.write(data))

    def seal(self, crc32: int) -> None:  # noqa: ARG002 - fsspec has no place for it
        """Send what is left, as far as that does not publish it."""
        if self._way is not _Way.CLOSE:
            attempt("write", self._uri, self._file.close)

    def publish(self) -> None:
        """Make the file visible under its name, and see that it has the right size."""
        attempt("publish", self._uri, self._show)
        self._over = True
        size = self._store.size(self._name)
        if size is not None and size != self._size:
            raise MaestroQADataError(
                f"{self._uri} has {size} bytes in the storage, and {self._size} were sent.", retryable=True
            )

    def discard(self) -> None:
        """Forget the file."""
        if self._over:
            return
        self._over = True
        if self._way is _Way.MOVE:
            quietly(self._file.close)
            quietly(lambda: self._store.remove(self._path))
        else:
            quietly(self._file.discard)
            _abandon(self._file)

    def _show(self) -> None:
        if self._way is _Way.COMMIT:
            self._file.commit()
        elif self._way is _Way.CLOSE:
            self._file.close()
        else:
            self._store.move(self._path, self._store.path(self._name))


def _abandon(file: Any) -> None:
    """Keep a file that is not needed from being published when it is closed or collected."""
    file.closed = True
