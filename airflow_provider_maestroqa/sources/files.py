"""A file to read records from: looked up, fetched, unzipped, and told by its name."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
)
from airflow_provider_maestroqa.client.resources.upload_body import Source
from airflow_provider_maestroqa.client.temp_file import TempFile

JSON_LINES = "jsonl"
CSV = "csv"
PARQUET = "parquet"
FORMATS = (JSON_LINES, CSV, PARQUET)

_ENDINGS = {
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".json": JSON_LINES,
    ".csv": CSV,
    ".tsv": CSV,
    ".parquet": PARQUET,
    ".pq": PARQUET,
}
_ZIPPED = (".gz", ".gzip")
_MAGIC = b"\x1f\x8b"
_BLOCK = 256 << 10


@dataclass(frozen=True)
class Opened:
    """A file that is open at its first byte, unzipped.

    :param name: what people call it.
    :param file: its content.
    :param is_zipped: whether it was zipped.
    :param original: what is read from the disk, where that may still change.
    """

    name: str
    file: IO[bytes]
    is_zipped: bool
    original: os.stat_result | None = None

    def readline(self, most: int) -> bytes:
        """Read a line, or the first bytes of one that is longer than that.

        :raises MaestroQADataError: the file is cut, damaged, or has changed since it was opened.
        """
        line = self.read_by(lambda: self.file.readline(most))
        if not line:
            self.check_unchanged()
        return line

    def blocks(self) -> Iterator[bytes]:
        """Read the file block by block.

        :raises MaestroQADataError: as for :meth:`readline`, after all bytes that can be read.
        """
        # read1 gives what was unzipped before the damage; read would lose it.
        file = cast("io.BufferedReader", self.file)
        while block := self.read_by(lambda: file.read1(_BLOCK)):
            yield block
        self.check_unchanged()

    def read_by(self, read: Callable[[], bytes]) -> bytes:
        """Read in any way, and say what it means when that fails."""
        retry = False
        try:
            return read()
        except EOFError:
            problem = "ends in the middle: its gzip stream is cut. Write it anew"
        except (zlib.error, gzip.BadGzipFile) as error:
            problem = f"is damaged: its gzip stream cannot be read ({error}). Write it anew"
        except OSError as error:
            problem, retry = f"cannot be read: {error.strerror or type(error).__name__}", True
        raise MaestroQADataError(f"{self.name} {problem}.", retryable=retry)

    def check_unchanged(self) -> None:
        """Refuse a file that was written to while it was read: it may end before its records do.

        :raises MaestroQADataError: it was.
        """
        if self.original is None:
            return
        now = os.fstat(self.file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.original.st_size, self.original.st_mtime_ns):
            raise MaestroQADataError(
                f"{self.name} was written to while it was read, so that records may be missing. Write files under "
                "another name and rename them when they are whole.",
                retryable=True,
            )


def format_of(name: str, asked: object = None) -> str:
    """Find out how a file is written.

    :param name: the file's name.
    :param asked: what the user says; ``None`` goes by the name.
    :raises MaestroQAConfigError: there is no such format, or the name does not tell.
    """
    if asked is None or asked in ("", "None"):
        plain = _unzipped_name(name)
        for ending, known in _ENDINGS.items():
            if plain.endswith(ending):
                return known
        raise MaestroQAConfigError(
            f"The name of {name} does not tell its format: it ends in none of {', '.join(_ENDINGS)}, which .gz may "
            f"follow. Set file_format to {', '.join(FORMATS[:-1])} or {FORMATS[-1]}."
        )
    if isinstance(asked, str) and _unzipped_name(asked) in FORMATS:
        return _unzipped_name(asked)
    raise MaestroQAConfigError(f"file_format must be one of {', '.join(FORMATS)}; got {asked!r}.")


def delimiter_of(name: str, asked: object = None) -> str:
    """Find out what parts the cells of a CSV file.

    :param name: the file's name; ``.tsv`` has tabs, everything else commas.
    :param asked: what the user says.
    :raises MaestroQAConfigError: it is not one character.
    """
    if asked is None or asked in ("", "None"):
        return "\t" if _unzipped_name(name).endswith(".tsv") else ","
    if asked == "\\t":
        return "\t"
    if isinstance(asked, str) and len(asked) == 1 and asked not in '"\r\n\0':
        return asked
    raise MaestroQAConfigError(f"delimiter must be one character, such as ';' or '\\t'; got {asked!r}.")


@contextmanager
def opened(source: Source, *, seekable: bool = False) -> Iterator[Opened]:
    """Open a file for reading, whole and unzipped.

    What is not on this machine is first copied to a temporary file, so that a connection that breaks is noticed
    before anything is sent, and none has to be held open while records wait for the request budget.

    :param source: where it is; one with a ``path`` is on this machine.
    :param seekable: whether it must be possible to go back in it, also when it is zipped.
    :raises MaestroQADataError: there is no such file, or it is cut or damaged.
    :raises MaestroQAConnectionError: the connection broke.
    """
    size = source.size()
    with ExitStack() as stack:
        path, original = getattr(source, "path", None), None
        if isinstance(path, Path):
            file = stack.enter_context(_open(path))
            original = os.fstat(file.fileno())
        else:
            with closing(source.open()) as remote:
                file = _fetched(source.name, remote, size, stack)
        is_zipped = _is_zipped(source.name, file)
        result = Opened(source.name, file, is_zipped, original)
        if is_zipped:
            unzipped = cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=file, mode="rb")))
            result = Opened(source.name, unzipped, is_zipped, original)
            if seekable:
                scratch = stack.enter_context(TempFile())
                while block := result.read_by(lambda: unzipped.read(_BLOCK)):
                    scratch.write(block)
                result = Opened(source.name, _from_start(scratch, stack), is_zipped)
        yield result


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        problem = error.strerror or type(error).__name__
    raise MaestroQADataError(f"{path} cannot be read: {problem}. Check that the worker may read it.")


def _fetched(name: str, file: IO[bytes], size: int | None, stack: ExitStack) -> IO[bytes]:
    scratch = stack.enter_context(TempFile())
    while block := file.read(_BLOCK):
        scratch.write(block)
    if size is not None and scratch.size != size:
        raise MaestroQAConnectionError(
            f"{name} has {size:,} bytes, and {scratch.size:,} came: the connection broke, or the object was replaced "
            "meanwhile. Nothing was sent; a retry reads it again."
        )
    return _from_start(scratch, stack)


def _from_start(scratch: TempFile, stack: ExitStack) -> IO[bytes]:
    scratch.file.seek(0)
    # The file itself is closed where it was made.
    reader = io.BufferedReader(cast("io.RawIOBase", scratch.file), _BLOCK)
    stack.callback(reader.detach)
    return cast("IO[bytes]", reader)


def _is_zipped(name: str, file: IO[bytes]) -> bool:
    start = file.read(len(_MAGIC))
    file.seek(0)
    if start and start != _MAGIC and name.lower().endswith(_ZIPPED):
        raise MaestroQADataError(
            f"{name} is named as a gzip file, and is none: it begins with {start.hex(' ')}. Write it anew, or give "
            "it the name of what it is."
        )
    return start == _MAGIC


def _unzipped_name(name: str) -> str:
    name = name.lower()
    for ending in _ZIPPED:
        name = name.removesuffix(ending)
    return name
