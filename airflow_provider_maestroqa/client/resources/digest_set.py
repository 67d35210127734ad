"""Remembers which records have come, in little memory."""

from __future__ import annotations

import hashlib

_BUCKETS = 4096
_DIGEST = 8
#: Ids in one generation. Two generations are kept, so that at least the last five million ids are known.
GENERATION = 5_000_000


class DigestSet:
    """A set of ids that keeps a digest of each, about 10 bytes, instead of the id.

    A million ids take about 10 MB. At least the last five million are known, and at most ten million, in 100 MB:
    repeats come soon after their first, so the oldest ones are forgotten. Of each id 76 bits are compared: among a
    million ids, two different ones pass for the same once in 100 billion times.

    :param generation: how many ids are known at least.
    """

    def __init__(self, generation: int = GENERATION) -> None:
        self._generation = generation
        self._new: dict[int, bytearray] = {}
        self._old: dict[int, bytearray] = {}
        self._count = 0

    def add(self, key: str) -> bool:
        """Remember an id.

        :return: whether it was new.
        """
        place, mark = _digest(key)
        if self._holds(place, mark):
            return False
        if self._count >= self._generation:
            self._old, self._new, self._count = self._new, {}, 0
        self._new.setdefault(place, bytearray()).extend(mark)
        self._count += 1
        return True

    def __contains__(self, key: str) -> bool:
        return self._holds(*_digest(key))

    def _holds(self, place: int, mark: bytes) -> bool:
        return _holds(self._new.get(place), mark) or _holds(self._old.get(place), mark)


def _digest(key: str) -> tuple[int, bytes]:
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST + 2).digest()
    return int.from_bytes(digest[:2], "big") % _BUCKETS, digest[2:]


def _holds(bucket: bytearray | None, mark: bytes) -> bool:
    if bucket is None:
        return False
    at = bucket.find(mark)
    # Found across the border of two marks: no find at all.
    while at >= 0 and at % _DIGEST:
        at = bucket.find(mark, at + 1)
    return at >= 0
