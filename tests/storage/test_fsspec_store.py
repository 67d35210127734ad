"""What a reader sees of a file on this machine's disk, and on any other file system that fsspec knows."""

import fcntl
import gc
import os
import stat
from pathlib import Path

import fsspec
import pytest
from clocks import FakeClock
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem
from landing_fixtures import DATA

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
)
from airflow_provider_maestroqa.storage import local_store
from airflow_provider_maestroqa.storage.fsspec_store import FilesystemStore


def test_local_files_get_the_permissions_of_any_other_file(local, tmp_path):
    local.put_bytes("x/a.csv", b"1")
    (tmp_path / "other").write_bytes(b"")
    assert (tmp_path / "landed/x/a.csv").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert local.uri("x/a.csv") == f"file://{tmp_path}/landed/x/a.csv"


def test_what_a_killed_process_left_beside_a_local_file_is_removed(local, tmp_path):
    folder = tmp_path / "landed"
    folder.mkdir()
    (folder / ".a.csv.0badf00d.part").write_bytes(b"half a fi")
    at_work = local.begin("a.csv", size=1)
    at_work.write(b"1")
    other = local.begin("a.csv", size=1)
    assert len(list(folder.glob(".a.csv.*.part"))) == 2
    for upload in (at_work, other):
        upload.discard()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("inner", ["", "x"])
def test_a_sealed_file_of_another_process_stays_until_that_is_gone(local, tmp_path, inner):
    folder = tmp_path / "landed"
    done, killed = local.begin("0.csv", size=1), local.begin("x/a.csv", size=1)
    for upload in (done, killed):
        upload.seal(0)
    done.publish()

    def begin_and_discard():
        other = FilesystemStore(local.fs, f"{local.root}/{inner}", "file")
        other.begin("a.csv" if inner else "x/a.csv", size=1).discard()
        other.put_bytes("b.csv", b"")
        return len(list(folder.rglob(".*")))

    assert begin_and_discard() == 2  # the file and its lock
    os.close(local._parts_lock._fd)  # as the end of the process does
    assert begin_and_discard() == (1 if inner else 0)  # a lock goes with the next landing in its folder
    local.put_bytes("a.csv", b"")
    local._leftovers = local_store.Leftovers()
    local.put_bytes("a.csv", b"")
    assert not list(folder.rglob(".*"))


@pytest.mark.parametrize("name", [".a.csv.mine.part", ".a.csv.2026-01-01.part", ".a.csv.0BADF00D.part", "a.csv.part"])
def test_a_file_of_the_user_that_looks_like_a_leftover_stays(local, tmp_path, name):
    (tmp_path / "landed").mkdir()
    (tmp_path / "landed" / name).write_bytes(b"mine")
    local.put_bytes("a.csv", b"1")
    assert (tmp_path / "landed" / name).read_bytes() == b"mine"


def test_a_fifo_at_the_destination_is_an_error_and_hangs_nobody(local, land, tmp_path):
    folder = tmp_path / "landed"
    folder.mkdir()
    os.mkfifo(folder / ".export.csv.gz.0badf00d.part")
    os.mkfifo(folder / "export.csv.gz")
    with pytest.raises(MaestroQAConfigError, match=r"export\.csv\.gz is a FIFO"):
        land(local)
    os.mkfifo(folder / "_manifest.json")
    with pytest.raises(MaestroQAConfigError, match=r"_manifest\.json is a FIFO"):
        land(local)
    assert stat.S_ISFIFO((folder / "export.csv.gz").stat().st_mode)


def test_a_folder_that_a_stopped_process_has_locked_is_an_error(local, tmp_path, monkeypatch):
    monkeypatch.setattr(local_store, "Clock", FakeClock)
    local.put_bytes("a.csv", b"1")
    fd = os.open(tmp_path / "landed", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    with pytest.raises(MaestroQAConnectionError, match="stayed locked for 30 s"):
        local.put_bytes("a.csv", b"2")
    os.close(fd)
    assert local.get_bytes("a.csv") == b"1"


def test_thousands_of_files_list_their_folder_once(local, monkeypatch):
    listed = []
    real = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: listed.append(self) or real(self))
    for number in range(20):
        local.put_bytes(f"f{number}", b"")
    assert len(listed) == 1


def test_a_local_folder_that_cannot_be_created_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    store = FilesystemStore(fsspec.filesystem("file"), str(tmp_path / "file"), "file")
    with pytest.raises(MaestroQAError, match="Cannot write"):
        store.put_bytes("a", b"1")


class Blocks(AbstractFileSystem):
    """As Azure's: blocks are sent early, and become a blob when the file is closed; there is no commit."""

    protocol = "blocks"
    cachable = False

    def __init__(self):
        super().__init__()
        self.blobs = {}
        self.fail = None

    def _open(self, path, mode="rb", **arguments):
        return BlocksFile(self, path, mode, block_size=10, autocommit=arguments.get("autocommit", True))

    def info(self, path, **_):
        if path not in self.blobs:
            raise FileNotFoundError(path)
        return {"name": path, "size": len(self.blobs[path]), "type": "file"}

    def cat_file(self, path, **_):
        if path not in self.blobs:
            raise FileNotFoundError(path)
        return self.blobs[path]

    def cp_file(self, path1, path2, **_):
        self.blobs[path2] = self.blobs[path1]

    def rm_file(self, path):
        self.blobs.pop(path)

    def makedirs(self, path, exist_ok=False):
        pytest.fail("this would make a bucket")


class BlocksFile(AbstractBufferedFile):
    def _initiate_upload(self):
        self.sent = b""

    def _upload_chunk(self, final=False):
        if self.fs.fail:
            raise self.fs.fail
        self.sent += self.buffer.getvalue()
        if final:
            self.fs.blobs[self.path] = self.sent


class Committing(Blocks):
    """As S3's and Google's: a file that is not committed by itself has a commit."""

    protocol = "committing"

    def _open(self, path, mode="rb", **arguments):
        return CommittingFile(self, path, mode, block_size=10, autocommit=arguments.get("autocommit", True))


class CommittingFile(BlocksFile):
    def _upload_chunk(self, final=False):
        super()._upload_chunk(final=False)
        if final and self.autocommit:
            self.commit()

    def commit(self):
        self.fs.blobs[self.path] = self.sent

    def discard(self):
        self.sent = None


@pytest.fixture(params=["azure", "committing", "moving"])
def far(request):
    fs = Committing() if request.param == "committing" else Blocks()
    return FilesystemStore(fs, "box/day", "abfs" if request.param == "azure" else "other")


def test_every_kind_of_file_system_shows_whole_files_only(far, land, origin, two_files, make_zip, part):
    far.put_bytes("a.csv", b"what was there")
    good, origin.body = origin.body, make_zip(part(name=b"a.csv", data=DATA), part(name=b"x/b.csv", crc32=1))
    with pytest.raises(MaestroQAError, match="checksum"):
        land(far, file_format="csv")
    assert far.fs.blobs == {"box/day/a.csv": b"what was there"}
    origin.body = good
    land(far, file_format="csv")
    assert far.fs.blobs.keys() == {"box/day/a.csv", "box/day/x/b.csv", "box/day/_manifest.json"}
    assert far.fs.blobs["box/day/a.csv"] == DATA
    assert not far.fs.transaction.files


def test_a_file_system_with_folders_and_without_commit_gets_its_files_moved(tmp_path, land, two_files):
    inside = fsspec.filesystem("dir", path=str(tmp_path), fs=fsspec.filesystem("file"))
    store = FilesystemStore(inside, "deep/folder", "dir")
    land(store, file_format="csv")
    files = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "deep").rglob("*") if path.is_file())
    assert files == ["deep/folder/_manifest.json", "deep/folder/a.csv", "deep/folder/x/b.csv"]
    assert store.get_bytes("a.csv") == DATA


def test_a_file_system_that_fails_in_the_middle_shows_nothing(far, land, two_files):
    far.fs.fail = RuntimeError("PUT https://box/day?sig=5ec2e7 failed\n[2026] \x1b[31mforged" + "x" * 5_000_000)
    with pytest.raises(MaestroQAError, match=r"PUT https://box/day\?\*\*\* failed") as caught:
        land(far, file_format="csv")
    assert "5ec2e7" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500
    far.fs.fail = None
    gc.collect()
    assert far.fs.blobs == {}


def test_a_file_that_lost_bytes_on_its_way_is_noticed(far, monkeypatch):
    monkeypatch.setattr(Blocks, "info", lambda self, path, **_: {"size": 3, "type": "file"})
    with pytest.raises(MaestroQADataError, match=r"3 bytes in the storage, but 4 were sent") as caught:
        far.put_bytes("a", b"1234")
    assert caught.value.retryable


def test_a_store_says_where_it_is(far, memory):
    assert far.uri("a.csv").endswith("://box/day/a.csv")
    assert memory.uri() == f"memory://{memory.root}"
