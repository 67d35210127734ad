"""What is asked of Amazon S3, and what becomes of its refusals."""

import base64
import zlib

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, NoCredentialsError

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
)
from airflow_provider_maestroqa.storage.base import ABSENT, StorageConflictError, StorageDeniedError
from airflow_provider_maestroqa.storage.s3_store import PART_SIZE, S3Store


def keys(store):
    """All objects and unfinished uploads of a bucket."""
    objects = store.client.list_objects_v2(Bucket=store.bucket).get("Contents", [])
    uploads = store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])
    return [item["Key"] for item in [*objects, *uploads]]


def test_s3_is_asked_to_check_the_whole_object(s3_store, monkeypatch):
    calls = []
    real = s3_store.client.complete_multipart_upload
    monkeypatch.setattr(
        s3_store.client, "complete_multipart_upload", lambda **arguments: calls.append(arguments) or real(**arguments)
    )
    data = bytes(PART_SIZE + 5)
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


@pytest.fixture
def requests_sent(s3_client):
    """The operation and the arguments of every request."""
    sent = []

    def record(params, model, **_):
        sent.append((model.name, params))

    s3_client.meta.events.register("provide-client-params.s3", record, unique_id="record")
    yield sent
    s3_client.meta.events.unregister("provide-client-params.s3", unique_id="record")


def test_each_request_gets_the_extra_arguments_that_it_knows(s3_client, s3_store, requests_sent):
    extra = {"ServerSideEncryption": "aws:kms", "RequestPayer": "requester", "ACL": "private"}
    store = S3Store(s3_client, s3_store.bucket, extra_args=extra)
    data = bytes(PART_SIZE + 1)
    for finish in ("publish", "discard"):
        upload = store.begin("big", size=len(data))
        upload.write(data)
        upload.seal(zlib.crc32(data))
        getattr(upload, finish)()
    store.put_bytes("small", b"1")
    store.open("small").close()
    assert (store.get_bytes("small"), store.size("big")) == (b"1", len(data))
    store.delete("small")
    creates = {"PutObject", "CreateMultipartUpload"}
    assert creates | {"GetObject", "HeadObject", "DeleteObject", "AbortMultipartUpload"} <= {
        n for n, _ in requests_sent
    }
    for operation, arguments in requests_sent:
        assert arguments["RequestPayer"] == "requester"
        assert ("ServerSideEncryption" in arguments, "ACL" in arguments) == (operation in creates,) * 2


@pytest.mark.parametrize("name", ["Body", "IfMatch", "ChecksumCRC32", "ServerSideEncription"])
def test_an_extra_argument_that_cannot_be_given_is_an_error(s3_client, name):
    with pytest.raises(MaestroQAConfigError, match=f"s3_extra_args: '{name}' cannot be given.*ServerSideEncryption"):
        S3Store(s3_client, "b", extra_args={name: "x"})


@pytest.mark.parametrize("size", [5, PART_SIZE + 5])
def test_an_object_is_replaced_only_where_the_expected_one_is(s3_store, size):
    def begin(byte):
        upload = s3_store.begin("a", size=size)
        upload.write(byte * size)
        upload.seal(zlib.crc32(byte * size))
        return upload

    first = begin(b"1").publish(expected=ABSENT)
    late = begin(b"2")
    with pytest.raises(StorageConflictError):
        late.publish(expected=ABSENT)
    assert late.publish(expected=first) == s3_store.version("a")
    assert s3_store.get_bytes("a") == b"2" * size
    if size < PART_SIZE:  # The local S3 does not compare when it completes an upload.
        with pytest.raises(StorageConflictError):
            begin(b"3").publish(expected=first)
    # boto3 repeats a request whose response was lost, and then S3 finds what the first one has stored.
    assert begin(b"2").publish(expected=ABSENT) == s3_store.version("a")
    with pytest.raises(StorageConflictError):
        s3_store.put_bytes("missing", b"1", expected=first)


def test_a_store_that_knows_no_conditions_is_written_to_without_them(s3_store, monkeypatch):
    real = s3_store.client.put_object

    def put(**arguments):
        if "IfNoneMatch" in arguments:
            raise ClientError(
                {"Error": {"Code": "NotImplemented"}, "ResponseMetadata": {"HTTPStatusCode": 501}}, "PutObject"
            )
        return real(**arguments)

    monkeypatch.setattr(s3_store.client, "put_object", put)
    s3_store.put_bytes("a", b"1", expected=ABSENT)
    assert s3_store.get_bytes("a") == b"1"


def test_many_small_files_do_not_pile_up_in_memory(s3_store):
    uploads = [s3_store.begin(f"f{number}", size=PART_SIZE - 1) for number in range(4)]
    for upload in uploads:
        upload.write(bytes(PART_SIZE - 1))
        upload.seal(0x9AB33B7B)
    assert s3_store.held <= 2 * PART_SIZE
    for upload in uploads:
        upload.discard()
    assert s3_store.held == 0
    assert keys(s3_store) == []


def test_a_part_that_fails_ends_the_landing_and_aborts_the_upload(s3_store, monkeypatch):
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
    assert keys(s3_store) == []


def test_a_part_that_is_too_much_at_once_for_a_slow_line_is_sent_in_pieces(s3_store, monkeypatch):
    real, bodies = s3_store.client.upload_part, []

    def slow(**arguments):
        bodies.append(type(arguments["Body"]))
        if isinstance(arguments["Body"], bytearray):
            raise ConnectionClosedError(endpoint_url="http://storage")
        return real(**arguments)

    monkeypatch.setattr(s3_store.client, "upload_part", slow)
    data = bytes(range(200)) * (PART_SIZE // 200 + 1)
    upload = s3_store.begin("big", size=len(data))
    upload.write(data)
    upload.seal(zlib.crc32(data))
    upload.publish()
    assert sorted(bodies, key=str) == [bytearray, bytearray, bytes, bytes]
    assert s3_store.get_bytes("big") == data


def test_a_lost_response_to_the_last_request_is_no_failure(s3_store, monkeypatch):
    real = s3_store.client.complete_multipart_upload

    def lost(**arguments):
        real(**arguments)
        raise ClientError({"Error": {"Code": "NoSuchUpload", "Message": "gone"}}, "CompleteMultipartUpload")

    monkeypatch.setattr(s3_store.client, "complete_multipart_upload", lost)
    data = bytes(PART_SIZE + 1)
    upload = s3_store.begin("big", size=len(data))
    upload.write(data)
    upload.seal(zlib.crc32(data))
    upload.publish()
    assert s3_store.size("big") == len(data)


def test_a_bucket_that_does_not_exist_is_an_error(s3_client):
    store = S3Store(s3_client, "no-such-bucket-here", "x")
    with pytest.raises(MaestroQAConfigError, match=r"s3://no-such-bucket-here/x/a.*NoSuchBucket.*name and region"):
        store.put_bytes("a", b"1")


@pytest.mark.parametrize(
    ("code", "status", "kind", "remedy"),
    [
        ("AccessDenied", 403, StorageDeniedError, "s3:PutObject"),
        ("InvalidAccessKeyId", 403, StorageDeniedError, "credentials"),
        ("ExpiredToken", 400, StorageDeniedError, "credentials"),
        ("InvalidObjectState", 403, MaestroQAConfigError, "Restore it"),
        ("PermanentRedirect", 301, MaestroQAConfigError, "region"),
        ("InternalError", 500, MaestroQAConnectionError, "retry"),
        ("BadDigest", 400, MaestroQADataError, "retry"),
        ("Strange", 400, MaestroQAError, "Strange"),
    ],
)
def test_an_error_of_s3_is_reported_with_its_remedy(s3_store, monkeypatch, code, status, kind, remedy):
    answer = {"Error": {"Code": code, "Message": "see https://h/?X-Amz-Signature=5ec2e7"}}
    answer["ResponseMetadata"] = {"HTTPStatusCode": status}

    def refuse(**_):
        raise ClientError(answer, "PutObject")

    monkeypatch.setattr(s3_store.client, "put_object", refuse)
    with pytest.raises(kind, match=remedy) as caught:
        s3_store.put_bytes("a", b"1")
    assert "5ec2e7" not in str(caught.value)
    assert caught.value.__context__ is None


def test_missing_credentials_are_an_error(s3_server):
    import boto3

    client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1")

    def no_credentials(**_):
        raise NoCredentialsError

    client.put_object = no_credentials
    with pytest.raises(MaestroQAConfigError, match="credentials"):
        S3Store(client, "b").put_bytes("a", b"1")
    client.close()


def test_denied_access_to_the_old_manifest_does_not_stop_a_landing(land, s3_store, monkeypatch):
    def denied(**_):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    monkeypatch.setattr(s3_store.client, "get_object", denied)
    assert len(land(s3_store)["files"]) == 1


def test_a_key_that_is_too_long_for_s3_is_an_error(s3_client):
    with pytest.raises(MaestroQAConfigError, match="shorter prefix"):
        S3Store(s3_client, "b", "p" * 1020).begin("name.csv", size=1).publish()
