"""Land records: from an iterator to published, checked, atomic objects and a manifest.

1. Write every record to temporary files, compressed. Nothing is sent to the storage, however long the reading takes.
2. Send the files; nothing is visible yet.
3. When all are stored, publish them, delete what the earlier manifest named and this one does not, and write the
   manifest (:mod:`.publish`). The manifest is the commit.

Landing again repeats all of it, because the records may have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.formatting import format_size
from airflow_provider_maestroqa.client.progress import RECORDS, Progress
from airflow_provider_maestroqa.client.temp_file import TempFile
from airflow_provider_maestroqa.landing import manifest as manifests
from airflow_provider_maestroqa.landing.manifest import LandedFile, StoredManifest
from airflow_provider_maestroqa.landing.publish import Publication
from airflow_provider_maestroqa.landing.record_files import SUFFIX, RecordFile, file_names, row_splitter
from airflow_provider_maestroqa.storage.base import Store
from airflow_provider_maestroqa.storage.compression import Engine, best_engine


def land_records(
    records: Iterable[Mapping[str, Any]],
    *,
    resource: str,
    store: Store,
    log: Callable[[str], None],
    split_nested: bool = False,
    window: Mapping[str, Any] | None = None,
    partition_key: str | None = None,
    total: Callable[[], int | None] | None = None,
    temp_dir: str | None = None,
    clock: Clock | None = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Write records to gzipped JSON Lines and publish them all at once.

    :param records: what to land; read once, one by one.
    :param resource: what they are; it names the file.
    :param store: where to publish.
    :param log: logs one line of text: what happens, and the progress at least every half minute.
    :param split_nested: whether the records are exported coaching sessions, to be split into four files.
    :param window: the time that the records cover, for the manifest.
    :param partition_key: of the run, likewise.
    :param total: returns how many records there will be, for the log.
    :param temp_dir: folder of the temporary files; the system's temporary folder by default.
    :param clock: the time; the real one by default.
    :param engine: compresses; the fastest that is installed by default.
    :return: the manifest.
    :raises MaestroQAError: reading, the temporary disk or the storage failed; nothing partial is visible.
    """
    engine = engine or best_engine()
    published_before = manifests.read(store)
    progress = Progress(f"Reading {resource}", total=total, log=log, clock=(clock or Clock()).monotonic, unit=RECORDS)
    rows_of = row_splitter(resource, split_nested=split_nested)
    with ExitStack() as stack:
        files = {
            name: RecordFile(name, stack.enter_context(TempFile(temp_dir)), engine)
            for name in file_names(resource, split_nested=split_nested)
        }
        for record in records:
            for name, row in rows_of(record):
                files[name].write(row)
            progress.advance()
        for file in files.values():
            file.finish()
        log(f"Read {resource.replace('_', ' ')}: {progress.summary()}.")
        written = list(files.values()) if progress.done else []
        manifest = _publish(
            written,
            published_before,
            resource=resource,
            store=store,
            window=window,
            partition_key=partition_key,
            engine=engine,
        )
    _log_summary(manifest, log)
    return manifest


def _publish(
    files: Sequence[RecordFile],
    published_before: StoredManifest,
    *,
    resource: str,
    store: Store,
    window: Mapping[str, Any] | None,
    partition_key: str | None,
    engine: Engine,
) -> dict[str, Any]:
    with Publication(store, resource, engine, published_before) as publication:
        stored = [_send(file, publication) for file in files]
        manifest = manifests.build(
            store, {"resource": resource}, window=window, files=stored, partition_key=partition_key
        )
        publication.commit(
            manifest, obsolete=_earlier_names(published_before.manifest, resource) - {file.name for file in files}
        )
    return manifest


def _send(file: RecordFile, publication: Publication) -> LandedFile:
    sent = publication.send(file.name, file.blocks(), size=file.size)
    return LandedFile(file.name, sent.size, sent.sha256, file.content.size, file.content.crc32, rows=file.rows)


def _earlier_names(earlier: Mapping[str, Any] | None, resource: str) -> set[str]:
    """Names of record files that an earlier landing of this resource left."""
    if earlier is None or earlier.get("resource") != resource or not isinstance(earlier.get("files"), list):
        return set()
    names = {file.get("name") for file in earlier["files"] if isinstance(file, dict)}
    return {name for name in names if isinstance(name, str) and name.endswith(SUFFIX) and "/" not in name}


def _log_summary(manifest: Mapping[str, Any], log: Callable[[str], None]) -> None:
    if not manifest["has_data"]:
        log(f"There were no records: {manifest['manifest']} names no files.")
        return
    stored = format_size(sum(file["bytes"] for file in manifest["files"]))
    parts = ", ".join(f"{file['name']} ({file['rows']:,} rows)" for file in manifest["files"])
    log(f"Landed at {manifest['destination']}: {parts}; {stored} stored.")
