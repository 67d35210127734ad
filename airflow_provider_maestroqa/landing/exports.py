"""Land an export: from a presigned URL to published, checked, atomic objects and a manifest.

1. Download to a temporary file (:mod:`.download`). An archive that is stored as it came is sent and checked
   meanwhile (:mod:`.early_sending`).
2. Check the archive's structure as a whole (:mod:`.archive`), before any of its files is sent.
3. Send every file while its content is checked (:mod:`.outputs`); nothing is visible yet.
4. When all are whole and stored, publish them and write the manifest (:mod:`.publish`). The manifest is the commit.

A process killed before step 4 leaves readers what they had. Killed within it, it leaves whole files and no manifest:
run it again, and the same names get the same files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_duration, format_size, pluralize
from airflow_provider_maestroqa.client.progress import Progress
from airflow_provider_maestroqa.client.temp_file import TempFile
from airflow_provider_maestroqa.landing import manifest as manifests
from airflow_provider_maestroqa.landing.archive.content import ContentDigest
from airflow_provider_maestroqa.landing.clean.warnings import warnings_of
from airflow_provider_maestroqa.landing.download.resumable import DownloadLimits, download
from airflow_provider_maestroqa.landing.download.verification import Verification
from airflow_provider_maestroqa.landing.early_sending import EarlySending
from airflow_provider_maestroqa.landing.manifest import ARCHIVE_NAME, LandedFile, StoredManifest
from airflow_provider_maestroqa.landing.output_formats import FILE_FORMATS, OUTPUT_FORMATS, OutputFormat
from airflow_provider_maestroqa.landing.outputs import Output, plan_outputs
from airflow_provider_maestroqa.landing.publish import Publication
from airflow_provider_maestroqa.storage.base import StorageConflictError, Store
from airflow_provider_maestroqa.storage.compression import Engine, best_engine

if TYPE_CHECKING:
    import requests


@dataclass(frozen=True)
class LandingOptions:
    """How to land an export.

    :param file_format: ``csv.gz`` (default: the archive's own compression in a gzip frame), ``csv``, ``zip`` (the
        archive as it came; a single-file export stays one CSV), or ``parquet`` (cleaned, one for each CSV).
    :param count_rows: whether to count the records of each CSV file, which takes time. Cleaned files always have the
        count.
    :param clean: whether to clean CSV files by the rules of :mod:`.clean.cells`. Parquet files are always cleaned.
    :param max_content_bytes: the maximum that all files of an archive may hold uncompressed, in bytes.
    :param limits: of the download: size, tries, time-outs.
    """

    file_format: str = "csv.gz"
    count_rows: bool = False
    clean: bool = False
    max_content_bytes: int = 1 << 40
    limits: DownloadLimits = field(default_factory=DownloadLimits)

    def __post_init__(self) -> None:
        if self.file_format not in OUTPUT_FORMATS:
            raise MaestroQAConfigError(
                f"file_format={self.file_format!r} is not known; use one of {', '.join(FILE_FORMATS)}."
            )
        if self.clean and self.format.encode is None:
            others = [name for name, other in OUTPUT_FORMATS.items() if other.encode is not None]
            raise MaestroQAConfigError(
                f"clean=True and file_format={self.file_format!r} exclude each other: {self.file_format} keeps the "
                f"archive as it came. Use {', '.join(others[:-1])} or {others[-1]} for cleaned files."
            )
        self.format.require()

    @property
    def format(self) -> OutputFormat:
        """The declaration of ``file_format``."""
        return OUTPUT_FORMATS[self.file_format]

    @property
    def cleans(self) -> bool:
        """Whether CSV files are cleaned."""
        return self.clean or self.format.always_cleans


def land_export(
    *,
    export_id: str,
    fresh_url: Callable[[], str],
    store: Store,
    options: LandingOptions,
    session: requests.Session,
    log: Callable[[str], None],
    warn: Callable[[str], None] | None = None,
    window: Mapping[str, Any] | None = None,
    partition_key: str | None = None,
    temp_dir: str | None = None,
    clock: Clock | None = None,
    engine: Engine | None = None,
    check_published: bool = True,
    published_before: StoredManifest | None = None,
) -> dict[str, Any]:
    """Download a complete export, check it, and publish it. Doing it again changes nothing.

    :param export_id: the export.
    :param fresh_url: asks MaestroQA for a presigned URL of it; called again when one expires.
    :param store: where to publish; see :class:`~airflow_provider_maestroqa.storage.base.Store`.
    :param options: format and limits.
    :param session: for the download. Its proxies and TLS settings are used, but no credentials.
    :param log: logs one line of text: what happens, and the progress at least every half minute.
    :param warn: logs one line of text as a warning; ``log`` by default.
    :param window: the time that the export covers, for the manifest.
    :param partition_key: of the run, likewise.
    :param temp_dir: folder of the temporary file; the system's temporary folder by default.
    :param clock: the time; the real one by default.
    :param engine: inflates and deflates; the fastest that is installed by default.
    :param check_published: whether an earlier landing of the same export makes this one unnecessary.
    :param published_before: what the caller has found in the place of the manifest; looked up by default. Whatever
        is there later was written by another landing.
    :return: the manifest.
    :raises MaestroQADataError: the file is gone, damaged or rejected; ``retryable`` tells whether another download
        may help.
    :raises MaestroQAConnectionError: MaestroQA's or the user's storage did not respond in time.
    :raises MaestroQAConfigError: the storage denied access, or the bucket or folder does not exist.
    :raises MaestroQAError: the temporary disk is full, or the storage failed in another way.
    """
    published_before = published_before or manifests.read(store)
    published = (
        published_manifest(store, export_id=export_id, options=options, published_before=published_before)
        if check_published
        else None
    )
    if published is not None:
        log(f"Export {export_id} is already landed, and all of its files exist: {published['manifest']}.")
        return published
    form = f"{options.file_format}, cleaned" if options.cleans else options.file_format
    log(f"Landing export {export_id} ({form}) at {store.uri()}.")
    clock = clock or Clock()
    landing = _Landing(export_id, store, published_before, options, log, clock, engine or best_engine(), temp_dir)
    try:
        manifest, files = landing.run(fresh_url, session, window, partition_key)
    except StorageConflictError:
        published = published_manifest(store, export_id=export_id, options=options)
        if published is None:
            raise
        log(f"Another task has landed export {export_id} meanwhile: {published['manifest']}.")
        return published
    landing.log_summary(files)
    for warning in warnings_of(files, f"Export {export_id}"):
        (warn or log)(warning)
    return manifest


def published_manifest(
    store: Store, *, export_id: str, options: LandingOptions, published_before: StoredManifest | None = None
) -> dict[str, Any] | None:
    """Find the manifest of an earlier landing that makes another one unnecessary.

    It must be of the same export and format, cleaned or not as asked for, and hold row counts if they are asked for.
    Every object it names must exist with its size.

    :param published_before: what is in the place of the manifest; looked up by default.
    :return: the manifest, or ``None``.
    """
    manifest = (published_before or manifests.read(store)).manifest
    if manifest is not None and manifests.matches(
        manifest,
        store,
        export_id=export_id,
        file_format=options.file_format,
        clean=options.cleans,
        count_rows=options.count_rows,
    ):
        return manifest
    return None


def publish_no_data(
    store: Store, *, export_id: str, window: Mapping[str, Any] | None = None, partition_key: str | None = None
) -> dict[str, Any]:
    """Publish the manifest of an export that has no data: ``has_data`` is false and ``files`` empty.

    :param store: where to publish.
    :param export_id: the export.
    :param window: the time that the export covers.
    :param partition_key: of the run, for the manifest.
    :return: the manifest.
    """
    manifest = manifests.build(store, {"export_id": export_id}, window=window, files=[], partition_key=partition_key)
    manifests.write(store, manifest)
    return manifest


@dataclass
class _Landing:
    """Sends the files of one export, and publishes them when all have been sent."""

    export_id: str
    store: Store
    published_before: StoredManifest
    options: LandingOptions
    log: Callable[[str], None]
    clock: Clock
    engine: Engine
    temp_dir: str | None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        self.started_at = self.clock.monotonic()
        # Cleaning counts the records anyway.
        self.count_rows = self.options.count_rows and not self.options.cleans

    def tick(self) -> None:
        """Log the progress if it is time for a line."""
        if self.progress is not None:
            self.progress.tick()

    def run(
        self,
        fresh_url: Callable[[], str],
        session: requests.Session,
        window: Mapping[str, Any] | None,
        partition_key: str | None,
    ) -> tuple[dict[str, Any], list[LandedFile]]:
        """Download, check, send and publish.

        :return: the manifest, and what was published, in the order of the archive.
        """
        output_format, limits = self.options.format, self.options.limits
        verify_early = output_format.verify_while_downloading and not self.options.cleans
        with (
            TempFile(self.temp_dir) as temp_file,
            Publication(
                self.store, self.export_id, self.engine, self.published_before, on_wait=self.tick
            ) as publication,
            Verification(
                temp_file.fileno(), self.engine, count_rows=self.count_rows, early=verify_early
            ) as verification,
            EarlySending(
                temp_file,
                publication,
                ARCHIVE_NAME,
                content_type=output_format.content_type,
                max_bytes=limits.max_bytes,
                early=output_format.keeps_archive,
            ) as early_sending,
        ):
            temp_file.followers += [verification, early_sending]
            downloaded = download(
                temp_file,
                export_id=self.export_id,
                fresh_url=fresh_url,
                session=session,
                limits=limits,
                log=self.log,
                clock=self.clock,
            )
            outputs = plan_outputs(
                temp_file.fileno(),
                downloaded,
                output_format=output_format,
                clean=self.options.cleans,
                max_content_bytes=self.options.max_content_bytes,
                engine=self.engine,
                verification=verification,
                early_sending=early_sending,
                on_wait=self.tick,
                temp_dir=self.temp_dir,
            )
            return self._publish(outputs, publication, window, partition_key)

    def _publish(
        self,
        outputs: list[Output],
        publication: Publication,
        window: Mapping[str, Any] | None,
        partition_key: str | None,
    ) -> tuple[dict[str, Any], list[LandedFile]]:
        """Send, check and publish all files."""
        self.progress = Progress(
            f"Checking and storing export {self.export_id}",
            total=sum(output.content_size for output in outputs),
            log=self.log,
            clock=self.clock.monotonic,
        )
        files = [self._send(output, publication, self.progress) for output in outputs]
        manifest = manifests.build(
            self.store,
            {"export_id": self.export_id},
            window=window,
            files=files,
            partition_key=partition_key,
            form={"file_format": self.options.file_format, "clean": self.options.cleans},
        )
        publication.commit(manifest)
        return manifest, files

    def log_summary(self, files: list[LandedFile]) -> None:
        """Log what was landed."""
        rows = [file.rows for file in files if file.rows is not None]
        records = f" with {pluralize(sum(rows), 'records')}" if rows else ""
        self.log(
            f"Export {self.export_id} landed at {self.store.uri()}: {pluralize(len(files), 'files')}{records}, "
            f"{format_size(sum(file.bytes for file in files))} stored, "
            f"{format_size(sum(file.content_bytes for file in files))} of content, "
            f"in {format_duration(self.clock.monotonic() - self.started_at)}."
        )

    def _send(self, output: Output, publication: Publication, progress: Progress) -> LandedFile:
        digest = ContentDigest(self.engine, count_rows=self.count_rows)
        reported = 0

        def report(done: int) -> None:
            nonlocal reported
            progress.advance(done - reported)
            reported = done

        def blocks() -> Iterator[bytes]:
            size = 0
            for block in output.blocks(digest):
                yield block
                size += len(block)
                if output.done is not None:
                    report(output.done())
                else:
                    # Where the content itself is not read, the share of the object stands for that of the content.
                    report(digest.size or output.content_size * size // max(1, output.size))

        sent = output.sent_early(digest, report)
        if sent is None:
            if reported:
                report(0)
            sent = publication.send(output.name, blocks(), size=output.size, content_type=output.content_type)
        return LandedFile(
            output.name,
            sent.size,
            sent.sha256,
            digest.size,
            digest.crc32,
            output.verified,
            rows=output.rows(digest),
            column_stats=output.column_stats(),
        )
