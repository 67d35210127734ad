"""With ``--write``: a ticket of the check's own, with all that can be added to it, deleted in the end."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from airflow_provider_maestroqa.check.account import SCRATCH_NAME, CheckedAccount, Reply
from airflow_provider_maestroqa.client.formatting import format_time
from airflow_provider_maestroqa.client.resources.catalogue import LIST_RESOURCES

_UPLOAD_HEADERS = {"Content-Type": "text/plain", "x-amz-server-side-encryption": "AES256"}


@dataclass
class ScratchTicket:
    """The responses to what was done with the ticket, by step; a step that was not reached is absent.

    :param ticket_id: its id, which nobody else has.
    :param steps: the responses.
    :param upload_status: the HTTP status of the attachment's upload.
    """

    ticket_id: str
    steps: dict[str, Reply] = field(default_factory=dict)
    upload_status: int | None = None


def scratch_ticket(account: CheckedAccount) -> ScratchTicket:
    """The ticket of the check; made, used and deleted when first needed."""
    if account.scratch is None:
        account.scratch = ticket = ScratchTicket(f"{SCRATCH_NAME}-{uuid.uuid4()}")
        _Steps(account, ticket).run()
    return account.scratch  # type: ignore[no-any-return]


@dataclass
class _Steps:
    account: CheckedAccount
    ticket: ScratchTicket

    def run(self) -> None:
        """Do all steps; whatever happens, the ticket is deleted."""
        ticket_id = self.ticket.ticket_id
        path = f"/tickets/{quote(ticket_id, safe='')}"
        now = format_time(datetime.fromtimestamp(self.account.hook.clock.wall(), timezone.utc))
        agent = self._agent()
        comment = {"ticket_id": ticket_id, "body": "A comment of the check.", "public": False}
        self._do("comment_without_ticket", "POST", "/comments", comment)
        # From here on there may be something to delete, whatever the response says.
        self.account.clean_up = lambda: self._delete(path)
        self.account.hook.client.kept_back = 1
        self._do("create", "POST", "/tickets", self._fields(agent))
        if not self.ticket.steps["create"].is_success:
            self._delete(path)
            return
        self._do("create_again", "POST", "/tickets", self._fields(agent))
        self._do("update", "PATCH", path, {"status": "closed", "attributes": {"airflow_check": 1}})
        self._do("read", "GET", path)
        self._do("comments", "POST", "/comments-batch", {"batch": [comment, {"ticket_id": ticket_id}]})
        metric = {
            "ticket_id": ticket_id,
            "source_id": SCRATCH_NAME,
            "agent_id": agent,
            "metric_id": "airflow_check",
            "metric_value": 1,
            "timestamp": now,
        }
        if agent is not None:
            self._do("metric", "POST", "/ticket-metrics-batch", {"batch": [metric]})
            removed = {"batch": [{**metric, "metric_deleted": True}]}
            self._do("metric_removed", "POST", "/ticket-metrics-batch", removed)
        self._attach()
        self._delete(path)
        self._do("delete_again", "DELETE", path)

    def _do(self, step: str, method: str, path: str, body: Any = None) -> Reply:
        reply = self.ticket.steps[step] = self.account.send(method, path, body)
        return reply

    def _fields(self, agent: str | None) -> Mapping[str, Any]:
        return {
            "ticket_id": self.ticket.ticket_id,
            "type": SCRATCH_NAME,
            "subject": "A ticket of the check, which deletes it",
            "agents": [agent or SCRATCH_NAME],
            "link": "https://example.com/",
            "csat_score": 5,
        }

    def _agent(self) -> str | None:
        """An agent that exists."""
        for row in LIST_RESOURCES.values():
            for record in self.account.first_page(row).records if row.is_windowed else ():
                if isinstance(record.get("agentId"), str):
                    return str(record["agentId"])
        return None

    def _attach(self) -> None:
        body = {"ticket_id": self.ticket.ticket_id, "content_type": "text/plain", "id": self.ticket.ticket_id}
        url = self._do("attach", "POST", "/attachments", body).fields.get("presigned_url")
        if isinstance(url, str):
            # The errors of requests are of this class; a URL that is none raises a ValueError.
            with contextlib.suppress(OSError, ValueError), self.account.hook.storage_session() as session:
                response = session.put(url, data=b".", headers=_UPLOAD_HEADERS, timeout=30, allow_redirects=False)
                self.ticket.upload_status = response.status_code
        self._do("attach_again", "POST", "/attachments", body)

    def _delete(self, path: str) -> None:
        self.account.hook.client.kept_back = 0
        reply = self._do("delete", "DELETE", path)
        if reply.is_success or reply.status == HTTPStatus.NOT_FOUND:
            self.account.clean_up = None
