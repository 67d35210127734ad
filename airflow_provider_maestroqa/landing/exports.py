"""Land an export: from a presigned URL to published, checked, atomic objects and a manifest.

1. Download to a temporary file (:mod:`.download`).
2. Check the archive's structure as a whole (:mod:`.archive`), before anything is sent.
3. Send every file while its content is checked (:mod:`.content`, :mod:`.verification`); nothing is visible yet
   (:mod:`.publish`).
4. When all are whole and stored: take an older manifest away, make each file visible in one step, and write the
   manifest (:mod:`.manifest`). The manifest is the commit.

A process killed before step 4 leaves readers what they had. Killed within it, it leaves whole files and no manifest:
run it again, and the same names get the same files.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.formatting import format_duration
from airflow_provider_maestroqa.client.temp_file import TempFile
from airflow_provider_maestroqa.landing import manifest as manifests
from airflow_provider_maestroqa.landing.archive.content import ContentDigest
from airflow_provider_maestroqa.landing.archive.members import MANIFEST_NAME
from airflow_provider_maestroqa.landing.clean.encoders import require_pyarrow
from airflow_provider_maestroqa.landing.download.resumable import DownloadLimits, download
from airflow_provider_maestroqa.landing.download.verification import Verification
from airflow_provider_maestroqa.landing.manifest import PARQUET, LandedFile
from airflow_provider_maestroqa.landing.outputs import Output, plan
from airflow_provider_maestroqa.landing.progress import Progress, megabytes
from airflow_provider_maestroqa.storage.base import StorageDeniedError, Store, Upload
from airflow_provider_maestroqa.storage.compression import Engine, best_engine

if TYPE_CHECKING:
    import requests

#: What an export can be landed as.
FILE_FORMATS = ("csv.gz", "csv", "zip", "parquet")


@dataclass(frozen=True)
class LandingOptions:
    """How to land an export.

    :param file_format: ``csv.gz`` (default: the archive's own compression, framed anew), ``csv``, ``zip`` (the
        archive as it came; an export that is one CSV stays one CSV), or ``parquet`` (cleaned, one for each CSV).
    :param count_rows: count the records of each CSV file too; costs some time. Those of cleaned files are always
        counted.
    :param clean: whether CSV files are cleaned, by the rules of :mod:`.clean.cells`. Parquet files always are.
    :param max_content_bytes: the most that all files of an archive may hold unpacked, in bytes.
    :param limits: of the download: size, tries, time-outs.
    """

    file_format: str = "csv.gz"
    count_rows: bool = False
    clean: bool = False
    max_content_bytes: int = 1 << 40
    limits: DownloadLimits = field(default_factory=DownloadLimits)

    def __post_init__(self) -> None:
        if self.file_format not in FILE_FORMATS:
            raise MaestroQAConfigError(
                f"file_format={self.file_format!r} is not known; use one of {', '.join(FILE_FORMATS)}."
            )
        if self.clean and self.file_format == "zip":
            raise MaestroQAConfigError(
                "clean=True and file_format='zip' exclude each other: zip keeps the archive as it came. Use csv.gz, "
                "csv or parquet for cleaned files."
            )
        if self.file_format == PARQUET:
            require_pyarrow()

    @property
    def cleans(self) -> bool:
        """Whether CSV files are changed on their way."""
        return self.clean or self.file_format == PARQUET


def land_export(
    *,
    export_id: str,
    fresh_url: Callable[[], str],
    store: Store,
    options: LandingOptions,
    session: requests.Session,
    say: Callable[[str], None],
    warn: Callable[[str], None] | None = None,
    window: Mapping[str, Any] | None = None,
    temp_dir: str | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    engine: Engine | None = None,
) -> dict[str, Any]:
    """Download a complete export, check it, and publish it. Doing it again changes nothing.

    :param export_id: the export.
    :param fresh_url: asks MaestroQA for a presigned URL of it; called again when one expires.
    :param store: where to publish; see :class:`~airflow_provider_maestroqa.storage.base.Store`.
    :param options: format and limits.
    :param session: for the download. Its proxies and TLS settings are used, and no credentials.
    :param say: takes one line of text: what happens, and at least every half minute how far it is.
    :param warn: takes one line of text that somebody should read; ``say`` by default.
    :param window: what the export covers, for the manifest.
    :param temp_dir: where the temporary file lies; the system's temporary folder by default.
    :param clock: seconds, never going back.
    :param sleep: waits that many seconds.
    :param engine: what inflates; the fastest there is by default.
    :return: the manifest.
    :raises MaestroQADataError: the file is gone, damaged or refused; ``retryable`` tells whether another download
        may help.
    :raises MaestroQAConnectionError: MaestroQA's or the user's storage did not answer in time.
    :raises MaestroQAConfigError: the storage refused these credentials, or there is no such bucket or folder.
    :raises MaestroQAError: the temporary disk is full, or the storage failed otherwise.
    """
    earlier = published_manifest(store, export_id=export_id, options=options)
    if earlier is not None:
        say(f"Export {export_id} has been landed before, and all of it is there: {earlier['manifest']}.")
        return earlier
    how = f"{options.file_format}, cleaned" if options.cleans else options.file_format
    say(f"Landing export {export_id} ({how}) at {store.uri()}.")
    landing = _Landing(export_id, store, options, say, clock, engine or best_engine())
    # For the others the members are inflated anyway while they are sent, and once is enough.
    early = options.file_format in {"csv.gz", "zip"} and not options.cleans
    with (
        TempFile(temp_dir) as scratch,
        Verification(scratch.fileno(), landing.engine, count_rows=landing.count_rows, early=early) as verification,
    ):
        scratch.on_growth, scratch.on_restart = verification.bytes_available, verification.reset
        got = download(
            scratch,
            export_id=export_id,
            fresh_url=fresh_url,
            session=session,
            limits=options.limits,
            log=say,
            clock=Clock(monotonic=clock, sleep=sleep),
        )
        outputs = plan(
            scratch.fileno(),
            got,
            file_format=options.file_format,
            clean=options.cleans,
            max_content_bytes=options.max_content_bytes,
            engine=landing.engine,
            verification=verification,
            waiting=landing.tick,
        )
        files = landing.publish(outputs)
    manifest = manifests.build(store, export_id=export_id, window=window, files=files, has_data=True)
    manifests.write(store, manifest)
    landing.summarise(files)
    _warn_of_unreadable_dates(export_id, files, warn or say)
    return manifest


def published_manifest(store: Store, *, export_id: str, options: LandingOptions) -> dict[str, Any] | None:
    """The manifest of an earlier landing that needs not be done again, or ``None``.

    It must be of the same export and format, hold row counts if they are asked for, and every object it names must be
    there with its size.
    """
    manifest = manifests.read(store)
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


def publish_no_data(store: Store, *, export_id: str, window: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Publish the manifest of an export that has no data: ``has_data`` is false and ``files`` empty.

    :param store: where to publish.
    :param export_id: the export.
    :param window: what the export covers.
    :return: the manifest.
    """
    manifest = manifests.build(store, export_id=export_id, window=window, files=[], has_data=False)
    if manifests.read(store) != manifest:
        manifests.write(store, manifest)
    return manifest


def _warn_of_unreadable_dates(export_id: str, files: list[LandedFile], warn: Callable[[str], None]) -> None:
    found = [
        f"{count:,} in {column} of {file.name}"
        for file in files
        if file.contents is not None
        for column, count in file.contents.unreadable_dates.items()
    ]
    if found:
        warn(
            f"Export {export_id} holds cells in date columns that cannot be read as dates: {', '.join(found)}. They "
            f"were kept as text, and the manifest counts them as unreadable_dates."
        )


class _Landing:
    """Sends files, and publishes them when all are there."""

    def __init__(
        self,
        export_id: str,
        store: Store,
        options: LandingOptions,
        say: Callable[[str], None],
        clock: Callable[[], float],
        engine: Engine,
    ) -> None:
        self.engine = engine
        self._export_id = export_id
        self._store = store
        # Whoever cleans a file counts its records by the way.
        self.count_rows = options.count_rows and not options.cleans
        self._say = say
        self._clock = clock
        self._started = clock()
        self._progress: Progress | None = None

    def tick(self) -> None:
        """Time passes; say a line if it is time for one."""
        if self._progress is not None:
            self._progress.tick()

    def publish(self, outputs: list[Output]) -> list[LandedFile]:
        """Send, check and publish all files.

        :return: what was published, in the order of ``outputs``.
        """
        total = sum(output.content_size for output in outputs)
        what = f"Checking and storing export {self._export_id}"
        self._progress = Progress(what, total=total, say=self._say, clock=self._clock)
        uploads: list[Upload] = []
        try:
            files = [self._send(output, uploads) for output in outputs]
            self._take_manifest_away()
            for upload in uploads:
                upload.publish()
                self.tick()
        except BaseException:
            for upload in uploads:
                upload.discard()
            raise
        return files

    def summarise(self, files: list[LandedFile]) -> None:
        """Say what was landed."""
        rows = [file.rows for file in files if file.rows is not None]
        pluralize = f" with {sum(rows):,} records" if rows else ""
        self._say(
            f"Export {self._export_id} landed at {self._store.uri()}: {len(files)} file{'s' * (len(files) != 1)}"
            f"{pluralize}, {megabytes(sum(file.bytes for file in files))} stored, "
            f"{megabytes(sum(file.content_bytes for file in files))} of content, "
            f"in {format_duration(self._clock() - self._started)}."
        )

    def _send(self, output: Output, uploads: list[Upload]) -> LandedFile:
        upload = self._store.begin(output.name, size=output.size, on_wait=self.tick)
        uploads.append(upload)
        meter = ContentDigest(self.engine, count_rows=self.count_rows)
        digest, crc32, size, told = hashlib.sha256(), 0, 0, 0
        for block in output.blocks(meter):
            digest.update(block)
            crc32 = self.engine.crc32(block, crc32)
            size += len(block)
            upload.write(block)
            # Where the content is not seen on its way, the part of the object stands for the part of the content.
            done = meter.size or output.content_size * size // max(1, output.size)
            if output.done is not None:
                done = output.done()
            if self._progress is not None:
                self._progress.advance(done - told)
            told = done
        rows = output.rows(meter)
        upload.seal(crc32)
        return LandedFile(
            output.name, size, digest.hexdigest(), meter.size, meter.crc32, rows, contents=output.contents()
        )

    def _take_manifest_away(self) -> None:
        """No manifest may describe files while others take their names.

        Who may not delete overwrites it with something that no reader takes for a manifest.
        """
        try:
            if self._store.get_bytes(MANIFEST_NAME) is None:
                return
        except StorageDeniedError:
            pass
        try:
            self._store.delete(MANIFEST_NAME)
        except StorageDeniedError:
            self._store.put_bytes(MANIFEST_NAME, json.dumps({"landing": self._export_id}).encode() + b"\n")
