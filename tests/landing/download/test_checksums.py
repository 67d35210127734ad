"""A single CSV file is compared with whatever its storage says of it."""

import base64
import hashlib
import re

import pytest
from requests.structures import CaseInsensitiveDict

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.landing.download.checksums import find_checksum

BODY = b"a,b,c\n" + b"".join(b"%d,some text,end\n" % number for number in range(400))
MD5, SHA256 = hashlib.md5(BODY), hashlib.sha256(BODY)
ETAG = f'"{MD5.hexdigest()}"'
MD5_64, SHA256_64 = (base64.b64encode(digest.digest()).decode() for digest in (MD5, SHA256))
S3, PLAIN = "https://s/x?X-Amz-Signature=1", "https://s/x"

HEADERS = [
    ({"ETag": ETAG}, "md5"),
    ({"ETag": ETAG, "x-amz-server-side-encryption": "AES256"}, "md5"),
    ({"Content-MD5": MD5_64}, "md5"),
    ({"x-goog-hash": f"crc32c=n03x6A==,md5={MD5_64}"}, "md5"),
    ({"x-amz-checksum-sha256": SHA256_64}, "sha256"),
    ({"Repr-Digest": f"sha-256=:{SHA256_64}:"}, "sha256"),
    ({"Digest": f"SHA-256={SHA256_64}"}, "sha256"),
]


@pytest.mark.parametrize(("headers", "verified"), HEADERS)
@pytest.mark.parametrize("file_format", ["csv.gz", "csv", "zip", "parquet"])
def test_a_file_that_was_cut_or_altered_is_not_landed(land, memory, origin, reply, headers, verified, file_format):
    for body in (BODY[:-20], BODY[:-7], BODY.replace(b"7,some", b"7,same", 1)):
        origin.plan.append(reply(200, headers, body))
        with pytest.raises(MaestroQADataError, match=rf"{verified.upper()} is not the one.*retry") as caught:
            land(memory, file_format=file_format)
        assert caught.value.retryable
    assert not memory.fs.find(memory.root)
    origin.plan.append(reply(200, headers, BODY))
    assert land(memory, file_format=file_format)["files"][0]["verified"] == verified


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (PLAIN, {"ETag": ETAG}),
        (S3, {"ETag": ETAG[:-1] + '-2"'}),
        (S3, {"ETag": f"W/{ETAG}"}),
        (S3, {"ETag": ETAG, "x-amz-server-side-encryption": "aws:kms"}),
        (S3, {"ETag": ETAG, "x-amz-server-side-encryption": "aws:kms:dsse"}),
        (S3, {"ETag": ETAG, "x-amz-server-side-encryption-customer-algorithm": "AES256"}),
        (S3, {"ETag": ETAG, "x-amz-storage-class": "EXPRESS_ONEZONE"}),
        (PLAIN, {"x-goog-hash": f"md5={MD5_64}", "x-goog-stored-content-encoding": "gzip"}),
        (PLAIN, {"x-goog-hash": "crc32c=n03x6A=="}),
        (PLAIN, {"Content-MD5": MD5_64, "Content-Range": "bytes 0-9/10"}),
        (PLAIN, {"Content-MD5": "no base64"}),
        (PLAIN, {"x-amz-checksum-sha256": f"{SHA256_64}-3"}),
    ],
)
def test_what_is_no_checksum_of_these_bytes_is_not_compared(url, headers):
    assert find_checksum(CaseInsensitiveDict(headers), url) is None


@pytest.mark.parametrize(
    ("body", "is_cut"),
    [
        (BODY[:-10], True),
        (b'a,b\n1,"text\n', True),
        (b"a,b\n1,\xf0\x9f\x98", True),
        (b"a,b\n1,2\n3", True),
        (b"a,b\n1,2", False),
        (b"a,b\n1,2\n3\n", False),
        (b'a,b\n1,5" wide\n', False),
        (b"a", False),
        (b"\n", False),
    ],
)
@pytest.mark.parametrize("file_format", ["csv.gz", "csv", "zip"])
def test_without_a_checksum_a_file_that_ends_within_a_record_seems_cut(
    land, memory, origin, reply, body, is_cut, file_format
):
    origin.plan.append(reply(200, {}, body))
    if is_cut and file_format != "zip":
        with pytest.raises(MaestroQADataError, match=r"seems to be cut off.*retry") as caught:
            land(memory, file_format=file_format)
        assert caught.value.retryable
    else:
        assert land(memory, file_format=file_format)["files"][0]["verified"] == "length"


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
@pytest.mark.parametrize("has_checksum", [True, False])
@pytest.mark.parametrize("body", [b"a,b\n1,2\n3", b'a,b\n1,"x\n', b"a,b\n1,\xc3"])
def test_cleaning_advises_to_land_a_file_as_it_is_only_where_it_is_whole(
    land, memory, origin, reply, body, has_checksum, file_format
):
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    origin.plan.append(reply(200, {"Content-MD5": md5} if has_checksum else {}, body))
    with pytest.raises(MaestroQADataError) as caught:
        land(memory, file_format=file_format, clean=True)
    assert caught.value.retryable != has_checksum
    assert bool(re.search("clean=False", caught.value.message)) == has_checksum


def test_a_file_of_unknown_length_is_told_as_not_verified(land, memory, origin, reply):
    origin.plan.append(reply(200, {"Transfer-Encoding": "chunked"}, b"4\r\na\n1\n\r\n0\r\n\r\n", with_length=False))
    assert land(memory)["files"][0]["verified"] == "nothing"


@pytest.mark.parametrize("file_format", ["csv.gz", "csv", "zip", "parquet"])
def test_an_empty_file_that_is_meant_to_be_empty_is_an_export_without_rows(land, memory, origin, reply, file_format):
    origin.plan.append(reply(200, {"ETag": f'"{hashlib.md5().hexdigest()}"'}, b""))
    (file,) = land(memory, file_format=file_format, count_rows=True)["files"]
    assert (file["rows"], file["verified"]) == (0, "md5")
