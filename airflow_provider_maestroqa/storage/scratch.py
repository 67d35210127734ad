"""The temporary file of a download: private, without a name, gone with the process."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQAError
from airflow_provider_maestroqa.client.formatting import size_text

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REMEDY = "Free some space there, or set TMPDIR on the worker to a folder on a larger disk."


class TempFile:
    """A temporary file, and the errors of the folder it lies in.

    :param file: open for reading and writing, without a buffer.
    :param folder: where it lies.
    """

    def __init__(self, file: BinaryIO, folder: str) -> None:
        self.file = file
        self.folder = folder
        self.size = 0
        self.on_growth: Callable[[int], None] | None = None
        self.on_restart: Callable[[], None] | None = None

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
            raise MaestroQAError(failure, worth_retry=True)
        self.size += len(data)
        if self.on_growth is not None:
            self.on_growth(self.size)

    def restart(self) -> None:
        """Forget all that was written."""
        if self.size and self.on_restart is not None:
            self.on_restart()
        self.size = 0
        self.file.seek(0)
        self.file.truncate()

    def check_room(self, needed: int) -> None:
        """Raise ``MaestroQAError`` when the disk has no room for ``needed`` more bytes."""
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise MaestroQAError(
                f"The export needs {size_text(needed)} in the temporary folder {self.folder}, "
                f"and {size_text(free)} are free. {_REMEDY}",
                worth_retry=True,
            )

    def _explain(self, error: OSError) -> str:
        if error.errno in _FULL:
            return f"The temporary folder {self.folder} is full ({os.strerror(error.errno or 0)}). {_REMEDY}"
        return f"The temporary file in {self.folder} cannot be written: {error.strerror or type(error).__name__}."


@contextmanager
def scratch_file(folder: str | None) -> Iterator[TempFile]:
    """Make a temporary file that only this user can read, and that vanishes in every case.

    It has no name in the folder, so that even a process that is killed leaves nothing behind.

    :param folder: where to make it; ``None`` means the system's temporary folder.
    """
    where = os.fspath(folder) if folder is not None else tempfile.gettempdir()
    failure, file = "", None
    try:
        # It is closed below: a ``with`` here would put the caller's errors inside this try.
        file = tempfile.TemporaryFile(buffering=0, prefix="maestroqa-", dir=where)  # noqa: SIM115
    except OSError as error:
        failure = error.strerror or type(error).__name__
    if file is None:
        raise MaestroQAConfigError(
            f"No temporary file can be made in {where} ({failure}). Set TMPDIR on the worker to a folder that "
            f"exists, can be written to and has room for the export."
        )
    with file:
        yield TempFile(file, where)
