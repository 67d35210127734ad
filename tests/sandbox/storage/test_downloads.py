import hashlib
import io
import zipfile
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

import pytest


@pytest.fixture
def finished(client):
    """An export that is complete: its state and a URL."""
    export_id, answer = client.finished()
    return client.sandbox.exports[export_id], answer["dataUrl"]


def test_a_presigned_url_looks_like_one_of_s3_on_another_host_name(finished, client):
    _, url = finished
    parts, api = urlsplit(url), urlsplit(client.sandbox.url)
    assert (parts.hostname, api.hostname) == ("localhost", "127.0.0.1")
    assert parts.port != api.port
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["X-Amz-Expires"] == "600"
    assert query["X-Amz-SignedHeaders"] == "host"
    assert len(query["X-Amz-Signature"]) == 64
    assert {"X-Amz-Credential", "X-Amz-Date", "X-Amz-Security-Token"} < set(query)


def test_a_download_has_the_headers_of_a_stored_object(finished, client):
    export, url = finished
    answer = client.get(url)
    assert answer.status_code == 200
    assert answer.headers["ETag"] == export.stored.etag
    assert answer.headers["ETag"] == f'"{hashlib.md5(answer.content).hexdigest()}"'
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Type"] == "application/zip"
    assert int(answer.headers["Content-Length"]) == len(answer.content) == export.stored.size
    assert parsedate_to_datetime(answer.headers["Last-Modified"]) is not None


def test_a_download_holds_what_the_sandbox_says_it_holds(finished, client):
    export, url = finished
    with zipfile.ZipFile(io.BytesIO(client.get(url).content)) as archive:
        assert set(archive.namelist()) == set(export.files)
        for name, file in export.files.items():
            assert archive.getinfo(name).file_size == file.bytes
            assert f"{archive.getinfo(name).CRC:08x}" == file.crc32


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=100-", 100, None), ("bytes=-50", -50, None)],
)
def test_a_range_is_answered_with_206(finished, client, asked, start, stop):
    export, url = finished
    whole = client.get(url).content
    answer = client.get(url, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == whole[start:stop]
    size = export.stored.size
    first = start if start >= 0 else size + start
    assert answer.headers["Content-Range"] == f"bytes {first}-{first + len(answer.content) - 1}/{size}"


def test_a_range_past_the_end_is_cut_to_the_object(finished, client):
    export, url = finished
    answer = client.get(url, headers={"Range": f"bytes=5-{export.stored.size + 5}"})
    assert (answer.status_code, len(answer.content)) == (206, export.stored.size - 5)


@pytest.mark.parametrize("asked", ["bytes={size}-", "bytes={size}-{size}", "bytes=9-5", "bytes=-0"])
def test_a_range_with_nothing_in_it_is_answered_with_416(finished, client, asked):
    export, url = finished
    answer = client.get(url, headers={"Range": asked.format(size=export.stored.size)})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{export.stored.size}"


@pytest.mark.parametrize("asked", ["bytes=-", "lines=1-2", "bytes=0-1,5-6", "nonsense"])
def test_a_range_that_is_not_understood_is_ignored(finished, client, asked):
    export, url = finished
    answer = client.get(url, headers={"Range": asked})
    assert (answer.status_code, len(answer.content)) == (200, export.stored.size)


def test_if_range_gives_the_range_only_while_the_object_is_the_same(finished, client):
    export, url = finished
    same = client.get(url, headers={"Range": "bytes=5-", "If-Range": export.stored.etag})
    other = client.get(url, headers={"Range": "bytes=5-", "If-Range": '"0123456789abcdef0123456789abcdef"'})
    dated = client.get(url, headers={"Range": "bytes=5-", "If-Range": same.headers["Last-Modified"]})
    assert [same.status_code, other.status_code, dated.status_code] == [206, 200, 206]


def test_if_match_refuses_another_version(finished, client):
    export, url = finished
    assert client.get(url, headers={"If-Match": export.stored.etag}).status_code == 200
    assert client.get(url, headers={"If-Match": '"other"'}).status_code == 412


@pytest.mark.parametrize("method", ["HEAD", "PUT", "POST", "DELETE"])
def test_the_signature_allows_get_alone(finished, client, method):
    assert client.get(finished[1], method=method).status_code == 403


def test_a_url_expires_by_the_clock_and_a_fresh_one_goes_on(make_sandbox, make_client, clock):
    sandbox = make_sandbox(url_ttl=60, clock=clock)
    client = make_client(sandbox)
    export_id, answer = client.finished()
    clock.now += 59.9
    assert client.get(answer["dataUrl"]).status_code == 200
    clock.now += 0.1
    refused = client.get(answer["dataUrl"])
    assert refused.status_code == 403
    assert refused.headers["Content-Type"].startswith("application/xml")
    assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in refused.text
    assert client.get(client.poll(export_id).json()["dataUrl"]).status_code == 200


def test_a_url_that_was_tampered_with_is_refused(finished, client):
    _, url = finished
    later = url.replace("X-Amz-Expires=600", "X-Amz-Expires=900")
    elsewhere = url.replace("raw_export", "other")
    by_address = url.replace("localhost", "127.0.0.1")
    unsigned = url.split("?")[0]
    answers = [client.get(changed) for changed in (later, elsewhere, by_address, unsigned)]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert "SignatureDoesNotMatch" in answers[0].text
    assert "Access Denied" in answers[3].text


def test_an_unknown_object_is_not_found(client):
    answer = client.get(client.sandbox.presign("/exports/none/none.zip"))
    assert answer.status_code == 404
    assert "<Code>NoSuchKey</Code>" in answer.text


@pytest.mark.parametrize("header", ["apitoken", "Authorization"])
def test_a_token_at_the_storage_host_is_refused_and_recorded(finished, client, header):
    answer = client.get(finished[1], headers={header: "sandbox-token"})
    assert answer.status_code == 400
    seen = client.sandbox.requests[-1]
    assert (seen.host, seen.status) == ("storage", 400)
    assert seen.headers[header.lower()] == "sandbox-token"


def test_a_bare_csv_is_served_as_text(client):
    export_id, answer = client.finished("groups")
    download = client.get(answer["dataUrl"])
    assert download.headers["Content-Type"] == "text/csv"
    assert len(download.content) == client.sandbox.exports[export_id].files["agent_groups.csv"].bytes


@pytest.mark.parametrize(("option", "etag"), [("md5", '"{}"'), ("other", '"{}-2"'), ("none", None)])
def test_the_etag_is_of_the_kind_that_the_account_has(make_sandbox, make_client, option, etag):
    client = make_client(make_sandbox(storage_etag=option))
    _, answer = client.finished()
    whole = client.get(answer["dataUrl"])
    expected = etag and etag.format(hashlib.md5(whole.content).hexdigest())
    assert whole.headers.get("ETag") == expected
    part = client.get(
        answer["dataUrl"], headers={"Range": "bytes=5-9", **({"If-Range": expected} if expected else {})}
    )
    assert (part.status_code, part.content) == (206, whole.content[5:10])
    assert client.get(answer["dataUrl"], headers={"Range": "bytes=5-9", "If-Range": '"x"'}).status_code == 200


def test_a_storage_without_ranges_sends_the_whole(make_sandbox, make_client):
    client = make_client(make_sandbox(no_ranges=True))
    _, answer = client.finished()
    part = client.get(answer["dataUrl"], headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (200, client.get(answer["dataUrl"]).content)
    assert "Accept-Ranges" not in part.headers
