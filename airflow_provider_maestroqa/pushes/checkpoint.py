"""How far a push has come, saved so that a retry resumes exactly there.

What is saved is a position, a digest of all records before it, the report so far, and, for records that must not be
sent twice, a mark that says which ones are in flight. A retry reads the source again from the start; where the
digest differs, the source is not the same any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.pushes.records import START, Record
from airflow_provider_maestroqa.pushes.report import Report


class StateStore(Protocol):
    """Saves a JSON value for the next try of a task."""

    @property
    def is_persistent(self) -> bool:
        """Whether what is saved outlives this try."""

    @property
    def survives_success(self) -> bool:
        """Whether what is saved is still there when a task that has succeeded is cleared."""

    @property
    def where(self) -> str:
        """What to delete to start over, in words."""

    def load(self) -> Any:
        """The value that was saved, or ``None``."""

    def save(self, value: Any) -> None:
        """Save a value."""

    def clear(self) -> None:
        """Delete the value."""


class NullStateStore:
    """Saves nothing: each try starts over."""

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
class PushState:
    """How far the earlier tries have come.

    :param done: how many records are committed.
    :param digest: of these records.
    :param report: of all tries so far.
    :param rejected: how many of these records MaestroQA has rejected.
    :param in_flight: how many records after these were in flight when the try ended, and their digest.
    :param finished: whether a try has reached the end.
    """

    done: int = 0
    digest: bytes = START
    report: Mapping[str, Any] = field(default_factory=dict)
    rejected: int = 0
    in_flight: tuple[int, bytes] | None = None
    finished: bool = False

    # The keys are those of version 0.1.0: a retry after an upgrade resumes.

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PushState:
        """The state that :meth:`as_json` wrote."""
        in_flight = value.get("in_flight")
        return cls(
            int(value["done"]),
            bytes.fromhex(value["digest"]),
            value["report"],
            int(value["refused"]),
            (int(in_flight[0]), bytes.fromhex(in_flight[1])) if in_flight else None,
            bool(value.get("finished")),
        )

    def as_json(self, run: str) -> dict[str, Any]:
        """The state of a run as JSON can hold it."""
        return {
            "run": run,
            "done": self.done,
            "digest": self.digest.hex(),
            "report": dict(self.report),
            "refused": self.rejected,
            "in_flight": [self.in_flight[0], self.in_flight[1].hex()] if self.in_flight else None,
            "finished": self.finished,
        }


class Checkpoint:
    """Saves the state of one push.

    :param store: where to save it.
    :param run: which run of which task this is; another run starts over.
    :param marks_in_flight: whether a record must not be sent twice, so that what is in flight is saved, too.
    """

    def __init__(self, store: StateStore, *, run: str, marks_in_flight: bool) -> None:
        self._store = store
        self._run = run
        self._marks_in_flight = marks_in_flight
        self._state = PushState()

    @property
    def is_persistent(self) -> bool:
        """Whether a retry will know the state."""
        return self._store.is_persistent

    @property
    def survives_success(self) -> bool:
        """Whether a task that is cleared after its success will know it, too."""
        return self._store.survives_success

    def load(self) -> PushState | None:
        """The state that an earlier try of this run has saved; ``None`` to begin at the beginning.

        :raises MaestroQADataError: another run saves its state there and has not finished.
        """
        value = self._store.load()
        if not isinstance(value, Mapping):
            return None
        state = PushState.from_json(value)
        if value.get("run") != self._run:
            if state.finished:
                return None
            raise MaestroQADataError(
                f"A push of {value.get('run')}, which has not finished, saves its position in {self._store.where}. "
                "Let that one finish; or give each run a state_path of its own, such as one with {{ run_id }} in it; "
                "or delete the object to discard the position of that push."
            )
        self._state = state
        return state

    def mark(self, records: Sequence[Record], *, is_in_flight: bool) -> None:
        """Save that records which must not be sent twice are sent now, or certainly had no effect."""
        if self._marks_in_flight:
            last, before = records[-1], self._state
            in_flight = (last.index + 1 - before.done, last.digest) if is_in_flight else None
            try:
                self._save(replace(before, in_flight=in_flight))
            except BaseException:
                # Then nothing is sent, so nothing is in flight.
                self._state = before
                raise

    def commit(self, last: Record, report: Report, *, rejected: int) -> None:
        """All records up to this one are committed."""
        self._save(PushState(last.index + 1, last.digest, report.as_dict(), rejected))

    def stop(self, report: Report) -> None:
        """The try ends here: save the requests and the time that it has spent."""
        saved = dict(self._state.report) or Report(report.resource).as_dict()
        spent = {name: value for name, value in report.as_dict().items() if name in ("requests", "waited_s")}
        self._save(replace(self._state, report={**saved, **spent}))

    def finish(self) -> None:
        """The push is done: clear the state, or save that the push must not be done again."""
        if self._marks_in_flight:
            self._save(replace(self._state, finished=True))
        else:
            self._store.clear()

    def mismatch_error(self, reason: str) -> MaestroQADataError:
        """The error for a source that is not the one that an earlier try has read."""
        return MaestroQADataError(
            f"The records are not those of the earlier try, which has finished {self._state.done:,}: {reason}. "
            "Nothing was sent. Give the task the same records again, in the same order; or, to start over and send "
            f"all of them again, delete {self._store.where}."
        )

    def _save(self, state: PushState) -> None:
        self._state = state
        self._store.save(state.as_json(self._run))
