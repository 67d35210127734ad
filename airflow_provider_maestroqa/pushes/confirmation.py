"""What an answer confirms. The order of ``results`` is not promised, and there may be fewer than were sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Confirmation:
    """How many records of a batch an answer confirms.

    :param created: how many it says were created.
    :param updated: how many it says were updated.
    :param missing: how many it does not confirm.
    :param suspects: the positions in the batch that the missing ones are among.
    """

    created: int = 0
    updated: int = 0
    missing: int = 0
    suspects: tuple[int, ...] = ()


def confirm(sent: Sequence[Mapping[str, Any]], answer: object, *, identity: Sequence[str]) -> Confirmation:
    """Compare the results of a batch with what was sent. (API: Create Many Ticket Comments, Create … Metrics)

    :param sent: the batch.
    :param answer: the decoded answer, with a list ``results``.
    :param identity: the fields that results may repeat, by which a record can be told from another.
    """
    results = answer.get("results") if isinstance(answer, Mapping) else None
    # A result that is itself an error confirms nothing.
    good = [one for one in results if not (isinstance(one, Mapping) and one.get("error"))] if results else []
    missing = max(len(sent) - len(good), 0)
    return Confirmation(missing=missing, suspects=_suspects(sent, good, identity, missing) if missing else ())


def _suspects(
    sent: Sequence[Mapping[str, Any]], results: Sequence[object], identity: Sequence[str], missing: int
) -> tuple[int, ...]:
    everyone = tuple(range(len(sent)))
    told = [one for one in results if isinstance(one, Mapping)]
    if len(told) < len(results):
        return everyone
    fields = [name for name in identity if all(name in one for one in told)]
    if told and not fields:
        return everyone
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for position, record in enumerate(sent):
        groups[_key(record, fields)].append(position)
    confirmed: dict[tuple[str, ...], int] = defaultdict(int)
    for one in told:
        confirmed[_key(one, fields)] += 1
    suspects = [one for key, found in groups.items() if confirmed[key] < len(found) for one in found]
    lacking = sum(max(len(found) - confirmed[key], 0) for key, found in groups.items())
    # Where the server tells of other records than were sent, nobody can say which ones it means.
    return tuple(sorted(suspects)) if lacking == missing else everyone


def _key(record: Mapping[str, Any], fields: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(record.get(name)) for name in fields)
