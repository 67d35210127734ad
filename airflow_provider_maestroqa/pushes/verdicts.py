"""Responses that say of each record what became of it: ``Created``, or ``Failed: …``."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_maestroqa.client.server_text import clean_text, error_text
from airflow_provider_maestroqa.pushes.confirmation import Confirmation, Identity, Matcher, is_failure, key_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Verdict:
    """What a result says.

    :param names: the fields by which it names its record.
    :param reason: why the record was not taken; empty when it was.
    """

    names: Mapping[str, Any]
    reason: str = ""


def confirm_each(
    sent: Sequence[Mapping[str, Any]], response: object, identity: Identity, record_fields: Sequence[str]
) -> Confirmation:
    """Read what a response says became of each record of a batch. (API: Push Bulk CSAT Scores)

    A result is text, or an object with that text in it. It is about the record that it names. Where results name
    none, they are in the order of the request, if as many come as were sent and no other one contradicts the record
    at its place. What no result is certainly about is missing; its reason is only logged.

    :param sent: the batch.
    :param response: the decoded response, with a list ``results``.
    :param identity: the fields by which results name records.
    :param record_fields: the fields of a record, whose texts are no verdict when a result repeats them.
    """
    results = response.get("results") if isinstance(response, Mapping) and not is_failure(response) else None
    names = (*identity.exact, *identity.loose)
    verdicts = [_read(one, names, record_fields) for one in results] if isinstance(results, list) else []
    is_anonymous = any(one is None or not one.names for one in verdicts)
    if is_anonymous and len(verdicts) == len(sent) and all(map(_fits, sent, verdicts)):
        return _in_order(verdicts)
    return _by_name(sent, [one for one in verdicts if one is not None], identity)


def _read(result: object, names: Sequence[str], record_fields: Sequence[str]) -> _Verdict | None:
    """What a result says; ``None`` when it says neither that the record was created nor that it was not."""
    if isinstance(result, str):
        named, texts = {}, [result]
    elif isinstance(result, Mapping):
        named = {name: result[name] for name in names if name in result}
        texts = [text for name, text in result.items() if isinstance(text, str) and name not in record_fields]
    else:
        return None
    created = [text for text in texts if text.strip().lower().startswith("created")]
    failed = [text for text in texts if text.strip().lower().startswith("failed")]
    if isinstance(result, Mapping) and is_failure(result):
        failed = failed or [error_text(result) or "MaestroQA gives no reason"]
    if bool(created) == bool(failed):
        return None
    return _Verdict(named, clean_text(failed[0]) if failed else "")


def _fits(record: Mapping[str, Any], verdict: _Verdict | None) -> bool:
    names = tuple(verdict.names) if verdict is not None else ()
    return verdict is None or key_of(record, names) == key_of(verdict.names, names)


def _in_order(verdicts: Sequence[_Verdict | None]) -> Confirmation:
    missing = tuple(position for position, one in enumerate(verdicts) if one is None)
    rejected = {position: one.reason for position, one in enumerate(verdicts) if one is not None and one.reason}
    created = len(verdicts) - len(missing) - len(rejected)
    return Confirmation(created, missing=len(missing), suspects=missing, rejected=rejected)


def _by_name(sent: Sequence[Mapping[str, Any]], verdicts: Sequence[_Verdict], identity: Identity) -> Confirmation:
    matcher = Matcher(sent)
    common = {*identity.exact, *identity.loose}
    anonymous = 0
    #: The positions that were taken by the same values, with their verdicts: which has which is not known.
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[int, str]] = defaultdict(dict)
    for verdict in sorted(verdicts, key=lambda one: -len(one.names)):
        if not verdict.names:
            anonymous += not verdict.reason
            _log_in_doubt(verdict.reason)
            continue
        full = tuple(verdict.names)
        for fields in (full, tuple(name for name in full if name in identity.exact)):
            position = matcher.take(verdict.names, fields) if fields else None
            if position is not None:
                alike[fields, key_of(verdict.names, fields)][position] = verdict.reason
                common &= set(fields)
                break
    failed = {position: reason for reasons in alike.values() for position, reason in reasons.items() if reason}
    rejected: dict[int, str] = {}
    for (fields, key), reasons in alike.items():
        # Only where all records that a result may be about have failed is it certain that this one has.
        is_certain = any(reasons.values()) and all(
            position in failed for position, one in enumerate(sent) if key_of(one, fields) == key
        )
        for position, reason in reasons.items():
            if reason and is_certain:
                rejected[position] = reason
            elif reason:
                matcher.left.add(position)
                _log_in_doubt(reason)
    missing = max(len(matcher.left) - anonymous, 0)
    suspects = [] if not missing else matcher.suspects(() if anonymous else tuple(sorted(common)))
    return Confirmation(
        len(sent) - missing - len(rejected),
        missing=missing,
        suspects=tuple(position for position in suspects if position not in rejected),
        rejected=rejected,
    )


def _log_in_doubt(reason: str) -> None:
    if reason:
        log.warning("MaestroQA says of a record, but not of which one: %s.", reason.rstrip("."))
