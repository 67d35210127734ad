"""Publish to any file system that fsspec knows.

``with fs.open(path, "wb")`` publishes half a file when its source fails in the middle. Instead, in this order of
preference, a file is written beside its target and renamed (local disk); written to an upload that is committed later
(Amazon S3, Google Cloud Storage); written in blocks that become a blob on close (Azure); or written under a temporary
name in the same folder and moved.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import IO, Any, cast

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError, MaestroQAError
from airflow_provider_maestroqa.storage.base import (
    ABSENT,
    StorageDeniedError,
    Upload,
    best_effort,
    check_name,
    conflict,
    noop,
    translate_errors,
)
from airflow_provider_maestroqa.storage.local_store import (
    Leftovers,
    LocalUpload,
    PartsLock,
    delete_file,
    file_version,
    read_file,
)
from airflow_provider_maestroqa.storage.swap_objects import AzureSwapObjects, GcsSwapObjects
from airflow_provider_maestroqa.storage.urls import AZURE, GCS, STORAGES

#: What file systems call that which changes with a file, the best first.
_VERSION_KEYS = ("etag", "ETag", "generation", "md5Hash", "mtime", "LastModified", "last_modified", "created")


#: What can tell whether a bucket exists.
_SWAP_OBJECTS: dict[str, type[GcsSwapObjects | AzureSwapObjects]] = {GCS: GcsSwapObjects, AZURE: AzureSwapObjects}


class _WriteStrategy(Enum):
    """How a file becomes visible in one step."""

    COMMIT = "commit() after close()"
    CLOSE = "close()"
    MOVE = "move from a temporary name"


class FilesystemStore:
    """A folder or prefix on an fsspec file system.

    :param fs: the file system.
    :param root: the folder, as the file system writes paths (``bucket/prefix``, ``/data/exports``).
    :param protocol: for addresses: ``gs``, ``abfs``, ``file``.
    :param address: of the folder, where it is not the protocol and the root.
    """

    def __init__(self, fs: Any, root: str, protocol: str, *, address: str = "") -> None:
        from fsspec.implementations.local import LocalFileSystem

        self.fs = fs
        # Checked first: some file systems resolve what leads out of a folder.
        self.root = str(fs._strip_protocol(check_name(root, "folder"))).rstrip("/")
        self.protocol = protocol
        self._address = address.rstrip("/") or f"{protocol}://{self.root}"
        self.is_local = self.is_conditional = isinstance(fs, LocalFileSystem)
        self._leftovers = Leftovers()
        self._parts_lock = PartsLock(Path(self.root or "/"))
        self._strategy: _WriteStrategy | None = None
        self._has_container = False

    def uri(self, name: str = "") -> str:
        """The protocol, the folder and the name as one address."""
        return f"{self._address}/{name}" if name else self._address

    def path(self, name: str = "") -> str:
        """The path of a name on the file system."""
        return f"{self.root}/{check_name(name)}" if name else self.root

    def begin(
        self,
        name: str,
        *,
        size: int,  # noqa: ARG002
        content_type: str | None = None,  # noqa: ARG002 - fsspec has no common name for it
        on_wait: Callable[[], None] = noop,  # noqa: ARG002
    ) -> Upload:
        """Begin to store a file; see :class:`~.base.Store`."""
        if self.is_local:
            return LocalUpload(Path(self.path(name)), self._leftovers, self._parts_lock)
        return FilesystemUpload(self, name)

    def put_bytes(self, name: str, data: bytes, *, expected: str | None = None) -> str | None:
        """Store a small file in one atomic step."""
        upload: Upload
        if self.is_local:
            # Never one of many, so it has a lock of its own.
            upload = LocalUpload(Path(self.path(name)), self._leftovers)
        else:
            upload = self.begin(name, size=len(data))
        try:
            upload.write(data)
            upload.seal(0)
            return upload.publish(expected=expected)
        except BaseException:
            upload.discard()
            raise

    def get_versioned(self, name: str) -> tuple[bytes | None, str | None]:
        """Read a small file, and its version."""
        if self.is_local:
            return translate_errors("read", self.uri(name), lambda: read_file(Path(self.path(name))))
        # The version first: when the file changes in between, it is the one that is found outdated.
        version = self.version(name)
        return self.get_bytes(name), version

    def version(self, name: str) -> str | None:
        """The version of a file."""
        if self.is_local:
            return translate_errors("look up", self.uri(name), lambda: file_version(Path(self.path(name))))
        info = self._info(name)
        if info is None:
            self._require_container(name)
            return ABSENT
        marks = {key: str(info[key]) for key in _VERSION_KEYS if info.get(key)}
        return f"{marks} {info.get('size')}" if marks else None

    def get_bytes(self, name: str) -> bytes | None:
        """Read a small file; ``None`` when there is none."""
        if self.is_local:
            return self.get_versioned(name)[0]

        def read() -> bytes | None:
            self._invalidate_cache(name)
            with suppress(FileNotFoundError):
                return bytes(self.fs.cat_file(self.path(name)))
            return None

        return translate_errors("read", self.uri(name), read)

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; ``None`` when there is none, or its size is not known."""
        info = self._info(name)
        return None if info is None or info.get("type") == "directory" else info.get("size")

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""
        return self._info(name) is not None

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading."""
        return translate_errors(
            "read", self.uri(name), lambda: cast("IO[bytes]", self.fs.open(self.path(name), "rb"))
        )

    def delete(self, name: str, *, expected: str | None = None) -> None:
        """Delete a file, if it exists."""

        def remove() -> None:
            if self.is_local:
                delete_file(Path(self.path(name)), expected)
                return
            self.require(name, expected)
            try:
                self.remove(self.path(name))
            except FileNotFoundError:
                self._require_container(name)

        translate_errors("delete", self.uri(name), remove)

    def require(self, name: str, expected: str | None) -> None:
        """Raise ``StorageConflictError`` unless a file has the expected version."""
        if expected is not None and self.version(name) not in (expected, None):
            raise conflict(self.uri(name))

    def remove(self, path: str) -> None:
        """Delete a path, also on old file systems that have no ``rm_file``."""
        try:
            self.fs.rm_file(path)
        except NotImplementedError:
            self.fs.rm(path)

    def open_for_write(self, name: str) -> tuple[Any, str, _WriteStrategy]:
        """Open a file that is not visible under its name while it is written.

        :return: the file, its path, and how it becomes visible.
        """
        path = self.path(name)
        folder, _, base = path.rpartition("/")
        temporary = f"{folder}/.{base}.{secrets.token_hex(4)}.part"
        if self._strategy is None:
            self._strategy = self._probe_strategy(temporary)
        if self._strategy is _WriteStrategy.MOVE:
            return self._open(temporary), temporary, _WriteStrategy.MOVE
        return self._open_uncommitted(path), path, self._strategy

    def move(self, source: str, target: str) -> None:
        """Move a file onto another, without treating its name as a pattern."""
        from fsspec import AbstractFileSystem

        if type(self.fs).mv is not AbstractFileSystem.mv:
            self.fs.mv(source, target)
        else:
            self.fs.cp_file(source, target)
            self.remove(source)

    def _probe_strategy(self, path: str) -> _WriteStrategy:
        """Find out how this file system commits.

        :param path: where an empty file does no harm, should it become visible at once.
        """
        from fsspec.spec import AbstractBufferedFile

        try:
            file = self._open_uncommitted(path)
        except TypeError:
            return _WriteStrategy.MOVE
        if isinstance(file, AbstractBufferedFile):
            _abandon(file)
            if type(file).commit is not AbstractBufferedFile.commit:
                return _WriteStrategy.COMMIT
            if STORAGES.get(self.protocol) == AZURE:
                return _WriteStrategy.CLOSE
        else:
            best_effort(file.close)
            best_effort(lambda: file.discard())
        best_effort(lambda: self.remove(path))
        return _WriteStrategy.MOVE

    def _open_uncommitted(self, path: str) -> Any:
        file = self._open(path, autocommit=False)
        # fsspec adds such files to its transaction; a later one must not commit ours.
        with suppress(AttributeError, ValueError):
            self.fs.transaction.files.remove(file)
        return file

    def _open(self, path: str, **arguments: Any) -> Any:
        try:
            return self.fs.open(path, "wb", **arguments)
        except FileNotFoundError:
            # Not earlier: where there are no real folders, this would create a bucket.
            self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            return self.fs.open(path, "wb", **arguments)

    def _info(self, name: str) -> dict[str, Any] | None:
        def get_info() -> dict[str, Any] | None:
            self._invalidate_cache(name)
            with suppress(FileNotFoundError):
                return dict(self.fs.info(self.path(name)))
            return None

        return translate_errors("look up", self.uri(name), get_info)

    def _require_container(self, name: str) -> None:
        """Tell a file that does not exist from a bucket or container that does not, once."""
        objects_of = _SWAP_OBJECTS.get(STORAGES.get(self.protocol, ""))
        if self._has_container or objects_of is None:
            return
        try:
            objects_of(self.fs, self.root, self.uri()).require_bucket(name)
        except StorageDeniedError:
            # Whoever may write may not be allowed to list.
            pass
        except MaestroQAConfigError:
            raise
        except MaestroQAError:
            return
        self._has_container = True

    def _invalidate_cache(self, name: str) -> None:
        """Drop the cached listing, which would hide what another process stored."""
        parent = self.path(name).rpartition("/")[0]
        with suppress(AttributeError, TypeError, KeyError):
            self.fs.invalidate_cache(parent)


class FilesystemUpload:
    """A file that is being written, invisible under its name."""

    def __init__(self, store: FilesystemStore, name: str) -> None:
        self._store = store
        self._name = name
        self._uri = store.uri(name)
        self._size = 0
        self._done = False
        self._file, self._path, self._strategy = translate_errors(
            "write", self._uri, lambda: store.open_for_write(name)
        )

    def write(self, data: bytes) -> None:
        """Append some bytes."""
        self._size += len(data)
        translate_errors("write", self._uri, lambda: self._file.write(data))

    def seal(self, crc32: int) -> None:  # noqa: ARG002 - fsspec has no place for it
        """Flush the file, unless closing it would publish it."""
        if self._strategy is not _WriteStrategy.CLOSE:
            translate_errors("write", self._uri, self._file.close)

    def publish(self, *, expected: str | None = None) -> str | None:
        """Make the file visible under its name, and check its size."""
        self._store.require(self._name, expected)
        translate_errors("publish", self._uri, self._make_visible)
        self._done = True
        size = self._store.size(self._name)
        if size is not None and size != self._size:
            raise MaestroQADataError(
                f"{self._uri} has {size} bytes in the storage, but {self._size} were sent.", retryable=True
            )
        return self._store.version(self._name)

    def discard(self) -> None:
        """Discard the file."""
        if self._done:
            return
        self._done = True
        if self._strategy is _WriteStrategy.MOVE:
            best_effort(self._file.close)
            best_effort(lambda: self._store.remove(self._path))
        else:
            best_effort(self._file.discard)
            _abandon(self._file)

    def _make_visible(self) -> None:
        if self._strategy is _WriteStrategy.COMMIT:
            self._file.commit()
        elif self._strategy is _WriteStrategy.CLOSE:
            self._file.close()
        else:
            self._store.move(self._path, self._store.path(self._name))


def _abandon(file: Any) -> None:
    """Prevent an unneeded file from being published when it is closed or garbage-collected."""
    file.closed = True
