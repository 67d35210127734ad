"""Publish to the local disk: write beside the target, sync, rename."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

from airflow_provider_maestroqa.storage.base import best_effort, translate_errors

_SUFFIX = ".part"


class LocalUpload:
    """A file that is being written, under a hidden name in its target's folder.

    A lock on it distinguishes the files of running processes from what a killed process left.

    :param target: where it will be published.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._part = target.with_name(f".{target.name}.{secrets.token_hex(4)}{_SUFFIX}")
        self._fd = translate_errors("write", str(target), self._create)

    def write(self, data: bytes) -> None:
        """Append some bytes."""
        translate_errors("write", str(self._target), lambda: self._write(data))

    def seal(self, crc32: int) -> None:  # noqa: ARG002 - a disk verifies no checksums
        """Sync the bytes to the disk."""
        translate_errors("write", str(self._target), lambda: os.fsync(self._fd))

    def publish(self) -> None:
        """Rename the file to its target."""
        translate_errors("publish", str(self._target), self._rename)

    def discard(self) -> None:
        """Delete the file."""
        if self._fd >= 0:
            best_effort(self._part.unlink)
            self._close()

    def _create(self) -> int:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(self._target)
        fd = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        # Some network file systems have no locks; leftovers stay there.
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return fd

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def _rename(self) -> None:
        self._part.replace(self._target)
        self._close()
        folder = os.open(self._target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _remove_leftovers(target: Path) -> None:
    prefix = f".{target.name}."
    for path in target.parent.iterdir():
        if path.name.startswith(prefix) and path.name.endswith(_SUFFIX):
            best_effort(lambda path=path: _remove_if_abandoned(path))  # type: ignore[misc]


def _remove_if_abandoned(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(fd)
