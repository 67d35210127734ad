"""What the log says about the cells of cleaned files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_provider_maestroqa.landing.manifest import LandedFile


def warnings_of(files: Sequence[LandedFile], subject: str) -> Iterator[str]:
    """What someone should look at, one line of text each.

    :param subject: what the lines begin with, such as ``Export 42``.
    """
    stats = [(file.name, file.column_stats) for file in files if file.column_stats is not None]
    unreadable = [
        f"{count:,} in {column} of {name}" for name, file in stats for column, count in file.unreadable_dates.items()
    ]
    if unreadable:
        yield (
            f"{subject} has cells in date columns that cannot be read as dates: {', '.join(unreadable)}. They were "
            f"kept as text, and the manifest counts them as unreadable_dates."
        )
    duplicates = [f"{file.duplicate_keys:,} of {name}" for name, file in stats if file.duplicate_keys]
    if duplicates:
        yield (
            f"{subject} has records with the natural key of another one before them: {', '.join(duplicates)}. They "
            f"were landed, and the manifest counts them as duplicate_keys. A merge by the key keeps one record of "
            f"each key."
        )
