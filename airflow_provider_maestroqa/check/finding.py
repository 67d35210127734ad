"""What a probe finds: whether the account behaves as the package assumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Verdict(Enum):
    """How a reading of the API documents compares with an account."""

    AS_READ = "as read"
    OTHERWISE = "otherwise"
    NOT_SEEN = "not seen"


@dataclass(frozen=True)
class Finding:
    """What was found about one reading.

    :param verdict: how it compares.
    :param seen: what was seen, in words without ids, names, emails and hosts of the account.
    :param profile: the options that let the sandbox behave like this.
    """

    verdict: Verdict
    seen: str
    profile: Mapping[str, Any] = field(default_factory=dict)


def as_read(seen: str, **profile: Any) -> Finding:
    """The account behaves as assumed."""
    return Finding(Verdict.AS_READ, seen, profile)


def otherwise(seen: str, **profile: Any) -> Finding:
    """The account behaves differently."""
    return Finding(Verdict.OTHERWISE, seen, profile)


def not_seen(reason: str) -> Finding:
    """The account did not show it."""
    return Finding(Verdict.NOT_SEEN, reason)


def told(is_as_read: bool, seen: str, **profile: Any) -> Finding:
    """The account behaves as assumed, or differently."""
    return Finding(Verdict.AS_READ if is_as_read else Verdict.OTHERWISE, seen, profile)
