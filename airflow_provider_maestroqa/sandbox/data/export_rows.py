"""Rows of export files: deterministic from a seed, quick to make in any number, and as awkward as real ones.

The columns are those that public clients of MaestroQA have seen; the columns of groups and audit logs are made up.
Each column is declared once, in one of three tables: keys are computed from a row's number, cells and dates come from
pools of ready-made pieces, so that a gigabyte takes seconds. A file is a row of ``_FILES`` that names its columns.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import groupby
from typing import NamedTuple, TypeVar

from airflow_provider_maestroqa.sandbox.data.sample_text import NASTY_CELLS, PEOPLE, RUBRICS, SECTIONS, WORDS

#: The types of export, with their files.
FILES: Mapping[str, tuple[str, ...]] = {
    "raw": ("total_scores", "section_scores", "individual_answers", "annotations", "csat"),
    "groups": ("agent_groups",),
    "audit_log": ("audit_logs",),
}
DEFAULT_WINDOW = (datetime(2021, 3, 1, tzinfo=timezone.utc), datetime(2021, 3, 8, tzinfo=timezone.utc))
BOM = b"\xef\xbb\xbf"

_T = TypeVar("_T")
_POOL = 1021
_DATES_POOL = 997
_BLOCK_ROWS = 2048
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Content:
    """What decides the content of export files."""

    seed: int = 1
    window: tuple[datetime, datetime] = DEFAULT_WINDOW  # for the dates in the rows
    grade_types: tuple[str, ...] = ("Manual", "Automated")


class _Chance(random.Random):
    """Random choices that are the same with every version of Python."""

    def pick(self, options: Sequence[_T]) -> _T:
        # random() is the one method whose sequence Python promises to keep from version to version.
        return options[int(self.random() * len(options))]

    def below(self, limit: int) -> int:
        return int(self.random() * limit)


class _Key(NamedTuple):
    """What the keys of a row are computed from: its ticket, its number, and its number within the ticket."""

    ticket: int
    number: int
    part: int
    salt: int


class _Cells:
    """The random values that the cells of one piece share."""

    def __init__(self, chance: _Chance, number: int, content: Content) -> None:
        self.agent = chance.below(40)
        self.person, self.mail = PEOPLE[self.agent % len(PEOPLE)]
        self.rubric = chance.below(len(RUBRICS))
        self.best = best = chance.pick((100, 100, 50, 5))
        self.score = chance.pick((str(best), str(best - 1), f"{best * chance.random():.1f}", "0", ""))
        self.grader = chance.pick(("Unknown", *(name for name, _ in PEOPLE)))
        self.grade_type = chance.pick(content.grade_types)
        self.section = chance.pick(SECTIONS)
        self.csat_score = chance.pick(("1", "2", "3", "4", "5", "", "4.5"))
        self.group = chance.pick(RUBRICS) + " team"
        self.available = chance.pick(("true", "false"))
        self.action = chance.pick(("login", "grade.updated", "rubric.published", "export.requested"))
        self.comment = _comment(chance, number)


class _Dates(NamedTuple):
    """What the dates of one piece are made from."""

    chance: _Chance
    number: int
    graded: datetime


def _earlier(dates: _Dates) -> str:
    """A date before the grading, or none."""
    if dates.number % 7 == 3:
        return dates.chance.pick(("", "Unknown"))
    return _guarded(dates.graded - timedelta(milliseconds=dates.chance.below(86_400_000)))


def _id(key: _Key) -> bytes:
    return b"%016x" % ((key.ticket * 0x9E3779B97F4A7C15 + key.salt) & _MASK)


def _part(key: _Key) -> bytes:
    return b"0%d" % (3975800 + key.part)


#: The columns, each with what makes its text.
_KEYS: Mapping[str, Callable[[_Key], bytes]] = {
    "gradable_id": _id,
    "section_id": _part,
    "question_id": _part,
    "annotation_id": lambda key: b"%016x" % ((key.number * 0xD1342543DE82EF95 ^ key.salt) & _MASK),
    "membership_id": _id,
    "event_id": _id,
}
_CELLS: Mapping[str, Callable[[_Cells], str]] = {
    "agent_id": lambda cells: f"{3975800 + cells.agent:08d}",
    "agent_name": lambda cells: cells.person,
    "agent_email": lambda cells: f"{cells.mail}{cells.agent}@example.com",
    "grader": lambda cells: cells.grader,
    "grade_type": lambda cells: cells.grade_type,
    "rubric_id": lambda cells: f"{cells.rubric:04d}",
    "rubric_name": lambda cells: RUBRICS[cells.rubric],
    "rubric_score": lambda cells: cells.score,
    "max_rubric_score": lambda cells: str(cells.best),
    "section_name": lambda cells: cells.section,
    "section_score": lambda cells: cells.score,
    "max_section_score": lambda cells: str(cells.best),
    "csat_score": lambda cells: cells.csat_score,
    "group_name": lambda cells: cells.group,
    "available": lambda cells: cells.available,
    "user_name": lambda cells: cells.grader,
    "user_email": lambda cells: f"{cells.mail}@example.com",
    "action": lambda cells: cells.action,
    "comment": lambda cells: cells.comment,
}
_DATES: Mapping[str, Callable[[_Dates], str]] = {
    "date": lambda dates: _guarded(dates.graded),
    "date_graded": lambda dates: _guarded(dates.graded),
    "date_first_started": _earlier,
    "date_first_graded": _earlier,
    "ticket_created_at": _earlier,
    "date_reported_as": lambda dates: dates.graded.strftime("%Y-%m-%d"),
}


@dataclass(frozen=True)
class _File:
    """What a file looks like."""

    columns: str
    per: int = 1  # records for each `over` graded tickets
    over: int = 1
    bom: bool = False
    bare_guard: bool = False  # dates are guarded as ="…" without the quotes of CSV
    line_end: bytes = b"\n"
    ends_with_line_end: bool = True


_FILES = {
    "total_scores": _File(
        "gradable_id agent_id agent_name agent_email grader grade_type rubric_id rubric_name"
        " rubric_score max_rubric_score comment date_graded date_first_started date_first_graded ticket_created_at"
        " date_reported_as"
    ),
    "section_scores": _File(
        "gradable_id section_id agent_id agent_name agent_email grader rubric_id rubric_name section_name"
        " section_score max_section_score comment date_graded date_reported_as",
        per=2,
        bare_guard=True,
        line_end=b"\r\n",
    ),
    "individual_answers": _File(
        "gradable_id question_id agent_id agent_name agent_email grader grade_type rubric_id rubric_name section_name"
        " comment date_graded date_reported_as",
        per=5,
        bom=True,
    ),
    "annotations": _File(
        "gradable_id annotation_id agent_id agent_name agent_email grader rubric_name comment date_graded"
        " date_reported_as",
        over=2,
        ends_with_line_end=False,
    ),
    "csat": _File(
        "gradable_id agent_id agent_name agent_email csat_score comment ticket_created_at date_reported_as", over=3
    ),
    "agent_groups": _File("membership_id group_name agent_id agent_name agent_email available", bom=True),
    "audit_logs": _File("event_id user_name user_email action comment date", bom=True),
}


@dataclass(frozen=True)
class Table:
    """One CSV file of an export, made block by block."""

    name: str
    rows: int
    content: Content = Content()

    def blocks(self) -> Iterator[bytes]:
        """The file's bytes in blocks of some hundred kilobytes, the header first."""
        file = _FILES[self.name]
        header = ",".join(file.columns.split()).encode()
        yield (BOM if file.bom else b"") + header + (file.line_end if self.rows else b"")
        row = _renderer(self, file)
        for first in range(0, self.rows, _BLOCK_ROWS):
            last = min(first + _BLOCK_ROWS, self.rows)
            block = b"".join([row(number) + file.line_end for number in range(first, last)])
            yield block if last < self.rows or file.ends_with_line_end else block[: -len(file.line_end)]


def file_names(export_type: str, single_file: str | None = None) -> tuple[str, ...]:
    """The names of an export's files, without ``.csv``."""
    return FILES[export_type] if single_file is None else (single_file,)


def tables(export_type: str, rows: int, content: Content, single_file: str | None = None) -> list[Table]:
    """The files of an export."""
    return [
        Table(name, rows * _FILES[name].per // _FILES[name].over, content)
        for name in file_names(export_type, single_file)
    ]


def csv_cell(text: str) -> bytes:
    """A value as a CSV cell, quoted where it must be."""
    if any(mark in text for mark in ',"\n\r') or text != text.strip():
        text = '"' + text.replace('"', '""') + '"'
    return text.encode()


def _renderer(table: Table, file: _File) -> Callable[[int], bytes]:
    """What makes row number n of a table, out of pools made once."""
    salt = random.Random(f"{table.content.seed}|ids").getrandbits(64)  # noqa: S311
    tickets = max(1, table.rows // file.per * file.over)
    step = _coprime(tickets)
    segments = [_segment(table, file, columns) for columns in _segments(file.columns.split())]

    def row(number: int) -> bytes:
        ticket, part = divmod(number, file.per)
        key = _Key(ticket * step % tickets, number, part, salt)
        return b",".join([segment(key) for segment in segments])

    return row


def _segments(columns: list[str]) -> Iterator[list[str]]:
    """Columns that stand beside each other and come from one pool."""
    for _, names in groupby(columns, lambda name: next(table for table in (_KEYS, _CELLS, _DATES) if name in table)):
        yield list(names)


def _segment(table: Table, file: _File, columns: list[str]) -> Callable[[_Key], bytes]:
    """What makes these columns of a row."""
    content, seed = table.content, f"{table.content.seed}|{table.name}"
    if columns[0] in _KEYS:
        makers = [_KEYS[name] for name in columns]
        return lambda key: b",".join([make(key) for make in makers])
    # Only as many pieces as are used: most exports in tests are small.
    if columns[0] in _CELLS:
        chance = _Chance(seed)
        pool = []
        for number in range(min(_POOL, table.rows)):
            cells = _Cells(chance, number, content)
            pool.append(b",".join(csv_cell(_CELLS[name](cells)) for name in columns))
        return lambda key: pool[key.number % _POOL]
    chance = _Chance(f"{seed}|dates")
    encode = str.encode if file.bare_guard else csv_cell
    span = max(1, int((content.window[1] - content.window[0]).total_seconds() * 1000))
    dates_pool = []
    for number in range(min(_DATES_POOL, table.rows)):
        dates = _Dates(chance, number, content.window[0] + timedelta(milliseconds=chance.below(span)))
        dates_pool.append(b",".join(encode(_DATES[name](dates)) for name in columns))
    return lambda key: dates_pool[key.number % _DATES_POOL]


def _comment(chance: _Chance, number: int) -> str:
    if number < len(NASTY_CELLS):
        return NASTY_CELLS[number]
    if chance.below(8) == 0:
        return chance.pick(NASTY_CELLS) + " " + " ".join(chance.pick(WORDS) for _ in range(chance.below(12)))
    return " ".join(chance.pick(WORDS) for _ in range(chance.below(45))) + "."


def _guarded(moment: datetime) -> str:
    return f'="{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"'


def _coprime(count: int) -> int:
    """A step that visits each of so many numbers once, in no visible order."""
    step = int(count * 0.618) | 1
    while math.gcd(step, count) != 1:
        step += 1
    return step
