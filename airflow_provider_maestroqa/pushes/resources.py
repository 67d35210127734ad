"""What can be pushed: how many records one request holds, and what a response to them confirms."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from airflow_provider_maestroqa.client.endpoints import ENDPOINTS, Request, build_request
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.resources.models import (
    AGENT,
    AGENT_METRIC,
    COMMENT,
    TICKET,
    TICKET_METRIC,
    RecordSchema,
)
from airflow_provider_maestroqa.client.resources.upserts import upsert_agent, upsert_ticket

#: Sends a request and returns the decoded response.
Send = Callable[[Request], Any]


@dataclass(frozen=True)
class Confirmation:
    """How many records of a batch a response confirms.

    :param created: how many were created, according to the response.
    :param updated: how many were updated.
    :param missing: how many the response does not confirm.
    :param suspects: the positions in the batch that the missing ones are among.
    """

    created: int = 0
    updated: int = 0
    missing: int = 0
    suspects: tuple[int, ...] = ()


class Resource(ABC):
    """A type of record that can be pushed.

    :param name: its name in reports.
    :param record_type: checks a record.
    :param batch_size: the maximum number of records in one request.
    :param idempotent: whether a record may be sent twice without harm.
    :param note: what to log when records were updated; empty for nothing.
    """

    def __init__(
        self, name: str, record_type: RecordSchema, *, batch_size: int, idempotent: bool, note: str = ""
    ) -> None:
        self.name = name
        self.record_type = record_type
        self.batch_size = batch_size
        self.idempotent = idempotent
        self.note = note

    @abstractmethod
    def send(self, bodies: Sequence[dict[str, Any]], send: Send) -> Confirmation:
        """Send some records and read what the response confirms."""


class Batches(Resource):
    """Records that are sent together, as many as the operation takes in one request.

    :param name: their name in reports.
    :param operation: the operation that takes a batch of them.
    :param record_type: checks one.
    :param identity: the fields by which results may name the record that they confirm.
    :param creates: whether a confirmed record was created.
    """

    def __init__(
        self, name: str, operation: str, record_type: RecordSchema, *, identity: Sequence[str], creates: bool = False
    ) -> None:
        endpoint = ENDPOINTS[operation]
        super().__init__(name, record_type, batch_size=endpoint.batch_size or 1, idempotent=endpoint.idempotent)
        self._operation = operation
        self._identity = identity
        self._creates = creates

    def send(self, bodies: Sequence[dict[str, Any]], send: Send) -> Confirmation:
        """Send one batch."""
        response = send(build_request(self._operation, {"batch": list(bodies)}))
        confirmation = confirm(bodies, response, identity=self._identity)
        return replace(confirmation, created=len(bodies) - confirmation.missing if self._creates else 0)


class Upserts(Resource):
    """Records that are sent one at a time, and updated where they exist already.

    :param name: their name in reports.
    :param record_type: checks one.
    :param upsert: creates or updates one; returns the response, and whether it was created.
    :param note: what to log when records were updated.
    """

    def __init__(
        self,
        name: str,
        record_type: RecordSchema,
        upsert: Callable[[dict[str, Any], Send], tuple[Any, bool]],
        *,
        note: str = "",
    ) -> None:
        super().__init__(name, record_type, batch_size=1, idempotent=True, note=note)
        self._upsert = upsert

    def send(self, bodies: Sequence[dict[str, Any]], send: Send) -> Confirmation:
        """Create or update each record."""
        created = sum(self._upsert(body, send)[1] for body in bodies)
        return Confirmation(created=created, updated=len(bodies) - created)


def confirm(sent: Sequence[Mapping[str, Any]], response: object, *, identity: Sequence[str]) -> Confirmation:
    """Compare the results of a batch with what was sent. (API: Create Many Ticket Comments, Create … Metrics)

    The order of ``results`` is not promised, and there may be fewer than were sent.

    :param sent: the batch.
    :param response: the decoded response, with a list ``results``.
    :param identity: the fields that results may repeat, by which records can be told apart.
    """
    results = response.get("results") if isinstance(response, Mapping) else None
    # A result that is itself an error confirms nothing.
    good = [result for result in results or () if not (isinstance(result, Mapping) and result.get("error"))]
    missing = max(len(sent) - len(good), 0)
    return Confirmation(missing=missing, suspects=_suspects(sent, good, identity, missing) if missing else ())


def _suspects(
    sent: Sequence[Mapping[str, Any]], results: Sequence[object], identity: Sequence[str], missing: int
) -> tuple[int, ...]:
    everyone = tuple(range(len(sent)))
    readable = [result for result in results if isinstance(result, Mapping)]
    fields = [name for name in identity if all(name in result for result in readable)]
    if len(readable) < len(results) or (readable and not fields):
        return everyone
    positions: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for position, record in enumerate(sent):
        positions[_key(record, fields)].append(position)
    confirmed = Counter(_key(result, fields) for result in readable)
    lacking = {key: alike for key, alike in positions.items() if confirmed[key] < len(alike)}
    # Where the server names other records than were sent, nobody can say which ones it means.
    if sum(len(alike) - confirmed[key] for key, alike in lacking.items()) != missing:
        return everyone
    return tuple(sorted(position for alike in lacking.values() for position in alike))


def _key(record: Mapping[str, Any], fields: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(record.get(name)) for name in fields)


_METRIC_IDENTITY = ("metric_id", "agent_id")
_TICKET_METRIC_IDENTITY = ("ticket_id", "source_id", *_METRIC_IDENTITY, "ticket_event_id")
_COMMENT_IDENTITY = ("ticket_id", "body", "author_id", "role", "channel")

_EXISTING_AGENTS_NOTE = (
    "Of agents that existed already, availability and id are set; the API changes no name or group"
)

RESOURCES: Mapping[str, Resource] = {
    "ticket_metrics": Batches(
        "ticket_metrics", "push_ticket_metrics", TICKET_METRIC, identity=_TICKET_METRIC_IDENTITY
    ),
    "agent_metrics": Batches("agent_metrics", "push_agent_metrics", AGENT_METRIC, identity=_METRIC_IDENTITY),
    "comments": Batches("comments", "create_comments", COMMENT, identity=_COMMENT_IDENTITY, creates=True),
    "tickets": Upserts("tickets", TICKET, upsert_ticket),
    "agents": Upserts("agents", AGENT, partial(upsert_agent, level=logging.DEBUG), note=_EXISTING_AGENTS_NOTE),
}
_UPDATE_FIRST_TICKETS = Upserts("tickets", TICKET, partial(upsert_ticket, update_first=True))


def resource_named(name: object, *, update_first: bool = False) -> Resource:
    """Find a resource by its name.

    :param update_first: for tickets: whether to try the update before the creation, because most exist already.
    :raises MaestroQAConfigError: there is no such resource.
    """
    if not isinstance(name, str) or name not in RESOURCES:
        raise MaestroQAConfigError(f"resource must be one of {', '.join(RESOURCES)}; got {name!r}.")
    if not update_first:
        return RESOURCES[name]
    if name != "tickets":
        raise MaestroQAConfigError("update_first is for tickets only. Leave it out.")
    return _UPDATE_FIRST_TICKETS
