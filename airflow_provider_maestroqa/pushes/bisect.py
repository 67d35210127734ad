"""The search for the record for which MaestroQA rejects a whole batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_provider_maestroqa.client.errors import MaestroQAAPIError
from airflow_provider_maestroqa.pushes.hints import find_suspect
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
    """Send a rejected batch in pieces until its first bad record stands alone.

    Where the response names a record, the ones before it are sent together and then that one alone, which proves it.
    Else, and when it was not that one, the batch is sent by halves. A response that names the wrong one costs at most
    two requests more. What comes after the bad record is left for the next batch, so that it costs no request but its
    search.

    :param batch: some records, which MaestroQA rejects as a whole.
    :param error: what it answered about them.
    :param send: sends some records; returns the error when they, too, are rejected as a whole.
    """
    suspects, is_proven = list(batch), True
    rest: list[Record] = []
    named = find_suspect(suspects, error.message)
    if named is not None and len(suspects) > 1:
        before, one, after = suspects[:named], suspects[named : named + 1], suspects[named + 1 :]
        rejection = send(before) if before else None
        if rejection is not None:
            suspects, error, rest = before, rejection, [*one, *after]
        else:
            rejection = send(one)
            if rejection is not None:
                return Rejection(one[0], rejection, after)
            suspects, is_proven = after, False
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
    final = error if is_proven else send(suspects) if suspects else None
    return Rejection(None if final is None else suspects[0], final, rest)
