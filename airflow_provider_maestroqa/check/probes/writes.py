"""What writing does: only with ``--write``, and to a ticket that the check has made itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from airflow_provider_maestroqa.check.account import CheckedAccount
from airflow_provider_maestroqa.check.finding import Finding, not_seen, told
from airflow_provider_maestroqa.check.probe import Probe
from airflow_provider_maestroqa.check.scratch_ticket import ScratchTicket, scratch_ticket

_INVALID = (400, 422)
#: Writes that cannot be undone: they are sent an empty body, which carries nothing out.
_EMPTY_BODIES = (
    "/agents",
    "/agents/add-id-to-agent",
    "/update-agent-availability",
    "/agent-metrics-batch",
    "/create-customer-feedback",
)


def _after(*steps: str) -> Callable[[Callable[[ScratchTicket], Finding]], Callable[[CheckedAccount], Finding]]:
    """Let a probe see the scratch ticket once these steps were reached."""

    def decorate(see: Callable[[ScratchTicket], Finding]) -> Callable[[CheckedAccount], Finding]:
        def look(account: CheckedAccount) -> Finding:
            """Look at the ticket."""
            ticket = scratch_ticket(account)
            missing = [step for step in steps if step not in ticket.steps]
            return not_seen(f"not reached: {missing[0].replace('_', ' ')}") if missing else see(ticket)

        return look

    return decorate


@_after("create", "create_again")
def _create(ticket: ScratchTicket) -> Finding:
    first, again = ticket.steps["create"], ticket.steps["create_again"]
    return told(first.is_success and again.status == 409, f"{first.says}, then {again.says}")


@_after("update", "read")
def _update(ticket: ScratchTicket) -> Finding:
    update, read = ticket.steps["update"], ticket.steps["read"]
    fields = read.fields
    score = type(fields.get("csat_score")).__name__
    keeps = fields.get("status") == "closed" and fields.get("type") is not None and fields.get("subject") is not None
    return told(update.is_success and keeps, f"{update.says}, read: {read.says}, csat_score is {score}")


@_after("delete", "delete_again")
def _delete(ticket: ScratchTicket) -> Finding:
    first, again = ticket.steps["delete"], ticket.steps["delete_again"]
    return told(first.is_success and again.status == 404, f"{first.says}, then {again.says}")


@_after("comment_without_ticket")
def _unknown_ticket(ticket: ScratchTicket) -> Finding:
    reply = ticket.steps["comment_without_ticket"]
    return told(reply.status == 404, reply.says, unknown_tickets="accept" if reply.is_success else "refuse")


@_after("comments")
def _batch(ticket: ScratchTicket) -> Finding:
    reply = ticket.steps["comments"]
    results = reply.fields.get("results")
    number = len(results) if isinstance(results, list) else 0
    seen = f"{reply.says}, {number} of 2 confirmed" if reply.is_success else reply.says
    return told(reply.status in _INVALID, seen, batch_mode="partial" if reply.is_success else "atomic")


@_after("metric", "metric_removed")
def _metric(ticket: ScratchTicket) -> Finding:
    pushed, removed = ticket.steps["metric"], ticket.steps["metric_removed"]
    return told(pushed.is_success and removed.is_success, f"{pushed.says}, removed: {removed.says}")


@_after("attach")
def _attachment(ticket: ScratchTicket) -> Finding:
    reply = ticket.steps["attach"]
    is_uploaded = ticket.upload_status is not None and 200 <= ticket.upload_status < 300
    return told(reply.is_success and is_uploaded, f"{reply.says}, upload: {ticket.upload_status}")


@_after("attach_again")
def _attachment_again(ticket: ScratchTicket) -> Finding:
    reply = ticket.steps["attach_again"]
    profile = {409: "conflict"}.get(reply.status, "again")
    return told(reply.is_success, reply.says, attachment_id_reuse=profile)


def _empty_body(account: CheckedAccount, path: str) -> Finding:
    reply = account.send("POST", path, {})
    return told(reply.status in _INVALID and reply.is_explained, reply.says)


_ROWS: tuple[tuple[str, str, str, Callable[[CheckedAccount], Finding]], ...] = (
    (
        "create_ticket",
        "A ticket can be created once; then its id gets 409.",
        "An upsert may not find out that the ticket is there.",
        _create,
    ),
    (
        "update_ticket",
        "An update changes only what it names, and ignores attributes that the account does not have.",
        "Send all fields with every update, or leave unknown attributes out.",
        _update,
    ),
    (
        "delete_ticket",
        "A ticket can be deleted, and the second time gets 404.",
        "Deleting a ticket that is gone may fail.",
        _delete,
    ),
    (
        "unknown_ticket",
        "A comment on a ticket that does not exist gets 404.",
        "Comments that come before their ticket are accepted: wrong ids are not reported.",
        _unknown_ticket,
    ),
    (
        "batch",
        "A batch with a bad record is rejected as a whole.",
        "The good records of a batch are stored. Bad ones that pass the local checks count as unconfirmed.",
        _batch,
    ),
    ("ticket_metric", "A metric can be pushed and removed again.", "Do not rely on `metric_deleted`.", _metric),
    (
        "attachment",
        "An attachment gets a signed URL, to which its bytes can be uploaded.",
        "Attach files by a URL that MaestroQA can reach.",
        _attachment,
    ),
    (
        "attachment_again",
        "An attachment with the same id gets another signed URL.",
        "A retry of an upload that broke off fails with a conflict.",
        _attachment_again,
    ),
)
PROBES = (
    *(Probe(name, reading, means, run, needs="write") for name, reading, means, run in _ROWS),
    *(
        Probe(
            f"empty_{path.strip('/').replace('/', '_').replace('-', '_')}",
            f"`POST {path}` is there, and rejects an empty body with 400 or 422 and a message.",
            "Tasks that write there fail. Report it.",
            partial(_empty_body, path=path),
            needs="write",
        )
        for path in _EMPTY_BODIES
    ),
)
