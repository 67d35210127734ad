"""Publish a set of files in two phases: readers see all of them, or what was there before.

1. Send every file to the storage. Nothing is visible yet.
2. When the storage has all of them, invalidate the manifest of an earlier landing, make each file visible in one
   atomic step, and write the new manifest last. The manifest is the commit.

A process killed in phase 1 leaves readers what they had. Killed in phase 2, it leaves whole files and no manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.landing import manifest as manifests
from airflow_provider_maestroqa.landing.archive.members import MANIFEST_NAME
from airflow_provider_maestroqa.storage.base import StorageDeniedError, Store, Upload, best_effort, noop

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_provider_maestroqa.storage.compression import Engine


@dataclass(frozen=True)
class SentFile:
    """What the storage got.

    :param size: in bytes.
    :param sha256: in hexadecimal digits.
    """

    size: int
    sha256: str


class Publication:
    """Files that become visible together. An error inside its ``with`` block discards all that was sent.

    :param store: where to publish.
    :param subject: what is landed, such as an export's id; takes the place of a manifest that may not be deleted.
    :param engine: computes checksums.
    :param on_wait: called now and then while waiting for the storage.
    """

    def __init__(self, store: Store, subject: str, engine: Engine, *, on_wait: Callable[[], None] = noop) -> None:
        self._store = store
        self._subject = subject
        self._engine = engine
        self._on_wait = on_wait
        self._uploads: list[Upload] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if type_ is not None:
            for upload in self._uploads:
                upload.discard()

    def send(self, name: str, blocks: Iterable[bytes], *, size: int, content_type: str | None = None) -> SentFile:
        """Send a file, without making it visible.

        :param name: relative to the store.
        :param blocks: its bytes.
        :param size: in bytes; an upper bound where it is not known exactly.
        :param content_type: guessed from the name by default.
        """
        upload = self._store.begin(name, size=size, content_type=content_type, on_wait=self._on_wait)
        self._uploads.append(upload)
        digest, crc32, sent = hashlib.sha256(), 0, 0
        for block in blocks:
            digest.update(block)
            crc32 = self._engine.crc32(block, crc32)
            sent += len(block)
            upload.write(block)
        upload.seal(crc32)
        return SentFile(sent, digest.hexdigest())

    def commit(self, manifest: Mapping[str, Any], *, obsolete: Iterable[str] = ()) -> None:
        """Make all files visible, and write the manifest.

        :param manifest: describes them.
        :param obsolete: names of files of an earlier landing to delete, if that is allowed.
        """
        self._invalidate_manifest()
        for upload in self._uploads:
            upload.publish()
            self._on_wait()
        for name in sorted(obsolete):
            # Without the right to delete, a file stays that no manifest names.
            best_effort(lambda name=name: self._store.delete(name))  # type: ignore[misc]
        manifests.write(self._store, manifest)

    def _invalidate_manifest(self) -> None:
        """Ensure that no manifest describes files while others take their names.

        Without the right to delete it, overwrite it with something that no reader takes for a manifest.
        """
        try:
            if not self._store.exists(MANIFEST_NAME):
                return
        except StorageDeniedError:
            pass
        try:
            self._store.delete(MANIFEST_NAME)
        except StorageDeniedError:
            self._store.put_bytes(MANIFEST_NAME, json.dumps({"landing": self._subject}).encode() + b"\n")
