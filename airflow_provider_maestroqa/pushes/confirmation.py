"""What a response to a batch confirms: identities, not their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Confirmation:
    """How many records of a batch a response confirms.

    :param created: how many were created, according to the response.
    :param updated: how many were updated.
    :param missing: how many the response does not confirm.
    :param suspects: the positions in the batch that the missing ones are among.
    :param rejected: the positions of the records that were not taken, each with the reason; the others of the batch
        were.
    """

    created: int = 0
    updated: int = 0
    missing: int = 0
    suspects: tuple[int, ...] = ()
    rejected: Mapping[int, str] = field(default_factory=dict)


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
    results = response.get("results") if isinstance(response, Mapping) and not is_failure(response) else None
    good = [one for one in results if _is_confirmation(one)] if isinstance(results, list) else []
    matcher = Matcher(sent)
    common: set[str] = set(identity.exact + identity.loose)
    # Those that name most come first: what they leave is for those that say less.
    for result in sorted(good, key=lambda one: -sum(name in one for name in identity.exact + identity.loose)):
        exact = tuple(name for name in identity.exact if name in result)
        full = (*exact, *(name for name in identity.loose if name in result))
        if matcher.take(result, full) is not None:
            common &= set(full)
        elif matcher.take(result, exact) is not None:
            common &= set(exact)
    return Confirmation(missing=len(matcher.left), suspects=matcher.suspects(tuple(sorted(common))))


def _is_confirmation(result: object) -> bool:
    return isinstance(result, Mapping) and not is_failure(result)


def is_failure(result: Mapping[str, Any]) -> bool:
    """Whether a response or one of its results says that it is none of success."""
    problem = result.get("error") or result.get("errors")
    return bool(problem) or result.get("success") is False or result.get("ok") is False


class Matcher:
    """The records of a batch that no result has confirmed yet.

    :param sent: the batch.
    """

    def __init__(self, sent: Sequence[Mapping[str, Any]]) -> None:
        self._sent = sent
        self.left = set(range(len(sent)))
        self._positions: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}

    def take(self, result: Mapping[str, Any], fields: tuple[str, ...]) -> int | None:
        """Take a record that has the same values as a result in these fields; its position, if one is left."""
        alike = self._by(fields).get(key_of(result, fields), [])
        while alike:
            position = alike.pop()
            if position in self.left:
                self.left.remove(position)
                return position
        return None

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
