"""Which record a response is about, as far as its words say. A hint orders the search; only sending proves it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from airflow_provider_maestroqa.pushes.records import Record

#: A number in a path: ``batch[3].agent_id``, ``/batch/3/agent_id``, ``batch.3.agent_id``. It counts from 0.
_IN_PATH = re.compile(r"\[(\d{1,4})\]|\bbatch[./](\d{1,4})\b")
#: A number in a sentence. It may count from 1.
_IN_SENTENCE = re.compile(r"\b(?:index|record|row|item|element|entry|position|line)\s+#?(\d{1,4})\b", re.IGNORECASE)
#: What may be a value of a record: text in quotes, or anything with an @ or a digit in it.
_VALUE = re.compile(r"'([^']{1,200})'|\"([^\"]{1,200})\"|([\w.+-]*[@\d][\w.@+-]*)")


def find_suspect(batch: Sequence[Record], message: str) -> int | None:
    """Find the record of a batch that a message is about.

    :param batch: the records that were sent together.
    :param message: why they were rejected.
    :return: its position in the batch; ``None`` when the message names none, or all of them alike.
    """
    positions = [int(first or second) for first, second in _IN_PATH.findall(message)]
    numbers = [int(number) for number in _IN_SENTENCE.findall(message)]
    named = [number for number in (*positions, *numbers) if number < len(batch)]
    rest = _IN_SENTENCE.sub(" ", _IN_PATH.sub(" ", message))
    values = {text.rstrip(".") for groups in _VALUE.findall(rest) for text in groups if text}
    having = [number for number, record in enumerate(batch) if _has(record, values)]
    if len(having) == len(batch):
        # A value that all of them have tells nothing.
        having = []
    for number in (*named, *(number - 1 for number in numbers)):
        if number in having:
            return number
    # The path's number is exact; what a number in a sentence counts from is not known, a value is.
    return next(iter([*(number for number in named if number in positions), *having, *named]), None)


def _has(record: Record, values: set[str]) -> bool:
    body = record.body or {}
    return any(isinstance(value, str) and value in values for value in body.values())
