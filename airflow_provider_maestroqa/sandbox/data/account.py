"""The account's records: tickets, comments, attachments, agents, metrics and CSAT scores, as they were sent.

Only the server's event loop changes them. A record is replaced and never changed in place, so that another thread
may copy what is here at any time.
"""

from __future__ import annotations

import itertools
import random
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_maestroqa.sandbox.data import documents, scim
from airflow_provider_maestroqa.sandbox.options import SandboxOptions
from airflow_provider_maestroqa.sandbox.validation import format_date

_T = TypeVar("_T")
Fields = dict[str, Any]
#: Metric, ticket, source, agent and event.
TicketMetricKey = tuple[str, str, str, str, "str | None"]
#: Metric and agent.
AgentMetricKey = tuple[str, str]

MANUAL = "custom"
_DIGITS = string.digits + string.ascii_uppercase
_CODES = 36**10
# Odd and no multiple of 3, so that no code comes twice.
_STEP = 2_259_600_000_000_001


@dataclass(frozen=True)
class Upload:
    """The bytes of an attachment."""

    file: Path
    size: int
    sha256: str
    content_type: str


@dataclass(frozen=True)
class Attachment:
    """An attachment."""

    fields: Fields
    key: str
    upload: Upload | None = None


@dataclass
class Account:
    """All records."""

    options: SandboxOptions
    tickets: dict[str, Fields] = field(default_factory=dict)
    comments: list[Fields] = field(default_factory=list)
    attachments: dict[str, Attachment] = field(default_factory=dict)
    agents: dict[str, Fields] = field(default_factory=dict)
    ticket_metrics: dict[TicketMetricKey, Fields] = field(default_factory=dict)
    agent_metrics: dict[AgentMetricKey, Fields] = field(default_factory=dict)
    csat_scores: list[Fields] = field(default_factory=list)
    agent_groups: dict[str, Fields] = field(default_factory=dict)
    user_groups: dict[str, Fields] = field(default_factory=dict)
    users: dict[str, Fields] = field(default_factory=dict)
    #: Deletions of customers' data by id, also how often each was polled.
    deletions: dict[str, Fields] = field(default_factory=dict)
    #: The lasting id of an agent by each of its ids and by its email.
    agent_keys: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Remove all records but the agents, groups and users of the start."""
        for attachment in self.attachments.values():
            if attachment.upload is not None:
                attachment.upload.file.unlink(missing_ok=True)
        for records in (self.tickets, self.comments, self.attachments, self.agents, self.agent_keys):
            records.clear()
        self.ticket_metrics.clear()
        self.agent_metrics.clear()
        self.csat_scores.clear()
        self.agent_groups, self.user_groups, self.users = scim.start(self.options)
        self.deletions.clear()
        self._random = random.Random(self.options.seed)  # noqa: S311
        self._codes = itertools.count(1)
        self._account_id = f"{self._random.getrandbits(96):024x}"
        if self.options.account == "documents":
            for agent in documents.AGENTS:
                self.add_agent(dict(agent))
            for ticket in documents.TICKETS:
                self.add_ticket(dict(ticket))
        for number in range(1, self.options.agents + 1):
            name = f"agent-{number}"
            self.add_agent(
                {"name": f"Agent {number}", "agentId": name, "available": True, "email": f"{name}@example.com"}
            )

    def now(self) -> str:
        """The time, as the API writes it."""
        return format_date(self.options.clock())

    def new_id(self) -> str:
        """An id as the API gives to agents and tickets."""
        return "".join(self._random.choices(string.ascii_letters + string.digits, k=17))

    def new_comment_id(self, ticket_id: str) -> str:
        """An id as the API gives to comments."""
        number = next(self._codes) * _STEP % _CODES
        code = ""
        for _ in range(10):
            number, digit = divmod(number, 36)
            code += _DIGITS[digit]
        return f"{self._account_id}_{ticket_id}_{code}"

    def shuffled(self, items: Sequence[_T]) -> list[_T]:
        """The items in another order, whenever there is another one."""
        mixed = self._random.sample(items, len(items))
        return mixed if list(items) != mixed else mixed[1:] + mixed[:1]

    def sample(self, items: Sequence[_T], number: int) -> set[int]:
        """Positions of so many of the items, chosen at random."""
        return set(self._random.sample(range(len(items)), min(number, len(items))))

    def has_ticket(self, ticket_id: str) -> bool:
        """Whether something can be added to this ticket."""
        return self.options.unknown_tickets == "accept" or ticket_id in self.tickets

    def add_ticket(self, fields: Fields, source: str = MANUAL) -> Fields:
        """Add a ticket."""
        now = self.now()
        ticket = {
            "id": self.new_id(),
            "first_seen": now,
            "last_seen": now,
            **fields,
            "createdAt": now,
            "updatedAt": now,
            "source": source,
        }
        self.tickets[fields["ticket_id"]] = ticket
        return ticket

    def delete_ticket(self, ticket_id: str) -> None:
        """Delete a ticket with its comments, attachments, metrics and CSAT scores."""
        del self.tickets[ticket_id]
        self.comments = [comment for comment in self.comments if comment["ticket_id"] != ticket_id]
        for name in [name for name, one in self.attachments.items() if one.fields["ticket_id"] == ticket_id]:
            upload = self.attachments.pop(name).upload
            if upload is not None:
                upload.file.unlink(missing_ok=True)
        self.ticket_metrics = {key: one for key, one in self.ticket_metrics.items() if key[1] != ticket_id}
        self.csat_scores = [score for score in self.csat_scores if score["ticket_id"] != ticket_id]

    def add_comment(self, fields: Fields) -> Fields:
        """Add a comment, whether there is an equal one or not."""
        comment = {
            **fields,
            "public": fields.get("public", True),
            "time": fields["time"] if "time" in fields else self.now(),
            "id": self.new_comment_id(fields["ticket_id"]),
        }
        self.comments.append(comment)
        return comment

    def delete_customers(self, deletion_id: str, request: Fields) -> Fields:
        """Delete what customers wrote, and note the deletion."""
        emails = {email.lower() for email in request["emails"]}
        self.comments = [one for one in self.comments if str(one.get("author_id")).lower() not in emails]
        deletion = {"id": deletion_id, **request, "status": "pending", "polls": 0}
        self.deletions[deletion_id] = deletion
        return deletion

    def add_agent(self, fields: Fields) -> Fields:
        """Add an agent."""
        agent = {"_id": self.new_id(), "agentId": self.new_id(), **fields}
        self.agents[agent["email"]] = agent
        self.agent_keys[agent["agentId"]] = self.agent_keys[agent["email"]] = agent["agentId"]
        group = self.agent_groups.get(agent.get("agentGroupId", ""))
        if group is not None and agent["email"] not in group["members"]:
            self.change_group(group["id"], [*group["members"], agent["email"]])
        return agent

    def change_group(self, group_id: str, members: Sequence[str]) -> Fields:
        """Change the members of a group of agents."""
        group = self.agent_groups[group_id] = {**self.agent_groups[group_id], "members": list(members)}
        return group

    def email_of(self, id_or_email: str) -> str | None:
        """The e-mail address of an agent that is named by it or by any of its ids."""
        lasting = self.agent_keys.get(id_or_email)
        known = (email for email in self.agents if lasting is not None and self.agent_keys[email] == lasting)
        return next(known, None)

    def change_agent(self, email: str, **changes: Any) -> Fields:
        """Change an agent; an id that it had stays its own."""
        agent = {**self.agents[email], **changes}
        self.agents[email] = agent
        self.agent_keys[agent["agentId"]] = self.agent_keys[email]
        return agent

    def agent_id_of(self, id_or_email: str) -> str:
        """The id of an agent in the responses of the API; anything else stays as it is."""
        agent = self.agents.get(id_or_email)
        return id_or_email if agent is None else str(agent["agentId"])
