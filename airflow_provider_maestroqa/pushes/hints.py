"""Which records a response is about, as far as its words say. A hint orders the search; only sending proves it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from airflow_provider_maestroqa.pushes.records import Record

#: A number in a path: ``batch[3].agent_id``, ``/batch/3/agent_id``, ``batch.3.agent_id``. It counts from 0.
_IN_PATH = re.compile(r"\[(\d{1,4})\]|\bbatch[./](\d{1,4})\b")
#: A number in a sentence. It may count from 1.
_IN_SENTENCE = re.compile(r"\b(?:index|record|row|item|element|entry|position|line)\s+#?(\d{1,4})\b", re.IGNORECASE)
#: What may be a value of a record: text in quotes, or anything with an @ or a digit in it.
_VALUE = re.compile(r"'([^']{1,200})'|\"([^\"]{1,200})\"|([\w.+-]*[@\d][\w.@+-]*)")
#: How many bad values are known at once, and how many that turned out to be good.
_MAX_KNOWN = 1000


def find_suspects(batch: Sequence[Record], message: str) -> list[int]:
    """Find the records of a batch that a message is about.

    :param batch: the records that were sent together.
    :param message: why they were rejected.
    :return: their positions in the batch, the likeliest first; none when it names none, or all of them alike.
    """
    positions = [int(first or second) for first, second in _IN_PATH.findall(message)]
    numbers = [int(number) for number in _IN_SENTENCE.findall(message)]
    named = [number for number in (*positions, *numbers) if number < len(batch)]
    values = _values_in(message)
    having = [number for number, record in enumerate(batch) if any(value in values for _, value in _texts(record))]
    if len(having) == len(batch):
        # A value that all of them have tells nothing.
        having = []
    # The path's number is exact; what a number in a sentence counts from is not known, a value is.
    both = [number for number in (*named, *(number - 1 for number in numbers)) if number in having]
    in_path = [number for number in named if number in positions]
    return list(dict.fromkeys(both or in_path or having or named))


class BadValues:
    """Values for which MaestroQA has rejected a record: others that have them are suspects before they are sent.

    A value counts until a record that has it is taken.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], None] = {}
        self._good: dict[tuple[str, str], None] = {}

    def __contains__(self, record: Record) -> bool:
        return bool(self._known) and any(field in self._known for field in _texts(record))

    def learn(self, record: Record, message: str) -> None:
        """Remember the value of a rejected record that a message names.

        :param record: was rejected, alone.
        :param message: why its batch was.
        """
        values = _values_in(message)
        named = [field for field in _texts(record) if field[1] in values and field not in self._good]
        # One at most, so that a message that names too much costs one request at most.
        for field in sorted(named, key=lambda field: field[0] not in message)[:1]:
            _put(self._known, field)

    def forget(self, record: Record) -> None:
        """A record was taken, so none of its values is bad."""
        for field in _texts(record) if self._known else ():
            if field in self._known:
                del self._known[field]
                _put(self._good, field)


def _put(fields: dict[tuple[str, str], None], field: tuple[str, str]) -> None:
    fields[field] = None
    if len(fields) > _MAX_KNOWN:
        del fields[next(iter(fields))]


def _values_in(message: str) -> set[str]:
    rest = _IN_SENTENCE.sub(" ", _IN_PATH.sub(" ", message))
    return {text.rstrip(".") for groups in _VALUE.findall(rest) for text in groups if text}


def _texts(record: Record) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in (record.body or {}).items() if isinstance(value, str))
