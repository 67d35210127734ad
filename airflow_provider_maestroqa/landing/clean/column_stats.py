"""What is known of the columns of export files. Every other column is text, and every one of these may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Columns that hold dates.
DATE_COLUMNS = frozenset(
    {"date_graded", "date_first_started", "date_first_graded", "ticket_created_at", "date_reported_as"}
)

_KEY_ROOT = "gradable_id"
_KEY_COLUMNS = (_KEY_ROOT, "section_id", "question_id", "annotation_id", "date_reported_as")


@dataclass(frozen=True)
class Contents:
    """What is in a cleaned file.

    :param columns: their names, in order.
    :param rows: records, the header not counted.
    :param null_counts: empty cells and cells that were ``Unknown``, by column.
    :param unreadable_dates: cells of known date columns that were kept as text, by column; columns without are left
        out.
    """

    columns: tuple[str, ...]
    rows: int
    null_counts: Mapping[str, int]
    unreadable_dates: Mapping[str, int]

    def entry(self) -> dict[str, Any]:
        """The contents as they stand in the manifest."""
        return {
            "rows": self.rows,
            "columns": list(self.columns),
            "natural_key": natural_key(self.columns),
            "null_counts": dict(self.null_counts),
            "unreadable_dates": dict(self.unreadable_dates),
        }


def natural_key(columns: Sequence[str]) -> list[str]:
    """The columns that tell one record from another; none where the file has no ``gradable_id``."""
    return [name for name in _KEY_COLUMNS if name in columns] if _KEY_ROOT in columns else []
