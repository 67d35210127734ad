"""Write cleaned records as CSV: UTF-8 without a BOM, commas, lines that end with a line feed, quotes where needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_provider_maestroqa.landing.clean.cleaning import Cleaner
from airflow_provider_maestroqa.landing.clean.csv_reader import Records


def csv_blocks(records: Records, cleaner: Cleaner) -> Iterator[bytes]:
    """The cleaned file, about one block at a time.

    :param records: the file.
    :param cleaner: cleans it.
    """
    yield _block([[name] for name in records.header])
    for chunk in records.chunks():
        yield _block(cleaner.clean(chunk))


def _block(columns: list[Sequence[str]]) -> bytes:
    quoted = [_quoted(column) for column in columns]
    if len(quoted) == 1:
        # An empty line is no record; an empty cell in quotes is one.
        quoted = [[cell or '""' for cell in quoted[0]]]
    return ("\n".join(map(",".join, zip(*quoted, strict=True))) + "\n").encode()


def _quoted(cells: Sequence[str]) -> Sequence[str]:
    together = "".join(cells)
    if not ("," in together or '"' in together or "\n" in together or "\r" in together):
        return cells
    return [
        '"' + cell.replace('"', '""') + '"' if "," in cell or '"' in cell or "\n" in cell or "\r" in cell else cell
        for cell in cells
    ]
