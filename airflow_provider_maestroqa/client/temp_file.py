"""The one kind of temporary file: private, without a name, gone with the process."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Protocol

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAError
from airflow_provider_maestroqa.client.formatting import format_size

if TYPE_CHECKING:
    from typing_extensions import Self

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REMEDY = "Free some space there, or set TMPDIR on the worker to a folder on a larger disk."


class Follower(Protocol):
    """Reads the file while it grows."""

    def bytes_available(self, size: int) -> None:
        """The first ``size`` bytes of the file are there."""

    def reset(self) -> None:
        """The file begins anew."""


class TempFile:
    """A temporary file that only this user can read, with explained errors. Use it in a ``with`` block.

    It has no name in its folder, so that even a process that is killed leaves nothing behind.

    :param folder: where to create it; ``None`` means the system's temporary folder.
    :raises MaestroQAConfigError: the file cannot be created there.
    """

    def __init__(self, folder: str | None = None) -> None:
        self.folder = os.fspath(folder) if folder is not None else tempfile.gettempdir()
        #: Open for reading and writing, without a buffer.
        self.file = self._open()
        self.size = 0
        #: The size that it will have, as soon as it is known.
        self.expected_size: int | None = None
        #: Who wants to know that it grows, and that it begins anew.
        self.followers: list[Follower] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, which deletes it."""
        self.file.close()

    def fileno(self) -> int:
        """The file's descriptor."""
        return self.file.fileno()

    def write(self, data: bytes) -> None:
        """Append ``data``. Raises ``MaestroQAError`` when the disk is full."""
        failure = ""
        try:
            written = self.file.write(data)
            while written < len(data):
                written += self.file.write(data[written:])
        except OSError as error:
            failure = self._explain(error)
        if failure:
            raise MaestroQAError(failure, retryable=True)
        self.size += len(data)
        for follower in self.followers:
            follower.bytes_available(self.size)

    def restart(self) -> None:
        """Discard all that was written."""
        if self.size:
            for follower in self.followers:
                follower.reset()
        self.size = 0
        self.file.seek(0)
        self.file.truncate()

    def check_room(self, needed: int) -> None:
        """Raise ``MaestroQAError`` when the disk has no room for ``needed`` more bytes."""
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise MaestroQAError(
                f"The export needs {format_size(needed)} in the temporary folder {self.folder}, "
                f"and {format_size(free)} are free. {_REMEDY}",
                retryable=True,
            )

    def _open(self) -> BinaryIO:
        failure = ""
        try:
            return tempfile.TemporaryFile(buffering=0, prefix="maestroqa-", dir=self.folder)
        except OSError as error:
            failure = error.strerror or type(error).__name__
        raise MaestroQAConfigError(
            f"No temporary file can be made in {self.folder} ({failure}). Set TMPDIR on the worker to a folder that "
            f"exists, can be written to and has enough room."
        )

    def _explain(self, error: OSError) -> str:
        if error.errno in _FULL:
            return f"The temporary folder {self.folder} is full ({os.strerror(error.errno or 0)}). {_REMEDY}"
        return f"The temporary file in {self.folder} cannot be written: {error.strerror or type(error).__name__}."
