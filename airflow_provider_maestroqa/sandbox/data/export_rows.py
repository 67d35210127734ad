"""Rows of export files: deterministic from a seed, quick to make in any number, and as nasty as real ones.

The columns are those that public clients of MaestroQA have seen; the columns of groups and audit logs are made up.
A row is put together from pools of ready-made pieces, so that a gigabyte takes seconds; ids and the order of rows are
computed from the row's number.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import NamedTuple, TypeVar

from airflow_provider_maestroqa.sandbox.data.sample_text import NASTY_CELLS, PEOPLE, RUBRICS, SECTIONS, WORDS

RAW_FILES = ("total_scores", "section_scores", "individual_answers", "annotations", "csat")
FILES = {"raw": RAW_FILES, "groups": ("agent_groups",), "audit_log": ("audit_logs",)}
DEFAULT_WINDOW = (datetime(2021, 3, 1, tzinfo=timezone.utc), datetime(2021, 3, 8, tzinfo=timezone.utc))
BOM = b"\xef\xbb\xbf"

_T = TypeVar("_T")
_POOL = 1021
_DATES = 997
_BLOCK_ROWS = 2048
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Content:
    """What decides the content of export files.

    :param seed: another seed, another content.
    :param window: start and end of the export, for the dates in the rows.
    :param grade_types: what ``grade_type`` may say.
    """

    seed: int = 1
    window: tuple[datetime, datetime] = DEFAULT_WINDOW
    grade_types: tuple[str, ...] = ("Manual", "Automated")


class _Shape(NamedTuple):
    per: int  # records for each `over` graded tickets
    over: int
    keys: str
    middle: str
    dates: str
    bom: bool = False
    bare_guard: bool = False
    line_end: bytes = b"\n"
    ends_with_line_end: bool = True


_SHAPES = {
    "total_scores": _Shape(
        1,
        1,
        "gradable_id",
        "agent_id,agent_name,agent_email,grader,grade_type,rubric_id,rubric_name,rubric_score,max_rubric_score,comment",
        "date_graded,date_first_started,date_first_graded,ticket_created_at,date_reported_as",
    ),
    "section_scores": _Shape(
        2,
        1,
        "gradable_id,section_id",
        "agent_id,agent_name,agent_email,grader,rubric_id,rubric_name,section_name,section_score,max_section_score,"
        "comment",
        "date_graded,date_reported_as",
        bare_guard=True,
        line_end=b"\r\n",
    ),
    "individual_answers": _Shape(
        5,
        1,
        "gradable_id,question_id",
        "agent_id,agent_name,agent_email,grader,grade_type,rubric_id,rubric_name,section_name,comment",
        "date_graded,date_reported_as",
        bom=True,
    ),
    "annotations": _Shape(
        1,
        2,
        "gradable_id,annotation_id",
        "agent_id,agent_name,agent_email,grader,rubric_name,comment",
        "date_graded,date_reported_as",
        ends_with_line_end=False,
    ),
    "csat": _Shape(
        1,
        3,
        "gradable_id",
        "agent_id,agent_name,agent_email,csat_score,comment",
        "ticket_created_at,date_reported_as",
    ),
    "agent_groups": _Shape(
        1, 1, "membership_id", "group_name,agent_id,agent_name,agent_email,available", "", bom=True
    ),
    "audit_logs": _Shape(1, 1, "event_id", "user_name,user_email,action,comment", "date", bom=True),
}


@dataclass(frozen=True)
class Table:
    """One CSV file of an export, made block by block.

    :param name: the file's name without ``.csv``.
    :param rows: how many records it holds, the header not counted.
    :param content: what decides the content.
    """

    name: str
    rows: int
    content: Content = Content()

    def blocks(self) -> Iterator[bytes]:
        """The file's bytes in blocks of some hundred kilobytes, the header first."""
        shape = _SHAPES[self.name]
        header = b",".join(part.encode() for part in (shape.keys, shape.middle, shape.dates) if part)
        yield (BOM if shape.bom else b"") + header + (shape.line_end if self.rows else b"")
        render = _Renderer(self)
        for first in range(0, self.rows, _BLOCK_ROWS):
            last = min(first + _BLOCK_ROWS, self.rows)
            block = b"".join([render.row(number) for number in range(first, last)])
            if last == self.rows and not shape.ends_with_line_end:
                block = block[: -len(shape.line_end)]
            yield block


def tables(export_type: str, rows: int, content: Content, single_file: str | None = None) -> list[Table]:
    """The files of an export.

    :param export_type: ``raw``, ``groups`` or ``audit_log``.
    :param rows: graded tickets (raw), memberships (groups) or events (audit log); the other files of a raw export
        hold more or fewer records.
    :param single_file: only this file of a raw export.
    """
    names = FILES[export_type] if single_file is None else (single_file,)
    return [Table(name, rows * _SHAPES[name].per // _SHAPES[name].over, content) for name in names]


def csv_cell(text: str) -> bytes:
    """A value as a CSV cell, quoted where it must be."""
    if any(mark in text for mark in ',"\n\r') or text != text.strip():
        text = '"' + text.replace('"', '""') + '"'
    return text.encode()


class _Renderer:
    """Makes row number n of a table, out of pools made once."""

    def __init__(self, table: Table) -> None:
        shape = _SHAPES[table.name]
        self._salt = random.Random(f"{table.content.seed}|ids").getrandbits(64)  # noqa: S311
        self._per, self._over = shape.per, shape.over
        self._tickets = max(1, table.rows // shape.per * shape.over)
        self._step = _coprime(self._tickets)
        self._two_keys = "," in shape.keys
        self._annotation = "annotation_id" in shape.keys
        # Only as many as are used: most exports in tests are small.
        self._random = random.Random(f"{table.content.seed}|{table.name}")  # noqa: S311
        self._pieces = [self._middle(number, shape, table.content) for number in range(min(_POOL, table.rows))]
        self._random = random.Random(f"{table.content.seed}|{table.name}|dates")  # noqa: S311
        self._tails = [self._dates(number, shape, table.content) for number in range(min(_DATES, table.rows))]

    def row(self, number: int) -> bytes:
        """One record, with its line end."""
        ticket = (number // self._per * self._step) % self._tickets
        key = b"%016x" % ((ticket * 0x9E3779B97F4A7C15 + self._salt) & _MASK)
        if self._annotation:
            key = b"%b,%016x" % (key, (number * 0xD1342543DE82EF95 ^ self._salt) & _MASK)
        elif self._two_keys:
            key = b"%b,0%d" % (key, 3975800 + number % self._per)
        return b"%b,%b%b" % (key, self._pieces[number % _POOL], self._tails[number % _DATES])

    def _pick(self, options: Sequence[_T]) -> _T:
        # random() is the one method whose sequence Python promises to keep from version to version.
        return options[int(self._random.random() * len(options))]

    def _below(self, limit: int) -> int:
        return int(self._random.random() * limit)

    def _comment(self, number: int) -> str:
        if number < len(NASTY_CELLS):
            return NASTY_CELLS[number]
        if self._below(8) == 0:
            return self._pick(NASTY_CELLS) + " " + " ".join(self._pick(WORDS) for _ in range(self._below(12)))
        return " ".join(self._pick(WORDS) for _ in range(self._below(45))) + "."

    def _middle(self, number: int, shape: _Shape, content: Content) -> bytes:
        agent = self._below(40)
        person, mail = PEOPLE[agent % len(PEOPLE)]
        rubric = self._below(len(RUBRICS))
        best = self._pick((100, 100, 50, 5))
        score = self._pick((str(best), str(best - 1), f"{best * self._random.random():.1f}", "0", ""))
        grader = self._pick(("Unknown", *(name for name, _ in PEOPLE)))
        values = {
            "agent_id": f"{3975800 + agent:08d}",
            "agent_name": person,
            "agent_email": f"{mail}{agent}@example.com",
            "grader": grader,
            "grade_type": self._pick(content.grade_types),
            "rubric_id": f"{rubric:04d}",
            "rubric_name": RUBRICS[rubric],
            "rubric_score": score,
            "max_rubric_score": str(best),
            "section_name": self._pick(SECTIONS),
            "section_score": score,
            "max_section_score": str(best),
            "csat_score": self._pick(("1", "2", "3", "4", "5", "", "4.5")),
            "group_name": self._pick(RUBRICS) + " team",
            "available": self._pick(("true", "false")),
            "user_name": grader,
            "user_email": f"{mail}@example.com",
            "action": self._pick(("login", "grade.updated", "rubric.published", "export.requested")),
            "comment": self._comment(number),
        }
        return b",".join(csv_cell(values[name]) for name in shape.middle.split(","))

    def _dates(self, number: int, shape: _Shape, content: Content) -> bytes:
        if not shape.dates:
            return shape.line_end
        start, end = content.window
        span = max(1, int((end - start).total_seconds() * 1000))
        graded = start + timedelta(milliseconds=self._below(span))
        cells = []
        for name in shape.dates.split(","):
            if name == "date_reported_as":
                text = graded.strftime("%Y-%m-%d")
            elif name in ("date_graded", "date"):
                text = _guarded(graded)
            elif number % 7 == 3:
                text = self._pick(("", "Unknown"))
            else:
                text = _guarded(graded - timedelta(milliseconds=self._below(86_400_000)))
            cells.append(text.encode() if shape.bare_guard else csv_cell(text))
        return b"," + b",".join(cells) + shape.line_end


def _guarded(moment: datetime) -> str:
    return f'="{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"'


def _coprime(count: int) -> int:
    """A step that visits each of so many numbers once, in no visible order."""
    step = int(count * 0.618) | 1
    while math.gcd(step, count) != 1:
        step += 1
    return step
