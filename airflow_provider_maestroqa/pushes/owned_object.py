"""An object that only the try that pushes now may replace.

A worker that Airflow has given up may go on beside the next try. It finds out when it replaces the object: the push
is not its own any more, or the object is not as it has left it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from airflow_provider_maestroqa.storage.base import (
    ABSENT,
    StorageConflictError,
    StorageDeniedError,
    Store,
    Upload,
    best_effort,
    conflict,
)


class Target(Protocol):
    """Where an object is."""

    @property
    def store(self) -> Store:
        """The store that has it."""

    @property
    def name(self) -> str:
        """Its name there."""

    @property
    def uri(self) -> str:
        """Its address."""


class OwnedObject:
    """Replaces one object, as long as this try is the one that pushes.

    :param target: where it is.
    :param require_owner: raises when another try pushes now; ``None`` where no other try can know of this one.
    """

    def __init__(self, target: Target, require_owner: Callable[[], None] | None) -> None:
        self._target = target
        self._require_owner = require_owner
        #: Of the object, as this try has found or left it; ``None`` where it does not matter or is not known.
        self._version: str | None = None

    def read(self) -> bytes | None:
        """What is there."""
        content, version = self._target.store.get_versioned(self._target.name)
        self._version = version if self._require_owner is not None else None
        return content

    def publish(self, upload: Upload, *, overrides: bool = True) -> None:
        """Replace it by a file that is sealed.

        :param overrides: whether to replace also what another try has left there in the meantime.
        :raises PositionTakenError: another try pushes now.
        :raises StorageConflictError: another try has left something there that this one has not seen.
        """
        self._replace(lambda expected: upload.publish(expected=expected), overrides=overrides)

    def delete(self, *, overrides: bool = True) -> None:
        """Delete it, if it exists; see :meth:`publish`."""
        self._replace(self._delete, overrides=overrides)

    def delete_unseen(self) -> None:
        """Delete what is there before this try has read anything."""
        if self._require_owner is not None:
            self._version = self._look_up()
        self.delete()

    def require_absent(self) -> None:
        """Ensure that where nothing was found nothing is.

        :raises StorageConflictError: an earlier try has just published; a retry reads that.
        """
        if self._version == ABSENT and self._look_up() not in (ABSENT, None):
            raise conflict(self._target.uri)

    def _delete(self, expected: str | None) -> str:
        self._target.store.delete(self._target.name, expected=expected)
        return ABSENT

    def _replace(self, replace: Callable[[str | None], str | None], *, overrides: bool) -> None:
        if self._require_owner is None:
            replace(None)
            return
        self._require_owner()
        before = self._version
        try:
            self._version = replace(before)
            is_changed = False
        except StorageConflictError:
            if not overrides:
                raise
            is_changed = True
        if is_changed:
            # A try that was given up came in between, or the response to this one's own last write was lost.
            self._require_owner()
            self._version = replace(self._look_up())
        try:
            self._require_owner()
        except BaseException:
            if before == ABSENT and self._version:
                # The other try may have finished without an object here, and must not get this one.
                best_effort(lambda: self._delete(self._version))
            raise

    def _look_up(self) -> str | None:
        try:
            return self._target.store.version(self._target.name)
        except StorageDeniedError:
            # S3 says so of an object that does not exist when the bucket may not be listed.
            return None
