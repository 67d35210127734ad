"""Write cleaned records as CSV or Parquet.

CSV is UTF-8 without a BOM, with commas, lines that end with a line feed, and quotes only where they are needed.

In Parquet all columns are text, but the known date columns are timestamps in UTC. A row group is written as
soon as it holds :data:`ROW_GROUP_BYTES`, so memory is bounded by a few times that, whatever the size of the file.
pyarrow is imported when it is needed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.landing.clean.cells import Cleaner
from airflow_provider_maestroqa.storage.csv_reader import CsvReader

#: Bytes of cells in a row group, before they are compressed.
ROW_GROUP_BYTES = 16 << 20


def csv_blocks(records: CsvReader, cleaner: Cleaner) -> Iterator[bytes]:
    """The cleaned file as CSV, about one block at a time."""
    if not records.header:
        return
    yield _encode_csv([[name] for name in records.header])
    for chunk in records.chunks():
        yield _encode_csv(cleaner.clean(chunk))


def _encode_csv(columns: list[Sequence[str]]) -> bytes:
    quoted = [_quote(column) for column in columns]
    if len(quoted) == 1:
        # An empty line is no record; an empty cell in quotes is one.
        quoted = [[cell or '""' for cell in quoted[0]]]
    return ("\n".join(map(",".join, zip(*quoted, strict=True))) + "\n").encode()


def _quote(cells: Sequence[str]) -> Sequence[str]:
    together = "".join(cells)
    if not ("," in together or '"' in together or "\n" in together or "\r" in together):
        return cells
    return [
        '"' + cell.replace('"', '""') + '"' if "," in cell or '"' in cell or "\n" in cell or "\r" in cell else cell
        for cell in cells
    ]


def require_pyarrow() -> tuple[Any, Any]:
    """Import pyarrow and its Parquet module.

    :raises MaestroQAConfigError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        pass
    else:
        return pyarrow, pyarrow.parquet
    raise MaestroQAConfigError(
        "file_format='parquet' needs pyarrow: pip install 'airflow-provider-maestroqa[parquet]'. Without it, "
        "clean=True with file_format='csv.gz' gives the same cells as text."
    )


def parquet_blocks(records: CsvReader, cleaner: Cleaner) -> Iterator[bytes]:
    """The cleaned file as Parquet, a row group at a time, each written beside the reading of the next one.

    :param cleaner: cleans it, and rejects dates that cannot be read.
    """
    pyarrow, parquet = require_pyarrow()
    from airflow_provider_maestroqa.landing.clean.arrow_reader import ArrowReader

    reader = ArrowReader(records, cleaner)
    buffer = _Buffer()
    with (
        ThreadPoolExecutor(1, thread_name_prefix="maestroqa-parquet") as thread,
        parquet.ParquetWriter(buffer, reader.schema, compression="snappy") as writer,
    ):
        being_written: Future[bytes] | None = None

        def write(table: Any) -> bytes:
            writer.write_table(table, row_group_size=table.num_rows)
            return buffer.take()

        for table in _row_groups(pyarrow, reader.batches()):
            if being_written is not None:
                yield being_written.result()
            being_written = thread.submit(write, table)
        if being_written is not None:
            yield being_written.result()
    yield buffer.take()


def _row_groups(pyarrow: Any, batches: Iterator[Any]) -> Iterator[Any]:
    group, size = [], 0
    for batch in batches:
        group.append(batch)
        size += batch.nbytes
        if size >= ROW_GROUP_BYTES:
            yield pyarrow.Table.from_batches(group)
            group, size = [], 0
    if group:
        yield pyarrow.Table.from_batches(group)


class _Buffer(io.RawIOBase):
    """Holds what the writer writes until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._blocks.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """All that was written since it was last taken."""
        data = b"".join(self._blocks)
        self._blocks.clear()
        return data
