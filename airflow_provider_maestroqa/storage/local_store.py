"""Publish to the local disk: write beside the target, sync, rename.

A lock on the folder makes "look at the version, then replace the file" one step for all processes that publish there.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAConnectionError
from airflow_provider_maestroqa.storage.base import ABSENT, best_effort, conflict, translate_errors

#: Of the files that belong to a lock, the first 8 digits are the lock's.
_PART = re.compile(r"\.(?P<target>.+)\.(?P<owner>[0-9a-f]{8})(?:[0-9a-f]{4})?\.part", re.DOTALL)
_PARTS_LOCK = re.compile(r"\.parts\.[0-9a-f]{8}\.lock")
_LOCK_TIMEOUT_S = 30.0
_LOCK_PAUSE_S = 0.01


class Leftovers:
    """What killed processes left beside their targets; each folder is listed once, however many files go there."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, list[tuple[Path, str]]]] = {}

    def remove(self, target: Path) -> None:
        """Delete what was left of a target by processes that are gone."""
        if target.parent not in self._folders:
            files_by_target: dict[str, list[tuple[Path, str]]] = defaultdict(list)
            for path in target.parent.iterdir():
                if match := _PART.fullmatch(path.name):
                    files_by_target[match["target"]].append((path, match["owner"]))
                elif _PARTS_LOCK.fullmatch(path.name):
                    best_effort(lambda path=path: _remove_if_abandoned(path))  # type: ignore[misc]
            self._folders[target.parent] = files_by_target
        for path, owner in self._folders[target.parent].pop(target.name, ()):
            best_effort(lambda path=path, owner=owner: _remove_part(path, owner))  # type: ignore[misc]


class PartsLock:
    """Says that the sealed files of a store belong to a running process, with one descriptor for all of them.

    :param root: the store's folder. The lock is a hidden file there while there are such files.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._uploads = 0
        self._fd = -1
        self._path = root
        self._owner = ""

    def acquire(self) -> str:
        """Hold the lock for one more file; what the file's name must hold."""
        if self._uploads == 0:
            self._fd, self._path, self._owner = _create_locked(
                lambda owner: self._root / f".parts.{owner}.lock", lambda: secrets.token_hex(4)
            )
        self._uploads += 1
        return self._owner

    def release(self) -> None:
        """Hold it for one file less."""
        self._uploads -= 1
        if self._uploads == 0:
            best_effort(self._path.unlink)
            os.close(self._fd)


class LocalUpload:
    """A file that is being written, under a hidden name in its target's folder.

    A lock on it distinguishes the files of running processes from what a killed process left.

    :param target: where it will be published.
    :param leftovers: what killed processes left.
    :param lock: instead of a lock of its own, so that a sealed file is closed: there may be thousands.
    """

    def __init__(self, target: Path, leftovers: Leftovers, lock: PartsLock | None = None) -> None:
        self._target = target
        self._leftovers = leftovers
        self._lock = lock
        self._part = target
        self._fd = -1
        self._done = False
        translate_errors("write", str(target), self._create)

    def write(self, data: bytes) -> None:
        """Append some bytes."""
        translate_errors("write", str(self._target), lambda: self._write(data))

    def seal(self, crc32: int) -> None:  # noqa: ARG002 - a disk verifies no checksums
        """Sync the bytes to the disk."""
        translate_errors("write", str(self._target), self._sync)

    def publish(self, *, expected: str | None = None) -> str | None:
        """Rename the file to its target."""
        return translate_errors("publish", str(self._target), lambda: self._rename(expected))

    def discard(self) -> None:
        """Delete the file."""
        if not self._done:
            best_effort(self._part.unlink)
            self._close()

    def _create(self) -> None:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        _require_file(self._target)
        self._leftovers.remove(self._target)
        owner = self._lock.acquire() if self._lock else ""
        try:
            self._fd, self._part, _ = _create_locked(
                lambda token: self._target.with_name(f".{self._target.name}.{token}.part"),
                lambda: f"{owner}{secrets.token_hex(2 if owner else 4)}",
            )
        except BaseException:
            self._close()
            raise

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def _sync(self) -> None:
        os.fsync(self._fd)
        if self._lock:
            self._close_file()

    def _rename(self, expected: str | None) -> str:
        with _locked(self._target.parent) as folder:
            _require(self._target, expected)
            version = _version(self._part.stat())
            self._part.replace(self._target)
            self._close()
            os.fsync(folder)
        return version

    def _close_file(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _close(self) -> None:
        self._close_file()
        if self._lock and not self._done:
            self._lock.release()
        self._done = True


def read_file(path: Path) -> tuple[bytes | None, str]:
    """Read a small file, and its version."""
    try:
        # Opening a FIFO must not wait for whoever writes to it.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None, ABSENT
    with os.fdopen(fd, "rb") as file:
        info = os.fstat(fd)
        _require_regular(path, info)
        return file.read(), _version(info)


def file_version(path: Path) -> str:
    """The version of a file."""
    try:
        return _version(path.stat())
    except FileNotFoundError:
        return ABSENT


def delete_file(path: Path, expected: str | None = None) -> None:
    """Delete a file, if it exists."""
    with suppress(FileNotFoundError), _locked(path.parent):
        _require(path, expected)
        path.unlink()


def _version(info: os.stat_result) -> str:
    return f"{info.st_ino:x}-{info.st_mtime_ns:x}-{info.st_size:x}"


def _require(path: Path, expected: str | None) -> None:
    if expected is not None and file_version(path) != expected:
        raise conflict(str(path))


def _require_file(path: Path) -> None:
    """Refuse to replace what is neither missing nor a file."""
    with suppress(FileNotFoundError):
        _require_regular(path, path.stat())


def _require_regular(path: Path, info: os.stat_result) -> None:
    if not stat.S_ISREG(info.st_mode) and not stat.S_ISDIR(info.st_mode):
        raise MaestroQAConfigError(
            f"{path} is a FIFO, a socket or a device, not a file. Remove it, or use another destination."
        )


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Hold the lock of a folder, which processes hold for a moment only; its descriptor.

    :raises MaestroQAConnectionError: another process has stopped while it held the lock.
    """
    clock = Clock()
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        give_up_at = clock.monotonic() + _LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if clock.monotonic() < give_up_at:
                    clock.sleep(_LOCK_PAUSE_S)
                    continue
            except OSError:
                # Some network file systems have no locks.
                break
            else:
                break
            raise MaestroQAConnectionError(
                f"The folder {folder} stayed locked for {_LOCK_TIMEOUT_S:.0f} s: another process that publishes "
                "there has stopped. End it, and try again."
            )
        yield fd
    finally:
        os.close(fd)


def _create_locked(path_of: Callable[[str], Path], make_token: Callable[[], str]) -> tuple[int, Path, str]:
    """Create a hidden file, and hold a lock on it; its descriptor, path and token."""
    while True:
        token = make_token()
        path = path_of(token)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            continue
        try:
            # Some network file systems have no locks; leftovers stay there.
            with suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Before the lock, another process may have taken it for a leftover.
            if _is_linked(fd, path):
                return fd, path, token
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _is_linked(fd: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return path.stat().st_ino == os.fstat(fd).st_ino
    return False


def _remove_part(path: Path, owner: str) -> None:
    """Delete a file unless its process, or the one that has its lock, is running."""
    for folder in path.parents:
        with suppress(FileNotFoundError), _abandoned(folder / f".parts.{owner}.lock"):
            break
    _remove_if_abandoned(path)


def _remove_if_abandoned(path: Path) -> None:
    with _abandoned(path) as is_file:
        if is_file:
            path.unlink()


@contextmanager
def _abandoned(path: Path) -> Iterator[bool]:
    """Hold the lock of a file that no process holds, for a moment; whether it is a file.

    :raises OSError: a process holds it, or it cannot be known.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        if is_file:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield is_file
    finally:
        os.close(fd)
