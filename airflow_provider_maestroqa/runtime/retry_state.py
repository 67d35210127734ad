"""What a task saves for its next try, so that a retry resumes instead of starting over."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.runtime import task_context
from airflow_provider_maestroqa.storage.journal import Journal
from airflow_provider_maestroqa.storage.open import StoredObject, open_object
from airflow_provider_maestroqa.storage.open_swap import open_journal

log = logging.getLogger(__name__)


class RetryState:
    """A small JSON value that is saved from one try of a task to the next, bound to the arguments that made it.

    It lives in an object at ``state_path`` when one is given, else in the task's state store (Airflow 3.3 and newer),
    else nowhere: then a retry starts over.

    :param context: Airflow's context of the task.
    :param key: what the value is about, such as ``export``.
    :param arguments: what the value depends on; a value that was saved for other arguments is not resumed.
    :param state_path: storage URL of the object. Each instance of a mapped task appends its index.
    :param exclusive: whether a value that was saved for other arguments, or by another process since this one has
        read it, is an error; else it is ignored.
    """

    def __init__(
        self,
        context: Mapping[str, Any],
        *,
        key: str,
        arguments: Mapping[str, Any],
        state_path: str | None = None,
        exclusive: bool = False,
    ) -> None:
        self._exclusive = exclusive
        self._key = f"maestroqa_{key}"
        self._fingerprint = fingerprint(arguments)
        self._object = _open(mapped_path(state_path, context), exclusive) if state_path else None
        self._store = None if self._object is not None else task_context.task_state_store(context)

    @property
    def is_persistent(self) -> bool:
        """Whether what is saved here outlives this try."""
        return self._object is not None or self._store is not None

    @property
    def where(self) -> str:
        """Where it is saved, as a phrase that names what to delete to start over."""
        if self._object is not None:
            return f"the object {self._object.uri}"
        return f"the key {self._key} of the task's state store (Airflow's REST API can)"

    def load(self) -> Any:
        """Load what an earlier try saved for the same arguments, or ``None``.

        :raises MaestroQADataError: the object at ``state_path`` holds something else, or something was saved for
            other arguments and that is an error.
        """
        state = self._read()
        if state is None:
            return None
        if state.get("arguments") != self._fingerprint:
            if self._exclusive:
                raise MaestroQADataError(
                    f"An earlier try has saved its position for other arguments of this task. Give the task the same "
                    f"arguments again; or, to start over, delete {self.where}."
                )
            log.info("An earlier try saved its state for other arguments, so it is not resumed.")
            return None
        return state.get("value")

    def save(self, value: Any) -> None:
        """Save a JSON value for the next try.

        :raises StorageConflictError: another process has saved something since this one has loaded or saved last. In
            the task's state store that cannot happen: Airflow gives each try an id of its own, and a former one
            finds and saves nothing there.
        """
        state = {"arguments": self._fingerprint, "value": value}
        if self._object is not None:
            self._object.write(json.dumps(state).encode())
        elif self._store is not None:
            self._store.set(self._key, state)

    def clear(self) -> None:
        """Delete what is saved, so that a task that is cleared starts afresh."""
        if self._object is not None:
            self._object.delete()
        elif self._store is not None:
            self._store.delete(self._key)

    def close(self) -> None:
        """End the use of it here: nothing more is saved. Never raises."""
        if self._object is not None:
            self._object.close()

    def _read(self) -> dict[str, Any] | None:
        if self._object is None:
            state = self._store.get(self._key) if self._store is not None else None
            return state if isinstance(state, dict) else None
        content = self._object.read()
        if content is None:
            return None
        try:
            state = json.loads(content)
        except ValueError:
            state = None
        if isinstance(state, dict) and "arguments" in state:
            return state
        raise MaestroQADataError(
            f"The object at state_path {self._object.uri} holds no state of this task. Pass a path of its own, or "
            "delete the object to start over."
        )


class _VersionedObject:
    """One object; if it is exclusive, nobody else may replace it between two writes."""

    def __init__(self, stored: StoredObject, *, exclusive: bool) -> None:
        self._stored = stored
        self._exclusive = exclusive
        self._version: str | None = None

    @property
    def uri(self) -> str:
        return self._stored.uri

    def read(self) -> bytes | None:
        content, self._version = self._stored.read_versioned()
        return content

    def write(self, content: bytes) -> None:
        self._version = self._stored.write(content, expected=self._version if self._exclusive else None)

    def delete(self) -> None:
        self._stored.delete()
        self._version = None

    def close(self) -> None:
        """Nothing is open."""


def _open(path: str, exclusive: bool) -> _VersionedObject | Journal:
    # What is exclusive is saved with each request.
    journal = open_journal(path) if exclusive else None
    return journal or _VersionedObject(open_object(path), exclusive=exclusive)


def fingerprint(arguments: Mapping[str, Any]) -> str:
    """A short text that differs when the arguments differ."""
    text = json.dumps(arguments, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def mapped_path(path: str, context: Mapping[str, Any]) -> str:
    """Give each instance of a mapped task a path of its own: they share their arguments, but not their work.

    :param path: a storage URL; the index of a mapped instance is appended.
    """
    index = task_context.map_index(context)
    return path if index is None else f"{path}.{index}"
