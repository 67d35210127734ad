"""A batch of which MaestroQA has taken a part: what it did not confirm, and what it rejected."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.formatting import pluralize
from airflow_provider_maestroqa.pushes.confirmation import Confirmation
from airflow_provider_maestroqa.pushes.records import Record, describe
from airflow_provider_maestroqa.pushes.rejects import Rejects


def describe_unconfirmed(batch: Sequence[Record], confirmation: Confirmation) -> str:
    """Name the records that a response does not confirm; empty when it confirms all."""
    missing, suspects = confirmation.missing, confirmation.suspects
    if not missing:
        return ""
    names = describe([batch[number] for number in suspects])
    return (
        f"MaestroQA took {pluralize(len(batch), 'records')} and does not confirm {missing} of them: "
        f"{names if len(suspects) == missing else f'they are among {names}'}. They are not sent again"
    )


def add_rejected(
    rejects: Rejects, batch: Sequence[Record], confirmation: Confirmation, collects: bool, noun: str
) -> MaestroQADataError | None:
    """Reject the records of a batch that the response says were not taken.

    :param collects: whether the push continues without them.
    :param noun: what the records are called.
    :return: the error that stops the push, when it cannot continue.
    """
    error = None
    for position, reason in sorted(confirmation.rejected.items()):
        try:
            rejects.add(batch[position], reason)
        except MaestroQADataError as too_many:
            error = too_many
    if not confirmation.rejected or collects:
        return error
    names = describe([batch[position] for position in sorted(confirmation.rejected)])
    are = "is" if len(confirmation.rejected) == 1 else "are"
    reason = confirmation.rejected[min(confirmation.rejected)].rstrip(".")
    what = f"{names[:1].upper()}{names[1:]} of the {noun} {are} rejected: {reason}."
    advice = "Or set on_error='collect' to continue without such records."
    if len(confirmation.rejected) == len(batch):
        return MaestroQADataError(f"{what} No record of this request was taken. Correct them. {advice}")
    return MaestroQADataError(
        f"{what} The others of the request were taken, so correct what is rejected and push it in a task of its own; "
        f"this task, when cleared, resumes after the request where its position is saved. {advice}"
    )
