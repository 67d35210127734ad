"""A file to read records from: found, downloaded, decompressed, and its format detected by its name."""

from __future__ import annotations

import codecs
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
from airflow_provider_maestroqa.client.parsing import is_blank
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
_GZIP_ENDINGS = (".gz", ".gzip")
_MAGIC = b"\x1f\x8b"
_BLOCK = 256 << 10
_PEEK = 1024
#: What else is named .csv, by its first bytes.
_FOREIGN = {
    b"PK\x03\x04": "a ZIP archive, as Excel workbooks (.xlsx) are",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls)",
    b"%PDF-": "a PDF",
    b"PAR1": "a Parquet file (set file_format to parquet)",
}


@dataclass(frozen=True)
class OpenFile:
    """A file that is open at its first byte, decompressed.

    :param name: what people call it.
    :param file: its content.
    :param is_gzipped: whether it was gzipped.
    :param original_stat: of the file on the disk, where that may still change.
    """

    name: str
    file: IO[bytes]
    is_gzipped: bool
    original_stat: os.stat_result | None = None

    def readline(self, max_bytes: int) -> bytes:
        """Read a line, or the first bytes of one that is longer than that.

        :raises MaestroQADataError: the file is cut, damaged, or has changed since it was opened.
        """
        line = self.read_with(lambda: self.file.readline(max_bytes))
        if not line:
            self.check_unchanged()
        return line

    def peek(self) -> bytes:
        """The first bytes, without reading them."""
        file = cast("io.BufferedReader", self.file)
        return self.read_with(lambda: file.peek(_PEEK)[:_PEEK])

    def check_is_text(self) -> None:
        """Reject a file that is something else, whatever its name says.

        :raises MaestroQADataError: it is.
        """
        start = self.peek()
        kind = next((kind for magic, kind in _FOREIGN.items() if start.startswith(magic)), "")
        if start.removeprefix(codecs.BOM_UTF8).lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
            kind = "a web page, such as a login page that was saved in place of the file"
        if kind:
            raise MaestroQADataError(f"{self.name} is {kind}. Save it as CSV in UTF-8, or as JSON Lines.")

    def blocks(self) -> Iterator[bytes]:
        """Read the file block by block.

        :raises MaestroQADataError: as for :meth:`readline`, after all bytes that can be read.
        """
        # read1 gives what was decompressed before the damage; read would lose it.
        file = cast("io.BufferedReader", self.file)
        while block := self.read_with(lambda: file.read1(_BLOCK)):
            yield block
        self.check_unchanged()

    def read_with(self, read: Callable[[], bytes]) -> bytes:
        """Call ``read`` and explain its errors."""
        retry = False
        try:
            return read()
        except EOFError:
            problem = "ends in the middle: its gzip stream is cut. Write it again"
        except (zlib.error, gzip.BadGzipFile) as error:
            problem = f"is damaged: its gzip stream cannot be read ({error}). Write it again"
        except OSError as error:
            problem, retry = f"cannot be read: {error.strerror or type(error).__name__}", True
        raise MaestroQADataError(f"{self.name} {problem}.", retryable=retry)

    def check_unchanged(self) -> None:
        """Reject a file that was written to while it was read: it may end before its records do.

        :raises MaestroQADataError: it was.
        """
        if self.original_stat is None:
            return
        now = os.fstat(self.file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.original_stat.st_size, self.original_stat.st_mtime_ns):
            raise MaestroQADataError(
                f"{self.name} was written to while it was read, so that records may be missing. Write files under "
                "another name and rename them when they are whole.",
                retryable=True,
            )


def detect_format(name: str, choice: object = None) -> str:
    """Find out the format of a file.

    :param name: the file's name.
    :param choice: what the user passes; blank goes by the name.
    :raises MaestroQAConfigError: there is no such format, or the name does not tell.
    """
    if is_blank(choice):
        plain = plain_name(name)
        for ending, file_format in _ENDINGS.items():
            if plain.endswith(ending):
                return file_format
        raise MaestroQAConfigError(
            f"The name of {name} does not show its format: it ends in none of {', '.join(_ENDINGS)}, which .gz may "
            f"follow. Set file_format to {', '.join(FORMATS[:-1])} or {FORMATS[-1]}."
        )
    if isinstance(choice, str) and plain_name(choice) in FORMATS:
        return plain_name(choice)
    raise MaestroQAConfigError(f"file_format must be one of {', '.join(FORMATS)}; got {choice!r}.")


@contextmanager
def open_source(source: Source, *, seekable: bool = False) -> Iterator[OpenFile]:
    """Open a file for reading, whole and decompressed.

    What is not on this machine is first copied to a temporary file, so that a connection that breaks is noticed
    before anything is sent, and none has to be held open while records wait for the request budget.

    :param source: where it is; one with a ``path`` is on this machine.
    :param seekable: whether it must be possible to seek in it, also when it is gzipped.
    :raises MaestroQADataError: there is no such file, or it is cut or damaged.
    :raises MaestroQAConnectionError: the connection broke.
    """
    size = source.size()
    with ExitStack() as stack:
        path, original_stat = getattr(source, "path", None), None
        if isinstance(path, Path):
            file = stack.enter_context(_open(path))
            original_stat = os.fstat(file.fileno())
        else:
            with closing(source.open()) as remote:
                file = _download(source.name, remote, size, stack)
        is_gzipped = _is_gzipped(source.name, file)
        result = OpenFile(source.name, file, is_gzipped, original_stat)
        if is_gzipped:
            decompressed = cast("IO[bytes]", stack.enter_context(gzip.GzipFile(fileobj=file, mode="rb")))
            result = OpenFile(source.name, decompressed, is_gzipped, original_stat)
            if seekable:
                temp_file = stack.enter_context(TempFile())
                while block := result.read_with(lambda: decompressed.read(_BLOCK)):
                    temp_file.write(block)
                result = OpenFile(source.name, _from_start(temp_file, stack), is_gzipped)
        yield result


def _open(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        problem = error.strerror or type(error).__name__
    raise MaestroQADataError(f"{path} cannot be read: {problem}. Check that the worker may read it.")


def _download(name: str, file: IO[bytes], size: int | None, stack: ExitStack) -> IO[bytes]:
    temp_file = stack.enter_context(TempFile())
    while block := file.read(_BLOCK):
        temp_file.write(block)
    if size is not None and temp_file.size != size:
        raise MaestroQAConnectionError(
            f"{name} has {size:,} bytes, and {temp_file.size:,} came: the connection broke, or the object was "
            "replaced meanwhile. Nothing was sent; a retry reads it again."
        )
    return _from_start(temp_file, stack)


def _from_start(temp_file: TempFile, stack: ExitStack) -> IO[bytes]:
    temp_file.file.seek(0)
    # The file itself is closed where it was made.
    reader = io.BufferedReader(cast("io.RawIOBase", temp_file.file), _BLOCK)
    stack.callback(reader.detach)
    return cast("IO[bytes]", reader)


def _is_gzipped(name: str, file: IO[bytes]) -> bool:
    start = file.read(len(_MAGIC))
    file.seek(0)
    if start and start != _MAGIC and name.lower().endswith(_GZIP_ENDINGS):
        raise MaestroQADataError(
            f"{name} is named as a gzip file, but is none: it begins with {start.hex(' ')}. Write it again, or give "
            "it the name of what it is."
        )
    return start == _MAGIC


def plain_name(name: str) -> str:
    """A file's name in lower case, without the ending of a gzip file."""
    name = name.lower()
    for ending in _GZIP_ENDINGS:
        name = name.removesuffix(ending)
    return name
