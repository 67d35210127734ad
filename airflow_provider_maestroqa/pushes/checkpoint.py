"""How far a push has come, kept so that a retry goes on exactly there.

What is kept is a position, a digest of all records before it, the report so far, and, for records that must not
arrive twice, a mark that says which ones are in flight. A retry reads the source again from the start; where the
digest differs, the source is not the same any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.pushes.records import START, Item
from airflow_provider_maestroqa.pushes.report import Report


class Memory(Protocol):
    """Keeps a JSON value from one try of a task to the next."""

    @property
    def is_persistent(self) -> bool:
        """Whether anything kept here outlives this try."""

    @property
    def survives_success(self) -> bool:
        """Whether what is kept is still there when a task that has succeeded is cleared."""

    @property
    def where(self) -> str:
        """What to delete to start over, in words."""

    def load(self) -> Any:
        """Give back what was kept, or ``None``."""

    def save(self, value: Any) -> None:
        """Keep a value."""

    def clear(self) -> None:
        """Keep nothing."""


class NoMemory:
    """Keeps nothing: each try starts over."""

    is_persistent = False
    survives_success = False
    where = "nothing"

    def load(self) -> None:
        """There is nothing."""

    def save(self, value: Any) -> None:
        """Do nothing."""

    def clear(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Position:
    """Where an earlier try has stopped.

    :param done: how many records are settled.
    :param digest: of these records.
    :param report: of all tries so far.
    :param refused: how many of these records MaestroQA has refused.
    :param in_flight: how many records after these were in flight when the try ended, and their digest.
    :param finished: whether that try got to the end.
    """

    done: int = 0
    digest: bytes = START
    report: Mapping[str, Any] = field(default_factory=dict)
    refused: int = 0
    in_flight: tuple[int, bytes] | None = None
    finished: bool = False


class Checkpoint:
    """Keeps the position of one push.

    :param memory: where to keep it.
    :param run: which run of which task this is; another run starts over.
    :param guarded: whether a record must not arrive twice, so that what is in flight is marked too.
    """

    def __init__(self, memory: Memory, *, run: str, guarded: bool) -> None:
        self._memory = memory
        self._run = run
        self._guarded = guarded
        self._position = Position()

    @property
    def is_persistent(self) -> bool:
        """Whether a retry will know the position."""
        return self._memory.is_persistent

    @property
    def survives_success(self) -> bool:
        """Whether a task that is cleared after its success will know it, too."""
        return self._memory.survives_success

    def load(self) -> Position | None:
        """Where an earlier try of this run has stopped; ``None`` to begin at the beginning.

        :raises MaestroQADataError: another run keeps its position there and has not finished.
        """
        kept = self._memory.load()
        if not isinstance(kept, Mapping):
            return None
        position = Position(
            int(kept["done"]),
            bytes.fromhex(kept["digest"]),
            kept["report"],
            int(kept["refused"]),
            (int(kept["in_flight"][0]), bytes.fromhex(kept["in_flight"][1])) if kept.get("in_flight") else None,
            bool(kept.get("finished")),
        )
        if kept.get("run") != self._run:
            if position.finished:
                return None
            raise MaestroQADataError(
                f"A push of {kept.get('run')}, which has not finished, keeps its position in {self._memory.where}. "
                "Let that one finish; or give each run a state_path of its own, such as one with {{ run_id }} in it; "
                "or delete the object to forget that push."
            )
        self._position = position
        return position

    def mark(self, items: Sequence[Item], *, is_in_flight: bool) -> None:
        """Records that must not arrive twice are sent now, or were certainly not carried out."""
        if self._guarded:
            last = items[-1]
            flying = (last.index + 1 - self._position.done, last.digest) if is_in_flight else None
            before = self._position
            try:
                self._keep(replace(before, in_flight=flying))
            except BaseException:
                # Then nothing is sent, so nothing is in flight.
                self._position = before
                raise

    def settle(self, last: Item, report: Report, *, refused: int) -> None:
        """All records up to this one are settled."""
        self._keep(Position(last.index + 1, last.digest, report.as_dict(), refused))

    def stop(self, report: Report) -> None:
        """The try ends here: keep what it has spent, too."""
        kept = dict(self._position.report) or Report(report.resource).as_dict()
        spent = report.as_dict()
        self._keep(
            replace(
                self._position,
                report={**kept, "requests": spent["requests"], "waited_s": spent["waited_s"]},
            )
        )

    def finish(self) -> None:
        """The push is done: forget it, or remember that it must not be done again."""
        if self._guarded:
            self._keep(replace(self._position, finished=True))
        else:
            self._memory.clear()

    def refusal(self, reason: str) -> MaestroQADataError:
        """Say that the source is not the one that an earlier try has read."""
        return MaestroQADataError(
            f"The records are not those of the earlier try, which has settled {self._position.done:,}: {reason}. "
            "Nothing was sent. Give the task the same records again, in the same order; or, to start over and send "
            f"all of them again, delete {self._memory.where}."
        )

    def _keep(self, position: Position) -> None:
        self._position = position
        flying = position.in_flight
        self._memory.save(
            {
                "run": self._run,
                "done": position.done,
                "digest": position.digest.hex(),
                "report": dict(position.report),
                "refused": position.refused,
                "in_flight": [flying[0], flying[1].hex()] if flying else None,
                "finished": position.finished,
            }
        )
