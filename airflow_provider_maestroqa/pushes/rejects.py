"""The object of rejected records: one JSON line each, always valid UTF-8 and JSON, in the order of their indexes."""

from __future__ import annotations

import json
import logging
import math
import os
import zlib
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.formatting import pluralize
from airflow_provider_maestroqa.client.temp_file import TempFile
from airflow_provider_maestroqa.pushes.owned_object import OwnedObject, Target
from airflow_provider_maestroqa.pushes.records import Record, as_json
from airflow_provider_maestroqa.storage.base import best_effort

log = logging.getLogger(__name__)

_MAX_LOGGED = 20
_MAX_PENDING = 10_000
_BLOCK = 1 << 20


class Rejects:
    """Collects rejected records in a temporary file and publishes them as one object.

    A record that cannot be sent is rejected when it is read, before the ones in front of it are sent. Its line is
    pending until those are committed, so that the lines keep the order of the records.

    A retry does not send a committed record again. So what MaestroQA has rejected is saved before the position of the
    push passes it: in the object itself or, so that each line is written only a few times however many follow it, in
    parts beside it. Each part is less than half as long as the one before it, of which the object is the first; new
    lines that would make it longer are written together with that one. Parts that were written anew within a longer
    one stay behind as copies until they are overwritten or the whole object is published, which removes all parts.

    A worker that Airflow has given up may go on beside the next try. So each try has names of its own for its parts,
    and replaces the object only while the push is its own.

    :param target: where to publish; ``None`` only counts and logs the records.
    :param max_rejects: how many are allowed; ``None`` is no limit.
    :param require_owner: raises when another try pushes now; ``None`` where no other try can know of this one.
    """

    def __init__(
        self, target: Target | None, *, max_rejects: int | None, require_owner: Callable[[], None] | None = None
    ) -> None:
        self._target = target
        self._max_rejects = max_rejects
        self._object = OwnedObject(target, require_owner) if target is not None else None
        #: What the names of the parts hold, and what those of the earlier try's hold.
        self._parts = self._earlier_parts = ""
        self._file = TempFile() if target is not None else None
        self._pending: list[tuple[int, bytes]] = []
        self._earlier: dict[int, bytes] = {}
        self._local_count = 0
        #: How many MaestroQA has rejected, in earlier tries too. The others are found again whenever they are read.
        self.remote_count = 0
        self._has_unsaved_remote = False
        #: Whether the object may hold lines of records that this try has not rejected yet.
        self._is_stale = False
        #: Whether the store still has lines that are not in the file.
        self._is_resuming = False
        #: Where the object and each part begin in the file, up to the size that is saved.
        self._starts: list[int] = []
        self._saved_size = 0
        #: How many parts there are in the store, with those that are copies.
        self._part_count = 0

    @property
    def count(self) -> int:
        """How many records are rejected."""
        return self._local_count + self.remote_count

    @property
    def uri(self) -> str | None:
        """Where the rejected records are, when there are any."""
        return self._target.uri if self._target is not None and self.count else None

    def start_over(self, parts: str = "") -> None:
        """Remove what an earlier push has left, which also shows early whether the object can be written.

        :param parts: what the names of this try's parts hold.
        """
        if self._target is not None and self._object is not None:
            self._object.delete_unseen()
            while self._target.store.size(self._name(self._part_count + 1)) is not None:
                self._part_count += 1
            self._remove_parts()
        self._parts = parts

    def resume(self, earlier_parts: str = "", parts: str = "") -> None:
        """Read what an earlier try of the same push has published or saved; see :meth:`restore`.

        :param earlier_parts: what the names of the earlier try's parts hold.
        :param parts: what the names of this try's parts hold.
        """
        self._is_resuming = True
        self._earlier_parts, self._parts = earlier_parts, parts
        if self._target is not None and self._object is not None:
            content = self._object.read()
            self._is_stale = content is not None
            self._read_earlier(content or b"")
            while (part := self._target.store.get_bytes(self._name(self._part_count + 1))) is not None:
                self._read_earlier(part)
                self._part_count += 1

    def restore(self, record: Record) -> None:
        """Bring back the line of a record that an earlier try has committed, if it was rejected then."""
        line = self._earlier.pop(record.index, None)
        if line is not None:
            heappush(self._pending, (record.index, line))

    def finish_resuming(self, position: int) -> None:
        """All that an earlier try has committed was read again: gather its parts before new ones replace them.

        The object is written anew even where nothing changes, so that the earlier try, if it still runs, finds it
        changed.

        :raises StorageConflictError: the earlier try has just published; a retry reads that.
        """
        self.commit(position)
        if self._object is not None and self._file is not None:
            if self._file.size:
                self._upload(0, 0)
            elif self._is_stale:
                self._object.delete(overrides=False)
            else:
                self._object.require_absent()
            self._is_stale = False
            self._mark_saved()
            self._remove_parts()
        self._is_resuming = False

    def add(self, record: Record, reason: str) -> None:
        """Reject a record.

        :raises MaestroQADataError: this is one more than allowed.
        """
        if record.body is None:
            self._local_count += 1
        else:
            self.remote_count += 1
            self._has_unsaved_remote = True
        if self.count <= _MAX_LOGGED:
            log.warning("Rejected %s: %s.", record.label, reason.rstrip("."))
        elif self.count == _MAX_LOGGED + 1:
            log.warning("More records are rejected; only the first %d are logged.", _MAX_LOGGED)
        if self._file is not None:
            heappush(self._pending, (record.index, _line(record, reason)))
            if len(self._pending) > _MAX_PENDING:
                # A few lines out of order are better than a source of bad records in memory.
                self.commit(record.index + 1)
        if self._max_rejects is not None and self.count > self._max_rejects:
            rejected = f"{pluralize(self.count, 'records')} {'is' if self.count == 1 else 'are'} rejected"
            raise MaestroQADataError(
                f"{rejected}, and max_rejects={self._max_rejects} allows no more. The last one is "
                f"{record.label}: {reason.rstrip('.')}. Correct the records, or allow more."
            )

    def commit(self, position: int) -> None:
        """All records before ``position`` are committed: write the lines of the rejected ones among them."""
        lines = []
        while self._pending and self._pending[0][0] < position:
            lines.append(heappop(self._pending)[1])
        if lines and self._file is not None:
            self._file.write(b"".join(lines))

    def save_remote(self) -> None:
        """Save what MaestroQA has rejected since the last time, because a retry will not ask again.

        What is rejected here is found again when the records are read again, so it can wait.
        """
        if self._file is None or not self._has_unsaved_remote:
            return
        starts, start, end = [*self._starts], self._saved_size, self._file.size
        while starts and start - starts[-1] < 2 * (end - start):
            start = starts.pop()
        self._part_count = max(self._part_count, len(starts))
        self._upload(len(starts), start)
        self._mark_saved([*starts, start])

    def publish(self) -> None:
        """Bring the object up to date, in one atomic step."""
        if self._file is None or self._object is None:
            return
        if not self._file.size:
            if self._is_stale:
                self._object.delete()
        elif self._is_stale or self._file.size > self._saved_size or len(self._starts) > 1:
            self._upload(0, 0)
        self._is_stale = False
        self._mark_saved()
        self._remove_parts()

    def publish_after_failure(self) -> None:
        """The push stops here: publish what there is, as far as possible."""
        if self._is_resuming:
            # All that earlier tries have published is still there, and more than was read again.
            return

        def publish_all() -> None:
            self.commit(max(self._pending)[0] + 1 if self._pending else 0)
            self.publish()

        if not best_effort(publish_all):
            log.warning("The rejected records could not be written to %s.", self.uri)

    def close(self) -> None:
        """Close the temporary file, which deletes it."""
        if self._file is not None:
            self._file.close()

    def _name(self, part: int) -> str:
        name = self._target.name if self._target is not None else ""
        owner = self._earlier_parts if self._is_resuming else self._parts
        return f"{name}{f'.{owner}' if owner else ''}.part-{part}" if part else name

    def _read_earlier(self, content: bytes) -> None:
        for number, line in enumerate(content.split(b"\n"), 1):
            if not line:
                continue
            try:
                index = json.loads(line)["index"]
            except (ValueError, TypeError, LookupError, RecursionError):
                index = None
            if not isinstance(index, int):
                where = self._target.uri if self._target is not None else "the rejects"
                raise MaestroQADataError(
                    f"Line {number} of {where} is not what an earlier try has written, so the records that it has "
                    "rejected cannot be kept. Restore the object, or delete it and clear the task: the task resumes "
                    "without them."
                )
            self._earlier[index] = line + b"\n"

    def _remove_parts(self) -> None:
        # From the last one, so that those that a kill leaves are still found by counting from the first.
        while self._target is not None and self._part_count:
            self._target.store.delete(self._name(self._part_count))
            self._part_count -= 1

    def _mark_saved(self, starts: list[int] | None = None) -> None:
        self._has_unsaved_remote = False
        self._saved_size = self._file.size if self._file is not None else 0
        self._starts = starts or ([0] if self._saved_size else [])

    def _upload(self, part: int, start: int) -> None:
        """Store the file's lines from ``start`` on, as a part or, with the number 0, as the object."""
        if self._file is None or self._target is None or self._object is None:
            return
        upload = self._target.store.begin(self._name(part), size=self._file.size - start)
        try:
            self._file.file.seek(start)
            crc32 = 0
            while block := self._file.file.read(_BLOCK):
                crc32 = zlib.crc32(block, crc32)
                upload.write(block)
            upload.seal(crc32)
            if part:
                upload.publish()
            else:
                self._object.publish(upload, overrides=not self._is_resuming)
        finally:
            self._file.file.seek(0, os.SEEK_END)
            upload.discard()


def _line(record: Record, reason: str) -> bytes:
    line = {"index": record.index, "reason": reason, "record": _readable(record.row)}
    if record.position:
        line["place"] = record.position
    return json.dumps(_portable(line), ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _readable(row: object) -> Any:
    text = as_json(row)
    try:
        value = json.loads(text)
        # A value that nests too deep for this is written as text, as is what is no JSON.
        json.dumps(value)
    except (ValueError, RecursionError):
        return text.decode("utf-8", "replace")
    return value


def _portable(value: Any) -> Any:
    """A JSON value as every tool can read it: halves of surrogate pairs and numbers that are none become text."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if isinstance(value, dict):
        return {_portable(name): _portable(field) for name, field in value.items()}
    return [_portable(item) for item in value] if isinstance(value, list) else value
