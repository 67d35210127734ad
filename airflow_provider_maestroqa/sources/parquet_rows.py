"""Parquet files as rows. pyarrow is imported when the first file is opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any, TypeVar

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.sources.base import BadCell, Row, show_value, unreadable_value
from airflow_provider_maestroqa.sources.files import OpenFile

_BATCH = 1000
_BUFFER = 1 << 20
_EXTENSIONS = ("arrow.uuid", "arrow.json")

# Arrow before 23 (apache/arrow 48246) wrote INT96 times before 1970 with a negative time of day, midnights excepted.
# pyarrow reads that time of day as unsigned, which is 2^64 ns (584.55 years) ahead of what was meant.
_ARROW_VERSION = re.compile(r"parquet-cpp(?:-arrow)? version (\d+)\.")
_FIXED_VERSION = 23
_EPOCH = datetime(1970, 1, 1)
_WRAP = timedelta(microseconds=2**64 // 1000)
_LAST_NANOSECOND = _EPOCH + timedelta(microseconds=2**63 // 1000)

T = TypeVar("T")


class ParquetRows:
    """The rows of a Parquet file, some at a time.

    :param file: the file.
    :raises MaestroQAConfigError: pyarrow is not installed.
    :raises MaestroQADataError: it is no Parquet file, or is cut.
    """

    unit = "row"

    def __init__(self, file: OpenFile) -> None:
        self._open_file = file
        self._arrow, parquet = _pyarrow()
        # Without buffers of its own, pyarrow would hold whole columns of a row group. It would read the timestamps of
        # Spark and Hive (INT96) as nanoseconds, and those before 1677 or after 2262 as other times.
        self._file = self._translate_errors(
            "is no Parquet file",
            lambda: parquet.ParquetFile(
                file.file, buffer_size=_BUFFER, pre_buffer=False, coerce_int96_timestamp_unit="us"
            ),
        )
        self._schema = self._file.schema_arrow
        self._wraps = _has_wrapped_times(self._file.metadata)
        self.columns: tuple[str, ...] = tuple(self._schema.names)
        #: How many rows there are.
        self.total: int = self._file.metadata.num_rows

    def select(self, columns: Sequence[str]) -> None:
        """Read only these columns.

        :raises MaestroQADataError: one is of a type that JSON cannot hold.
        """
        names = {column.lower() for column in columns}
        selected = [index for index, name in enumerate(self.columns) if name.lower() in names]
        for index in selected:
            field = self._schema.field(index)
            if (part := self._unsupported_part(field.type)) is not None:
                within = "" if part == field.type else f" within {field.type}"
                raise MaestroQADataError(
                    f"{self._open_file.name}: the column {show_value(field.name)} is of the Parquet type {part}"
                    f"{within}, which JSON cannot hold. Write it as another type, or leave it out of the mapping. "
                    "Nothing was sent."
                )
        self.columns = tuple(self.columns[index] for index in selected)

    def __iter__(self) -> Iterator[Row]:
        number = 0
        batches = self._file.iter_batches(
            batch_size=_BATCH, columns=list(dict.fromkeys(self.columns)), use_threads=False
        )
        while (
            batch := self._translate_errors(f"cannot be read after row {number}", lambda: next(batches, None))
        ) is not None:
            for cells in self._translate_errors(f"cannot be read after row {number}", partial(self._cells, batch)):
                number += 1
                yield Row(number, cells)
        self._open_file.check_unchanged()

    def _cells(self, batch: Any) -> list[tuple[Any, ...]]:
        if not self.columns:
            return [()] * int(batch.num_rows)
        columns = [batch.column(batch.schema.get_field_index(name)) for name in self.columns]
        return list(zip(*(self._values(column) for column in columns), strict=True))

    def _values(self, column: Any) -> list[Any]:
        plain = self._plain_type(column.type)
        if plain != column.type:
            with suppress(self._arrow.ArrowNotImplementedError):
                column = column.cast(plain, safe=False)
        try:
            values: list[Any] = column.to_pylist()
        except (ValueError, OverflowError):
            values = [self._value(scalar) for scalar in column]
        return [_unwrap(value) for value in values] if self._wraps else values

    def _value(self, scalar: Any) -> Any:
        try:
            return scalar.as_py()
        except (ValueError, OverflowError) as error:
            text = f"a value of the type {scalar.type}"
            if isinstance(error, UnicodeDecodeError) and hasattr(scalar, "as_buffer"):
                text = scalar.as_buffer().to_pybytes().decode("utf-8", "replace")
            else:
                with suppress(self._arrow.ArrowException, ValueError):
                    text = scalar.cast(self._arrow.string()).as_py()
            return BadCell(text, unreadable_value(text, error))

    def _plain_type(self, type_: Any) -> Any:
        """Nanoseconds become microseconds, which Python has; a named zone becomes UTC, which every machine has."""
        types, arrow = self._arrow.types, self._arrow
        if types.is_timestamp(type_):
            return arrow.timestamp("us" if type_.unit == "ns" else type_.unit, "UTC" if type_.tz else None)
        if types.is_list(type_):
            return arrow.list_(type_.value_field.with_type(self._plain_type(type_.value_type)))
        if types.is_large_list(type_):
            return arrow.large_list(type_.value_field.with_type(self._plain_type(type_.value_type)))
        if types.is_fixed_size_list(type_):
            return arrow.list_(type_.value_field.with_type(self._plain_type(type_.value_type)), type_.list_size)
        if types.is_struct(type_):
            fields = [type_.field(index) for index in range(type_.num_fields)]
            return arrow.struct([field.with_type(self._plain_type(field.type)) for field in fields])
        return type_

    def _unsupported_part(self, type_: Any) -> Any:
        """The part of a type that JSON cannot hold; ``None`` when it can."""
        types = self._arrow.types
        if isinstance(type_, self._arrow.BaseExtensionType):
            return None if type_.extension_name in _EXTENSIONS else type_
        if types.is_dictionary(type_):
            return self._unsupported_part(type_.value_type)
        if types.is_list(type_) or types.is_large_list(type_) or types.is_fixed_size_list(type_):
            return self._unsupported_part(type_.value_type)
        if types.is_struct(type_):
            inner = (self._unsupported_part(type_.field(index).type) for index in range(type_.num_fields))
            return next((part for part in inner if part is not None), None)
        supported = (
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
        is_supported = str(type_) == "string_view" or any(check(type_) for check in supported)
        return None if is_supported else type_

    def _translate_errors(self, what: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except (self._arrow.ArrowException, OSError, EOFError, ValueError, OverflowError) as error:
            problem = " ".join(str(error).split())[:200].rstrip(".")
        raise MaestroQADataError(f"{self._open_file.name} {what}: {problem}. Write it again.")


def _has_wrapped_times(metadata: Any) -> bool:
    """Whether an older Arrow wrote the file with INT96. All timestamps of such a file are INT96."""
    version = _ARROW_VERSION.match(metadata.created_by or "")
    if version is None or int(version[1]) >= _FIXED_VERSION:
        return False
    return any(metadata.schema.column(index).physical_type == "INT96" for index in range(metadata.num_columns))


def _unwrap(value: Any) -> Any:
    """What an older Arrow meant by an INT96 time, or by those within a list or struct.

    Before 1970 it wrote midnights alone as they are, so that any other reading there was moved. A reading between
    2262 and 2554 is a time from 1677 to 1970, unless it is a whole second: such a time would have to end in
    .290449 s, and the years 2300 or 2500 are often written for "never". A reading between 1970 and 2262 is taken as
    it is: the other meaning, a time of day from 1385 to 1677, is not in the range of nanoseconds either.
    """
    if isinstance(value, datetime):
        read = value.replace(tzinfo=None)
        is_moved = read.time() != time.min if read < _EPOCH else _LAST_NANOSECOND < read < _EPOCH + _WRAP
        if not is_moved or (read > _EPOCH and not read.microsecond):
            return value
        try:
            return value - _WRAP
        except OverflowError as error:
            text = f"{value.isoformat()} less 2^64 ns"
            return BadCell(text, unreadable_value(text, error))
    if isinstance(value, list):
        return [_unwrap(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _unwrap(inner) for name, inner in value.items()}
    return value


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
