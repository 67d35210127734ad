"""Land records: from an iterator to published, checked, atomic objects and a manifest.

1. Write every record to temporary files, compressed. Nothing has been sent to the storage yet, however long the
   reading takes.
2. Send the files; nothing is visible yet.
3. When all are stored: take an older manifest away, make each file visible in one step, remove what the older
   manifest named and this one does not, and write the manifest. The manifest is the commit.

Landing again does all of it anew, because the records may have changed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from airflow_provider_maestroqa.client.temp_file import TempFile
from airflow_provider_maestroqa.landing import manifest as manifests
from airflow_provider_maestroqa.landing.archive.members import MANIFEST_NAME
from airflow_provider_maestroqa.landing.manifest import LandedFile
from airflow_provider_maestroqa.landing.progress import megabytes
from airflow_provider_maestroqa.landing.record_files import RecordFile
from airflow_provider_maestroqa.landing.record_progress import RecordProgress
from airflow_provider_maestroqa.landing.split_sessions import ENDING, file_names, shape_of
from airflow_provider_maestroqa.storage.base import StorageDeniedError, Store, Upload, best_effort
from airflow_provider_maestroqa.storage.compression import Engine, best_engine


def land_records(
    records: Iterable[Mapping[str, Any]],
    *,
    resource: str,
    store: Store,
    say: Callable[[str], None],
    split_nested: bool = False,
    window: Mapping[str, Any] | None = None,
    total: Callable[[], int | None] = lambda: None,
    temp_dir: str | None = None,
    clock: Callable[[], float] = time.monotonic,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Write records to gzipped JSON Lines and publish them all at once.

    :param records: what to land; read once, one by one.
    :param resource: what they are; it names the file.
    :param store: where to publish.
    :param say: takes one line of text: what happens, and at least every half minute how far it is.
    :param split_nested: whether the records are exported coaching sessions, to be parted into four files.
    :param window: what the records cover, for the manifest.
    :param total: tells how many records there will be, for the log.
    :param temp_dir: where the temporary files lie; the system's temporary folder by default.
    :param clock: seconds, never going back.
    :param engine: what compresses; the fastest there is by default.
    :return: the manifest.
    :raises MaestroQAError: reading, the temporary disk or the storage failed; nothing partial is visible.
    """
    engine = engine or best_engine()
    progress = RecordProgress(resource, total=total, say=say, clock=clock)
    shape = shape_of(resource, split_nested=split_nested)
    with ExitStack() as stack:
        files = {
            name: RecordFile(name, stack.enter_context(TempFile(temp_dir)), engine)
            for name in file_names(resource, split_nested=split_nested)
        }
        for record in records:
            for name, row in shape(record):
                files[name].write(row)
            progress.advance()
        for file in files.values():
            file.finish()
        say(f"Read {resource.replace('_', ' ')}: {progress.summary()}.")
        kept = list(files.values()) if progress.done else []
        manifest = _publish(kept, resource=resource, store=store, window=window, engine=engine)
    _sum_up(manifest, say)
    return manifest


def _publish(
    files: Sequence[RecordFile], *, resource: str, store: Store, window: Mapping[str, Any] | None, engine: Engine
) -> dict[str, Any]:
    uploads: list[Upload] = []
    try:
        landed = [_send(file, store, uploads, engine) for file in files]
        old_names = _take_manifest_away(store, resource)
        for upload in uploads:
            upload.publish()
    except BaseException:
        for upload in uploads:
            upload.discard()
        raise
    for name in sorted(old_names - {file.name for file in files}):
        # Who may not delete keeps a file that no manifest names.
        best_effort(lambda name=name: store.delete(name))  # type: ignore[misc]
    manifest: dict[str, Any] = {
        "resource": resource,
        "has_data": bool(files),
        "destination": store.uri(),
        "window": dict(window) if window is not None else None,
        "files": [file.entry(store) for file in landed],
        "manifest": store.uri(MANIFEST_NAME),
    }
    manifests.write(store, manifest)
    return manifest


def _send(file: RecordFile, store: Store, uploads: list[Upload], engine: Engine) -> LandedFile:
    upload = store.begin(file.name, size=file.size)
    uploads.append(upload)
    digest, crc32 = hashlib.sha256(), 0
    for block in file.blocks():
        digest.update(block)
        crc32 = engine.crc32(block, crc32)
        upload.write(block)
    upload.seal(crc32)
    return LandedFile(file.name, file.size, digest.hexdigest(), file.content.size, file.content.crc32, rows=file.rows)


def _take_manifest_away(store: Store, resource: str) -> set[str]:
    """No manifest may describe files while others take their names.

    Who may not delete overwrites it with something that no reader takes for a manifest.

    :return: names of record files that an older landing of this resource left.
    """
    older = manifests.read(store)
    if older is None:
        is_there = True
        with suppress(StorageDeniedError):
            is_there = store.get_bytes(MANIFEST_NAME) is not None
        if not is_there:
            return set()
    try:
        store.delete(MANIFEST_NAME)
    except StorageDeniedError:
        store.put_bytes(MANIFEST_NAME, json.dumps({"landing": resource}).encode() + b"\n")
    if older is None or older.get("resource") != resource or not isinstance(older.get("files"), list):
        return set()
    names = {file.get("name") for file in older["files"] if isinstance(file, dict)}
    return {name for name in names if isinstance(name, str) and name.endswith(ENDING) and "/" not in name}


def _sum_up(manifest: Mapping[str, Any], say: Callable[[str], None]) -> None:
    if not manifest["has_data"]:
        say(f"There were no records: {manifest['manifest']} says so, and there are no files.")
        return
    stored = megabytes(sum(file["bytes"] for file in manifest["files"]))
    parts = ", ".join(f"{file['name']} ({file['rows']:,} rows)" for file in manifest["files"])
    say(f"Landed at {manifest['destination']}: {parts}; {stored} stored.")
