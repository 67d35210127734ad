"""Count the records that share a natural key, in memory that does not grow with their number."""

from __future__ import annotations

import os
from array import array
from collections.abc import Hashable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING

from airflow_provider_maestroqa.client.temp_file import TempFile

if TYPE_CHECKING:
    from typing_extensions import Self

#: Keys that are held in memory, 8 bytes each.
MAX_IN_MEMORY = 1 << 20
_GROUPS = 256


class KeyCounter:
    """Counts keys that came before. Use it in a ``with`` block.

    A key is remembered as its hash of 64 bits, so the count of ten million records is wrong once in some hundred
    thousand files. Hashes are held in groups, of which equal ones share one: at the end, one group is looked at after
    the other. Beyond :data:`MAX_IN_MEMORY` they go to a temporary file.

    :param temp_dir: folder of the temporary file; the system's temporary folder by default.
    """

    def __init__(self, temp_dir: str | None = None) -> None:
        self._temp_dir = temp_dir
        self._groups = [array("q") for _ in range(_GROUPS)]
        self._in_memory = 0
        self._stack = ExitStack()
        self._temp_file: TempFile | None = None
        #: Where in the temporary file each group has its hashes: offset and length, in bytes.
        self._stored: list[list[tuple[int, int]]] = [[] for _ in range(_GROUPS)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, columns: Sequence[Sequence[Hashable]]) -> None:
        """Add the keys of some records.

        :param columns: the cells of the key's columns, column by column.
        :raises MaestroQAError: the temporary folder is full.
        """
        groups = self._groups
        for key in map(hash, zip(*columns, strict=True)):
            groups[key & (_GROUPS - 1)].append(key)
        self._in_memory += len(columns[0])
        if self._in_memory >= MAX_IN_MEMORY:
            self._store()

    def duplicates(self) -> int:
        """How many of the keys that were added came before."""
        total = 0
        for group, stored in zip(self._groups, self._stored, strict=True):
            keys = group[:]
            for offset, length in stored:
                assert self._temp_file is not None
                keys.frombytes(os.pread(self._temp_file.fileno(), length, offset))
            total += len(keys) - len(set(keys))
        return total

    def _store(self) -> None:
        if self._temp_file is None:
            self._temp_file = self._stack.enter_context(TempFile(self._temp_dir))
        for group, stored in zip(self._groups, self._stored, strict=True):
            stored.append((self._temp_file.size, len(group) * group.itemsize))
            self._temp_file.write(group.tobytes())
            del group[:]
        self._in_memory = 0
