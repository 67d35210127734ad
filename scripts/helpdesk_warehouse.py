"""A small warehouse of a helpdesk, for the demo and for the tests of the examples: one SQLite file.

It has two days. The last ticket of the first day is solved on the second, and the last one of the second is open. One
comment and one survey are of a ticket that is not there, as happens in warehouses.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

#: The second day. The examples run on the day after it, so this is their "yesterday".
YESTERDAY = datetime(2026, 3, 1, tzinfo=timezone.utc)
#: Tickets of each day; each has two comments, one metric and one answered survey.
TICKETS = 12
#: The ticket that was opened on the first day and solved on the second.
SOLVED_LATER = "T-0228-11"
#: Customers who have asked for the deletion of their data.
FORGOTTEN = tuple(f"customer-{number}@forgotten.example" for number in range(7))
#: The ticket that is not there.
LOST_TICKET = "T-404"

_TABLES = """
    CREATE TABLE tickets (id, channel, subject, agent_id, url, status, opened_at, solved_at);
    CREATE TABLE comments (id, ticket_id, author_id, role, body, written_at);
    CREATE TABLE metrics (ticket_id, agent_id, name, value, measured_at);
    CREATE TABLE surveys (id, ticket_id, agent_email, rating, remark, other_answers, answered_at);
    CREATE TABLE erasure_requests (email, run_id, deleted_at);
    CREATE TABLE agents (id, name, email, is_active);
"""


def make_warehouse(path: Path) -> str:
    """Create the file again, and return the Airflow connection to it as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as warehouse, warehouse:
        warehouse.executescript(_TABLES)
        for number in range(TICKETS):
            _add_ticket(warehouse, YESTERDAY - timedelta(days=1), number)
            _add_ticket(warehouse, YESTERDAY, number)
        _add_comment(warehouse, LOST_TICKET, "agent", "agent-1", "Merged into another ticket.", YESTERDAY)
        _add_survey(warehouse, LOST_TICKET, "agent-1", 2, YESTERDAY)
        warehouse.executemany("INSERT INTO erasure_requests VALUES (?, NULL, NULL)", [(one,) for one in FORGOTTEN])
        # The sandbox knows agents up to number 20. This one is away now, and has an id of the helpdesk.
        for number in range(20, 24):
            row = (f"desk-{number}", f"Agent {number}", f"agent-{number}@example.com", number != 20)
            warehouse.execute("INSERT INTO agents VALUES (?, ?, ?, ?)", row)
    return json.dumps({"conn_type": "sqlite", "host": str(path)})


def _add_ticket(warehouse: sqlite3.Connection, day: datetime, number: int) -> None:
    ticket, agent = f"T-{day:%m%d}-{number:02}", f"agent-{number % 5 + 1}"
    opened = day + timedelta(hours=2 * number)
    solved = opened + timedelta(hours=4 if number == TICKETS - 1 else 1)
    is_open = solved >= YESTERDAY + timedelta(days=1)
    row = (
        ticket,
        "email",
        f"Order {1000 + number} is late",
        agent,
        f"https://helpdesk.example.com/tickets/{ticket}",
        "open" if is_open else "solved",
        _text(opened),
        None if is_open else _text(solved),
    )
    warehouse.execute("INSERT INTO tickets VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    replied_at = opened + timedelta(minutes=30)
    _add_comment(warehouse, ticket, "customer", "customer-1", "Where is my order?", opened)
    _add_comment(warehouse, ticket, "agent", agent, "It was sent today.", replied_at)
    row = (ticket, agent, "first_reply_minutes", 30, _text(replied_at))
    warehouse.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", row)
    _add_survey(warehouse, ticket, agent, number % 11, replied_at)


def _add_comment(
    warehouse: sqlite3.Connection, ticket: str, role: str, author: str, body: str, written: datetime
) -> None:
    row = (f"C-{ticket}-{role}", ticket, author, role, body, _text(written))
    warehouse.execute("INSERT INTO comments VALUES (?, ?, ?, ?, ?, ?)", row)


def _add_survey(warehouse: sqlite3.Connection, ticket: str, agent: str, rating: int, answered: datetime) -> None:
    others = json.dumps([{"question": "Was it solved?", "comment": "In the end."}])
    row = (f"S-{ticket}", ticket, f"{agent}@example.com", rating, "Thanks!", others, _text(answered))
    warehouse.execute("INSERT INTO surveys VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
