"""Coaching data by number: to-dos, coaching points and coaching sessions, made when they are accessed.

Everything follows from a record's number and the seed, so that a million records take no memory, and any page of them
is made without those before it. They are spread evenly over a year, in the order of their creation.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property, lru_cache
from typing import Any

from airflow_provider_maestroqa.sandbox.data.sample_text import NASTY_CELLS, PEOPLE, WORDS
from airflow_provider_maestroqa.sandbox.validation import format_date

Fields = dict[str, Any]
#: The lists of the API, with the types of their records: methods of :class:`Rows`.
LISTS = {"todos": "todo", "coaching-points": "point", "coaching-sessions": "session"}
#: A filter's API name → how many different values there are, and what they look like.
OWNERS: Mapping[str, tuple[int, str]] = {
    "agentId": (7, "agent-"),
    "creatorId": (5, "user-"),
    "coachId": (3, "coach-"),
}
#: Seconds over which all records are spread.
_SPREAD = 365 * 86400
_IDS = 16**17
# Odd, so that every number has an id of its own and every id its number.
_STEP = 0x1_9E37_79B9_7F4A_7C15
_BACK = pow(_STEP, -1, _IDS)
_SALTS = {"todo": 0x5EED1, "point": 0x5EED2, "session": 0x5EED3}
_NOTES = 101
#: What an exported session or to-do has in common with the one in the list.
_SESSION_FIELDS = {
    *("coachingTemplateId", "meetingFormat", "coachName", "coachId", "agentId", "agentName"),
    *("createdAt", "updatedAt", "agentConfirmed", "coachConfirmed", "coachNotes", "agentNotes"),
}
_TODO_FIELDS = ["createdAt", "updatedAt", "creatorId", "description", "status", "title", "type"]
_HOUR = 3600
#: A meeting is this long after its session was created, at least and at most.
MEETING_AFTER = (24 * _HOUR, 47 * _HOUR)


@dataclass(frozen=True)
class Rows:
    """All coaching data of one year."""

    seed: int
    counts: Mapping[str, int]
    year: int = 2026

    @cached_property
    def _first_at(self) -> float:
        return datetime(self.year, 1, 1, tzinfo=timezone.utc).timestamp()

    def maker(self, record_type: str) -> Callable[[int], Fields]:
        """What makes a record of this type by its number, as lists give it."""
        maker: Callable[[int], Fields] = getattr(self, record_type)
        return maker

    def todo(self, number: int) -> Fields:
        """A to-do as lists give it."""
        at = self.created_at("todo", number)
        done = number % 3 == 0
        return {
            "id": self.record_id("todo", number),
            "title": _title(number),
            "createdAt": format_date(at),
            "updatedAt": format_date(at + 600 * (number % 5)),
            "agentId": owner("agentId", number),
            "creatorId": owner("creatorId", number),
            "status": "complete" if done else "incomplete",
            "type": ("general", "guru", "qa")[number % 3],
            "coachingSessionIds": self._sessions_of(number, _todos_of),
            "description": self._note(number),
        }

    def point(self, number: int) -> Fields:
        """A coaching point as lists give it."""
        at = self.created_at("point", number)
        return {
            "id": self.record_id("point", number),
            "createdAt": format_date(at),
            "updatedAt": format_date(at + 600 * (number % 5)),
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
        at = self.created_at("session", number)
        return {
            "id": self.record_id("session", number),
            "name": f"Coaching session {number}",
            "createdAt": format_date(at),
            "updatedAt": format_date(at + 60 * (number % 9)),
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
        """A coaching session as the export gives it, with its points, to-dos and activities."""
        listed = self.session(number)
        at = self.created_at("session", number)
        return {
            "_id": listed["id"],
            "coachingFormName": listed["name"],
            "coachingTemplateName": f"Template {number % 4}",
            "formCreatorId": listed["creatorId"],
            "formCreatorName": person(number // 2),
            **{name: value for name, value in listed.items() if name in _SESSION_FIELDS},
            "sharedWithAgent": number % 4 != 0,
            "meetingDate": format_date(self.meeting_at(number)),
            "isDeleted": number % 50 == 49,
            "activityLog": [_activity(number, step, at) for step in range(1 + number % 4)],
            "coachingPoints": [
                self._exported_point(point, listed["id"]) for point in self._parts("point", number, _points_of)
            ],
            "todos": [self._exported_todo(todo, listed["id"]) for todo in self._parts("todo", number, _todos_of)],
        }

    def created_at(self, record_type: str, number: int) -> float:
        """Unix seconds at which a record was made, to the millisecond."""
        return self._first_at + number * _SPREAD * 1000 // max(self.counts[record_type], 1) / 1000

    def meeting_at(self, number: int) -> float:
        """Unix seconds of a session's meeting."""
        return self.created_at("session", number) + MEETING_AFTER[0] + number * 7919 % 24 * _HOUR

    def record_id(self, record_type: str, number: int) -> str:
        """The id of a record: 17 characters, which say nothing of its number."""
        return f"{((number + 1) * _STEP + self._salt(record_type)) % _IDS:017x}"

    def number_of(self, record_type: str, record_id: str) -> int | None:
        """The number of a record by its id; ``None`` when there is no such record."""
        try:
            number = (int(record_id, 16) - self._salt(record_type)) * _BACK % _IDS - 1
        except ValueError:
            return None
        known = 0 <= number < self.counts[record_type] and self.record_id(record_type, number) == record_id
        return number if known else None

    def _salt(self, record_type: str) -> int:
        return _SALTS[record_type] * 0xABCDEF123456789 + self.seed * 0x1F3D5B79

    def _note(self, number: int) -> str:
        return _notes(self.seed)[number % _NOTES]

    def _sessions_of(self, number: int, per_session: Callable[[int], int]) -> list[str]:
        session, place = divmod(number, 2)
        exists = session < self.counts["session"] and place < per_session(session)
        return [self.record_id("session", session)] if exists else []

    def _parts(self, record_type: str, session: int, per_session: Callable[[int], int]) -> range:
        """The numbers of the to-dos or points of a session."""
        return range(2 * session, min(2 * session + per_session(session), self.counts[record_type]))

    def _exported_point(self, number: int, session_id: str) -> Fields:
        point = self.point(number)
        return {
            "_id": point["id"],
            "coachingFormIds": [session_id],
            "type": ("strength", "opportunity", "n/a")[number % 3],
            "ticketId": f"00{number}",
            "subject": _title(number),
            "rubricName": "Email Quality" if number % 2 else None,
            "criteriaName": None,
            "kpiName": None,
            "score": f"{number % 101}.5",
            "agentNotes": "",
            **{name: point[name] for name in ("classification", "coachNotes", "createdAt", "updatedAt")},
            "isDeleted": False,
        }

    def _exported_todo(self, number: int, session_id: str) -> Fields:
        todo = self.todo(number)
        return {
            "_id": todo["id"],
            "actionString": "",
            "coachingFormIds": [session_id],
            "completedAt": todo["updatedAt"] if todo["status"] == "complete" else None,
            "creatorName": person(number),
            "link": "",
            **{name: todo[name] for name in _TODO_FIELDS},
            "isDeleted": False,
        }


def owner(name: str, number: int) -> str:
    """The agent, creator or coach of a record."""
    count, prefix = OWNERS[name]
    return f"{prefix}{number % count + 1}"


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
        "timestamp": format_date(at + 60 * step),
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
