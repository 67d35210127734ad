"""What a reader of the storage sees, before, while and after an export is landed."""

import json

import fsspec
import pytest
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
)
from airflow_provider_maestroqa.exports.filesystem import FilesystemStore
from airflow_provider_maestroqa.exports.landing import LandingOptions, publish_no_data, published_manifest
from airflow_provider_maestroqa.exports.publish import StorageDeniedError
from airflow_provider_maestroqa.exports.s3 import PART_SIZE, S3Store

DATA = b"h\n" + b"some text\n" * 50


@pytest.fixture
def two_files(origin, make_zip, part):
    origin.body = make_zip(part(name=b"a.csv", data=DATA), part(name=b"x/b.csv"))


def listing(store):
    """All names in a store, hidden ones too."""
    if isinstance(store, S3Store):
        found = store.client.list_objects_v2(Bucket=store.bucket).get("Contents", [])
        uploads = store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])
        return sorted(item["Key"].removeprefix(f"{store.prefix}/") for item in found) + [u["Key"] for u in uploads]
    return sorted(path.removeprefix(store.root + "/") for path in store.fs.find(store.root))


class Watching:
    """A store that records what is done to it, and fails where it is told to."""

    def __init__(self, store, fail_at=None, error=None):
        self.store = store
        self.done = []
        self.fail_at = fail_at
        self.error = error or MaestroQAError("no")

    def __getattr__(self, name):
        return getattr(self.store, name)

    def note(self, what):
        self.done.append(what)
        if what == self.fail_at:
            raise self.error

    def begin(self, name, **arguments):
        upload = self.store.begin(name, **arguments)
        watching = self

        class Upload:
            def write(self, data):
                watching.note(f"write {name}")
                upload.write(data)

            def seal(self, crc32):
                watching.note(f"seal {name}")
                upload.seal(crc32)

            def publish(self):
                watching.note(f"publish {name}")
                upload.publish()

            def discard(self):
                upload.discard()

        return Upload()

    def put_bytes(self, name, data):
        self.note(f"put {name}")
        self.store.put_bytes(name, data)

    def delete(self, name):
        self.note(f"delete {name}")
        self.store.delete(name)


def test_nothing_is_published_before_all_is_stored_and_the_manifest_comes_last(land, store, two_files):
    watching = Watching(store)
    land(watching, file_format="csv")
    order = [step for step in dict.fromkeys(watching.done) if not step.startswith("write")]
    assert order == ["seal a.csv", "seal x/b.csv", "publish a.csv", "publish x/b.csv", "put _manifest.json"]
    assert listing(store) == ["_manifest.json", "a.csv", "x/b.csv"]


@pytest.mark.parametrize("step", ["write a.csv", "seal a.csv", "write x/b.csv", "seal x/b.csv", "publish a.csv"])
def test_a_failure_before_the_first_file_is_published_leaves_what_was_there(land, store, two_files, step):
    first = land(store, file_format="csv", export_id="earlier")
    with pytest.raises(MaestroQAError, match="no"):
        land(Watching(store, step), file_format="csv", export_id="later")
    assert listing(store)[-2:] == ["a.csv", "x/b.csv"]
    assert store.get_bytes("a.csv") == DATA
    if not step.startswith("publish"):
        assert json.loads(store.get_bytes("_manifest.json")) == first


@pytest.mark.parametrize("step", ["publish x/b.csv", "put _manifest.json"])
def test_a_failure_while_publishing_leaves_whole_files_and_no_manifest(land, store, two_files, step):
    land(store, file_format="csv", export_id="earlier")
    with pytest.raises(MaestroQAError, match="no"):
        land(Watching(store, step), file_format="csv", export_id="later")
    assert listing(store) == ["a.csv", "x/b.csv"]
    again = land(store, file_format="csv", export_id="later")
    assert listing(store) == ["_manifest.json", "a.csv", "x/b.csv"]
    assert [file["name"] for file in again["files"]] == ["a.csv", "x/b.csv"]


def test_a_damaged_last_member_keeps_the_first_ones_from_being_published(land, store, origin, make_zip, part):
    origin.body = make_zip(part(data=DATA), part(name=b"b.csv", crc32=1))
    with pytest.raises(MaestroQADataError, match="checksum is wrong"):
        land(store)
    assert listing(store) == []


def test_landing_again_downloads_and_writes_nothing(land, store, origin, two_files, said):
    first = land(store, count_rows=True)
    watching = Watching(store)
    asked = len(origin.seen)
    assert land(watching, count_rows=True, fresh_url=lambda: pytest.fail("a URL was asked for")) == first
    assert land(watching, fresh_url=lambda: pytest.fail("a URL was asked for")) == first
    assert (len(origin.seen), watching.done) == (asked, [])
    assert "has been landed before" in said[-1]


@pytest.mark.parametrize(
    "change",
    [
        "other export",
        "other format",
        "rows wanted",
        "object gone",
        "object altered",
        "manifest gone",
        "manifest broken",
    ],
)
def test_what_is_not_there_as_wanted_is_landed_again(land, store, origin, two_files, change):
    land(store, file_format="csv")
    arguments = {"file_format": "csv"}
    if change == "other export":
        arguments["export_id"] = "e2"
    elif change == "other format":
        arguments["file_format"] = "csv.gz"
    elif change == "rows wanted":
        arguments["count_rows"] = True
    elif change == "object gone":
        store.delete("x/b.csv")
    elif change == "object altered":
        store.put_bytes("a.csv", b"something else")
    elif change == "manifest gone":
        store.delete("_manifest.json")
    else:
        store.put_bytes("_manifest.json", b'{"export_id": "e1", "files": [{}]}')
    asked = len(origin.seen)
    manifest = land(store, **arguments)
    assert len(origin.seen) == asked + 1
    assert json.loads(store.get_bytes("_manifest.json")) == manifest
    assert all(store.size(file["name"]) == file["bytes"] for file in manifest["files"])


def test_the_older_manifest_is_gone_before_the_first_file_is_replaced(land, store, two_files):
    land(store, file_format="csv", export_id="earlier")
    watching = Watching(store)
    land(watching, file_format="csv", export_id="later")
    assert watching.done.index("delete _manifest.json") == watching.done.index("publish a.csv") - 1


def test_who_may_not_delete_makes_the_older_manifest_invalid(land, store, two_files):
    land(store, file_format="csv", export_id="earlier")
    denied = StorageDeniedError("may not delete")
    watching = Watching(store, "delete _manifest.json", denied)
    seen = []
    note = watching.note

    def looking(what):
        if what == "publish a.csv":
            seen.append(json.loads(store.get_bytes("_manifest.json")))
        note(what)

    watching.note = looking
    land(watching, file_format="csv", export_id="later")
    assert seen == [{"landing": "later"}]
    assert json.loads(store.get_bytes("_manifest.json"))["export_id"] == "later"


def test_an_export_without_data_gets_a_manifest_that_says_so(store, land):
    window = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-02T00:00:00Z"}
    manifest = publish_no_data(store, export_id="e1", window=window)
    assert manifest == {
        "export_id": "e1",
        "has_data": False,
        "destination": store.uri(),
        "window": window,
        "files": [],
        "manifest": store.uri("_manifest.json"),
    }
    assert published_manifest(store, export_id="e1", options=LandingOptions()) == manifest
    assert published_manifest(store, export_id="e2", options=LandingOptions()) is None
    watching = Watching(store)
    publish_no_data(watching, export_id="e1", window=window)
    assert watching.done == []


def test_small_objects_are_stored_replaced_read_and_deleted(store):
    assert (store.get_bytes("state/one"), store.size("state/one")) == (None, None)
    for data in (b"first", b"", b"third"):
        store.put_bytes("state/one", data)
        assert (store.get_bytes("state/one"), store.size("state/one")) == (data, len(data))
    store.delete("state/one")
    store.delete("state/one")
    assert store.get_bytes("state/one") is None
    assert listing(store) == []


def test_a_file_of_many_parts_arrives_whole(store):
    data = bytes(range(256)) * (PART_SIZE * 2 // 256) + b"end"
    import zlib

    upload = store.begin("big", size=len(data))
    for start in range(0, len(data), 1_000_003):
        upload.write(data[start : start + 1_000_003])
    upload.seal(zlib.crc32(data))
    assert store.get_bytes("big") is None
    upload.publish()
    upload.discard()
    assert store.get_bytes("big") == data


def test_a_file_that_is_discarded_after_many_bytes_leaves_nothing(store):
    store.put_bytes("big", b"what was there")
    upload = store.begin("big", size=PART_SIZE * 3)
    upload.write(bytes(PART_SIZE * 2 + 1))
    upload.discard()
    upload.discard()
    assert listing(store) == ["big"]
    assert store.get_bytes("big") == b"what was there"


# Amazon S3


def test_s3_is_asked_to_check_the_whole_object(s3_store, monkeypatch):
    calls = []
    real = s3_store.client.complete_multipart_upload
    monkeypatch.setattr(
        s3_store.client, "complete_multipart_upload", lambda **arguments: calls.append(arguments) or real(**arguments)
    )
    data = bytes(PART_SIZE + 5)
    import base64
    import zlib

    upload = s3_store.begin("big.csv.gz", size=len(data))
    upload.write(data)
    upload.seal(zlib.crc32(data))
    upload.publish()
    assert base64.b64decode(calls[0]["ChecksumCRC32"]) == zlib.crc32(data).to_bytes(4, "big")
    assert (calls[0]["ChecksumType"], calls[0]["MpuObjectSize"]) == ("FULL_OBJECT", len(data))
    head = s3_store.client.head_object(Bucket=s3_store.bucket, Key="exports/day/big.csv.gz")
    assert head["ContentType"] == "application/gzip"


def test_s3_is_asked_to_check_a_small_object(s3_store):
    sent = []
    s3_store.client.meta.events.register(
        "before-send.s3", lambda request, **_: sent.append(request.headers["x-amz-checksum-crc32"]), unique_id="small"
    )
    upload = s3_store.begin("small", size=4)
    upload.write(b"data")
    upload.seal(0x01020304)
    upload.publish()
    s3_store.client.meta.events.unregister("before-send.s3", unique_id="small")
    assert sent == [b"AQIDBA=="]


def test_a_store_without_checksums_gets_md5(s3_server, s3_store):
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(request_checksum_calculation="when_required"),
    )
    sent = []
    client.meta.events.register("before-send.s3", lambda request, **_: sent.append(dict(request.headers)))
    store = S3Store(client, s3_store.bucket, "old")
    upload = store.begin("big", size=PART_SIZE + 9)
    upload.write(bytes(PART_SIZE + 9))
    upload.seal(0)
    upload.publish()
    store.put_bytes("small", b"x")
    client.close()
    assert store.size("big") == PART_SIZE + 9
    assert not any(name.lower().startswith("x-amz-checksum") for headers in sent for name in headers)
    assert sum("Content-MD5" in headers for headers in sent) == 3


def test_arguments_for_encryption_reach_every_object(s3_client, s3_store):
    store = S3Store(s3_client, s3_store.bucket, "", extra_args={"ServerSideEncryption": "AES256"})
    store.put_bytes("small.json", b"{}")
    upload = store.begin("big", size=PART_SIZE + 1)
    upload.write(bytes(PART_SIZE + 1))
    upload.seal(0xFD8E4A05)
    upload.discard()
    assert s3_client.head_object(Bucket=store.bucket, Key="small.json")["ServerSideEncryption"] == "AES256"
    assert store.uri("a/b.csv") == f"s3://{store.bucket}/a/b.csv"


def test_many_small_files_do_not_pile_up_in_memory(s3_store):
    uploads = [s3_store.begin(f"f{number}", size=PART_SIZE - 1) for number in range(4)]
    for upload in uploads:
        upload.write(bytes(PART_SIZE - 1))
        upload.seal(0x9AB33B7B)
    assert s3_store.held <= 2 * PART_SIZE
    for upload in uploads:
        upload.discard()
    assert s3_store.held == 0
    assert listing(s3_store) == []


def test_a_part_that_fails_ends_the_landing_and_aborts_the_upload(s3_store, monkeypatch):
    from botocore.exceptions import ClientError

    def slow_down(**_):
        raise ClientError(
            {"Error": {"Code": "SlowDown", "Message": "Reduce"}, "ResponseMetadata": {"HTTPStatusCode": 503}},
            "UploadPart",
        )

    monkeypatch.setattr(s3_store.client, "upload_part", slow_down)
    upload = s3_store.begin("big", size=PART_SIZE * 9)
    with pytest.raises(MaestroQAConnectionError, match=r"upload part \d of s3://.*/big.*SlowDown"):
        for _ in range(9):
            upload.write(bytes(PART_SIZE))
    upload.discard()
    assert listing(s3_store) == []


def test_a_part_that_is_too_much_at_once_for_a_slow_line_is_sent_in_pieces(s3_store, monkeypatch):
    from botocore.exceptions import ConnectionClosedError

    real, bodies = s3_store.client.upload_part, []

    def slow(**arguments):
        bodies.append(type(arguments["Body"]))
        if isinstance(arguments["Body"], bytearray):
            raise ConnectionClosedError(endpoint_url="http://storage")
        return real(**arguments)

    monkeypatch.setattr(s3_store.client, "upload_part", slow)
    import zlib

    data = bytes(range(200)) * (PART_SIZE // 200 + 1)
    upload = s3_store.begin("big", size=len(data))
    upload.write(data)
    upload.seal(zlib.crc32(data))
    upload.publish()
    assert sorted(bodies, key=str) == [bytearray, bytearray, bytes, bytes]
    assert s3_store.get_bytes("big") == data


def test_a_lost_answer_to_the_last_request_is_no_failure(s3_store, monkeypatch):
    from botocore.exceptions import ClientError

    real = s3_store.client.complete_multipart_upload

    def lost(**arguments):
        real(**arguments)
        raise ClientError({"Error": {"Code": "NoSuchUpload", "Message": "gone"}}, "CompleteMultipartUpload")

    monkeypatch.setattr(s3_store.client, "complete_multipart_upload", lost)
    import zlib

    data = bytes(PART_SIZE + 1)
    upload = s3_store.begin("big", size=len(data))
    upload.write(data)
    upload.seal(zlib.crc32(data))
    upload.publish()
    assert s3_store.size("big") == len(data)


def test_a_bucket_that_does_not_exist_is_told(s3_client):
    store = S3Store(s3_client, "no-such-bucket-here", "x")
    with pytest.raises(MaestroQAConfigError, match=r"s3://no-such-bucket-here/x/a.*NoSuchBucket.*name and region"):
        store.put_bytes("a", b"1")


@pytest.mark.parametrize(
    ("code", "status", "kind", "remedy"),
    [
        ("AccessDenied", 403, StorageDeniedError, "s3:PutObject"),
        ("InvalidAccessKeyId", 403, StorageDeniedError, "credentials"),
        ("ExpiredToken", 400, StorageDeniedError, "credentials"),
        ("PermanentRedirect", 301, MaestroQAConfigError, "region"),
        ("InternalError", 500, MaestroQAConnectionError, "retry"),
        ("BadDigest", 400, MaestroQADataError, "retry"),
        ("Strange", 400, MaestroQAError, "Strange"),
    ],
)
def test_what_s3_refuses_is_told_with_its_remedy(s3_store, monkeypatch, code, status, kind, remedy):
    from botocore.exceptions import ClientError

    answer = {"Error": {"Code": code, "Message": "see https://h/?X-Amz-Signature=5ec2e7"}}
    answer["ResponseMetadata"] = {"HTTPStatusCode": status}

    def refuse(**_):
        raise ClientError(answer, "PutObject")

    monkeypatch.setattr(s3_store.client, "put_object", refuse)
    with pytest.raises(kind, match=remedy) as caught:
        s3_store.put_bytes("a", b"1")
    assert "5ec2e7" not in str(caught.value)
    assert caught.value.__context__ is None


def test_missing_credentials_are_told(s3_server):
    import boto3
    from botocore import UNSIGNED  # noqa: F401
    from botocore.exceptions import NoCredentialsError

    client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1")

    def no_credentials(**_):
        raise NoCredentialsError

    client.put_object = no_credentials
    with pytest.raises(MaestroQAConfigError, match="credentials"):
        S3Store(client, "b").put_bytes("a", b"1")
    client.close()


def test_a_refusal_to_read_the_old_manifest_does_not_stop_a_landing(land, s3_store, two_files, monkeypatch):
    from botocore.exceptions import ClientError

    def denied(**_):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    monkeypatch.setattr(s3_store.client, "get_object", denied)
    assert len(land(s3_store)["files"]) == 2


def test_a_key_that_is_too_long_for_s3_is_told(s3_client):
    with pytest.raises(MaestroQAConfigError, match="shorter prefix"):
        S3Store(s3_client, "b", "p" * 1020).begin("name.csv", size=1).publish()


# This machine's disk


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
    assert len(list(folder.iterdir())) == 2
    for upload in (at_work, other):
        upload.discard()
    assert list(folder.iterdir()) == []


def test_a_local_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    store = FilesystemStore(fsspec.filesystem("file"), str(tmp_path / "file"), "file")
    with pytest.raises(MaestroQAError, match="Cannot write"):
        store.put_bytes("a", b"1")


# Other file systems


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


def test_every_kind_of_file_system_shows_whole_files_only(far, land, two_files):
    far.put_bytes("a.csv", b"what was there")
    with pytest.raises(MaestroQAError, match="no"):
        land(Watching(far, "seal x/b.csv"), file_format="csv")
    assert far.fs.blobs == {"box/day/a.csv": b"what was there"}
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
    far.fs.fail = RuntimeError("PUT https://box/day?sig=5ec2e7 failed")
    with pytest.raises(MaestroQAError, match=r"PUT https://box/day\?\*\*\* failed") as caught:
        land(far, file_format="csv")
    assert "5ec2e7" not in str(caught.value)
    far.fs.fail = None
    import gc

    gc.collect()
    assert far.fs.blobs == {}


def test_a_file_that_lost_bytes_on_its_way_is_noticed(far, monkeypatch):
    monkeypatch.setattr(Blocks, "info", lambda self, path, **_: {"size": 3, "type": "file"})
    with pytest.raises(MaestroQADataError, match=r"3 bytes in the storage, and 4 were sent") as caught:
        far.put_bytes("a", b"1234")
    assert caught.value.worth_retry


def test_a_store_says_where_it_is(far, memory):
    assert far.uri("a.csv").endswith("://box/day/a.csv")
    assert memory.uri() == f"memory://{memory.root}"
