"""Publish a set of files in two phases: readers see all of them, or what was there before.

1. Send every file to the storage. Nothing is visible yet.
2. When the storage has all of them, put a claim in the place of an earlier manifest, make each file visible in one
   atomic step, and write the new manifest last. The manifest is the commit.

A process killed in phase 1 leaves readers what they had. Killed in phase 2, it leaves whole files and no manifest.

Two landings at once, and a task that Airflow has given up and that goes on all the same: each file and the manifest
are replaced only if they are what this landing has seen, so one of the two stops (:class:`_Claim`). In the end sizes
and versions are looked at again.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.landing import manifest as manifests
from airflow_provider_maestroqa.landing.archive.members import MANIFEST_NAME
from airflow_provider_maestroqa.landing.manifest import StoredManifest
from airflow_provider_maestroqa.storage.base import (
    ABSENT,
    StorageConflictError,
    StorageDeniedError,
    Store,
    Upload,
    best_effort,
    noop,
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_provider_maestroqa.storage.compression import Engine

#: How often a landing that has the claim tries to replace a file that others still replace.
_MAX_TRIES = 5
_REMEDY = "Give each run a destination of its own. A retry lands it anew."


@dataclass(frozen=True)
class SentFile:
    """What the storage got.

    :param size: in bytes.
    :param sha256: in hexadecimal digits.
    :param crc32: as a number.
    """

    size: int
    sha256: str
    crc32: int


class Publication:
    """Files that become visible together. An error inside its ``with`` block discards all that was sent.

    :param store: where to publish.
    :param subject: what is landed, such as an export's id; the claim names it.
    :param engine: computes checksums.
    :param published_before: what was in the place of the manifest when the landing began.
    :param on_wait: called now and then while waiting for the storage.
    """

    def __init__(
        self,
        store: Store,
        subject: str,
        engine: Engine,
        published_before: StoredManifest,
        *,
        on_wait: Callable[[], None] = noop,
    ) -> None:
        self._store = store
        self._subject = subject
        self._engine = engine
        self._on_wait = on_wait
        self._published_before = published_before
        self._uploads: dict[str, Upload] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if type_ is not None:
            for upload in self._uploads.values():
                upload.discard()

    def send(
        self,
        name: str,
        blocks: Iterable[bytes],
        *,
        size: int,
        content_type: str | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> SentFile:
        """Send a file, without making it visible.

        :param name: relative to the store.
        :param size: in bytes; an upper bound where it is not known exactly.
        :param content_type: guessed from the name by default.
        :param on_wait: in place of the publication's own.
        """
        upload = self._store.begin(name, size=size, content_type=content_type, on_wait=on_wait or self._on_wait)
        self._uploads[name] = upload
        digest, crc32, sent = hashlib.sha256(), 0, 0
        for block in blocks:
            digest.update(block)
            crc32 = self._engine.crc32(block, crc32)
            sent += len(block)
            upload.write(block)
        upload.seal(crc32)
        return SentFile(sent, digest.hexdigest(), crc32)

    def discard(self, name: str) -> None:
        """Discard a file that was sent, or is not sent as a whole."""
        upload = self._uploads.pop(name, None)
        if upload is not None:
            upload.discard()

    def commit(self, manifest: Mapping[str, Any], *, obsolete: Iterable[str] = ()) -> None:
        """Make all files visible, and write the manifest.

        :param manifest: describes them.
        :param obsolete: names of files of an earlier landing to delete, if that is allowed.
        :raises StorageConflictError: another landing publishes here at the same time, or has done so since this one
            began. The manifest that is there then, if any, is not this one's.
        """
        versions = {name: self._version(name) for name in [*self._uploads, *obsolete]}
        claim = _Claim(self._store, self._subject, self._published_before.version)
        if self._published_before.version != ABSENT or any(version != ABSENT for version in versions.values()):
            claim.write()
        published: dict[str, str | None] = {}
        for name, upload in self._uploads.items():
            published[name] = self._publish(name, upload, versions[name], claim)
            self._on_wait()
        for name in sorted(obsolete):
            if not self._store.is_conditional:
                claim.check()
            # Without the right to delete, a file stays that no manifest names.
            best_effort(lambda name=name: self._store.delete(name, expected=versions[name]))  # type: ignore[misc]
        claim.replace_by(manifests.encode(manifest))
        self._look_again(published, claim)

    def _publish(self, name: str, upload: Upload, version: str | None, claim: _Claim) -> str | None:
        for attempt in range(_MAX_TRIES):
            # After the look at the version: whoever claims it later finds this file changed, or changes it.
            if attempt or not self._store.is_conditional:
                claim.check()
            try:
                return upload.publish(expected=version)
            except StorageConflictError:
                if not claim.is_written:
                    raise claim.lost() from None
            version = self._version(name)
        raise claim.lost()

    def _look_again(self, published: Mapping[str, str | None], claim: _Claim) -> None:
        """Ensure that what the manifest describes is still there, where a storage cannot compare and write in one."""
        changed = [
            name for name, version in published.items() if version and self._version(name) not in (version, None)
        ]
        claim.check()
        if changed:
            # Without an error of its own: what is there then is reported anyway.
            best_effort(claim.write)
            raise StorageConflictError(
                f"{self._store.uri(changed[0])} was changed while it was landed, so the manifest was taken back. "
                f"Another task writes to the same destination. {_REMEDY}"
            )

    def _version(self, name: str) -> str | None:
        try:
            return self._store.version(name)
        except StorageDeniedError:
            # S3 says so of an object that does not exist when the bucket may not be listed.
            return None


class _Claim:
    """Whose turn it is to publish at a destination, said in the place of the manifest.

    Where nothing is there yet, nothing is written: then each file may be created, but none replaced, and so the first
    one of two landings to come wins. Else the last one wins, and those before it find that out. A claim is never
    deleted, not even by a landing that fails: one that began before it would take its files for untouched.

    :param store: the destination.
    :param subject: what is landed.
    :param version: of what is in the place of the manifest, as it was found when the landing began.
    """

    def __init__(self, store: Store, subject: str, version: str | None) -> None:
        self.is_written = False
        self._store = store
        self._subject = subject
        self._version = version
        self._data: bytes | None = None

    def write(self) -> None:
        """Put the claim in the place of the manifest, so that none describes files that others are replacing."""
        self.replace_by(json.dumps({"landing": self._subject, "owner": secrets.token_hex(8)}).encode() + b"\n")
        self.is_written = True

    def replace_by(self, data: bytes) -> None:
        """Put something else there, unless another landing has."""
        try:
            self._version = self._store.put_bytes(MANIFEST_NAME, data, expected=self._version)
        except StorageConflictError:
            pass
        else:
            self._data = data
            return
        raise self.lost()

    def check(self) -> None:
        """Raise ``StorageConflictError`` when another landing has written there."""
        try:
            data = self._store.get_bytes(MANIFEST_NAME)
        except StorageDeniedError:
            return
        if data != self._data:
            raise self.lost()

    def lost(self) -> StorageConflictError:
        """The error of the landing that comes too late."""
        return StorageConflictError(
            f"Another landing has published at {self._store.uri()} since this one of {self._subject} began, or is "
            f"about to. This one stopped, so that the files of both do not mix. {_REMEDY}"
        )
