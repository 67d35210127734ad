"""Rows of export files: deterministic from a seed, quick to make in any number, and as awkward as real ones.

A file is a row of ``_FILES`` that names its columns; :mod:`.export_cells` makes them. The columns are those that
public clients of MaestroQA have seen. The grades of a ticket differ by agent, rubric, grader or type.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, islice

from airflow_provider_maestroqa.sandbox.data.export_cells import (
    CELLS,
    DATES,
    GRADES,
    KEYS,
    Cells,
    Chance,
    Content,
    Key,
    agents,
    csv_cell,
    dates,
    grades,
)

#: The types of export, with their files.
FILES: Mapping[str, tuple[str, ...]] = {
    "raw": ("total_scores", "section_scores", "individual_answers", "annotations", "csat"),
    "groups": ("agent_groups",),
    "audit_log": ("audit_logs",),
}
#: Files of exports that have only one, by the type of the export: so options name them.
_LABELS = {"agent_groups": "groups", "audit_logs": "audit_log"}
BOM = b"\xef\xbb\xbf"

_POOL = 1021
#: Whole cycles of grades, so that a ticket's grades stay together.
_GRADES_POOL = 1016
_DATES_POOL = 992
_BLOCK_ROWS = 2048
_DELETED = "is_deleted"


@dataclass(frozen=True)
class _File:
    """What a file looks like."""

    columns: str
    per: int = 1  # records for each `over` grades
    over: int = 1
    #: The number of a row's subject, and the row's number among those of the subject.
    subject: Callable[[int], tuple[int, int]] = lambda number: (number, 0)
    of_grades: bool = True
    of_agents: bool = False
    bom: bool = False
    bare_guard: bool = False  # dates are guarded as ="…" without the quotes of CSV
    line_end: bytes = b"\n"
    ends_with_line_end: bool = True

    def names(self, content: Content) -> list[str]:
        """The names of its columns, in order."""
        return self.columns.split() + ([_DELETED] if self.of_grades and content.deleted else [])


_FILES = {
    "total_scores": _File(
        "gradable_id agent_id agent_name agent_email rubric_id rubric_name rubric_score max_rubric_score comment"
        " date_graded grader grade_type ticket_created_at date_first_started date_first_graded date_reported_as"
        " source total_grading_time alignment_score target_answer_id original_grader"
    ),
    "section_scores": _File(
        "gradable_id agent_id agent_name agent_email rubric_id rubric_name section_id section_name section_score"
        " max_section_score date_graded grader grade_type ticket_created_at date_reported_as source section_weight"
        " alignment_score target_answer_id original_grader",
        per=2,
        subject=lambda number: divmod(number, 2),
        bare_guard=True,
        line_end=b"\r\n",
    ),
    "individual_answers": _File(
        "gradable_id agent_id agent_name agent_email rubric_id rubric_name question_id question answer_label"
        " feedback_answer_label question_score max_question_score comment date_graded grader grade_type"
        " ticket_created_at section_id section_name date_reported_as source alignment_score target_answer_id"
        " original_grader",
        per=5,
        subject=lambda number: divmod(number, 5),
        bom=True,
    ),
    "annotations": _File(
        "gradable_id agent_id agent_name agent_email rubric_id rubric_name question_id question annotation_id"
        " selected_text comment date_graded grader grade_type ticket_created_at section_id section_name"
        " date_reported_as source",
        over=2,
        # Two of a grade, which is another one of its cycle each time.
        subject=lambda number: (number // 2 * 4 + number // 2 % 4, number % 2),
        ends_with_line_end=False,
    ),
    # One for each ticket, of which each first grade is: grades 0, 4, 5, 6 and 7 of a cycle.
    "csat": _File(
        "gradable_id csat_score csat_comment ticket_created_at source",
        over=3,
        subject=lambda number: (number // 5 * 8 + (number % 5 and number % 5 + 3), 0),
        of_grades=False,
    ),
    # Of two agents, the first is in two groups.
    "agent_groups": _File(
        "group_name group_id agent_name agent_email agent_ids available",
        subject=lambda number: (number * 2 // 3, int(number % 3 == 1)),
        of_grades=False,
        of_agents=True,
        bom=True,
    ),
    # Of three activities, the first has two descriptions.
    "audit_logs": _File(
        "activity_id time_stamp user_email item_type action_type description ip_address",
        subject=lambda number: (number * 3 // 4, int(number % 4 == 1)),
        of_grades=False,
        bom=True,
    ),
}


@dataclass(frozen=True)
class Table:
    """One CSV file of an export, made block by block."""

    name: str
    rows: int
    content: Content = field(default_factory=Content)

    def blocks(self) -> Iterator[bytes]:
        """The file's bytes in blocks of some hundred kilobytes, the header first."""
        file = _FILES[self.name]
        more = self._listed(self.content.more_columns)
        header = ",".join([*self.columns, *more]).encode()
        more_cells = b"".join(b",more" for _ in more)
        count = len(self.numbers)
        first_double = count - min(self.content.doubled_records, count // 2)
        yield (BOM if file.bom else b"") + header + (file.line_end if count else b"")
        row = _renderer(self, file)
        for first in range(0, count, _BLOCK_ROWS):
            last = min(first + _BLOCK_ROWS, count)
            places = [place if place < first_double else place - first_double for place in range(first, last)]
            block = b"".join([row(self.numbers[place]) + more_cells + file.line_end for place in places])
            yield block if last < count or file.ends_with_line_end else block[: -len(file.line_end)]

    @cached_property
    def numbers(self) -> Sequence[int]:
        """The numbers of its rows: all, or those whose dates are to be in it."""
        is_in = self.content.is_in
        if is_in is None:
            return range(self.rows)
        subject = _FILES[self.name].subject
        moments = [one.moment for one in dates(self.content, min(_DATES_POOL, subject(self.rows)[0] + 1))]
        return [one for one in range(self.rows) if is_in(moments[subject(one)[0] % _DATES_POOL])]

    @property
    def columns(self) -> list[str]:
        """The names of its columns, as far as they are those of the documents and of clients."""
        missing = self._listed(self.content.missing_columns)
        return [name for name in _FILES[self.name].names(self.content) if name not in missing]

    def _listed(self, columns: Sequence[str]) -> list[str]:
        """Those of columns that are written as FILE.COLUMN which are of this file."""
        file = _LABELS.get(self.name, self.name)
        return [column for label, _, column in (one.partition(".") for one in columns) if label == file]


def file_names(export_type: str, single_file: str | None = None) -> tuple[str, ...]:
    """The names of an export's files, without ``.csv``."""
    return FILES[export_type] if single_file is None else (single_file,)


def tables(export_type: str, rows: int, content: Content, single_file: str | None = None) -> list[Table]:
    """The files of an export."""
    return [
        Table(name, rows * _FILES[name].per // _FILES[name].over, content)
        for name in file_names(export_type, single_file)
    ]


def _renderer(table: Table, file: _File) -> Callable[[int], bytes]:
    """What makes row number n of a table, out of pools made once."""
    salt = random.Random(f"{table.content.seed}|ids").getrandbits(64)  # noqa: S311
    segments = [_segment(table, file, columns) for columns in _segments(table.columns)]

    def row(number: int) -> bytes:
        key = Key(*file.subject(number), number, salt)
        return b",".join([segment(key) for segment in segments])

    return row


def _segments(columns: Sequence[str]) -> Iterator[list[str]]:
    """Columns that stand beside each other and come from one pool."""
    homes = (KEYS, GRADES, CELLS, DATES)
    for _, names in groupby(columns, lambda name: next(place for place, home in enumerate(homes) if name in home)):
        yield list(names)


def _segment(table: Table, file: _File, columns: list[str]) -> Callable[[Key], bytes]:
    """What makes these columns of a row."""
    # Only as many pieces are made as are used: most exports in tests are small.
    content, first = table.content, columns[0]
    if first in KEYS:
        makers = [KEYS[name] for name in columns]
        return lambda key: b",".join([make(key) for make in makers])
    subjects = file.subject(table.rows)[0] + 1
    if first in GRADES:
        of_each = agents() if file.of_agents else grades(content)
        pool = [
            b",".join(csv_cell(GRADES[name](grade)) for name in columns)
            for grade in islice(of_each, min(_GRADES_POOL, subjects))
        ]
        return lambda key: pool[key.subject % _GRADES_POOL]
    if first in CELLS:
        chance = Chance(f"{content.seed}|{table.name}")
        pieces = (Cells(chance, number) for number in range(min(_POOL, table.rows)))
        cells = [b",".join(csv_cell(CELLS[name](piece)) for name in columns) for piece in pieces]
        return lambda key: cells[key.number % _POOL]
    encode = str.encode if file.bare_guard else csv_cell
    moments = [
        b",".join(encode(DATES[name](piece)) for name in columns)
        for piece in dates(content, min(_DATES_POOL, subjects))
    ]
    return lambda key: moments[key.subject % _DATES_POOL]
