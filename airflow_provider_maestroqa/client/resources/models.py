"""What is sent, checked before a request is spent on it.

Records are dicts with the API's own keys. A check gives back what travels: the same keys, with the few conversions
that lose nothing. Everything else is refused, with the field, the type that came, and what to do about it:

- an aware datetime, or ISO 8601 text with a time zone, becomes UTC text
- a list of tags becomes one text with commas
- a ``Decimal``, as databases give them, becomes a number
- ``None`` counts as absent, because the API takes no nulls (but for ``ticket_event_id``)
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, PlainValidator, StringConstraints, TypeAdapter, ValidationError, with_config
from typing_extensions import NotRequired, Required, TypedDict

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.resources.coercion import (
    as_attributes,
    as_email,
    as_number,
    as_tags,
    as_texts,
    as_time,
)

Text = Annotated[str, StringConstraints(pattern=r"\S")]
Number = Annotated[float, PlainValidator(as_number)]
Time = Annotated[str, PlainValidator(as_time)]
Tags = Annotated[str, PlainValidator(as_tags)]
Texts = Annotated[list[str], PlainValidator(as_texts)]
Attributes = Annotated[dict[str, Any], PlainValidator(as_attributes)]
Email = Annotated[str, PlainValidator(as_email)]

#: Fields for which a null means something.
_NULLABLE = frozenset({"ticket_event_id"})
_MOST_PROBLEMS = 5
_STRICT = ConfigDict(strict=True, extra="forbid")


@with_config(_STRICT)
class Ticket(TypedDict, total=False):
    """A ticket. (API: Create a Ticket)"""

    ticket_id: Required[Text]
    type: Required[Text]
    subject: Required[Text]
    agents: Required[Texts]
    link: Required[Text]
    body: Text
    tags: Tags
    status: Text
    csat_score: Number
    first_seen: Time
    last_seen: Time
    attributes: Attributes


@with_config(_STRICT)
class TicketChanges(TypedDict, total=False):
    """What is to change in a ticket. (API: Update a Ticket)"""

    type: Text
    subject: Text
    agents: Texts
    link: Text
    body: Text
    tags: Tags
    status: Text
    csat_score: Number
    first_seen: Time
    last_seen: Time
    attributes: Attributes


@with_config(_STRICT)
class Comment(TypedDict):
    """A comment of a ticket. (API: Create a Ticket Comment)"""

    body: Text
    ticket_id: Text
    author_id: NotRequired[Text]
    role: NotRequired[Literal["customer", "agent"]]
    channel: NotRequired[Text]
    public: NotRequired[bool]
    time: NotRequired[Time]


@with_config(_STRICT)
class Agent(TypedDict):
    """An agent. (API: Create an Agent)"""

    name: Text
    available: bool
    email: Email
    agentGroupId: NotRequired[Text]
    agentId: NotRequired[Text]


@with_config(_STRICT)
class AgentId(TypedDict):
    """An id for an agent. (API: Update an Agent (add agent id to agent))"""

    email: Email
    agentId: Text


@with_config(_STRICT)
class AgentAvailability(TypedDict):
    """Whether an agent is available. (API: Update an Agent (update agent availability))"""

    email: Email
    available: bool


@with_config(_STRICT)
class TicketMetric(TypedDict):
    """A metric of an agent on a ticket. (API: Create Ticket Metrics)"""

    ticket_id: Text
    source_id: Text
    agent_id: Text
    metric_id: Text
    metric_value: Number
    timestamp: Time
    ticket_event_id: NotRequired[Text | None]
    metric_deleted: NotRequired[bool]


@with_config(_STRICT)
class AgentMetric(TypedDict):
    """A metric of an agent. (API: Create Agent Metrics)"""

    agent_id: Text
    metric_id: Text
    metric_value: Number
    timestamp: Time


@dataclass(frozen=True)
class RecordType:
    """A kind of record.

    :param name: what one is called.
    :param shape: its fields.
    """

    name: str
    shape: type[Any]

    @property
    def fields(self) -> tuple[str, ...]:
        """The API's names of the fields."""
        return tuple(self.shape.__annotations__)

    @property
    def required(self) -> frozenset[str]:
        """The fields that a record must have."""
        required: frozenset[str] = self.shape.__required_keys__
        return required

    def check(self, record: object) -> dict[str, Any]:
        """Give back a record in the form in which it travels.

        :param record: a mapping with the API's keys.
        :raises MaestroQADataError: the record cannot be sent; the message names every field that is wrong.
        """
        if not isinstance(record, Mapping):
            raise MaestroQADataError(
                f"{self._article} {self.name} must be a dict with the API's field names, got {type(record).__name__}"
            )
        given = {name: value for name, value in record.items() if value is not None or name in _NULLABLE}
        try:
            checked: dict[str, Any] = self._adapter.validate_python(given)
        except ValidationError as error:
            problems = self._problems(error)
        else:
            if checked:
                return checked
            problems = [f"nothing is given; {self._article} {self.name} may hold: {', '.join(self.fields)}"]
        # Raised here, so that the library's error, which holds the whole record, is not its context.
        more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
        raise MaestroQADataError("; ".join(problems[:_MOST_PROBLEMS]) + more)

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.shape)

    def _problems(self, error: ValidationError) -> list[str]:
        found = error.errors(include_url=False)
        missing = [str(one["loc"][0]) for one in found if one["type"] == "missing"]
        told = [self._problem(one) for one in found if one["type"] != "missing"]
        if missing:
            are = "is" if len(missing) == 1 else "are"
            told.insert(0, f"{', '.join(missing)} {are} missing, which every {self.name} needs")
        return told

    def _problem(self, error: Any) -> str:
        field = ".".join(str(part) for part in error["loc"]) or f"the {self.name}"
        came = type(error["input"]).__name__
        kind = error["type"]
        if kind == "extra_forbidden":
            return self._unknown(field)
        if kind == "string_type":
            return f"{field} must be text, got {came}; convert it where the record is made"
        if kind == "string_pattern_mismatch":
            remedy = "it needs a value" if field in self.required else "leave it out or give it a value"
            return f"{field} is empty text; {remedy}"
        if kind == "bool_type":
            return f"{field} must be True or False, got {came}"
        if kind == "literal_error":
            return f"{field} must be {error['ctx']['expected']}, got {came} {str(error['input'])[:40]!r}"
        return f"{field} {error['msg']}"

    @property
    def _article(self) -> str:
        return "an" if self.name[0] in "aeiou" else "a"

    def _unknown(self, field: str) -> str:
        close = difflib.get_close_matches(field, self.fields, n=1, cutoff=0.7)
        hint = f"did you mean {close[0]}?" if close else f"it has: {', '.join(self.fields)}"
        return f"{field} is not a field of {self._article} {self.name}; {hint}"


TICKET = RecordType("ticket", Ticket)
TICKET_CHANGES = RecordType("change of a ticket", TicketChanges)
COMMENT = RecordType("comment", Comment)
AGENT = RecordType("agent", Agent)
AGENT_ID = RecordType("agent's id", AgentId)
AGENT_AVAILABILITY = RecordType("agent's availability", AgentAvailability)
TICKET_METRIC = RecordType("ticket metric", TicketMetric)
AGENT_METRIC = RecordType("agent metric", AgentMetric)
