"""Which objects an export becomes, and how the bytes of each are made from the downloaded file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.landing.archive import content
from airflow_provider_maestroqa.landing.archive.content import ContentDigest
from airflow_provider_maestroqa.landing.archive.csv_counting import count_exactly
from airflow_provider_maestroqa.landing.archive.members import (
    DEFLATED,
    Member,
    read_members,
    reject_hidden_archive,
)
from airflow_provider_maestroqa.landing.clean.cells import Cleaner, ColumnStats, read_records
from airflow_provider_maestroqa.landing.clean.encoders import csv_blocks, parquet_blocks
from airflow_provider_maestroqa.landing.download import content_detection as sniff
from airflow_provider_maestroqa.landing.download.resumable import DownloadedFile
from airflow_provider_maestroqa.landing.download.verification import Verification
from airflow_provider_maestroqa.landing.manifest import ARCHIVE_NAME, BARE_NAME, PARQUET, holds_records, is_csv
from airflow_provider_maestroqa.storage.compression import Engine

_NO_DATE = (
    "Parquet has no place for it among timestamps, so nothing was published. clean=True with file_format='csv.gz' "
    "keeps such cells as text, and counts them."
)


@dataclass(frozen=True)
class Output:
    """One object to publish.

    :param name: relative to the destination.
    :param size: its bytes; an upper bound where they are not known before.
    :param content_size: bytes before compression.
    :param blocks: makes its bytes, and measures the content on the way.
    :param rows: tells the records after that; ``None`` when nobody wants to know.
    :param contents: tells what is in a cleaned file after that; ``None`` for any other.
    :param done: tells how much of ``content_size`` was read, where that is not what is measured.
    """

    name: str
    size: int
    content_size: int
    blocks: Callable[[ContentDigest], Iterator[bytes]]
    rows: Callable[[ContentDigest], int | None]
    contents: Callable[[], ColumnStats | None] = lambda: None
    done: Callable[[], int] | None = None


def plan(
    fd: int,
    got: DownloadedFile,
    *,
    file_format: str,
    clean: bool,
    max_content_bytes: int,
    engine: Engine,
    verification: Verification,
    waiting: Callable[[], None],
) -> list[Output]:
    """Check the structure of a downloaded file and list what it becomes.

    :param fd: the open file.
    :param got: what is known of it.
    :param file_format: ``csv.gz``, ``csv``, ``zip`` or ``parquet``.
    :param clean: whether CSV files are cleaned.
    :param max_content_bytes: the most that the members of an archive may hold together.
    :param engine: inflates and deflates.
    :param verification: checks the members that are published as they are compressed.
    :param waiting: called now and then while a check is waited for.
    :raises MaestroQADataError: the file is refused.
    """
    if not sniff.is_archive(got.head):
        sniff.reject_encoded(got.head, got.content_encoding)
        reject_hidden_archive(fd, got.size)
        return [_bare(fd, got.size, file_format, engine, clean=clean)]
    members = read_members(fd, got.size, max_content_bytes=max_content_bytes)
    verification.expect_members(members)

    def measure(member: Member) -> ContentDigest:
        return verification.verify(member, waiting)

    if file_format == "zip":
        return [_archive(fd, got.size, members, engine, measure)]
    outputs = [_of_member(fd, member, file_format, engine, measure, clean=clean) for member in members]
    _refuse_double_names(outputs)
    return outputs


def _refuse_double_names(outputs: list[Output]) -> None:
    """A member ``a.parquet`` and what becomes of ``a.csv`` cannot both be landed."""
    seen: set[str] = set()
    for output in outputs:
        name = output.name.casefold()
        if name in seen:
            raise MaestroQADataError(
                f"Two files of the export would be landed as {output.name!r}. Nothing was published. "
                f"file_format='csv.gz' keeps their names apart."
            )
        seen.add(name)


def _bare(fd: int, size: int, file_format: str, engine: Engine, *, clean: bool) -> Output:
    if clean:
        return _cleaned(
            BARE_NAME,
            size,
            lambda meter: content.add_to_digest(content.read_range(fd, 0, size), meter),
            lambda: None,
            file_format,
            engine,
        )

    def blocks(meter: ContentDigest) -> Iterator[bytes]:
        return content.add_to_digest(content.read_range(fd, 0, size), meter)

    def again() -> Iterator[bytes]:
        return content.read_range(fd, 0, size)

    return _packed(BARE_NAME, size, blocks, again, engine, pack=file_format == "csv.gz")


def _archive(
    fd: int, size: int, members: list[Member], engine: Engine, measure: Callable[[Member], ContentDigest]
) -> Output:
    meters: list[ContentDigest] = []

    def blocks(meter: ContentDigest) -> Iterator[bytes]:
        yield from content.add_to_digest(content.read_range(fd, 0, size), meter)
        # From the last one back, because the thread that began with the download comes from the first one.
        meters.extend(measure(member) for member in reversed(members))

    def rows(_: ContentDigest) -> int | None:
        if all(meter.counter is None for meter in meters):
            return None
        counts = [
            _rows(member.name, meter, lambda member=member: _unmeasured(fd, member, engine))  # type: ignore[misc]
            for member, meter in zip(reversed(members), meters, strict=True)
        ]
        return sum(count or 0 for count in counts)

    return Output(ARCHIVE_NAME, size, size, blocks, rows)


def _unmeasured(fd: int, member: Member, engine: Engine) -> Iterator[bytes]:
    return content.read_member(fd, member, engine, ContentDigest(engine, count_rows=False))


def _of_member(
    fd: int,
    member: Member,
    file_format: str,
    engine: Engine,
    measure: Callable[[Member], ContentDigest],
    *,
    clean: bool,
) -> Output:
    if clean and is_csv(member.name):
        return _cleaned(
            member.name,
            member.size,
            lambda meter: content.read_member(fd, member, engine, meter),
            lambda: measure(member),
            file_format,
            engine,
        )

    def blocks(meter: ContentDigest) -> Iterator[bytes]:
        return content.read_member(fd, member, engine, meter)

    def again() -> Iterator[bytes]:
        return _unmeasured(fd, member, engine)

    if file_format == "csv.gz" and member.method == DEFLATED:
        return Output(
            member.name + ".gz",
            member.compressed_size + content.GZIP_FRAME,
            member.size,
            lambda meter: content.as_gzip_member(fd, member, meter, lambda: measure(member)),
            lambda meter: _rows(member.name, meter, again),
        )
    return _packed(member.name, member.size, blocks, again, engine, pack=file_format == "csv.gz")


def _cleaned(
    name: str,
    size: int,
    source: Callable[[ContentDigest], Iterator[bytes]],
    check: Callable[[], object],
    file_format: str,
    engine: Engine,
) -> Output:
    """A CSV file that is cleaned on its way.

    :param source: makes its bytes.
    :param check: raises ``MaestroQADataError`` when they are not what was compressed.
    """
    read = ContentDigest(engine, count_rows=False)
    found: list[ColumnStats] = []

    def cleaned() -> Iterator[bytes]:
        records = read_records(name, source(read))
        if file_format == PARQUET:
            cleaner = Cleaner(records, date_remedy=_NO_DATE)
            yield from parquet_blocks(records, cleaner)
        else:
            cleaner = Cleaner(records)
            yield from csv_blocks(records, cleaner)
        found.append(cleaner.column_stats())

    def blocks(meter: ContentDigest) -> Iterator[bytes]:
        if file_format == "csv.gz":
            return content.as_gzip_in_thread(_blamed(cleaned(), check), engine, meter)
        return content.add_to_digest(_blamed(cleaned(), check), meter)

    return Output(
        name=name[: -len("csv")] + PARQUET if file_format == PARQUET else name + file_format.removeprefix("csv"),
        # Quotes may be added, and days become times: it can grow, but not to this.
        size=3 * size + (1 << 20),
        content_size=size,
        blocks=blocks,
        rows=lambda _: found[0].rows,
        contents=lambda: found[0],
        done=lambda: read.size,
    )


def _blamed(blocks: Iterator[bytes], check: Callable[[], object]) -> Iterator[bytes]:
    """Blocks, and when a record among them is refused, the archive's damage as the reason if there is any.

    Damage can look like a bad record, and is seen for sure only at the file's end. It is worth a retry.
    """
    refused: MaestroQADataError | None = None
    try:
        yield from blocks
    except MaestroQADataError as error:
        refused = error
    if refused is not None:
        check()
        raise refused


def _packed(
    name: str,
    size: int,
    blocks: Callable[[ContentDigest], Iterator[bytes]],
    again: Callable[[], Iterator[bytes]],
    engine: Engine,
    *,
    pack: bool,
) -> Output:
    def rows(meter: ContentDigest) -> int | None:
        return _rows(name, meter, again)

    if not pack:
        return Output(name, size, size, blocks, rows)
    # Deflate never grows data by more than a few bytes a block.
    bound = size + size // 1000 + content.GZIP_FRAME + 64
    return Output(name + ".gz", bound, size, lambda meter: content.as_gzip(blocks(meter), engine, meter), rows)


def _rows(name: str, meter: ContentDigest, again: Callable[[], Iterator[bytes]]) -> int | None:
    if meter.counter is None or not holds_records(name):
        return None
    return meter.counter.rows if meter.counter.is_sure else count_exactly(again())
