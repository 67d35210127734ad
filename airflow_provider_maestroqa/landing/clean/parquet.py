"""Write cleaned records as Parquet: text, but for the known date columns, which are timestamps in UTC.

A row group is written as soon as it holds :data:`ROW_GROUP_BYTES`, so memory is bounded by a few times that, whatever
the size of the file. pyarrow is imported when it is needed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.landing.clean.cleaning import NULL, Cleaner
from airflow_provider_maestroqa.landing.clean.csv_reader import Records

#: Bytes of cells in a row group, before they are compressed.
ROW_GROUP_BYTES = 16 << 20


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


def parquet_blocks(records: Records, cleaner: Cleaner) -> Iterator[bytes]:
    """The cleaned file, a row group at a time.

    :param records: the file.
    :param cleaner: cleans it, and refuses dates that cannot be read.
    """
    pyarrow, parquet = require_pyarrow()
    moment = pyarrow.timestamp("us", tz="UTC")
    text = pyarrow.string()
    types = [moment if place in cleaner.dates else text for place in range(len(records.header))]
    schema = pyarrow.schema(list(zip(records.header, types, strict=True)))
    sink = _Sink()
    with parquet.ParquetWriter(sink, schema, compression="snappy") as writer:
        group, size = [], 0
        for chunk in records.chunks():
            columns = zip(cleaner.clean(chunk), types, strict=True)
            arrays = [pyarrow.array(_with_none(column), text).cast(kind) for column, kind in columns]
            group.append(pyarrow.record_batch(arrays, schema=schema))
            size += group[-1].nbytes
            if size >= ROW_GROUP_BYTES:
                _write(writer, pyarrow.Table.from_batches(group))
                group, size = [], 0
                yield sink.take()
        if group:
            _write(writer, pyarrow.Table.from_batches(group))
            group = []
            yield sink.take()
    yield sink.take()


def _write(writer: Any, table: Any) -> None:
    writer.write_table(table, row_group_size=table.num_rows)


def _with_none(column: Sequence[str]) -> Sequence[str | None]:
    return [None if cell == NULL else cell for cell in column] if NULL in column else column


class _Sink(io.RawIOBase):
    """Takes what the writer writes, until it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """All that was written since."""
        written = b"".join(self._written)
        self._written.clear()
        return written
