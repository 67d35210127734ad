"""What can be pushed: how many records one request holds, and how they are sent."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from airflow_provider_maestroqa.client.endpoints import ENDPOINTS, Request, build_request
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.resources.models import (
    AGENT,
    AGENT_METRIC,
    COMMENT,
    CSAT_SCORE,
    TICKET,
    TICKET_METRIC,
    RecordSchema,
)
from airflow_provider_maestroqa.client.resources.upserts import upsert_agent, upsert_ticket
from airflow_provider_maestroqa.pushes.confirmation import Confirmation, Identity, confirm
from airflow_provider_maestroqa.pushes.verdicts import confirm_each

#: Sends a request and returns the decoded response.
Send = Callable[[Request], Any]


class Resource(ABC):
    """A type of record that can be pushed.

    :param name: its name in reports.
    :param record_type: checks a record.
    :param batch_size: the maximum number of records in one request.
    :param idempotent: whether a record may be sent twice without harm.
    :param key: the fields by which a record replaces an earlier one; empty when it never does.
    :param note: what to log when records were updated; empty for nothing.
    """

    def __init__(
        self,
        name: str,
        record_type: RecordSchema,
        *,
        batch_size: int,
        idempotent: bool,
        key: Sequence[str] = (),
        note: str = "",
    ) -> None:
        self.name = name
        self.record_type = record_type
        self.batch_size = batch_size
        self.idempotent = idempotent
        self.key = tuple(key)
        self.note = note

    @abstractmethod
    def send(self, bodies: Sequence[dict[str, Any]], send: Send) -> Confirmation:
        """Send some records and read what the response confirms."""


class Batches(Resource):
    """Records that are sent together, as many as the operation takes in one request.

    :param name: their name in reports.
    :param operation: the operation that takes a batch of them.
    :param record_type: checks one.
    :param key: the fields by which a record replaces an earlier one.
    :param identity: by which results name the record that they confirm.
    :param creates: whether a confirmed record was created.
    :param wrapper: the body's field that holds the records.
    :param has_verdicts: whether the response says of each record whether it was taken.
    """

    def __init__(
        self,
        name: str,
        operation: str,
        record_type: RecordSchema,
        *,
        identity: Identity,
        key: Sequence[str] = (),
        creates: bool = False,
        wrapper: str = "batch",
        has_verdicts: bool = False,
    ) -> None:
        endpoint = ENDPOINTS[operation]
        batch_size = endpoint.batch_size or 1
        super().__init__(name, record_type, batch_size=batch_size, idempotent=endpoint.idempotent, key=key)
        self._operation = operation
        self._identity = identity
        self._creates = creates
        self._wrapper = wrapper
        self._has_verdicts = has_verdicts

    def send(self, bodies: Sequence[dict[str, Any]], send: Send) -> Confirmation:
        """Send one batch."""
        response = send(build_request(self._operation, {self._wrapper: list(bodies)}))
        if self._has_verdicts:
            return confirm_each(bodies, response, self._identity, self.record_type.fields)
        confirmation = confirm(bodies, response, self._identity)
        return replace(confirmation, created=len(bodies) - confirmation.missing if self._creates else 0)


class Upserts(Resource):
    """Records that are sent one at a time, and updated where they exist already.

    :param name: their name in reports.
    :param record_type: checks one.
    :param upsert: creates or updates one; returns the response, and whether it was created.
    :param key: the field by which a record replaces an earlier one.
    :param identity: by which a response names its record.
    :param note: what to log when records were updated.
    """

    def __init__(
        self,
        name: str,
        record_type: RecordSchema,
        upsert: Callable[[dict[str, Any], Send], tuple[Any, bool]],
        *,
        key: str,
        identity: Identity,
        note: str = "",
    ) -> None:
        super().__init__(name, record_type, batch_size=1, idempotent=True, key=(key,), note=note)
        self._upsert = upsert
        self._identity = identity

    def send(self, bodies: Sequence[dict[str, Any]], send: Send) -> Confirmation:
        """Create or update one record."""
        response, is_created = self._upsert(bodies[0], send)
        # What the response to a single record holds is not certain; only what contradicts it counts.
        result = response if isinstance(response, Mapping) else {}
        confirmation = confirm(bodies, {"results": [result]}, self._identity)
        count = 1 - confirmation.missing
        return replace(confirmation, created=count * is_created, updated=count * (not is_created))


_TICKET_IDENTITY = Identity(("ticket_id",))
_METRIC_KEY = ("metric_id", "agent_id")
_TICKET_METRIC_KEY = ("ticket_id", "source_id", *_METRIC_KEY, "ticket_event_id")

_EXISTING_AGENTS_NOTE = (
    "Of agents that existed already, availability and id are set; the API changes no name or group"
)


def agents_in_group(group_id: str | None) -> Resource:
    """Agents; those that are created join a group, unless they name one themselves.

    :param group_id: the group's id; ``None`` for no group.
    """
    return Upserts(
        "agents",
        AGENT,
        partial(upsert_agent, level=logging.DEBUG, group_id=group_id),
        key="email",
        identity=Identity(()),
        note=_EXISTING_AGENTS_NOTE,
    )


RESOURCES: Mapping[str, Resource] = {
    "ticket_metrics": Batches(
        "ticket_metrics",
        "push_ticket_metrics",
        TICKET_METRIC,
        identity=Identity(("ticket_id", "metric_id"), ("source_id", "agent_id", "ticket_event_id", "metric_value")),
        key=_TICKET_METRIC_KEY,
    ),
    "agent_metrics": Batches(
        "agent_metrics",
        "push_agent_metrics",
        AGENT_METRIC,
        identity=Identity(("metric_id",), ("agent_id", "metric_value")),
        key=_METRIC_KEY,
    ),
    "comments": Batches(
        "comments",
        "create_comments",
        COMMENT,
        identity=Identity(("ticket_id",), ("body", "author_id", "role", "channel")),
        creates=True,
    ),
    "csat_scores": Batches(
        "csat_scores",
        "push_csat_scores",
        CSAT_SCORE,
        identity=Identity(("ticket_id",), ("agent_id", "agent_email", "submitted_at", "score")),
        wrapper="data",
        has_verdicts=True,
    ),
    "tickets": Upserts("tickets", TICKET, upsert_ticket, key="ticket_id", identity=_TICKET_IDENTITY),
    "agents": agents_in_group(None),
}
_UPDATE_FIRST_TICKETS = Upserts(
    "tickets", TICKET, partial(upsert_ticket, update_first=True), key="ticket_id", identity=_TICKET_IDENTITY
)


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
