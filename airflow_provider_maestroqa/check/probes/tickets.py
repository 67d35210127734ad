"""Tickets, as far as reading shows them."""

from __future__ import annotations

from airflow_provider_maestroqa.check.account import SCRATCH_NAME, CheckedAccount
from airflow_provider_maestroqa.check.finding import Finding, not_seen, told
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.redaction import shown_names
from airflow_provider_maestroqa.check.sample_exports import sample_exports

_FIELDS = ("ticket_id", "type", "subject", "agents", "createdAt", "updatedAt")
_NO_TICKET = f"{SCRATCH_NAME}-no-ticket"
#: As many as a task reads at once, 1,500 characters.
_NO_TICKETS = [f"{_NO_TICKET}-{number:02d}" for number in range(55)]


def _missing(account: CheckedAccount) -> Finding:
    reply = account.get("/tickets", {"ticket_ids": ",".join(_NO_TICKETS)})
    number = len(reply.content) if isinstance(reply.content, list) else 0
    seen = f"{reply.says}, {number} tickets for {len(_NO_TICKETS)} ids"
    return told(reply.is_success and reply.content == [], seen)


def _graded(account: CheckedAccount) -> Finding:
    ids = sample_exports(account)["raw"].gradable_ids
    if not ids:
        return not_seen("no grades in the last week")
    reply = account.get("/tickets", {"ticket_ids": ",".join(ids)})
    tickets = [one for one in reply.content if isinstance(one, dict)] if isinstance(reply.content, list) else []
    if not tickets:
        return not_seen(f"{reply.says}: none of {len(ids)} gradable_ids is a ticket that can be read")
    missing = [name for name in _FIELDS if name not in tickets[0]]
    scores = sorted({type(one["csat_score"]).__name__ for one in tickets if "csat_score" in one})
    seen = f"{len(tickets)} of {len(ids)} gradable_ids; missing: {shown_names(missing)}"
    seen += f"; csat_score: {shown_names(scores)}"
    return told({str(one.get("ticket_id")) for one in tickets} <= set(ids) and not missing, seen)


def _missing_one(account: CheckedAccount) -> Finding:
    reply = account.get(f"/tickets/{_NO_TICKET}")
    return told(reply.status == 404 and reply.is_explained, reply.says)


def _slash(account: CheckedAccount) -> Finding:
    reply = account.get(f"/tickets/{SCRATCH_NAME}%2Fno-ticket")
    return told(reply.status == 404 and reply.is_explained, reply.says)


PROBES = (
    Probe(
        "graded_tickets",
        "The gradable_id of a grade is the ticket_id of a ticket, which can be read and has the documented fields.",
        "Grades cannot be joined with tickets by these columns.",
        _graded,
    ),
    Probe(
        "missing_tickets",
        f"Of {len(_NO_TICKETS)} tickets that are read at once, those that do not exist are left out.",
        "Reading several tickets fails when one of them is missing, or when their ids make the URL too long.",
        _missing,
    ),
    Probe(
        "missing_ticket",
        "A ticket that does not exist gets 404, and a message.",
        "Deleting a ticket that is gone fails although `missing_ok` is set.",
        _missing_one,
    ),
    Probe(
        "ticket_with_slash",
        "A ticket's id may hold a slash.",
        "Tickets with such ids cannot be read, changed or deleted; a proxy may be the reason.",
        _slash,
    ),
)
