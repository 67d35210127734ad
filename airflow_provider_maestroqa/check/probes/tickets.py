"""Tickets, as far as reading shows them."""

from __future__ import annotations

from airflow_provider_maestroqa.check.account import SCRATCH_NAME, CheckedAccount
from airflow_provider_maestroqa.check.finding import Finding, told
from airflow_provider_maestroqa.check.probe import Probe

_NO_TICKETS = (f"{SCRATCH_NAME}-no-ticket", f"{SCRATCH_NAME}-nor-this")


def _missing(account: CheckedAccount) -> Finding:
    reply = account.get("/tickets", {"ticket_ids": ",".join(_NO_TICKETS)})
    return told(reply.is_success and reply.content == [], f"{reply.says}, {len(reply.content or ())} tickets")


def _missing_one(account: CheckedAccount) -> Finding:
    reply = account.get(f"/tickets/{_NO_TICKETS[0]}")
    return told(reply.status == 404 and reply.is_explained, reply.says)


def _slash(account: CheckedAccount) -> Finding:
    reply = account.get(f"/tickets/{SCRATCH_NAME}%2Fno-ticket")
    return told(reply.status == 404 and reply.is_explained, reply.says)


PROBES = (
    Probe(
        "missing_tickets",
        "Tickets that do not exist are left out of several that are read.",
        "Reading several tickets fails when one of them is missing.",
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
