"""The columns of the export files, each declared once with what makes its text.

Keys are computed from a row's subject: the grade, the agent or the activity that the row is about. Whatever is random
comes from pools of ready-made pieces, so that a gigabyte takes seconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import NamedTuple, TypeVar

from airflow_provider_maestroqa.sandbox.data.sample_text import NASTY_CELLS, PEOPLE, RUBRICS, SECTIONS, WORDS

DEFAULT_WINDOW = (datetime(2021, 3, 1, tzinfo=timezone.utc), datetime(2021, 3, 8, tzinfo=timezone.utc))
CALIBRATION = "Calibration"

_T = TypeVar("_T")
_MASK = (1 << 64) - 1
_AGENTS = 40
#: In each cycle the first ticket has four grades, and each other ticket one.
_CYCLE = 8
_GRADES_OF_FIRST = 4
_TICKETS_OF_CYCLE = _CYCLE - _GRADES_OF_FIRST + 1


@dataclass(frozen=True)
class Content:
    """What decides the content of export files."""

    seed: int = 1
    window: tuple[datetime, datetime] = DEFAULT_WINDOW  # for the dates in the rows
    grade_types: tuple[str, ...] = ("Manual", "Automated")
    deleted: bool = False  # whether deleted grades are included, and marked
    more_columns: tuple[str, ...] = ()  # as FILE.COLUMN
    missing_columns: tuple[str, ...] = ()  # likewise
    doubled_records: int = 0  # records of each file that come twice
    is_in: Callable[[datetime], bool] | None = None  # only records of these dates; by default all


class Chance(random.Random):
    """Random choices that are the same with every version of Python."""

    def pick(self, options: Sequence[_T]) -> _T:
        """One of the options."""
        # random() is the one method whose sequence Python promises to keep from version to version.
        return options[int(self.random() * len(options))]

    def below(self, limit: int) -> int:
        """A number from 0 up to the limit, without it."""
        return int(self.random() * limit)


class Key(NamedTuple):
    """What the keys of a row are computed from.

    :param subject: the number of the grade, the agent or the activity that the row is about.
    :param part: the row's number among those of its subject.
    :param number: the row's number in its file.
    :param salt: what makes the ids of another seed other ids.
    """

    subject: int
    part: int
    number: int
    salt: int


class Grade(NamedTuple):
    """One grade of a ticket; a ticket may have several, which differ in at least one of these."""

    agent: int
    rubric: int
    grader: str
    grade_type: str


def grades(content: Content) -> Iterator[Grade]:
    """The grades of an account, endlessly and in the order of their tickets.

    The first ticket of each cycle has four: where calibrations are exported, a calibration by three graders and the
    grade of a second agent; else a manual and an automated grade, one by a second rubric and one of a second agent.
    """
    chance = Chance(f"{content.seed}|grades")
    types = content.grade_types
    graders = ("Unknown", *(name for name, _ in PEOPLE))
    while True:
        agent, rubric, first = chance.below(_AGENTS), chance.below(len(RUBRICS)), chance.below(len(PEOPLE))
        one, two, three = (PEOPLE[(first + place) % len(PEOPLE)][0] for place in range(3))
        other_agent, other_rubric = (agent + 1) % _AGENTS, (rubric + 1) % len(RUBRICS)
        if CALIBRATION in types:
            yield from (Grade(agent, rubric, grader, CALIBRATION) for grader in (one, two, three))
        else:
            yield Grade(agent, rubric, one, types[0])
            yield Grade(agent, rubric, "Unknown", types[-1])
            yield Grade(agent, other_rubric, one, types[0])
        yield Grade(other_agent, rubric, one, types[0])
        for _ in range(_CYCLE - _GRADES_OF_FIRST):
            yield Grade(chance.below(_AGENTS), chance.below(len(RUBRICS)), chance.pick(graders), chance.pick(types))


def agents() -> Iterator[Grade]:
    """The agents of an account, endlessly: each as a grade, of which only the agent counts."""
    return (Grade(number, 0, "", "") for number in count())


def ticket_of(grade: int) -> int:
    """The ticket that a grade belongs to."""
    cycle, place = divmod(grade, _CYCLE)
    return cycle * _TICKETS_OF_CYCLE + max(0, place - _GRADES_OF_FIRST + 1)


class Cells:
    """The random values that the cells of one piece share."""

    def __init__(self, chance: Chance, number: int) -> None:
        self.number = number
        self.best = best = chance.pick((100, 100, 50, 5))
        self.score = chance.pick((str(best), str(best - 1), f"{best * chance.random():.1f}", "0", ""))
        self.section = chance.pick(SECTIONS)
        self.answer = chance.pick(("Yes", "No", "N/A", "Partly, see comment", "10"))
        self.source = chance.pick(("zendesk", "salesforce", "custom", ""))
        self.seconds = chance.below(3600)
        self.csat_score = chance.pick(("1", "2", "3", "4", "5", "", "4.5"))
        self.available = chance.pick(("true", "false"))
        self.person = chance.pick(PEOPLE)
        self.item = chance.pick(("User", "Rubric", "Grade", "Export"))
        self.action = chance.pick(("Login", "Update", "Publish", "Request"))
        self.comment = _comment(chance, number)
        self.words = " ".join(chance.pick(WORDS) for _ in range(1 + chance.below(7)))


class Dates(NamedTuple):
    """The dates of one piece: of a grade or an activity, and of what came before it."""

    moment: datetime
    reported: datetime
    created: str
    started: str
    first_graded: str


def dates(content: Content, pieces: int) -> Iterator[Dates]:
    """The dates of the first grades of an account: the same in each file, so that their rows can be joined."""
    chance = Chance(f"{content.seed}|dates")
    start, end = content.window
    span = max(1, int((end - start).total_seconds() * 1000))
    reported = start
    for number in range(pieces):
        moment = start + timedelta(milliseconds=chance.below(span))
        # All grades of a ticket are reported as of one day, which therefore tells none of them apart.
        if number == 0 or ticket_of(number) != ticket_of(number - 1):
            reported = moment
        yield Dates(moment, reported, *(_earlier(chance, number, moment) for _ in range(3)))


def _earlier(chance: Chance, number: int, moment: datetime) -> str:
    """A date before the grading, or none."""
    if number % 7 == 3:
        return chance.pick(("", "Unknown"))
    return _guarded(moment - timedelta(milliseconds=chance.below(86_400_000)))


def _hash(number: int, salt: int) -> bytes:
    return b"%016x" % ((number * 0x9E3779B97F4A7C15 + salt) & _MASK)


def _part(key: Key) -> bytes:
    return b"0%d" % (3975800 + key.part)


def _agent_name(agent: int) -> str:
    return PEOPLE[agent % len(PEOPLE)][0]


def _agent_email(agent: int) -> str:
    return f"{PEOPLE[agent % len(PEOPLE)][1]}{agent}@example.com"


def _agent_ids(key: Key) -> bytes:
    """All ids of an agent; some have a second one."""
    agent_id = b"%08d" % (3975800 + key.subject)
    return b'"%b,agent-%d"' % (agent_id, key.subject) if key.subject % 5 == 4 else agent_id


#: What is computed from the row's key, as the bytes of a cell.
KEYS: Mapping[str, Callable[[Key], bytes]] = {
    "gradable_id": lambda key: _hash(ticket_of(key.subject), key.salt),
    "section_id": _part,
    "question_id": _part,
    "annotation_id": lambda key: b"%016x" % ((key.number * 0xD1342543DE82EF95 ^ key.salt) & _MASK),
    "agent_ids": _agent_ids,
    "group_id": lambda key: _hash((key.subject + key.part) % len(RUBRICS), ~key.salt),
    "group_name": lambda key: csv_cell(f"{RUBRICS[(key.subject + key.part) % len(RUBRICS)]} team"),
    "activity_id": lambda key: _hash(key.subject, key.salt),
}
#: What all rows of a grade share.
GRADES: Mapping[str, Callable[[Grade], str]] = {
    "agent_id": lambda grade: f"{3975800 + grade.agent:08d}",
    "agent_name": lambda grade: _agent_name(grade.agent),
    "agent_email": lambda grade: _agent_email(grade.agent),
    "rubric_id": lambda grade: f"{grade.rubric:04d}",
    "rubric_name": lambda grade: RUBRICS[grade.rubric],
    "grader": lambda grade: grade.grader,
    "grade_type": lambda grade: grade.grade_type,
}
#: What is random.
CELLS: Mapping[str, Callable[[Cells], str]] = {
    "rubric_score": lambda cells: cells.score,
    "max_rubric_score": lambda cells: str(cells.best),
    "section_name": lambda cells: cells.section,
    "section_score": lambda cells: cells.score,
    "max_section_score": lambda cells: str(cells.best),
    "section_weight": lambda cells: str(cells.best // 5),
    "question": lambda cells: f"Was it {cells.words}?",
    "answer_label": lambda cells: cells.answer,
    "feedback_answer_label": lambda cells: cells.answer if cells.number % 3 == 0 else "",
    "question_score": lambda cells: cells.score,
    "max_question_score": lambda cells: str(cells.best),
    "selected_text": lambda cells: cells.words,
    "comment": lambda cells: cells.comment,
    "source": lambda cells: cells.source,
    "total_grading_time": lambda cells: str(cells.seconds),
    "alignment_score": lambda cells: cells.score if cells.number % 4 == 0 else "",
    "target_answer_id": lambda cells: f"{cells.seconds:06d}" if cells.number % 4 == 0 else "",
    "original_grader": lambda cells: cells.person[0] if cells.number % 4 == 0 else "Unknown",
    "is_deleted": lambda cells: "true" if cells.number % 10 == 9 else "false",
    "csat_score": lambda cells: cells.csat_score,
    "csat_comment": lambda cells: cells.comment,
    "available": lambda cells: cells.available,
    "user_email": lambda cells: f"{cells.person[1]}@example.com",
    "item_type": lambda cells: cells.item,
    "action_type": lambda cells: cells.action,
    # With a number, so that those of one activity differ.
    "description": lambda cells: f"{cells.action} {cells.number}: {cells.comment}",
    "ip_address": lambda cells: f"203.0.113.{cells.seconds % 256}",
}
#: What is a date of the row's subject.
DATES: Mapping[str, Callable[[Dates], str]] = {
    "date_graded": lambda dates: _guarded(dates.moment),
    "date_first_started": lambda dates: dates.started,
    "date_first_graded": lambda dates: dates.first_graded,
    "ticket_created_at": lambda dates: dates.created,
    "date_reported_as": lambda dates: dates.reported.strftime("%Y-%m-%d"),
    "time_stamp": lambda dates: _guarded(dates.moment),
}


def csv_cell(text: str) -> bytes:
    """A value as a CSV cell, quoted where it must be."""
    if any(mark in text for mark in ',"\n\r') or text != text.strip():
        text = '"' + text.replace('"', '""') + '"'
    return text.encode()


def _comment(chance: Chance, number: int) -> str:
    if number < len(NASTY_CELLS):
        return NASTY_CELLS[number]
    if chance.below(8) == 0:
        return chance.pick(NASTY_CELLS) + " " + " ".join(chance.pick(WORDS) for _ in range(chance.below(12)))
    return " ".join(chance.pick(WORDS) for _ in range(chance.below(45))) + "."


def _guarded(moment: datetime) -> str:
    return f'="{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"'
