"""The search for the records for which MaestroQA rejects a whole batch.

It only says what to send next, so that other batches may be under way meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from airflow_provider_maestroqa.client.errors import MaestroQAAPIError
from airflow_provider_maestroqa.pushes.hints import BadValues, find_suspects
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
class Piece:
    """Records to send in one request.

    :param records: these.
    :param overtakes: whether records before them are still to be sent.
    """

    records: Sequence[Record]
    overtakes: bool = False


@dataclass(frozen=True)
class Rejection:
    """What a search has found out.

    :param records: the ones that MaestroQA rejects, each sent alone, with its response.
    :param rest: those that were not sent, or only together with a rejected one.
    :param overtakes: whether some of the rest may come before the rejected ones.
    """

    records: Sequence[tuple[Record, MaestroQAAPIError]]
    rest: Sequence[Record] = ()
    overtakes: bool = False


@dataclass
class Search:
    """Sends a rejected batch in pieces until its bad records stand alone.

    Where the response names records, each of them is sent alone, which proves it, and the others together. If one may
    not be sent before those in front of it, they go first. Where it names none, or a wrong one, the batch is sent by
    halves until its first bad record stands alone; a wrong one costs at most two requests more. What is left is for
    the next batch, so that it costs no request but the search.

    :param batch: some records, which MaestroQA rejects as a whole.
    :param error: what it answered about them.
    :param bad_values: what is known from other batches.
    :param may_overtake: whether a record may be sent before the others of its batch.
    """

    batch: Sequence[Record]
    error: MaestroQAAPIError
    bad_values: BadValues
    may_overtake: Callable[[Record, Sequence[Record]], bool]

    def __post_init__(self) -> None:
        self._steps = self._run()

    def next(self, error: MaestroQAAPIError | None = None) -> Piece | Rejection:
        """What to send next, or what was found.

        :param error: what MaestroQA answered about the last piece; ``None`` when it took it, and at the beginning.
        """
        try:
            return self._steps.send(error)
        except StopIteration as end:
            result: Rejection = end.value
            return result

    def _run(self) -> Generator[Piece, MaestroQAAPIError | None, Rejection]:
        suspects = [self.batch[number] for number in find_suspects(self.batch, self.error.message)]
        if not suspects or len(self.batch) == 1:
            return (yield from self._halve(list(self.batch), self.error))
        if self.may_overtake(suspects[0], self.batch):
            return (yield from self._send_suspects(suspects))
        return (yield from self._send_in_order(suspects[0]))

    def _send_suspects(self, suspects: list[Record]) -> Generator[Piece, MaestroQAAPIError | None, Rejection]:
        """Send the suspects before the others, each alone, until one is taken."""
        rejected: list[tuple[Record, MaestroQAAPIError]] = []
        rest = list(self.batch)
        while suspects:
            record = suspects.pop(0)
            if not self.may_overtake(record, rest):
                break
            error = yield Piece([record], overtakes=rest[0] is not record)
            rest.remove(record)
            if error is None:
                break
            rejected.append((record, error))
            self.bad_values.learn(record, self.error.message)
            suspects = suspects or [one for one in rest if one in self.bad_values]
        if rejected:
            return Rejection(rejected, rest, overtakes=True)
        return (yield from self._halve(rest, None))

    def _send_in_order(self, suspect: Record) -> Generator[Piece, MaestroQAAPIError | None, Rejection]:
        """Send what comes before a suspect, then the suspect alone."""
        place = next(place for place, one in enumerate(self.batch) if one is suspect)
        before, after = list(self.batch[:place]), list(self.batch[place + 1 :])
        error = (yield Piece(before)) if before else None
        if error is not None:
            return (yield from self._halve(before, error, [suspect, *after]))
        error = yield Piece([suspect])
        if error is not None:
            return Rejection([(suspect, error)], after)
        return (yield from self._halve(after, None))

    def _halve(
        self, suspects: Sequence[Record], error: MaestroQAAPIError | None, rest: Sequence[Record] = ()
    ) -> Generator[Piece, MaestroQAAPIError | None, Rejection]:
        """Search by halves.

        :param error: what MaestroQA answered about the suspects, if it has rejected just these.
        :param rest: what comes after them.
        """
        while len(suspects) > 1:
            middle = len(suspects) // 2
            first, second = suspects[:middle], suspects[middle:]
            rejection = yield Piece(first)
            if rejection is None:
                # The second half was not rejected on its own. It has the bad one, unless only all together were bad.
                suspects, error = second, None
            else:
                suspects, error = first, rejection
                rest = [*second, *rest]
        if error is None and suspects:
            error = yield Piece(suspects)
        return Rejection([(suspects[0], error)] if error is not None else [], rest)
