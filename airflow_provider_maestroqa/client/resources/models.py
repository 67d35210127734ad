"""The records that are sent, validated before a request is spent on them.

Records are dicts with the API's own keys. Validation returns what is sent: the same keys, with the few conversions
that lose nothing. Everything else is rejected, with the field, the type of the value, and what to do about it:

- an aware datetime, or ISO 8601 text with a time zone, becomes UTC text
- a list of tags becomes one text with commas
- a ``Decimal``, as databases give them, becomes a number
- a value of numpy or pandas becomes Python's own, and one that is missing (NaN, ``NaT``, ``NA``) is absent
- a whole number becomes text where only text is meant
- ``None`` counts as absent, because the API takes no nulls (but for ``ticket_event_id``)
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    with_config,
)
from typing_extensions import NotRequired, Required, TypedDict, get_type_hints

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.resources.coercion import (
    as_attributes,
    as_email,
    as_number,
    as_objects,
    as_python,
    as_tags,
    as_text,
    as_texts,
    as_time,
    as_whole_number,
)

Text = Annotated[str, BeforeValidator(as_text), StringConstraints(pattern=r"\S")]
Number = Annotated[float, PlainValidator(as_number)]
WholeNumber = Annotated[int, PlainValidator(as_whole_number)]
Time = Annotated[str, PlainValidator(as_time)]
Tags = Annotated[str, PlainValidator(as_tags)]
Texts = Annotated[list[str], PlainValidator(as_texts)]
Attributes = Annotated[dict[str, Any], PlainValidator(as_attributes)]
Email = Annotated[str, PlainValidator(as_email)]

#: Fields for which a null means something.
_NULLABLE = frozenset({"ticket_event_id"})
_MAX_PROBLEMS = 5
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


def _changes_of(record: type[Any], description: str, *, without: str) -> Any:
    """The fields of a record that can be changed, none of which is required."""
    fields = {}
    for name, hint in get_type_hints(record, include_extras=True).items():
        qualifier: Any = get_origin(hint)
        if name != without:
            fields[name] = get_args(hint)[0] if qualifier is Required else hint
    changes = TypedDict(f"{record.__name__}Changes", fields, total=False)  # type: ignore[misc]
    changes.__doc__ = description
    return with_config(_STRICT)(changes)


TicketChanges = _changes_of(Ticket, "What is to change in a ticket. (API: Update a Ticket)", without="ticket_id")


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


@with_config(_STRICT)
class ClarifyingAnswer(TypedDict):
    """The answer to another question of a survey. (API: Push Bulk CSAT Scores)"""

    question: Text
    comment: NotRequired[Text]
    score: NotRequired[WholeNumber]
    score_label: NotRequired[Text]
    min_score: NotRequired[WholeNumber]
    max_score: NotRequired[WholeNumber]


@with_config(_STRICT)
class CsatScore(TypedDict):
    """A customer's rating of a ticket. (API: Push Bulk CSAT Scores)"""

    submitted_at: Time
    ticket_id: Text
    agent_id: NotRequired[Text]
    agent_email: NotRequired[Email]
    score: WholeNumber
    comment: NotRequired[Text]
    score_label: NotRequired[Text]
    min_score: NotRequired[WholeNumber]
    max_score: NotRequired[WholeNumber]
    clarifying_answers: NotRequired[Annotated[list[ClarifyingAnswer], BeforeValidator(as_objects)]]


def _csat_problems(record: Mapping[str, Any]) -> list[str]:
    problems = [] if "agent_id" in record or "agent_email" in record else ["agent_id or agent_email is needed"]
    answers = {
        f"clarifying_answers.{number}.": one for number, one in enumerate(record.get("clarifying_answers", []))
    }
    for prefix, scored in {"": record, **answers}.items():
        # What MaestroQA takes for absent limits.
        low, high = scored.get("min_score", 1), scored.get("max_score", 5)
        if low > high:
            problems.append(f"{prefix}min_score is {low} and {prefix}max_score is {high}; swap or correct them")
        elif not low <= scored.get("score", low) <= high:
            problems.append(
                f"{prefix}score is {scored['score']}, not from {low} to {high}; set {prefix}min_score and "
                f"{prefix}max_score to the ends of the scale"
            )
    return problems


@dataclass(frozen=True)
class RecordSchema:
    """The schema of a type of record.

    :param name: what one record is called.
    :param typed_dict: its fields.
    :param problems_of: what is wrong with several of its fields together.
    """

    name: str
    typed_dict: type[Any]
    problems_of: Callable[[Mapping[str, Any]], list[str]] | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """The API's names of the fields."""
        return tuple(self.typed_dict.__annotations__)

    @property
    def required(self) -> frozenset[str]:
        """The fields that a record must have."""
        required: frozenset[str] = self.typed_dict.__required_keys__
        return required

    def check(self, record: object) -> dict[str, Any]:
        """Validate a record, and return it in the form in which it is sent.

        :param record: a mapping with the API's keys.
        :raises MaestroQADataError: the record cannot be sent; the message names every field that is wrong.
        """
        if not isinstance(record, Mapping):
            hint = "; flatten a list of lists" if isinstance(record, (list, tuple)) else ""
            raise MaestroQADataError(
                f"{self._article} {self.name} must be a dict with the API's field names, got "
                f"{type(record).__name__}{hint}"
            )
        present = {}
        for name, value in record.items():
            plain = as_python(value)
            if (
                plain is None
                and value is not None
                and self.typed_dict.__annotations__.get(name) in (Number, WholeNumber)
                and name in self.required
            ):
                # The check says what is wrong with NaN.
                plain = value
            if plain is not None or (value is None and name in _NULLABLE):
                present[name] = plain
        try:
            checked: dict[str, Any] = self._adapter.validate_python(present)
        except ValidationError as error:
            problems = self._problems(error)
        else:
            problems = self.problems_of(checked) if self.problems_of and checked else []
            if checked and not problems:
                return checked
            problems = problems or [
                f"it has no fields; {self._article} {self.name} may hold: {', '.join(self.fields)}"
            ]
        # Raised here, so that the library's error, which holds the whole record, is not its context.
        more = f"; and {len(problems) - _MAX_PROBLEMS} more" if len(problems) > _MAX_PROBLEMS else ""
        raise MaestroQADataError("; ".join(problems[:_MAX_PROBLEMS]) + more)

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.typed_dict)

    def _problems(self, error: ValidationError) -> list[str]:
        details = error.errors(include_url=False)
        missing = [_path(detail) for detail in details if detail["type"] == "missing"]
        problems = [self._problem(detail) for detail in details if detail["type"] != "missing"]
        if missing:
            are = "is" if len(missing) == 1 else "are"
            problems.insert(0, f"{', '.join(missing)} {are} missing, which every {self.name} needs")
        return problems

    def _problem(self, detail: Any) -> str:
        field = _path(detail) or f"the {self.name}"
        received = type(detail["input"]).__name__
        problem = detail["type"]
        if problem == "extra_forbidden":
            return self._unknown(field) if len(detail["loc"]) == 1 else f"{field} is no field there; leave it out"
        if problem == "dict_type":
            return f"{field} must be a dict, got {received}"
        if problem == "string_type":
            hint = " (pandas makes numbers of ids with gaps: read them as text)" if received == "float" else ""
            return f"{field} must be text, got {received}; convert it where the record is made{hint}"
        if problem == "string_pattern_mismatch":
            remedy = "it needs a value" if field in self.required else "leave it out or give it a value"
            return f"{field} is empty text; {remedy}"
        if problem == "string_unicode":
            where = field if detail["loc"] else "a field's name"
            return f"{where} holds half of a surrogate pair, which is no character; correct it where the text is made"
        if problem == "invalid_key":
            return f"{field} is no name of a field; names are text"
        if problem == "bool_type":
            return f"{field} must be True or False, got {received}"
        if problem == "literal_error":
            return f"{field} must be {detail['ctx']['expected']}, got {received} {str(detail['input'])[:40]!r}"
        return f"{field} {detail['msg']}"

    @property
    def _article(self) -> str:
        return "an" if self.name[0] in "aeiou" else "a"

    def _unknown(self, field: str) -> str:
        close = difflib.get_close_matches(field, self.fields, n=1, cutoff=0.7)
        hint = f"did you mean {close[0]}?" if close else f"it has: {', '.join(self.fields)}"
        return f"{field} is not a field of {self._article} {self.name}; {hint}"


def _path(detail: Any) -> str:
    """Where a problem is: a field, or one within it such as ``clarifying_answers.0.score``."""
    return ".".join(str(part) for part in detail["loc"])


TICKET = RecordSchema("ticket", Ticket)
TICKET_CHANGES = RecordSchema("change of a ticket", TicketChanges)
COMMENT = RecordSchema("comment", Comment)
AGENT = RecordSchema("agent", Agent)
AGENT_ID = RecordSchema("agent's id", AgentId)
AGENT_AVAILABILITY = RecordSchema("agent's availability", AgentAvailability)
TICKET_METRIC = RecordSchema("ticket metric", TicketMetric)
AGENT_METRIC = RecordSchema("agent metric", AgentMetric)
CSAT_SCORE = RecordSchema("CSAT score", CsatScore, _csat_problems)
