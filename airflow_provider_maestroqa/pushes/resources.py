"""What can be pushed: how many records travel together, and what an answer to them means."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from airflow_provider_maestroqa.client.endpoints import ENDPOINTS, Request, build_request
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.resources.models import (
    AGENT,
    AGENT_METRIC,
    COMMENT,
    TICKET,
    TICKET_METRIC,
    RecordType,
)
from airflow_provider_maestroqa.client.resources.upserts import upsert_agent, upsert_ticket
from airflow_provider_maestroqa.pushes.confirmation import Confirmation, confirm

#: Carries a call to MaestroQA.
Send = Callable[[Request], Any]


class Resource(Protocol):
    """A kind of record that can be pushed."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def record_type(self) -> RecordType:
        """How a record of it is checked."""

    @property
    def batch_size(self) -> int:
        """The most records in one request."""

    @property
    def idempotent(self) -> bool:
        """Whether a record may arrive twice without harm."""

    @property
    def remark(self) -> str:
        """What to know of records that were updated; empty for nothing."""

    def send(self, bodies: Sequence[dict[str, Any]], send: Send) -> Confirmation:
        """Send some records and read what the answer confirms."""


class Batches:
    """Records that travel together, up to 500 in one request.

    :param name: what reports call them.
    :param operation: the operation that takes a batch of them.
    :param record_type: how one is checked.
    :param identity: the fields by which results may tell which record they confirm.
    :param creates: whether a confirmed record is one that was created.
    """

    def __init__(
        self, name: str, operation: str, record_type: RecordType, *, identity: Sequence[str], creates: bool = False
    ) -> None:
        self.name = name
        self.record_type = record_type
        self.batch_size = ENDPOINTS[operation].batch_size or 1
        self.idempotent = ENDPOINTS[operation].idempotent
        self.remark = ""
        self._operation = operation
        self._identity = identity
        self._creates = creates

    def send(self, bodies: Sequence[dict[str, Any]], send: Send) -> Confirmation:
        """Send one batch."""
        answer = send(build_request(self._operation, {"batch": list(bodies)}))
        found = confirm(bodies, answer, identity=self._identity)
        created = len(bodies) - found.missing if self._creates else 0
        return Confirmation(created, 0, found.missing, found.suspects)


class Upserts:
    """Records that travel one at a time, and are updated where they are there already.

    :param name: what reports call them.
    :param record_type: how one is checked.
    :param upsert: brings one in; returns its answer, and whether it was created.
    :param remark: what to know of records that were updated.
    """

    batch_size = 1
    idempotent = True

    def __init__(
        self,
        name: str,
        record_type: RecordType,
        upsert: Callable[[dict[str, Any], Send], tuple[Any, bool]],
        *,
        remark: str = "",
    ) -> None:
        self.name = name
        self.record_type = record_type
        self.remark = remark
        self._upsert = upsert

    def send(self, bodies: Sequence[dict[str, Any]], send: Send) -> Confirmation:
        """Create or update each record."""
        created = sum(self._upsert(body, send)[1] for body in bodies)
        return Confirmation(created=created, updated=len(bodies) - created)


_METRIC_IDENTITY = ("metric_id", "agent_id")
_TICKET_METRIC_IDENTITY = ("ticket_id", "source_id", *_METRIC_IDENTITY, "ticket_event_id")
_COMMENT_IDENTITY = ("ticket_id", "body", "author_id", "role", "channel")

_AGENTS_THAT_WERE_THERE = (
    "Of the agents that were there already, availability and id are set; the API changes no name or group"
)

RESOURCES: Mapping[str, Resource] = {
    "ticket_metrics": Batches(
        "ticket_metrics", "push_ticket_metrics", TICKET_METRIC, identity=_TICKET_METRIC_IDENTITY
    ),
    "agent_metrics": Batches("agent_metrics", "push_agent_metrics", AGENT_METRIC, identity=_METRIC_IDENTITY),
    "comments": Batches("comments", "create_comments", COMMENT, identity=_COMMENT_IDENTITY, creates=True),
    "tickets": Upserts("tickets", TICKET, upsert_ticket),
    "agents": Upserts("agents", AGENT, partial(upsert_agent, level=logging.DEBUG), remark=_AGENTS_THAT_WERE_THERE),
}
_TICKETS_THAT_EXIST = Upserts("tickets", TICKET, partial(upsert_ticket, update_first=True))


def resource_named(name: object, *, update_first: bool = False) -> Resource:
    """Find a resource by its name.

    :param update_first: for tickets: whether to try the update before the creation, because most are there already.
    :raises MaestroQAConfigError: there is none of this name.
    """
    if not isinstance(name, str) or name not in RESOURCES:
        raise MaestroQAConfigError(f"resource must be one of {', '.join(RESOURCES)}; got {name!r}.")
    if not update_first:
        return RESOURCES[name]
    if name != "tickets":
        raise MaestroQAConfigError("update_first is for tickets only. Leave it out.")
    return _TICKETS_THAT_EXIST
