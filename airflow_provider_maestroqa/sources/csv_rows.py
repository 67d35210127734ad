"""CSV files as rows."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_maestroqa.sources.base import Row
from airflow_provider_maestroqa.sources.files import Opened
from airflow_provider_maestroqa.storage.csv_reader import DELIMITERS, CsvReader


class CsvRows:
    """The rows of a CSV file below its header.

    A cell in quotes may hold line breaks. Lines end with a line feed, or a carriage return and a line feed; empty
    lines are skipped.

    :param opened: the file.
    :param delimiter: separates the cells.
    :raises MaestroQADataError: it has no header, or one with another delimiter.
    """

    unit = "line"

    def __init__(self, opened: Opened, *, delimiter: str) -> None:
        self._opened = opened
        self._reader = CsvReader(opened.blocks(), opened.name, delimiter=delimiter, strict=True)
        self._delimiter = DELIMITERS.get(delimiter, f"{delimiter!r}s")[:-1]
        self.columns = self._reader.header

    def __iter__(self) -> Iterator[Row]:
        width = len(self.columns)
        for line, cells in self._reader.rows():
            if len(cells) == width:
                yield Row(line, cells)
            else:
                yield Row(
                    line,
                    cells,
                    f"the row has {len(cells)} cells, but the header has {width}; look for a {self._delimiter} or a "
                    "quote that does not belong there",
                )
        # The last rows may have waited long for those before them.
        self._opened.check_unchanged()
