import hashlib
import socket
from urllib.parse import urlsplit

import pytest
import requests

DATA = bytes(range(256)) * 400


class Attachment:
    """One attachment: its presigned URL, and how bytes get there."""

    def __init__(self, client, aes):
        self.client, self.sandbox = client, client.sandbox
        self.headers = {"Content-Type": "audio/mp3", **aes}
        self.url = self.fresh_url()

    def fresh_url(self, **fields):
        body = {"ticket_id": "t-1", "content_type": "audio/mp3", "id": "a-1", **fields}
        return self.client.call("POST", "/attachments", body)[1]["presigned_url"]

    def put(self, data=DATA, headers=None, url=None, **options):
        answer = self.client.session.put(
            url or self.url, data=data, headers=self.headers if headers is None else headers, timeout=10, **options
        )
        return answer.status_code, answer.text

    @property
    def stored(self):
        return self.sandbox.attachments["a-1"]["upload"]

    @property
    def last(self):
        return self.sandbox.requests[-1]


@pytest.fixture
def attachment(make_sandbox, make_client, records, clock):
    sandbox = make_sandbox(clock=clock)
    sandbox.add_tickets(["t-1"])
    return Attachment(make_client(sandbox), records.aes)


def upload_of(data, content_type="audio/mp3"):
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "content_type": content_type}


def files(sandbox):
    return list(sandbox._state.directory.glob("upload-*"))


@pytest.mark.parametrize("data", [DATA, b"x", b""])
def test_bytes_that_are_put_are_stored(attachment, data):
    # An empty body has no Content-Length of its own accord.
    assert attachment.put(data, {**attachment.headers, "Content-Length": str(len(data))}) == (200, "")
    assert attachment.stored == upload_of(data)


def test_the_record_tells_of_an_upload_without_its_bytes(attachment):
    attachment.put()
    seen = attachment.last
    assert (seen.host, seen.method, seen.status, seen.done) == ("storage", "PUT", 200, True)
    assert (seen.received, seen.raw, seen.body) == (len(DATA), b"", None)
    assert seen.headers["x-amz-server-side-encryption"] == "AES256"
    assert "apitoken" not in seen.headers


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"Content-Type": "audio/wav"}, "<Code>SignatureDoesNotMatch</Code>"),
        ({"Content-Type": None}, "<Code>SignatureDoesNotMatch</Code>"),
        ({"x-amz-server-side-encryption": "aws:kms"}, "<Code>SignatureDoesNotMatch</Code>"),
        ({"x-amz-server-side-encryption": None}, "<Code>SignatureDoesNotMatch</Code>"),
        ({"x-amz-acl": "private"}, "which were not signed"),
    ],
)
def test_other_headers_than_signed_are_refused(attachment, change, complaint):
    headers = {name: value for name, value in (attachment.headers | change).items() if value is not None}
    status, text = attachment.put(headers=headers)
    assert (status, complaint in text) == (403, True)
    assert attachment.stored is None


@pytest.mark.parametrize("header", ["apitoken", "Authorization"])
def test_a_token_at_the_storage_host_is_refused_and_recorded(attachment, header):
    status, _ = attachment.put(headers={**attachment.headers, header: "sandbox-token"})
    assert (status, attachment.last.headers[header.lower()], attachment.stored) == (400, "sandbox-token", None)


def test_an_upload_without_a_length_is_refused(attachment):
    status, text = attachment.put(iter([DATA]))
    assert (status, "<Code>MissingContentLength</Code>" in text) == (411, True)
    assert attachment.stored is None


def test_more_than_s3_takes_in_one_piece_is_refused(attachment):
    answer = raw_put(attachment, b"", length=(5 << 30) + 1)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"EntityTooLarge" in answer


def test_a_url_expires_and_a_fresh_one_goes_on(attachment, clock):
    clock.now += 600
    status, text = attachment.put()
    assert (status, "Request has expired" in text) == (403, True)
    assert attachment.put(url=attachment.fresh_url())[0] == 200
    assert attachment.stored == upload_of(DATA)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_the_signature_allows_put_alone(attachment, method):
    assert attachment.client.get(attachment.url, method=method, headers=attachment.headers).status_code == 403


def test_a_url_leads_to_its_own_attachment_alone(attachment):
    other = attachment.fresh_url(id="a-2")
    mixed = attachment.url.replace(urlsplit(attachment.url).path, urlsplit(other).path)
    assert attachment.put(url=mixed)[0] == 403
    assert attachment.put(url=other)[0] == 200
    assert attachment.stored is None


def test_a_second_upload_replaces_the_bytes(attachment):
    attachment.put(b"first")
    attachment.put(b"second")
    assert attachment.stored == upload_of(b"second")
    assert len(files(attachment.sandbox)) == 1


def test_bytes_stay_when_the_id_is_used_again(attachment):
    attachment.put(b"first")
    url = attachment.fresh_url(content_type="audio/wav")
    assert attachment.stored == upload_of(b"first")
    assert attachment.put(b"second", {**attachment.headers, "Content-Type": "audio/wav"}, url)[0] == 200
    assert attachment.stored == upload_of(b"second", "audio/wav")


def test_an_upload_that_breaks_off_changes_nothing(attachment):
    attachment.put(b"first")
    raw_put(attachment, DATA[:5000], length=len(DATA), until=5000)
    attachment.sandbox.wait_for(lambda: attachment.last.done)
    assert (attachment.last.status, attachment.last.received) == (None, 5000)
    assert attachment.stored == upload_of(b"first")
    attachment.sandbox.wait_for(lambda: len(files(attachment.sandbox)) == 1)


@pytest.mark.parametrize("kind", ["reset_at_byte", "drop_at_byte"])
@pytest.mark.parametrize("at", [0, 30_000, len(DATA)])
def test_an_upload_can_be_cut_at_any_byte(attachment, kind, at):
    attachment.put(b"first")
    attachment.sandbox.fault(kind, at=at)
    with pytest.raises(requests.ConnectionError):
        attachment.put()
    attachment.sandbox.wait_for(lambda: attachment.last.done)
    assert (attachment.last.status, attachment.last.received) == (None, at)
    assert attachment.stored == upload_of(b"first")
    assert attachment.put()[0] == 200
    assert attachment.stored == upload_of(DATA)


def test_an_upload_can_be_held_at_any_byte(attachment, held):
    attachment.sandbox.fault("stall_at_byte", at=len(DATA) - 1)
    with held(attachment.sandbox, attachment.put):
        assert (attachment.last.received, attachment.stored) == (len(DATA) - 1, None)
    assert attachment.stored == upload_of(DATA)


def test_an_upload_can_be_slow(attachment):
    attachment.sandbox.fault("slow", seconds=0.001, at=len(DATA) // 5)
    before = attachment.sandbox._state.log._changes
    assert attachment.put()[0] == 200
    assert attachment.sandbox._state.log._changes - before >= 5
    assert attachment.stored == upload_of(DATA)


@pytest.mark.parametrize(("done", "stored"), [(False, None), (True, upload_of(DATA))])
@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "SlowDown")])
def test_the_storage_can_fail_before_or_after_the_bytes_are_stored(attachment, done, stored, status, code):
    attachment.sandbox.fault("status", status=status, path="/attachments/*", done=done)
    answer = attachment.put()
    assert (answer[0], f"<Code>{code}</Code>" in answer[1]) == (status, True)
    assert attachment.stored == stored


def test_the_connection_can_drop_after_the_bytes_are_stored(attachment):
    attachment.sandbox.fault("reset_after", host="storage")
    with pytest.raises(requests.ConnectionError):
        attachment.put()
    assert attachment.stored == upload_of(DATA)


def test_a_url_can_expire_before_its_time(attachment):
    attachment.sandbox.fault("expired_url")
    assert [attachment.put()[0] for _ in range(2)] == [403, 403]
    assert attachment.put(url=attachment.fresh_url())[0] == 200


@pytest.mark.parametrize(("given", "status"), [({}, 302), ({"status": 307}, 307)])
def test_an_upload_can_be_redirected(attachment, given, status):
    attachment.sandbox.fault("redirect", path="/attachments/*", **given)
    assert attachment.put(allow_redirects=False)[0] == status
    assert attachment.stored is None


def test_a_fault_that_is_about_a_file_going_out_leaves_uploads_alone(attachment):
    attachment.sandbox.fault("corrupt")
    attachment.sandbox.fault("drop_at_byte", at=3, method="GET")
    assert attachment.put()[0] == 200
    assert [one["fired"] for one in attachment.sandbox._state.faults.as_json()] == [0, 0]


def test_bytes_for_a_ticket_that_was_deleted_are_stored_nowhere(attachment, held):
    attachment.sandbox.fault("stall_at_byte", at=10)
    with held(attachment.sandbox, lambda: attachment.put()[0]) as statuses:
        attachment.client.__class__(attachment.sandbox, requests).call("DELETE", "/tickets/t-1")
    assert (statuses, attachment.sandbox.attachments, files(attachment.sandbox)) == ([200], {}, [])
    assert attachment.put()[0] == 404


def test_a_large_upload_goes_to_disk_and_not_into_memory(attachment, tmp_path):
    import tracemalloc

    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            assert attachment.put(file)[0] == 200
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert attachment.stored["size"] == attachment.last.received == 64 << 20
    assert peak < 8 << 20


def raw_put(attachment, data, *, length, until=None):
    """Send the beginning of an upload and go away, or read the answer."""
    url = urlsplit(attachment.url)
    headers = {"Host": url.netloc, "Content-Length": length, **attachment.headers}
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        connection.sendall(head.encode() + b"\r\n" + data)
        if until is None:
            return connection.recv(2000)
        attachment.sandbox.wait_for(lambda: attachment.last.received == until)
        return b""
