"""CSV files as rows."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.parsing import is_blank
from airflow_provider_maestroqa.sources.base import Row
from airflow_provider_maestroqa.sources.files import OpenFile, plain_name
from airflow_provider_maestroqa.storage.csv_reader import DELIMITERS, CsvReader


class CsvRows:
    """The rows of a CSV file below its header.

    A cell in quotes may hold line breaks. Lines end with a line feed, or a carriage return and a line feed; empty
    lines are skipped.

    :param file: the file.
    :param delimiter: separates the cells.
    :raises MaestroQADataError: it has no header, or one with another delimiter.
    """

    unit = "line"

    def __init__(self, file: OpenFile, *, delimiter: str) -> None:
        self._file = file
        self._reader = CsvReader(file.blocks(), file.name, delimiter=delimiter, strict=True)
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
        self._file.check_unchanged()


def detect_delimiter(name: str, choice: object = None) -> str:
    """Find out what separates the cells of a CSV file.

    :param name: the file's name; ``.tsv`` has tabs, everything else commas.
    :param choice: what the user passes; blank goes by the name.
    :raises MaestroQAConfigError: it is not one character.
    """
    if choice == "\\t":
        return "\t"
    # Before what is blank, because a space may separate cells.
    if isinstance(choice, str) and len(choice) == 1 and choice not in '"\r\n\0':
        return choice
    if choice not in ("\r", "\n") and is_blank(choice):
        return "\t" if plain_name(name).endswith(".tsv") else ","
    raise MaestroQAConfigError(f"delimiter must be one character, such as ';' or '\\t'; got {choice!r}.")
