"""Check an archive's members by inflating them, beginning while the archive is still being downloaded.

A thread follows the temporary file from its first byte. It trusts nothing: what it finds counts only if the archive's
directory, read when the download is complete, says the same. Where it gets lost, or the download starts over, the
members are inflated after the download, as if it had never run.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import TracebackType

from airflow_provider_maestroqa.landing.archive import content, zip_directory
from airflow_provider_maestroqa.landing.archive.content import Meter
from airflow_provider_maestroqa.landing.archive.members import DEFLATED, RATIO_COUNTS_FROM, Member, is_absurd
from airflow_provider_maestroqa.storage.compression import BLOCK, Engine

_TICK = 5.0
_INFLATED_BLOCK = 1 << 20


class Verification:
    """Measures the members of an archive, each once, in two threads.

    :param fd: the temporary file, which grows.
    :param engine: inflates.
    :param count_rows: whether to count records as well.
    :param early: whether to begin before the download is complete.
    """

    def __init__(self, fd: int, engine: Engine, *, count_rows: bool, early: bool) -> None:
        self._fd = fd
        self._engine = engine
        self._count_rows = count_rows
        self._news = threading.Condition()
        self._arrived = 0
        self._complete = False
        self._closed = not early
        self._measured: dict[int, tuple[int, Meter]] = {}
        self._at: int | None = None
        self._sizes: dict[int, int] = {}
        self._taken: set[int] = set()
        self._thread = threading.Thread(target=self._follow, name="maestroqa-check", daemon=True)

    def __enter__(self) -> Verification:
        if not self._closed:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._give_up()
        if self._thread.ident is not None:
            self._thread.join()

    def arrived(self, size: int) -> None:
        """The first ``size`` bytes of the file are there."""
        with self._news:
            self._arrived = size
            self._news.notify_all()

    def started_over(self) -> None:
        """The file begins anew; what was found so far is void."""
        self._give_up()
        self._measured.clear()

    def expect(self, members: list[Member]) -> None:
        """The download is complete, and these are the archive's members."""
        with self._news:
            self._complete = True
            self._sizes = {member.start: member.size for member in members}
            self._news.notify_all()

    def measure(self, member: Member, waiting: Callable[[], None]) -> Meter:
        """The measures of a member that is whole.

        :param waiting: called now and then.
        :raises MaestroQADataError: it is not.
        """
        with self._news:
            while self._at == member.start and not self._closed:
                self._news.wait(_TICK)
                waiting()
            packed, meter = self._measured.get(member.start, (0, None))
            self._taken.add(member.start)
        if meter is not None and (packed, meter.size, meter.crc32) == (member.packed, member.size, member.crc32):
            return meter
        meter = Meter(self._engine, count_rows=self._count_rows)
        for _ in content.unpacked(self._fd, member, self._engine, meter):
            waiting()
        return meter

    def _give_up(self) -> None:
        with self._news:
            self._closed = True
            self._news.notify_all()

    def _follow(self) -> None:
        try:
            at: int | None = 0
            while at is not None:
                at = self._measure_at(at)
        except Exception:  # noqa: BLE001, S110 - the check after the download tells what is wrong
            pass
        finally:
            with self._news:
                self._at = None
            self._give_up()

    def _measure_at(self, offset: int) -> int | None:
        """Measure the member whose header begins here; where the next one does, or ``None``."""
        header = zip_directory.parse_local_header(self._read(offset, zip_directory.LOCAL_SIZE))
        if header is None or header.method != DEFLATED:
            return None
        start = offset + header.length
        with self._news:
            if start in self._taken:
                return None
            self._at = start
        meter = Meter(self._engine, count_rows=self._count_rows)
        packed = self._inflate(start, header.size, meter)
        with self._news:
            self._at = None
            if packed is not None and not self._closed:
                self._measured[start] = (packed, meter)
            self._news.notify_all()
        return None if packed is None else self._next_header(start + packed)

    def _inflate(self, start: int, declared: int | None, meter: Meter) -> int | None:
        """Inflate a stream to its end; the bytes it takes in the archive, or ``None`` when it is not worth it."""
        inflater = self._engine.inflater()
        at = start
        while not inflater.eof:
            data = self._read(at, BLOCK)
            if not data or self._closed:
                return None
            at += len(data)
            while True:
                block = inflater.decompress(data, _INFLATED_BLOCK)
                meter.add(block)
                data = inflater.unconsumed_tail
                if inflater.eof or (not data and len(block) < _INFLATED_BLOCK):
                    break
                limit = self._sizes.get(start, declared)
                if (limit is not None and meter.size > limit) or self._closed:
                    return None
                if meter.size > RATIO_COUNTS_FROM and is_absurd(meter.size, at - start):
                    return None
        return at - start - len(inflater.unused_data)

    def _next_header(self, offset: int) -> int | None:
        gap = self._read(offset, 28)
        for skipped in zip_directory.DESCRIPTOR_LENGTHS:
            if gap[skipped : skipped + 4] == zip_directory.LOCAL_MAGIC:
                return offset + skipped
        return None

    def _read(self, offset: int, most: int) -> bytes:
        """Read up to ``most`` bytes, waiting until that many have arrived or the file is complete."""
        with self._news:
            while not (self._closed or self._complete or self._arrived >= offset + most):
                self._news.wait()
            there = self._arrived - offset
        return os.pread(self._fd, min(most, there), offset) if there > 0 and not self._closed else b""
