"""How far a push has come, saved so that a retry resumes exactly there.

What is saved is a position, a digest of all records before it, the report so far, and, for records that must not be
sent twice, a mark that says which ones are in flight. A retry reads the source again from the start; where the
digest differs, the source is not the same any more.

Each try claims the position with a token of its own before it sends anything. A worker that Airflow has given up, and
that still runs, finds the token of the next try there and stops.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAError
from airflow_provider_maestroqa.pushes.records import START, Record
from airflow_provider_maestroqa.pushes.report import Report
from airflow_provider_maestroqa.storage.base import StorageConflictError

_DIGEST_BYTES = 32
_MAX_TOKEN = 64


class PositionTakenError(MaestroQAError):
    """Another try has taken over the saved position, so this one must stop."""

    default_retryable = True


class StateStore(Protocol):
    """Saves a JSON value for the next try of a task."""

    @property
    def is_persistent(self) -> bool:
        """Whether what is saved outlives this try."""

    @property
    def where(self) -> str:
        """What to delete to start over, in words."""

    def load(self) -> Any:
        """The value that was saved, or ``None``."""

    def save(self, value: Any) -> None:
        """Save a value.

        :raises StorageConflictError: somebody else has saved another since it was last loaded or saved here, where
            the storage can tell.
        """

    def clear(self) -> None:
        """Delete the value."""


class NullStateStore:
    """Saves nothing: each try starts over."""

    is_persistent = False
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
    :param parts: what the names of the parts hold in which the lines of rejected records are.
    """

    done: int = 0
    digest: bytes = START
    report: Mapping[str, Any] = field(default_factory=dict)
    rejected: int = 0
    in_flight: tuple[int, bytes] | None = None
    finished: bool = False
    parts: str = ""

    # The keys are those of version 0.1.0: a retry after an upgrade resumes.

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PushState:
        """The state that :meth:`as_json` wrote.

        :raises ValueError: it makes no sense; the message says why.
        """
        in_flight, report = value.get("in_flight"), value.get("report")
        _require(isinstance(report, Mapping), "report is missing")
        is_pair = isinstance(in_flight, (list, tuple)) and len(in_flight) == 2
        _require(is_pair or not in_flight, "in_flight is not a count and a digest")
        done = _read_count(value.get("done"), "done")
        return cls(
            done,
            _read_digest(value.get("digest"), done),
            value["report"],
            _read_count(value.get("refused"), "refused"),
            _read_in_flight(*in_flight) if in_flight else None,
            bool(value.get("finished")),
            _read_token(value.get("parts")),
        )

    def as_json(self, run: str, owner: str) -> dict[str, Any]:
        """The state of a run as JSON can hold it, with the token of the try that saves it."""
        return {
            "run": run,
            "owner": owner,
            "done": self.done,
            "digest": self.digest.hex(),
            "report": dict(self.report),
            "refused": self.rejected,
            "in_flight": [self.in_flight[0], self.in_flight[1].hex()] if self.in_flight else None,
            "finished": self.finished,
            "parts": self.parts,
        }


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise ValueError(problem)


def _read_count(count: Any, name: str, *, least: int = 0) -> int:
    _require(
        isinstance(count, int) and not isinstance(count, bool) and count >= least, f"{name} is {str(count)[:80]}"
    )
    return int(count)


def _read_digest(digest: object, count: int) -> bytes:
    problem = f"the digest of {count} records is {str(digest)[:80]!r}"
    _require(isinstance(digest, str), problem)
    read = bytes.fromhex(str(digest))
    _require(len(read) == (_DIGEST_BYTES if count else 0), problem)
    return read


def _read_token(token: object) -> str:
    problem = f"parts is {str(token)[:80]!r}"
    _require(token is None or (isinstance(token, str) and len(token) <= _MAX_TOKEN), problem)
    _require(not token or str(token).isalnum(), problem)
    return str(token or "")


def _read_in_flight(count: Any, digest: object) -> tuple[int, bytes]:
    count = _read_count(count, "the number of records in flight", least=1)
    return count, _read_digest(digest, count)


class Checkpoint:
    """Saves the state of one push.

    :param store: where to save it.
    :param run: which run of which task this is; another run starts over.
    :param idempotent: whether a record may be sent twice; if not, what is in flight is saved, too.
    """

    def __init__(self, store: StateStore, *, run: str, idempotent: bool) -> None:
        self._store = store
        self._run = run
        self._idempotent = idempotent
        self._owner = secrets.token_hex(8)
        self._state = PushState()
        #: What the names of this try's parts of rejected records hold: nothing where no earlier try can have any.
        self.parts = ""

    @property
    def is_persistent(self) -> bool:
        """Whether a retry will know the state."""
        return self._store.is_persistent

    @property
    def where(self) -> str:
        """Where the state is saved, in words."""
        return self._store.where

    def load(self) -> PushState | None:
        """The state that an earlier try of this run has saved; ``None`` to begin at the beginning.

        :raises MaestroQADataError: another run saves its state there and has not finished, or the state is damaged.
        """
        value = self._store.load()
        if value is None:
            return None
        try:
            _require(isinstance(value, Mapping), f"it is {type(value).__name__}")
            state = PushState.from_json(value)
        except ValueError as error:
            problem = str(error)
        else:
            problem = ""
        if problem:
            raise MaestroQADataError(
                f"The position saved in {self._store.where} is damaged ({problem}), so it is not known which records "
                f"an earlier try has sent. Nothing was sent. {self._how_to_start_over()}"
            )
        self.parts = self._owner
        if value.get("run") != self._run:
            if state.finished:
                return None
            raise MaestroQADataError(
                f"A push of {value.get('run')}, which has not finished, saves its position in {self._store.where}. "
                "Let that one finish; or give each run a state_path of its own, such as one with {{ run_id }} in it; "
                "or delete the object to discard the position of that push."
            )
        return state

    def claim(self, state: PushState | None) -> None:
        """Save, before anything is sent, where this try begins, and that it is the one that pushes now.

        :param state: what :meth:`load` gave; ``None`` starts over.
        """
        self._save(state or PushState())

    def mark(self, records: Sequence[Record], *, is_in_flight: bool) -> None:
        """Save that records which must not be sent twice are sent now, or certainly had no effect.

        :raises PositionTakenError: another try pushes now.
        """
        if not self._idempotent:
            if is_in_flight:
                self.require_owner()
            last, before = records[-1], self._state
            in_flight = (last.index + 1 - before.done, last.digest) if is_in_flight else None
            try:
                # What comes after a finished push is no part of it.
                self._save(replace(before, in_flight=in_flight, finished=False))
            except BaseException:
                # Then nothing is sent, so nothing is in flight.
                self._state = before
                raise

    def commit(self, last: Record, report: Report, *, rejected: int) -> None:
        """All records up to this one are committed."""
        self._save(PushState(last.index + 1, last.digest, report.as_dict(), rejected, parts=self.parts))

    def adopt_parts(self) -> None:
        """Save that what is rejected from now on is in this try's parts, and nothing in those of an earlier one."""
        if self._state.parts != self.parts:
            self._save(replace(self._state, parts=self.parts))

    def stop(self, report: Report) -> None:
        """The try ends here: save the requests and the time that it has spent."""
        saved = dict(self._state.report) or Report(report.resource).as_dict()
        spent = {name: value for name, value in report.as_dict().items() if name in ("requests", "waited_s")}
        self.require_owner()
        self._save(replace(self._state, report={**saved, **spent}))

    def finish(self) -> None:
        """The push is done: clear the state, or save that the push must not be done again."""
        if self._idempotent:
            self.require_owner()
            self._store.clear()
        else:
            self._save(replace(self._state, finished=True))

    def mismatch_error(self, reason: str) -> MaestroQADataError:
        """The error for a source that is not the one that an earlier try has read."""
        return MaestroQADataError(
            f"The records are not those of the earlier try, which has finished {self._state.done:,}: {reason}. "
            "Nothing was sent. Give the task the same records again, in the same order. "
            f"{self._how_to_start_over()}"
        )

    def _how_to_start_over(self) -> str:
        choice = "" if self._idempotent else " and clear the task with on_unknown_outcome='resend'"
        return f"To start over and send all of them again, delete {self._store.where}{choice}."

    def require_owner(self) -> None:
        """Ensure that this is the try that pushes now.

        :raises PositionTakenError: another one has taken over.
        """
        if self._store.is_persistent and not self._is_owner():
            raise self._taken_error()

    def _is_owner(self) -> bool:
        value = self._store.load()
        return isinstance(value, Mapping) and value.get("owner") == self._owner

    def _save(self, state: PushState) -> None:
        self._state = state
        try:
            self._write()
        except StorageConflictError:
            conflict = True
        else:
            conflict = False
        if conflict:
            # The response to this try's own last write may have been lost: then nobody has taken over.
            self.require_owner()
            self._write()

    def _write(self) -> None:
        self._store.save(self._state.as_json(self._run, self._owner))

    def _taken_error(self) -> PositionTakenError:
        return PositionTakenError(
            f"Another try of this task has taken over the position in {self._store.where}, or it was deleted, so "
            "this one stops. What it had confirmed before is saved there; the other try goes on from there."
        )
