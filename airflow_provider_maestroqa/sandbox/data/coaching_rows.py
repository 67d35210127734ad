"""Coaching data by number: to-dos, coaching points and coaching sessions, made when they are asked for.

Everything follows from a record's number and the seed, so that a million records take no memory, and any page of them
is made without those before it. They are spread evenly over the year 2026, in the order of their creation. The record
with number ``i`` belongs to agent ``agent-{i % 7 + 1}``, to creator ``user-{i % 5 + 1}`` and to coach
``coach-{i % 3 + 1}``.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from airflow_provider_maestroqa.sandbox.data.sample_text import NASTY_CELLS, PEOPLE, WORDS
from airflow_provider_maestroqa.sandbox.dates import write_date

Fields = dict[str, Any]
#: A filter's API name → how many different values there are, and what they look like.
OWNERS: Mapping[str, tuple[int, str]] = {
    "agentId": (7, "agent-"),
    "creatorId": (5, "user-"),
    "coachId": (3, "coach-"),
}
#: Unix seconds of the first record, and seconds over which all are spread: the year 2026.
FIRST_AT, SPREAD = 1_767_225_600, 365 * 86400
_IDS = 16**17
# Odd, so that every number has an id of its own and every id its number.
_STEP = 0x1_9E37_79B9_7F4A_7C15
_BACK = pow(_STEP, -1, _IDS)
_SALTS = {"todo": 0x5EED1, "point": 0x5EED2, "session": 0x5EED3}
_NOTES = 101
_HOUR = 3600
#: A meeting is this long after its session was made, at least and at most.
MEETING_AFTER = (24 * _HOUR, 47 * _HOUR)


@dataclass(frozen=True)
class Rows:
    """All there is of coaching data.

    :param seed: decides ids and texts.
    :param todos: how many to-dos there are.
    :param points: how many coaching points.
    :param sessions: how many coaching sessions.
    """

    seed: int
    todos: int
    points: int
    sessions: int

    def todo(self, number: int) -> Fields:
        """A to-do as lists give it."""
        at = created_at(number, self.todos)
        done = number % 3 == 0
        return {
            "id": self.record_id("todo", number),
            "title": _title(number),
            "createdAt": write_date(at),
            "updatedAt": write_date(at + 600 * (number % 5)),
            "agentId": owner("agentId", number),
            "creatorId": owner("creatorId", number),
            "status": "complete" if done else "incomplete",
            "type": ("general", "guru", "qa")[number % 3],
            "coachingSessionIds": self._sessions_of(number, _todos_of),
            "description": self._note(number),
        }

    def point(self, number: int) -> Fields:
        """A coaching point as lists give it."""
        at = created_at(number, self.points)
        return {
            "id": self.record_id("point", number),
            "createdAt": write_date(at),
            "updatedAt": write_date(at + 600 * (number % 5)),
            "agentId": owner("agentId", number),
            "creatorId": owner("creatorId", number),
            "criteriaId": None,
            "type": ("strengths", "opportunities", "n/a")[number % 3],
            "classification": ("general", "qa", "csat", "productivity")[number % 4],
            "coachNotes": self._note(number) or None,
            "coachingSessionIds": self._sessions_of(number, _points_of),
            "textContent": "",
        }

    def session(self, number: int) -> Fields:
        """A coaching session as lists give it."""
        at = created_at(number, self.sessions)
        return {
            "id": self.record_id("session", number),
            "name": f"Coaching session {number}",
            "createdAt": write_date(at),
            "updatedAt": write_date(at + 60 * (number % 9)),
            "agentId": owner("agentId", number),
            "agentName": person(number),
            "coachId": owner("coachId", number),
            "coachName": person(number // 3),
            "creatorId": owner("creatorId", number),
            "agentNotes": "",
            "coachNotes": self._note(number),
            "coachPrivateNotes": "",
            "sessionContents": self._note(number + 1),
            "coachingTemplateId": f"template_{number % 4}",
            "meetingFormat": ("inPerson", "remote")[number % 2],
            "agentConfirmed": number % 2 == 0,
            "coachConfirmed": number % 5 == 0,
        }

    def exported_session(self, number: int) -> Fields:
        """A coaching session as the export gives it, with all that hangs on it."""
        at = created_at(number, self.sessions)
        session_id = self.record_id("session", number)
        return {
            "_id": session_id,
            "coachingFormName": f"Coaching session {number}",
            "coachingTemplateId": f"template_{number % 4}",
            "coachingTemplateName": f"Template {number % 4}",
            "meetingFormat": ("inPerson", "remote")[number % 2],
            "formCreatorId": owner("creatorId", number),
            "formCreatorName": person(number // 2),
            "coachName": person(number // 3),
            "coachId": owner("coachId", number),
            "agentId": owner("agentId", number),
            "agentName": person(number),
            "createdAt": write_date(at),
            "updatedAt": write_date(at + 60 * (number % 9)),
            "sharedWithAgent": number % 4 != 0,
            "meetingDate": write_date(meeting_at(number, self.sessions)),
            "agentConfirmed": number % 2 == 0,
            "coachConfirmed": number % 5 == 0,
            "coachNotes": self._note(number),
            "agentNotes": "",
            "isDeleted": number % 50 == 49,
            "activityLog": [_activity(number, step, at) for step in range(1 + number % 4)],
            "coachingPoints": [
                self._exported_point(point, session_id)
                for point in range(2 * number, min(2 * number + _points_of(number), self.points))
            ],
            "todos": [
                self._exported_todo(todo, session_id)
                for todo in range(2 * number, min(2 * number + _todos_of(number), self.todos))
            ],
        }

    def record_id(self, kind: str, number: int) -> str:
        """The id of a record: 17 characters, which say nothing of its number."""
        return f"{((number + 1) * _STEP + self._salt(kind)) % _IDS:017x}"

    def number_of(self, kind: str, record_id: str) -> int | None:
        """The number of a record by its id; ``None`` when there is no such record."""
        try:
            number = (int(record_id, 16) - self._salt(kind)) * _BACK % _IDS - 1
        except ValueError:
            return None
        there_are = {"todo": self.todos, "point": self.points, "session": self.sessions}[kind]
        return number if 0 <= number < there_are and self.record_id(kind, number) == record_id else None

    def _salt(self, kind: str) -> int:
        return _SALTS[kind] * 0xABCDEF123456789 + self.seed * 0x1F3D5B79

    def _note(self, number: int) -> str:
        return _notes(self.seed)[number % _NOTES]

    def _sessions_of(self, number: int, count: Any) -> list[str]:
        session, place = divmod(number, 2)
        there = session < self.sessions and place < count(session)
        return [self.record_id("session", session)] if there else []

    def _exported_point(self, number: int, session_id: str) -> Fields:
        point = self.point(number)
        return {
            "_id": point["id"],
            "coachingFormIds": [session_id],
            "type": ("strength", "opportunity", "n/a")[number % 3],
            "classification": point["classification"],
            "ticketId": f"00{number}",
            "subject": _title(number),
            "rubricName": "Email Quality" if number % 2 else None,
            "criteriaName": None,
            "kpiName": None,
            "score": f"{number % 101}.5",
            "agentNotes": "",
            "coachNotes": point["coachNotes"],
            "createdAt": point["createdAt"],
            "updatedAt": point["updatedAt"],
            "isDeleted": False,
        }

    def _exported_todo(self, number: int, session_id: str) -> Fields:
        todo = self.todo(number)
        done = todo["status"] == "complete"
        return {
            "_id": todo["id"],
            "actionString": "",
            "coachingFormIds": [session_id],
            "completedAt": todo["updatedAt"] if done else None,
            "createdAt": todo["createdAt"],
            "creatorId": todo["creatorId"],
            "creatorName": person(number),
            "description": todo["description"],
            "link": "",
            "status": todo["status"],
            "title": todo["title"],
            "type": todo["type"],
            "updatedAt": todo["updatedAt"],
            "isDeleted": False,
        }


def created_at(number: int, there_are: int) -> float:
    """Unix seconds at which a record was made, to the millisecond."""
    return FIRST_AT + number * SPREAD * 1000 // max(there_are, 1) / 1000


def meeting_at(number: int, there_are: int) -> float:
    """Unix seconds of a session's meeting."""
    return created_at(number, there_are) + MEETING_AFTER[0] + number * 7919 % 24 * _HOUR


def owner(name: str, number: int) -> str:
    """The agent, creator or coach of a record."""
    there_are, prefix = OWNERS[name]
    return f"{prefix}{number % there_are + 1}"


def person(number: int) -> str:
    """A name."""
    return PEOPLE[number % len(PEOPLE)][0]


def _points_of(session: int) -> int:
    return session % 3


def _todos_of(session: int) -> int:
    return session // 3 % 3


def _activity(number: int, step: int, at: float) -> Fields:
    return {
        "userId": owner("creatorId", number + step),
        "userEmail": f"{PEOPLE[(number + step) % len(PEOPLE)][1]}@example.com",
        "actionType": ("create", "update", "share", "confirm")[step],
        "descriptions": [f"step {step}", person(number)],
        "timestamp": write_date(at + 60 * step),
        "ipAddress": f"192.0.2.{number % 250 + 1}",
    }


def _title(number: int) -> str:
    return f"{WORDS[number % len(WORDS)]} {WORDS[number // 7 % len(WORDS)]} {number}"


@lru_cache(maxsize=8)
def _notes(seed: int) -> tuple[str, ...]:
    """Texts of 0 to some 1,500 characters, nasty ones among them."""
    chance = random.Random(seed)  # noqa: S311
    notes = [" ".join(chance.choices(WORDS, k=chance.randrange(220))) for _ in range(_NOTES - len(NASTY_CELLS))]
    notes += NASTY_CELLS
    chance.shuffle(notes)
    return tuple(notes)
