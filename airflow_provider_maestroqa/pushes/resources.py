"""What can be pushed: how many records one request holds, and what a response to them confirms."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import defaultdict
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
    ) -> None:
        endpoint = ENDPOINTS[operation]
        batch_size = endpoint.batch_size or 1
        super().__init__(name, record_type, batch_size=batch_size, idempotent=endpoint.idempotent, key=key)
        self._operation = operation
        self._identity = identity
        self._creates = creates

    def send(self, bodies: Sequence[dict[str, Any]], send: Send) -> Confirmation:
        """Send one batch."""
        response = send(build_request(self._operation, {"batch": list(bodies)}))
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


@dataclass(frozen=True)
class Identity:
    """The fields by which a result names the record that it confirms, as far as it has them.

    :param exact: the ones that a response repeats as they were sent.
    :param loose: the ones that it may write in another form, such as an agent's id where the e-mail address was sent.
    """

    exact: tuple[str, ...]
    loose: tuple[str, ...] = ()


def confirm(sent: Sequence[Mapping[str, Any]], response: object, identity: Identity) -> Confirmation:
    """Compare the results of a batch with what was sent. (API: Create Many Ticket Comments, Create … Metrics)

    The order of ``results`` is not promised, and there may be fewer than were sent. A result confirms one record: one
    that it names, or, where it names none, any. A number of results alone confirms nothing.

    :param sent: the batch.
    :param response: the decoded response, with a list ``results``.
    :param identity: the fields by which results name records.
    """
    results = response.get("results") if isinstance(response, Mapping) and not _is_failure(response) else None
    good = [one for one in results if _is_confirmation(one)] if isinstance(results, list) else []
    matcher = _Matcher(sent)
    common: set[str] = set(identity.exact + identity.loose)
    # Those that name most come first: what they leave is for those that say less.
    for result in sorted(good, key=lambda one: -sum(name in one for name in identity.exact + identity.loose)):
        exact = tuple(name for name in identity.exact if name in result)
        full = (*exact, *(name for name in identity.loose if name in result))
        if matcher.take(result, full):
            common &= set(full)
        elif matcher.take(result, exact):
            common &= set(exact)
    return Confirmation(missing=len(matcher.left), suspects=matcher.suspects(tuple(sorted(common))))


def _is_confirmation(result: object) -> bool:
    return isinstance(result, Mapping) and not _is_failure(result)


def _is_failure(result: Mapping[str, Any]) -> bool:
    problem = result.get("error") or result.get("errors")
    return bool(problem) or result.get("success") is False or result.get("ok") is False


class _Matcher:
    """The records of a batch that no result has confirmed yet.

    :param sent: the batch.
    """

    def __init__(self, sent: Sequence[Mapping[str, Any]]) -> None:
        self._sent = sent
        self.left = set(range(len(sent)))
        self._positions: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}

    def take(self, result: Mapping[str, Any], fields: tuple[str, ...]) -> bool:
        """Confirm a record that has the same values as a result in these fields, if one is left."""
        alike = self._by(fields).get(key_of(result, fields), [])
        while alike:
            position = alike.pop()
            if position in self.left:
                self.left.remove(position)
                return True
        return False

    def suspects(self, fields: tuple[str, ...]) -> tuple[int, ...]:
        """The positions that the records that are left are among, when all results tell records apart by these."""
        if not self.left:
            return ()
        keys = {key_of(self._sent[position], fields) for position in self.left}
        return tuple(position for position, one in enumerate(self._sent) if key_of(one, fields) in keys)

    def _by(self, fields: tuple[str, ...]) -> dict[tuple[str, ...], list[int]]:
        if fields not in self._positions:
            positions = self._positions[fields] = defaultdict(list)
            for position in reversed(range(len(self._sent))):
                positions[key_of(self._sent[position], fields)].append(position)
        return self._positions[fields]


def key_of(record: Mapping[str, Any], fields: Sequence[str]) -> tuple[str, ...]:
    """The values of some fields, to compare records by."""
    return tuple("" if record.get(name) is None else str(record[name]) for name in fields)


_TICKET_IDENTITY = Identity(("ticket_id",))
_METRIC_KEY = ("metric_id", "agent_id")
_TICKET_METRIC_KEY = ("ticket_id", "source_id", *_METRIC_KEY, "ticket_event_id")

_EXISTING_AGENTS_NOTE = (
    "Of agents that existed already, availability and id are set; the API changes no name or group"
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
    "tickets": Upserts("tickets", TICKET, upsert_ticket, key="ticket_id", identity=_TICKET_IDENTITY),
    "agents": Upserts(
        "agents",
        AGENT,
        partial(upsert_agent, level=logging.DEBUG),
        key="email",
        identity=Identity(()),
        note=_EXISTING_AGENTS_NOTE,
    ),
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
