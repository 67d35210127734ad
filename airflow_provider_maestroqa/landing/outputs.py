"""Which objects an export becomes, and how the bytes of each are made from the downloaded file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.landing.archive import content
from airflow_provider_maestroqa.landing.archive.content import ContentDigest
from airflow_provider_maestroqa.landing.archive.csv_counting import count_exactly, seems_cut_off
from airflow_provider_maestroqa.landing.archive.gzip_file import read_gzip_member
from airflow_provider_maestroqa.landing.archive.members import (
    DEFLATED,
    Member,
    read_members,
    reject_hidden_archive,
)
from airflow_provider_maestroqa.landing.clean.cells import Cleaner, ColumnStats, read_records
from airflow_provider_maestroqa.landing.clean.key_counter import KeyCounter
from airflow_provider_maestroqa.landing.download import content_detection
from airflow_provider_maestroqa.landing.download.checksums import verify_checksum
from airflow_provider_maestroqa.landing.download.resumable import DownloadedFile
from airflow_provider_maestroqa.landing.download.verification import Verification
from airflow_provider_maestroqa.landing.early_sending import EarlySending
from airflow_provider_maestroqa.landing.manifest import ARCHIVE_NAME, BARE_NAME, is_csv, is_table
from airflow_provider_maestroqa.landing.output_formats import OutputFormat
from airflow_provider_maestroqa.landing.publish import SentFile
from airflow_provider_maestroqa.storage.compression import Engine

#: Yields the content of a file and measures it on the way.
Source = Callable[[ContentDigest], Iterator[bytes]]


@dataclass(frozen=True)
class Output:
    """One object to publish.

    :param name: relative to the destination.
    :param size: in bytes; an upper bound where it is not known in advance.
    :param content_size: bytes before compression.
    :param blocks: yields its bytes and measures the content on the way.
    :param rows: the number of records, once all blocks have come; ``None`` when they are not counted.
    :param column_stats: what a cleaned file contains, once all blocks have come; ``None`` for any other.
    :param done: how much of ``content_size`` has been read, where that is not what is measured.
    :param content_type: guessed from the name by default.
    :param sent_early: checks what the storage got during the download, and measures it; calls its second argument
        with the bytes that were sent. ``None`` where the object is still to be sent.
    :param verified: what says that it is the file that MaestroQA stored: the checksum ``crc32``, ``md5`` or
        ``sha256``, its ``length``, or ``nothing``.
    """

    name: str
    size: int
    content_size: int
    blocks: Source
    rows: Callable[[ContentDigest], int | None]
    column_stats: Callable[[], ColumnStats | None] = lambda: None
    done: Callable[[], int] | None = None
    content_type: str | None = None
    sent_early: Callable[[ContentDigest, Callable[[int], None]], SentFile | None] = lambda _digest, _on_progress: None
    verified: str = "crc32"


def _ticking(blocks: Iterator[bytes], on_wait: Callable[[], None]) -> Iterator[bytes]:
    for block in blocks:
        on_wait()
        yield block


def plan_outputs(
    fd: int,
    downloaded: DownloadedFile,
    *,
    output_format: OutputFormat,
    clean: bool,
    max_content_bytes: int,
    engine: Engine,
    verification: Verification,
    early_sending: EarlySending,
    on_wait: Callable[[], None],
    temp_dir: str | None = None,
) -> list[Output]:
    """Check the structure of a downloaded file and list what it becomes.

    :param downloaded: what is known of it.
    :param output_format: what to make of it.
    :param clean: whether CSV files are cleaned.
    :param max_content_bytes: the maximum that the members of an archive may hold together.
    :param verification: checks the members that are published as they are compressed.
    :param early_sending: sends an archive that is stored as it comes.
    :param on_wait: called now and then while waiting for a check.
    :param temp_dir: folder of temporary files; the system's temporary folder by default.
    :raises MaestroQADataError: the file is rejected.
    """
    planner = _Planner(
        fd,
        downloaded.size,
        output_format,
        clean,
        engine,
        lambda member: verification.verify(member, on_wait),
        lambda members: verification.verify_all(members, on_wait),
        temp_dir,
    )
    if not content_detection.is_archive(downloaded.head):
        checksum = downloaded.checksum
        if checksum is not None:
            verify_checksum(_ticking(content.read_range(fd, 0, downloaded.size), on_wait), checksum)
        if content_detection.is_gzip(downloaded.head):
            member = read_gzip_member(
                fd, downloaded.size, BARE_NAME, engine, max_content_bytes=max_content_bytes, on_wait=on_wait
            )
            planner.reject_packed_twice(member)
            return [planner.member(member)]
        content_detection.reject_encoded(downloaded.content_encoding)
        reject_hidden_archive(fd, downloaded.size)
        verified = checksum[0] if checksum else "length" if downloaded.is_sized else "nothing"
        return [planner.bare_csv(verified, is_certain=checksum is not None)]
    members = read_members(fd, downloaded.size, max_content_bytes=max_content_bytes)
    verification.expect_members(members)
    if output_format.keeps_archive:
        early_sending.complete()
        return [planner.archive(members, early_sending)]
    outputs = [planner.member(member) for member in members]
    _reject_duplicate_names(outputs)
    return outputs


def _reject_duplicate_names(outputs: list[Output]) -> None:
    """A member ``a.parquet`` and what becomes of ``a.csv`` cannot both be landed."""
    names: set[str] = set()
    for output in outputs:
        name = output.name.casefold()
        if name in names:
            raise MaestroQADataError(
                f"Two files of the export would be landed as {output.name!r}. Nothing was published. "
                f"file_format='csv.gz' keeps their names apart."
            )
        names.add(name)


@dataclass(frozen=True)
class _Planner:
    """Plans the outputs of one downloaded file.

    :param verify: checks and measures a member.
    :param verify_all: checks and measures members.
    :param temp_dir: folder of temporary files.
    """

    fd: int
    size: int
    format: OutputFormat
    clean: bool
    engine: Engine
    verify: Callable[[Member], ContentDigest]
    verify_all: Callable[[list[Member]], list[ContentDigest]]
    temp_dir: str | None

    def bare_csv(self, verified: str, *, is_certain: bool) -> Output:
        """A single CSV file, as it came from MaestroQA.

        :param verified: what says that it is whole.
            :param is_certain: whether that is a checksum.
        """

        def source(digest: ContentDigest) -> Iterator[bytes]:
            return content.add_to_digest(content.read_range(self.fd, 0, self.size), digest)

        def check() -> None:
            if not is_certain and seems_cut_off(content.read_range(self.fd, 0, self.size)):
                raise MaestroQADataError(
                    "The export's CSV file seems to be cut off: it ends within a record. Nothing was published; a "
                    "retry downloads it again. If MaestroQA's file does end like this, file_format='zip' lands it "
                    "as it came.",
                    retryable=True,
                )

        if self.clean:
            return replace(self._cleaned(BARE_NAME, self.size, source, check), verified=verified)
        if not self.format.keeps_archive:
            check()
        return replace(self._plain(BARE_NAME, self.size, source), verified=verified)

    def reject_packed_twice(self, member: Member) -> None:
        """Raise ``MaestroQADataError`` when a gzip file holds an archive or an error page, not a CSV file."""
        digest = ContentDigest(self.engine, count_rows=False)
        head = next(content.read_member(self.fd, member, self.engine, digest), b"")[: content_detection.HEAD_SIZE]
        content_detection.reject_error_page(head, "", is_whole=member.size == len(head))
        if content_detection.is_archive(head) or content_detection.is_gzip(head):
            raise MaestroQADataError("The storage sent the export's file compressed twice, which is not read.")

    def archive(self, members: list[Member], early_sending: EarlySending) -> Output:
        """The archive as it came, after its members were checked."""
        digests: list[ContentDigest] = []

        def check() -> None:
            digests.extend(self.verify_all(members))

        def sent_early(digest: ContentDigest, on_progress: Callable[[int], None]) -> SentFile | None:
            if not early_sending.is_void:
                check()
            sent = early_sending.finish(on_progress)
            if sent is not None:
                digest.size, digest.crc32 = sent.size, sent.crc32
            return sent

        def blocks(digest: ContentDigest) -> Iterator[bytes]:
            yield from content.add_to_digest(content.read_range(self.fd, 0, self.size), digest)
            check()

        def rows(_: ContentDigest) -> int | None:
            if all(digest.counter is None for digest in digests):
                return None
            return sum(
                self._rows(member.name, digest, self._member_source(member)) or 0
                for member, digest in zip(members, digests, strict=True)
            )

        return Output(
            ARCHIVE_NAME,
            self.size,
            self.size,
            blocks,
            rows,
            content_type=self.format.content_type,
            sent_early=sent_early,
        )

    def member(self, member: Member) -> Output:
        """One member of the archive."""
        source = self._member_source(member)
        if self.clean and is_csv(member.name):
            return self._cleaned(member.name, member.size, source, lambda: self.verify(member))
        if not (self.format.is_gzipped and member.method == DEFLATED):
            return self._plain(member.name, member.size, source)
        return Output(
            self.format.stored_name(member.name),
            member.compressed_size + content.GZIP_FRAME,
            member.size,
            lambda digest: content.as_gzip_member(self.fd, member, digest, lambda: self.verify(member)),
            lambda digest: self._rows(member.name, digest, source),
        )

    def _member_source(self, member: Member) -> Source:
        return lambda digest: content.read_member(self.fd, member, self.engine, digest)

    def _plain(self, name: str, size: int, source: Source) -> Output:
        """A file whose content is not changed."""
        stored_name = self.format.stored_name(name)

        def rows(digest: ContentDigest) -> int | None:
            return self._rows(name, digest, source)

        if not self.format.is_gzipped:
            return Output(stored_name, size, size, source, rows)
        # Deflate never grows data by more than a few bytes a block.
        bound = size + size // 1000 + content.GZIP_FRAME + 64
        return Output(
            stored_name, bound, size, lambda digest: content.as_gzip(source(digest), self.engine, digest), rows
        )

    def _cleaned(self, name: str, size: int, source: Source, check: Callable[[], object]) -> Output:
        """A CSV file that is cleaned on the way.

        :param check: raises ``MaestroQADataError`` when its bytes are not what was compressed.
        """
        input_digest = ContentDigest(self.engine, count_rows=False)
        results: list[ColumnStats] = []

        def cleaned() -> Iterator[bytes]:
            assert self.format.encode is not None
            with KeyCounter(self.temp_dir) as keys:
                records = read_records(name, source(input_digest))
                cleaner = Cleaner(records, keys, date_remedy=self.format.date_remedy)
                yield from self.format.encode(records, cleaner)
                results.append(cleaner.column_stats())

        def blocks(digest: ContentDigest) -> Iterator[bytes]:
            checked = _blame_archive_first(cleaned(), check)
            if self.format.is_gzipped:
                return content.as_gzip_in_thread(checked, self.engine, digest)
            return content.add_to_digest(checked, digest)

        return Output(
            name=self.format.table_name(name),
            # Quotes may be added, and days become times: it can grow, but not to this.
            size=3 * size + (1 << 20),
            content_size=size,
            blocks=blocks,
            rows=lambda _: results[0].rows,
            column_stats=lambda: results[0],
            done=lambda: input_digest.size,
            content_type=self.format.content_type,
        )

    def _rows(self, name: str, digest: ContentDigest, source: Source) -> int | None:
        if digest.counter is None or not is_table(name):
            return None
        if digest.counter.is_sure:
            return digest.counter.rows
        return count_exactly(source(ContentDigest(self.engine, count_rows=False)))


def _blame_archive_first(blocks: Iterator[bytes], check: Callable[[], object]) -> Iterator[bytes]:
    """Yield blocks; when a record among them is rejected, report the archive's damage instead if there is any.

    Damage can look like a bad record and is certain only at the end of the file. It is worth a retry.
    """
    rejection: MaestroQADataError | None = None
    try:
        yield from blocks
    except MaestroQADataError as error:
        rejection = error
    if rejection is not None:
        check()
        raise rejection
