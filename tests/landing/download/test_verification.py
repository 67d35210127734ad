"""Members are checked once, as early as possible, and never by what is not true any more."""

import io
import os
import threading
import zipfile
from dataclasses import replace

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.landing.archive.members import read_members
from airflow_provider_maestroqa.landing.download.verification import Verification
from airflow_provider_maestroqa.storage.compression import zlib_engine


def noop():
    pass


def packed(*contents, seekable=False, method=zipfile.ZIP_DEFLATED):
    target = io.BytesIO()
    target.seekable = lambda: seekable
    with zipfile.ZipFile(target, "w", method) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"{number}.csv", content)
    return target.getvalue()


class Counting:
    """An engine that counts the streams it inflates."""

    def __init__(self, engine, fail=False):
        self.streams = 0
        self.fail = fail
        self.engine = replace(engine, inflater=self.inflater)
        self.real = engine.inflater

    def inflater(self):
        self.streams += 1
        if self.fail and threading.current_thread().name == "maestroqa-check":
            raise RuntimeError("lost")
        return self.real()


@pytest.fixture
def growing(tmp_path):
    """A file that grows as a test says."""
    with (tmp_path / "archive.zip").open("w+b", buffering=0) as file:
        yield file


def members_of(file):
    return read_members(file.fileno(), os.fstat(file.fileno()).st_size, max_content_bytes=1 << 40)


@pytest.mark.parametrize("seekable", [True, False])
def test_members_are_measured_while_the_file_still_grows(growing, engine, seekable):
    contents = [b"h\n" + b"%d\n" % number * 5000 for number in range(4)]
    archive, counting = packed(*contents, seekable=seekable), Counting(engine)
    with Verification(growing.fileno(), counting.engine, count_rows=True, early=True) as verification:
        for start in range(0, len(archive), 1000):
            growing.write(archive[start : start + 1000])
            verification.bytes_available(start + len(archive[start : start + 1000]))
        members = members_of(growing)
        verification.expect_members(members)
        # The last one first waits for the thread, or does its work.
        digests = [verification.verify(member, noop) for member in members]
    assert [(digest.size, digest.counter.rows) for digest in digests] == [
        (len(content), 5000) for content in contents
    ]
    assert counting.streams == len(contents)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_all_are_checked_largest_first_beside_the_one_that_the_thread_is_at(growing, engine, count):
    sizes = [3000, 10, 9000, 500][:count]
    others_done, inflated = threading.Event(), []

    def inflater():
        if threading.current_thread().name == "maestroqa-check":
            # Held up in the first member until the others are checked.
            assert others_done.wait(30 if count > 1 else 0) or count == 1
        return Noting(engine.inflater())

    class Noting:
        def __init__(self, real):
            self._real, self._size = real, 0

        def __getattr__(self, name):
            return getattr(self._real, name)

        def decompress(self, *arguments):
            block = self._real.decompress(*arguments)
            self._size += len(block)
            if self._real.eof:
                inflated.append(self._size)
                if len(inflated) == count - 1:
                    others_done.set()
            return block

    growing.write(packed(*[os.urandom(size // 2).hex().encode() for size in sizes]))
    growing_size = os.fstat(growing.fileno()).st_size
    with Verification(
        growing.fileno(), replace(engine, inflater=inflater), count_rows=False, early=True
    ) as verification:
        verification.bytes_available(growing_size)
        while verification._current is None and not others_done.is_set() and count > 1:
            threading.Event().wait(0.001)
        members = members_of(growing)
        verification.expect_members(members)
        digests = verification.verify_all(members, noop)
    assert [digest.size for digest in digests] == sizes
    assert inflated == [*sorted(sizes[1:], reverse=True), sizes[0]]


def test_an_early_check_that_was_not_begun_is_made_later(growing, engine):
    growing.write(packed(b"h\n1\n"))
    with Verification(growing.fileno(), engine, count_rows=False, early=False) as verification:
        (member,) = members_of(growing)
        verification.expect_members([member])
        assert verification.verify(member, noop).size == 4


def test_a_thread_that_gets_lost_harms_nothing(growing, engine):
    archive, counting = packed(b"h\n1\n", b"h\n2\n"), Counting(engine, fail=True)
    growing.write(archive)
    with Verification(growing.fileno(), counting.engine, count_rows=False, early=True) as verification:
        verification.bytes_available(len(archive))
        members = members_of(growing)
        verification.expect_members(members)
        assert [verification.verify(member, noop).size for member in members] == [4, 4]


def test_members_that_grow_out_of_all_proportion_together_stop_the_early_check(growing, engine):
    archive, counting = packed(*[bytes(33 << 20)] * 5), Counting(engine)
    growing.write(archive)
    with Verification(growing.fileno(), counting.engine, count_rows=False, early=True) as verification:
        # As if more were to come, so that the thread waits for nothing.
        verification.bytes_available(len(archive) + (1 << 20))
        verification._thread.join(60)
    assert counting.streams == 2


def test_what_was_measured_of_an_earlier_file_is_forgotten(growing, engine):
    first, second = packed(b"h\n1\n"), packed(b"h\n2\n")
    with Verification(growing.fileno(), engine, count_rows=False, early=True) as verification:
        growing.write(first)
        verification.bytes_available(len(first))
        growing.seek(0)
        growing.truncate()
        verification.reset()
        growing.write(second)
        verification.bytes_available(len(second))
        (member,) = members_of(growing)
        verification.expect_members([member])
        assert verification.verify(member, noop).crc32 == member.crc32


def test_a_directory_that_contradicts_what_was_measured_is_believed_no_more_than_the_data(growing, engine):
    archive = packed(b"h\n1\n", seekable=True)
    growing.write(archive)
    with Verification(growing.fileno(), engine, count_rows=False, early=True) as verification:
        verification.bytes_available(len(archive))
        (member,) = members_of(growing)
        verification.expect_members([member])
        verification.verify(member, noop)
        for lie in ({"crc32": 1}, {"size": 3}, {"compressed_size": member.compressed_size - 1}):
            with pytest.raises(MaestroQADataError):
                verification.verify(replace(member, **lie), noop)


@pytest.mark.parametrize(("file_format", "clean"), [("csv.gz", False), ("csv", False), ("zip", False), ("csv", True)])
def test_each_member_is_inflated_once(land, memory, origin, file_format, clean):
    counting = Counting(zlib_engine())
    origin.body = packed(*[b"h\n" * 70_000] * 5)
    land(memory, file_format=file_format, clean=clean, engine=counting.engine)
    assert counting.streams == 5


@pytest.mark.parametrize("file_format", ["csv.gz", "csv", "zip"])
def test_an_archive_that_changed_while_it_was_downloaded_is_checked_as_it_is_now(land, memory, origin, file_format):
    contents = [os.urandom(5000), os.urandom(5000)]
    before, after = (packed(*order, b"end") for order in (contents, reversed(contents)))
    assert len(before) == len(after)

    def changed(headers):
        origin.body, origin.etag = after, '"v2"'
        return origin.serve(headers)

    origin.body = before
    origin.plan.extend([origin.dropping(9000), changed])
    manifest = land(memory, file_format=file_format)
    if file_format == "zip":
        assert memory.get_bytes("export.zip") == after
    else:
        crcs = [file["crc32"] for file in manifest["files"]]
        with zipfile.ZipFile(io.BytesIO(after)) as archive:
            assert crcs == [f"{info.CRC:08x}" for info in archive.infolist()]


def test_a_failed_download_ends_the_thread(land, memory, origin, reply):
    origin.body = packed(os.urandom(50_000))
    origin.plan.extend([origin.dropping(20_000), reply(404)])
    with pytest.raises(MaestroQADataError):
        land(memory)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("maestroqa")]
