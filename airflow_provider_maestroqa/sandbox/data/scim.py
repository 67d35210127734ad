"""The groups of agents, the accounts that log in and their groups, as an account has them at the start."""

from __future__ import annotations

import random
import string
from typing import Any

from airflow_provider_maestroqa.sandbox.options import SandboxOptions

GROUP_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Group"
_ROLES = ("admin", "grader", "agent")
_ALPHABET = string.ascii_letters + string.digits


def start(options: SandboxOptions) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Make the agent groups, user groups and users of the start, each by its id.

    Agents are dealt into their groups, and users into theirs, one after the other.
    """
    # Its own, so that all other records stay what they are with any number of these.
    rng = random.Random(f"scim {options.seed}")  # noqa: S311
    agents = [f"agent-{number}@example.com" for number in range(1, options.agents + 1)]
    users = _by_id(_user(rng, number) for number in range(1, options.users + 1))
    return _groups(rng, "Agents", options.agent_groups, agents), _groups(rng, "Users", 2, [*users]), users


def group(group_id: str, name: str, members: list[str]) -> dict[str, Any]:
    """A group as the API gives it."""
    return {"schemas": [GROUP_SCHEMA], "id": group_id, "displayName": name, "members": members, "owners": []}


def _groups(rng: random.Random, name: str, number: int, members: list[str]) -> dict[str, Any]:
    return _by_id(group(_new_id(rng), f"{name} {one + 1}", members[one::number]) for one in range(number))


def _user(rng: random.Random, number: int) -> dict[str, Any]:
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": _new_id(rng),
        "userName": f"user-{number}@example.com",
        "name": {"givenName": "User", "familyName": str(number)},
        "active": True,
        "roles": [_ROLES[number % len(_ROLES)]],
        "profile": {},
        "externalId": f"u-{number}",
    }


def _new_id(rng: random.Random) -> str:
    return "".join(rng.choices(_ALPHABET, k=17))


def _by_id(records: Any) -> dict[str, Any]:
    return {record["id"]: record for record in records}
