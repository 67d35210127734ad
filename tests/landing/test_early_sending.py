"""An archive that is stored as it comes is sent while it is downloaded, and shown only when all of it was checked."""

import hashlib
import os
import random
import threading

import pytest
from landing_fixtures import listing

from airflow_provider_maestroqa.client.errors import MaestroQAConnectionError, MaestroQADataError
from airflow_provider_maestroqa.landing import early_sending

MB = 1 << 20
#: More than S3 takes in one request, so that parts are sent.
CONTENT = os.urandom(12 * MB)


class Watched:
    """A store that says what was sent to it."""

    def __init__(self, store, fail_after=None):
        self.store, self.fail_after = store, fail_after
        self.begun, self.sent, self.discarded = [], 0, []
        self.parts_sent = threading.Event()

    def __getattr__(self, name):
        return getattr(self.store, name)

    def begin(self, name, **arguments):
        self.begun.append(name)
        return WatchedUpload(self, self.store.begin(name, **arguments), name)


class WatchedUpload:
    def __init__(self, watched, upload, name):
        self.watched, self.upload, self.name = watched, upload, name

    def write(self, data):
        self.watched.sent += len(data)
        if self.watched.fail_after is not None and self.watched.sent > self.watched.fail_after:
            raise MaestroQAConnectionError("the storage is busy")
        self.upload.write(data)
        if self.watched.sent > 5 * MB:
            self.watched.parts_sent.set()

    def discard(self):
        self.watched.discarded.append(self.name)
        self.upload.discard()

    def __getattr__(self, name):
        return getattr(self.upload, name)


@pytest.fixture
def archive(make_zip, part):
    return make_zip(part(data=b"h\n1\n"), part(name=b"big.bin", data=CONTENT, method=0))


def test_an_archive_is_sent_once_and_while_it_is_still_coming_in(land, store, origin, archive):
    watched, waited = Watched(store), []

    def rest(headers):
        waited.append(watched.parts_sent.wait(60))
        return origin.serve(headers)

    origin.body = archive
    origin.plan.extend([origin.dropping(8 * MB), rest])
    (file,) = land(watched, file_format="zip", count_rows=True)["files"]
    assert waited == [True]
    assert (watched.begun, watched.sent) == (["export.zip"], len(archive))
    assert store.get_bytes("export.zip") == archive
    assert (file["bytes"], file["sha256"]) == (len(archive), hashlib.sha256(archive).hexdigest())
    assert file["rows"] == 1
    assert listing(store) == ["_manifest.json", "export.zip"]


@pytest.mark.parametrize("damage", ["end", "directory", "checksum", "name"])
def test_an_archive_that_turns_out_wrong_at_its_end_is_taken_back(
    land, s3_store, origin, archive, make_zip, part, damage
):
    big, watched = part(name=b"big.bin", data=CONTENT, method=0), Watched(s3_store)
    origin.body, problem = {
        "end": (archive[:-5], "its end is missing"),
        "directory": (archive.replace(b"PK\x01\x02", b"PK\x01?"), "its directory is cut off or altered"),
        "checksum": (make_zip(big, part(name=b"b.csv", crc32=1)), "'b.csv': its checksum is wrong"),
        "name": (make_zip(big, part(name=b"../b.csv")), "leads out of its folder"),
    }[damage]
    with pytest.raises(MaestroQADataError, match=problem):
        land(watched, file_format="zip")
    assert watched.begun == watched.discarded == ["export.zip"]
    assert listing(s3_store) == []


def test_an_archive_that_changed_while_it_was_sent_is_sent_anew(land, store, origin, archive, make_zip, part):
    watched, after = Watched(store), make_zip(part(name=b"new.bin", data=CONTENT[::-1], method=0))

    def changed(headers):
        assert watched.parts_sent.wait(60)
        origin.body, origin.etag = after, '"v2"'
        return origin.serve(headers)

    origin.body = archive
    origin.plan.extend([origin.dropping(8 * MB), changed])
    land(watched, file_format="zip")
    assert (watched.begun, watched.discarded) == (["export.zip", "export.zip"], ["export.zip"])
    assert store.get_bytes("export.zip") == after
    assert listing(store) == ["_manifest.json", "export.zip"]


@pytest.mark.parametrize("fail_after", [0, 6 * MB])
def test_a_storage_that_fails_meanwhile_fails_the_landing(land, s3_store, origin, archive, fail_after):
    origin.body = archive
    with pytest.raises(MaestroQAConnectionError, match="the storage is busy"):
        land(Watched(s3_store, fail_after), file_format="zip")
    assert listing(s3_store) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("maestroqa-send")]


def test_damage_is_reported_rather_than_a_storage_that_fails_as_well(land, s3_store, origin, archive):
    origin.body = archive[:-5]
    with pytest.raises(MaestroQADataError, match="its end is missing"):
        land(Watched(s3_store, 0), file_format="zip")
    assert listing(s3_store) == []


def test_a_download_that_fails_leaves_nothing(land, store, origin, archive, reply):
    origin.body = archive
    origin.plan.extend([origin.dropping(8 * MB), reply(404)])
    with pytest.raises(MaestroQADataError):
        land(store, file_format="zip")
    assert listing(store) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("maestroqa")]


def test_what_is_no_archive_is_not_sent_before_it_was_checked(land, memory, origin):
    watched = Watched(memory)
    origin.body = b"id,comment\n1,text\n"
    land(watched, file_format="zip")
    assert watched.begun == ["export.csv"]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_to_the_download_the_last_file_is_landed(
    land, memory, origin, make_zip, part, reply, monkeypatch, seed
):
    monkeypatch.setattr(early_sending, "_BLOCK", 1000)
    chance, size = random.Random(seed), 20_000
    archives = [
        make_zip(
            *[part(name=b"%d.csv" % n, data=chance.randbytes(size // 4)) for n in range(4)], comment=b"%d" % number
        )
        for number in range(3)
    ]
    number = 0

    def changed(cut):
        def serve(headers):
            nonlocal number
            number = min(number + 1, len(archives) - 1)
            origin.body, origin.etag = archives[number], f'"v{number}"'
            return origin.serve(headers, cut=cut)

        return serve

    origin.body, origin.etag = archives[0], '"v0"'
    for _ in range(chance.randrange(6)):
        cut = chance.randrange(size)
        fault = chance.choice(
            [origin.dropping(cut), origin.ignoring_ranges(cut), changed(None), changed(cut), reply(503)]
        )
        origin.plan.append(fault)
    watched = Watched(memory)
    (file,) = land(watched, file_format="zip")["files"]
    assert memory.get_bytes("export.zip") == archives[number]
    assert file["sha256"] == hashlib.sha256(archives[number]).hexdigest()
    assert len(watched.discarded) == len(watched.begun) - 1
