"""Parquet files as rows. pyarrow is imported when the first one is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.sources.base import Row
from airflow_provider_maestroqa.sources.coercion import shown
from airflow_provider_maestroqa.sources.files import Opened

_BATCH = 1000
_BUFFER = 1 << 20
_EXTENSIONS = ("arrow.uuid", "arrow.json")

T = TypeVar("T")


class ParquetRows:
    """The rows of a Parquet file, some at a time.

    :param opened: the file.
    :raises MaestroQAConfigError: pyarrow is not installed.
    :raises MaestroQADataError: it is no Parquet file, or is cut.
    """

    unit = "row"

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._arrow, parquet = _pyarrow()
        # Without buffers of its own, pyarrow would hold whole columns of a row group.
        self._file = self._attempt(
            "is no Parquet file", lambda: parquet.ParquetFile(opened.file, buffer_size=_BUFFER, pre_buffer=False)
        )
        self._schema = self._file.schema_arrow
        self.columns: tuple[str, ...] = tuple(self._schema.names)
        #: How many rows there are.
        self.total: int = self._file.metadata.num_rows
        self._used: Sequence[int] = range(len(self.columns))

    def use(self, columns: Sequence[str]) -> None:
        """Read these columns alone.

        :raises MaestroQADataError: one is of a type that JSON cannot hold.
        """
        wanted = {column.lower() for column in columns}
        self._used = [index for index, name in enumerate(self.columns) if name.lower() in wanted]
        for index in self._used:
            field = self._schema.field(index)
            if (bad := self._unfit(field.type)) is not None:
                within = "" if bad == field.type else f" within {field.type}"
                raise MaestroQADataError(
                    f"{self._opened.name}: the column {shown(field.name)} is of the Parquet type {bad}{within}, "
                    "which JSON cannot hold. Write it as another type, or leave it out of the mapping. Nothing was "
                    "sent."
                )
        self.columns = tuple(self.columns[index] for index in self._used)

    def __iter__(self) -> Iterator[Row]:
        number = 0
        batches = self._file.iter_batches(
            batch_size=_BATCH, columns=list(dict.fromkeys(self.columns)), use_threads=False
        )
        while (batch := self._attempt(f"cannot be read after row {number}", lambda: next(batches, None))) is not None:
            for cells in self._attempt(f"cannot be read after row {number}", partial(self._cells, batch)):
                number += 1
                yield Row(number, cells)
        self._opened.check_unchanged()

    def _cells(self, batch: Any) -> list[tuple[Any, ...]]:
        if not self.columns:
            return [()] * int(batch.num_rows)
        columns = [batch.column(batch.schema.get_field_index(name)) for name in self.columns]
        return list(zip(*(self._plain(column).to_pylist() for column in columns), strict=True))

    def _plain(self, column: Any) -> Any:
        """Nanoseconds become microseconds, which Python has; a named zone becomes UTC, which every machine has."""
        kind = column.type
        if self._arrow.types.is_timestamp(kind) and (kind.unit == "ns" or kind.tz not in (None, "UTC")):
            unit = "us" if kind.unit == "ns" else kind.unit
            return column.cast(self._arrow.timestamp(unit, "UTC" if kind.tz else None), safe=False)
        return column

    def _unfit(self, kind: Any) -> Any:
        """The part of a type that JSON cannot hold; ``None`` when it can."""
        types = self._arrow.types
        if isinstance(kind, self._arrow.BaseExtensionType):
            return None if kind.extension_name in _EXTENSIONS else kind
        if types.is_dictionary(kind):
            return self._unfit(kind.value_type)
        if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
            return self._unfit(kind.value_type)
        if types.is_struct(kind):
            inner = (self._unfit(kind.field(index).type) for index in range(kind.num_fields))
            return next((bad for bad in inner if bad is not None), None)
        fits = (
            types.is_string,
            types.is_large_string,
            types.is_boolean,
            types.is_integer,
            types.is_floating,
            types.is_decimal,
            types.is_timestamp,
            types.is_date,
            types.is_null,
        )
        return None if any(is_one(kind) for is_one in fits) or str(kind) == "string_view" else kind

    def _attempt(self, what: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except (self._arrow.ArrowException, OSError, EOFError, ValueError, OverflowError) as error:
            problem = " ".join(str(error).split())[:200].rstrip(".")
        raise MaestroQADataError(f"{self._opened.name} {what}: {problem}. Write it anew.")


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        pass
    else:
        return pyarrow, pyarrow.parquet
    raise MaestroQAConfigError(
        "Reading Parquet needs pyarrow: pip install 'airflow-provider-maestroqa[parquet]'. CSV and JSON Lines do not."
    )
