"""Check an archive's members by inflating them, beginning while the archive is still being downloaded.

A thread follows the temporary file from its first byte. It trusts nothing: what it computes counts only if the
archive's directory, read when the download is complete, says the same. Where it cannot go on, or the download starts
over, the members are inflated after the download, as if the thread had never run.
"""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_maestroqa.landing.archive import zip_directory
from airflow_provider_maestroqa.landing.archive.content import ContentDigest, read_member
from airflow_provider_maestroqa.landing.archive.members import DEFLATED, MIN_RATIO_SIZE, Member, is_zip_bomb
from airflow_provider_maestroqa.landing.download.follower import Follower
from airflow_provider_maestroqa.storage.compression import BLOCK, Engine

_TICK_S = 5.0
_INFLATED_BLOCK = 1 << 18


class Verification(Follower):
    """Computes the digest of an archive's members, each once, in two threads.

    :param fd: the temporary file, which grows.
    :param count_rows: whether to count records as well.
    :param early: whether to begin before the download is complete.
    """

    def __init__(self, fd: int, engine: Engine, *, count_rows: bool, early: bool) -> None:
        super().__init__(fd, "maestroqa-check", early=early)
        self._engine = engine
        self._count_rows = count_rows
        #: By the offset of a member's data: its compressed size, and its digest.
        self._digests: dict[int, tuple[int, ContentDigest]] = {}
        self._inflated_size = 0
        self._current: int | None = None
        self._sizes: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._verified: set[int] = set()

    def reset(self) -> None:
        """Report that the file begins anew; what was computed so far is void."""
        super().reset()
        self._digests.clear()

    def expect_members(self, members: list[Member]) -> None:
        """Report that the download is complete, and that these are the archive's members."""
        self._sizes = {member.start: member.size for member in members}
        self._ends = {member.start: member.start + member.compressed_size for member in members}
        self.complete()

    def verify(self, member: Member, on_wait: Callable[[], None]) -> ContentDigest:
        """Check that a member is undamaged, and return its digest.

        :raises MaestroQADataError: it is damaged.
        """
        with self._changed:
            while self._current == member.start and not self._stopped:
                self._changed.wait(_TICK_S)
                on_wait()
            compressed_size, digest = self._digests.get(member.start, (0, None))
            self._verified.add(member.start)
        if digest is not None and (compressed_size, digest.size, digest.crc32) == (
            member.compressed_size,
            member.size,
            member.crc32,
        ):
            return digest
        digest = ContentDigest(self._engine, count_rows=self._count_rows)
        for _ in read_member(self._fd, member, self._engine, digest):
            on_wait()
        return digest

    def verify_all(self, members: list[Member], on_wait: Callable[[], None]) -> list[ContentDigest]:
        """Check that no member is damaged, and return their digests.

        The largest ones are checked first, so that the two threads end at about the same time; one that the other
        thread has begun with is left to it.

        :raises MaestroQADataError: one is damaged.
        """
        pending = sorted(members, key=lambda member: member.compressed_size)
        digests: dict[int, ContentDigest] = {}
        while pending:
            others = [member for member in pending if member.start != self._current]
            member = (others or pending)[-1]
            pending.remove(member)
            digests[member.start] = self.verify(member, on_wait)
        return [digests[member.start] for member in members]

    def _run(self) -> None:
        try:
            offset: int | None = 0
            while offset is not None:
                offset = self._digest_member_at(offset)
        except Exception:  # noqa: BLE001, S110 - the check after the download finds what is wrong
            pass
        finally:
            with self._changed:
                self._current = None
            self._stop()

    def _digest_member_at(self, offset: int) -> int | None:
        """Inflate the member whose header begins here; the offset of the next header, or ``None``."""
        header = zip_directory.parse_local_header(self._read(offset, zip_directory.LOCAL_HEADER_SIZE))
        if header is None:
            return None
        method, size, length = header
        if method != DEFLATED:
            return None
        start = offset + length
        with self._changed:
            is_verified = start in self._verified
            if not is_verified:
                self._current = start
        if is_verified:
            return self._next_header(self._ends[start]) if start in self._ends else None
        digest = ContentDigest(self._engine, count_rows=self._count_rows)
        compressed_size = self._inflate(start, size, digest)
        with self._changed:
            self._current = None
            if compressed_size is not None and not self._stopped:
                self._digests[start] = (compressed_size, digest)
            self._changed.notify_all()
        self._inflated_size += digest.size
        return None if compressed_size is None else self._next_header(start + compressed_size)

    def _inflate(self, start: int, declared_size: int | None, digest: ContentDigest) -> int | None:
        """Inflate a stream to its end; its bytes in the archive, or ``None`` when it is not worth it."""
        inflater = self._engine.inflater()
        offset = start
        while not inflater.eof:
            data = self._read(offset, BLOCK)
            if not data or self._stopped:
                return None
            offset += len(data)
            while True:
                block = inflater.decompress(data, _INFLATED_BLOCK)
                digest.add(block)
                data = inflater.unconsumed_tail
                if inflater.eof or (not data and len(block) < _INFLATED_BLOCK):
                    break
                limit = self._sizes.get(start, declared_size)
                if (limit is not None and digest.size > limit) or self._stopped:
                    return None
                inflated_size = self._inflated_size + digest.size
                if inflated_size > MIN_RATIO_SIZE and (
                    is_zip_bomb(digest.size, offset - start) or is_zip_bomb(inflated_size, offset)
                ):
                    return None
        return offset - start - len(inflater.unused_data)

    def _next_header(self, offset: int) -> int | None:
        skipped = zip_directory.find_local_header(self._read(offset, zip_directory.MAX_GAP))
        return None if skipped is None else offset + skipped
