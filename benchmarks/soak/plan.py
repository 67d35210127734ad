"""What is done, decided by the seed alone: the tasks, their records, and what goes wrong with them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from soak.pushes import PUSHES

#: How often each kind of task comes.
WEIGHTS = {
    "export": 7,
    "records": 2,
    "attachment": 3,
    "comments": 4,
    "csat_scores": 3,
    "ticket_metrics": 3,
    "agent_metrics": 2,
    "tickets": 2,
    "agents": 2,
}
#: From this try on a task is left in peace, so that it ends.
CALM_FROM_TRY = 7
EXPORTS: list[dict[str, Any]] = [
    {"export_type": "raw", "start": "2026-01-01T00:00:00Z", "end": "2026-01-08T00:00:00Z"},
    {
        "export_type": "raw",
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-08T00:00:00Z",
        "single_file_export": "total_scores",
    },
    {"export_type": "audit_log", "start": "2026-01-01T00:00:00Z", "end": "2026-01-08T00:00:00Z"},
    {"export_type": "groups"},
]
FORMATS = ("csv.gz", "csv.gz", "csv", "zip", "parquet")
RECORDS: list[dict[str, Any]] = [
    {"resource": "todos", "page_size": 50},
    {"resource": "coaching_points", "page_size": 30},
    {"resource": "coaching_sessions_export", "start": "2026-01-01", "end": "2026-05-01", "split_nested": True},
]
#: A destination to which several tasks land.
SHARED_DESTINATIONS = 3


@dataclass(frozen=True)
class Stage:
    """One task: what it does, with which arguments."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One task, or several that follow each other.

    :param kind: a key of :data:`WEIGHTS`.
    :param keeps_state_at: ``path`` or ``store``: where a retry finds what the try before has saved.
    :param total: how many records are pushed.
    :param bad: what makes single ones bad, by their number.
    """

    number: int
    kind: str
    stages: tuple[Stage, ...]
    keeps_state_at: str
    total: int = 0
    bad: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Unique in a soak; all that the task leaves behind carries it."""
        return f"k{self.number}"


@dataclass(frozen=True)
class Doom:
    """What becomes of a try: it is killed, or its process is stopped for a while and given up.

    :param kind: ``kill`` or ``freeze`` after some seconds; ``before``, ``during`` or ``after`` a request.
    :param at: the seconds, or which request.
    """

    kind: str
    at: float


def make_job(seed: int, number: int) -> Job:
    """The task of this number."""
    draw = random.Random(f"{seed}:job:{number}")
    kind = draw.choices([*WEIGHTS], [*WEIGHTS.values()])[0]
    keeps_state_at = draw.choice(["path", "store"])
    if kind == "export":
        return Job(number, kind, _export_stages(draw, f"k{number}"), keeps_state_at)
    if kind == "records":
        arguments = {**draw.choice(RECORDS), "destination": _destination(draw, f"k{number}")}
        return Job(number, kind, (Stage("land_records", arguments),), keeps_state_at)
    if kind == "attachment":
        return Job(number, kind, (Stage("attach", {"bytes": draw.randint(1, 400_000)}),), keeps_state_at)
    push = PUSHES[kind]
    total = draw.randint(1, push.largest)
    bad = {at: draw.choice(push.bad) for at in range(total) if push.bad and draw.random() < 0.04}
    arguments = {
        "on_error": "collect",
        "on_unknown_outcome": draw.choice(["fail", "fail", "skip", "resend"]),
        "concurrency": draw.choice([1, 1, None, 3]),
    }
    return Job(number, kind, (Stage("push", arguments),), keeps_state_at, total, bad)


def _export_stages(draw: random.Random, name: str) -> tuple[Stage, ...]:
    waits_itself = draw.random() < 0.5
    request = {
        **draw.choice(EXPORTS),
        "export_name": name,
        "wait_for_completion": waits_itself,
        "deferrable": draw.random() < 0.9,
        "poll_interval": 1.0,
        "timeout": 600,
    }
    file_format = draw.choice(FORMATS)
    land = {
        "destination": _destination(draw, name),
        "file_format": file_format,
        "count_rows": draw.random() < 0.3,
        "clean": file_format.startswith("csv") and draw.random() < 0.3,
    }
    wait = () if waits_itself else (Stage("sense", {"deferrable": True, "poke_interval": 1.0, "timeout": 600}),)
    return (Stage("request", request), *wait, Stage("land", land))


def _destination(draw: random.Random, name: str) -> str:
    return f"shared-{draw.randint(1, SHARED_DESTINATIONS)}" if draw.random() < 0.25 else name


def make_doom(seed: int, job: Job, stage: int, number: int) -> Doom | None:
    """What becomes of the try of this number, if anything."""
    draw = random.Random(f"{seed}:doom:{job.number}:{stage}:{number}")
    if number >= CALM_FROM_TRY or draw.random() > 0.3:
        return None
    kind = draw.choice(["kill", "freeze", "before", "during", "after"])
    return Doom(kind, draw.expovariate(0.3) if kind in ("kill", "freeze") else draw.randint(1, 6))


#: Of requests to the API. Those that refuse hit requests that write, whose refusal is judged.
_WRITES = ("/api/v1/*-[bf]*", "/api/v1/*-[bf]*", "/api/v1/tickets*", "/api/v1/*agent*", "/api/v1/attachments")
_ANSWERS: list[dict[str, Any]] = [
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 502, "done": True},
    {"kind": "status", "status": 503},
    {"kind": "html", "done": True},
    {"kind": "malformed_json", "done": True},
    {"kind": "empty_body"},
    {"kind": "timeout"},
    {"kind": "timeout", "done": True},
]
_REFUSALS: list[dict[str, Any]] = [
    {"kind": "status", "status": 413},
    {"kind": "status", "status": 413},
    {"kind": "status", "status": 401},
]
_BATCHES: list[dict[str, Any]] = [
    {"kind": "unconfirmed", "at": 1},
    {"kind": "unconfirmed", "at": 3},
    {"kind": "lost", "at": 1},
    {"kind": "no_results"},
]
_OUTCOMES: list[dict[str, Any]] = [
    {"kind": "unknown_status"},
    {"kind": "errored"},
    {"kind": "no_data"},
    {"kind": "completed"},
]
_LISTS: list[dict[str, Any]] = [
    {"kind": "page_cap", "at": 7},
    {"kind": "empty_page"},
    {"kind": "repeat_page"},
    {"kind": "overlap_page", "at": 3},
    {"kind": "wrong_total", "at": 4},
]
_DOWNLOADS: list[dict[str, Any]] = [
    {"kind": "drop_at_byte", "at": 3000},
    {"kind": "reset_at_byte", "at": 5000},
    {"kind": "stall_at_byte", "at": 2000},
    {"kind": "truncated"},
    {"kind": "corrupt"},
    {"kind": "expired_url"},
    {"kind": "expire_after_bytes", "at": 4000},
    {"kind": "no_range"},
    {"kind": "wrong_range"},
    {"kind": "no_etag"},
    {"kind": "no_length"},
    {"kind": "empty_file"},
    {"kind": "slow", "at": 2048, "seconds": 0.1},
    {"kind": "html_200"},
    {"kind": "xml_200"},
    {"kind": "status", "status": 503, "host": "storage"},
    {"kind": "reset_before", "host": "storage"},
    {"kind": "reset_after", "host": "storage"},
]


def make_fault(draw: random.Random) -> dict[str, Any]:
    """The parameters of the next fault."""
    # Each 429 that nobody has caused halves what the package takes, so there are few.
    families: list[list[dict[str, Any]]] = [_ANSWERS, _REFUSALS, _BATCHES, _OUTCOMES, _LISTS, _DOWNLOADS, []]
    (family,) = draw.choices(families, [10, 3, 3, 2, 1, 6, 0.4])
    if not family:
        return {"kind": "rate_limited", "text": "second", "after": draw.randint(0, 3)}
    fault = dict(draw.choice(family))
    if family is _REFUSALS:
        fault["path"] = draw.choice(_WRITES)
    if family is _ANSWERS and draw.random() < 0.5:
        fault["path"] = draw.choice(_WRITES)
    return {**fault, "after": draw.randint(0, 3)}
