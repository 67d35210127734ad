"""The search for the record for which MaestroQA rejects a whole batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_provider_maestroqa.client.errors import MaestroQAAPIError
from airflow_provider_maestroqa.pushes.records import Record

#: The statuses by which MaestroQA rejects a batch as a whole.
_REJECTING = frozenset({400, 404, 413, 422})


def is_rejection(error: MaestroQAAPIError, *, batch_size: int) -> bool:
    """Whether an error is about the records that were sent.

    :param batch_size: the maximum number of records in one request.
    """
    if error.status == 409:
        return batch_size == 1
    # A 404 without a message from MaestroQA is no record's fault: the host is wrong.
    return error.status in _REJECTING and (error.status != 404 or error.explained)


@dataclass(frozen=True)
class Rejection:
    """What the search has found out.

    :param record: the first record that MaestroQA rejects; ``None`` when it took all but ``rest``.
    :param error: what it answered about this record.
    :param rest: the records after it, which were not sent.
    """

    record: Record | None
    error: MaestroQAAPIError | None
    rest: Sequence[Record]


def find_rejected(
    batch: Sequence[Record],
    error: MaestroQAAPIError,
    send: Callable[[Sequence[Record]], MaestroQAAPIError | None],
) -> Rejection:
    """Send a rejected batch by halves until its first bad record stands alone.

    What comes after that record is left for the next batch, so that a bad record costs no request but its search.

    :param batch: some records, which MaestroQA rejects as a whole.
    :param error: what it answered about them.
    :param send: sends some records; returns the error when they, too, are rejected as a whole.
    """
    suspects, is_proven = list(batch), True
    rest: list[Record] = []
    while len(suspects) > 1:
        middle = len(suspects) // 2
        first, second = suspects[:middle], suspects[middle:]
        rejection = send(first)
        if rejection is None:
            # The second half was not rejected on its own: it has the bad record, unless only all together were bad.
            suspects, is_proven = second, False
        else:
            suspects, error, is_proven = first, rejection, True
            rest = [*second, *rest]
    final = error if is_proven else send(suspects)
    return Rejection(None if final is None else suspects[0], final, rest)
