"""Which objects an export becomes, and how the bytes of each are made from the downloaded file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airflow_provider_maestroqa.exports import content, sniff
from airflow_provider_maestroqa.exports.archive import DEFLATED, Member, read_members, refuse_disguised_archive
from airflow_provider_maestroqa.exports.content import Meter
from airflow_provider_maestroqa.exports.dialect import count_exactly
from airflow_provider_maestroqa.exports.download import Downloaded
from airflow_provider_maestroqa.exports.engines import Engine
from airflow_provider_maestroqa.exports.manifest import ARCHIVE_NAME, BARE_NAME, holds_records
from airflow_provider_maestroqa.exports.verification import Verification


@dataclass(frozen=True)
class Output:
    """One object to publish.

    :param name: relative to the destination.
    :param size: its bytes; an upper bound where they are not known before.
    :param content_size: bytes before compression.
    :param blocks: makes its bytes, and measures the content on the way.
    :param rows: tells the records after that; ``None`` when nobody wants to know.
    """

    name: str
    size: int
    content_size: int
    blocks: Callable[[Meter], Iterator[bytes]]
    rows: Callable[[Meter], int | None]


def plan(
    fd: int,
    got: Downloaded,
    *,
    file_format: str,
    max_content_bytes: int,
    engine: Engine,
    verification: Verification,
    waiting: Callable[[], None],
) -> list[Output]:
    """Check the structure of a downloaded file and list what it becomes.

    :param fd: the open file.
    :param got: what is known of it.
    :param file_format: ``csv.gz``, ``csv`` or ``zip``.
    :param max_content_bytes: the most that the members of an archive may hold together.
    :param engine: inflates and deflates.
    :param verification: checks the members that are published as they are compressed.
    :param waiting: called now and then while a check is waited for.
    :raises MaestroQADataError: the file is refused.
    """
    if not sniff.is_archive(got.head):
        sniff.refuse_encoded(got.head, got.content_encoding)
        refuse_disguised_archive(fd, got.size)
        return [_bare(fd, got.size, file_format, engine)]
    members = read_members(fd, got.size, max_content_bytes=max_content_bytes)
    verification.expect(members)

    def measure(member: Member) -> Meter:
        return verification.measure(member, waiting)

    if file_format == "zip":
        return [_archive(fd, got.size, members, engine, measure)]
    return [_of_member(fd, member, file_format, engine, measure) for member in members]


def _bare(fd: int, size: int, file_format: str, engine: Engine) -> Output:
    def blocks(meter: Meter) -> Iterator[bytes]:
        return content.measured(content.read_range(fd, 0, size), meter)

    def again() -> Iterator[bytes]:
        return content.read_range(fd, 0, size)

    return _packed(BARE_NAME, size, blocks, again, engine, pack=file_format == "csv.gz")


def _archive(fd: int, size: int, members: list[Member], engine: Engine, measure: Callable[[Member], Meter]) -> Output:
    meters: list[Meter] = []

    def blocks(meter: Meter) -> Iterator[bytes]:
        yield from content.measured(content.read_range(fd, 0, size), meter)
        # From the last one back, because the thread that began with the download comes from the first one.
        meters.extend(measure(member) for member in reversed(members))

    def rows(_: Meter) -> int | None:
        if all(meter.counter is None for meter in meters):
            return None
        counts = [
            _rows(member.name, meter, lambda member=member: _unmeasured(fd, member, engine))  # type: ignore[misc]
            for member, meter in zip(reversed(members), meters, strict=True)
        ]
        return sum(count or 0 for count in counts)

    return Output(ARCHIVE_NAME, size, size, blocks, rows)


def _unmeasured(fd: int, member: Member, engine: Engine) -> Iterator[bytes]:
    return content.unpacked(fd, member, engine, Meter(engine, count_rows=False))


def _of_member(
    fd: int, member: Member, file_format: str, engine: Engine, measure: Callable[[Member], Meter]
) -> Output:
    def blocks(meter: Meter) -> Iterator[bytes]:
        return content.unpacked(fd, member, engine, meter)

    def again() -> Iterator[bytes]:
        return _unmeasured(fd, member, engine)

    if file_format == "csv.gz" and member.method == DEFLATED:
        return Output(
            member.name + ".gz",
            member.packed + content.GZIP_FRAME,
            member.size,
            lambda meter: content.reframed(fd, member, meter, lambda: measure(member)),
            lambda meter: _rows(member.name, meter, again),
        )
    return _packed(member.name, member.size, blocks, again, engine, pack=file_format == "csv.gz")


def _packed(
    name: str,
    size: int,
    blocks: Callable[[Meter], Iterator[bytes]],
    again: Callable[[], Iterator[bytes]],
    engine: Engine,
    *,
    pack: bool,
) -> Output:
    def rows(meter: Meter) -> int | None:
        return _rows(name, meter, again)

    if not pack:
        return Output(name, size, size, blocks, rows)
    # Deflate never grows data by more than a few bytes a block.
    bound = size + size // 1000 + content.GZIP_FRAME + 64
    return Output(name + ".gz", bound, size, lambda meter: content.compressed(blocks(meter), engine, meter), rows)


def _rows(name: str, meter: Meter, again: Callable[[], Iterator[bytes]]) -> int | None:
    if meter.counter is None or not holds_records(name):
        return None
    return meter.counter.rows if meter.counter.is_sure else count_exactly(again())
