"""Bytes on their way to a presigned URL, against a storage that does what a test tells it."""

from __future__ import annotations

import io
import itertools
import logging
import socket
import threading

import pytest
import requests
from error_text import error_text
from upload_storage import SECRET, STORED, UploadStorage

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.clock import Clock
from airflow_provider_maestroqa.client.resources.upload_body import compute_digest
from airflow_provider_maestroqa.client.resources.uploads import upload
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.client.transport.session import make_session

DATA = bytes(range(256)) * 1000
EXPIRED = {"status": 403, "body": b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"}
WHAT = "attachment a-1 of ticket T-1"


@pytest.fixture
def storage():
    with UploadStorage() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield server
        server.shutdown()


class Source:
    """A file in memory. ``later`` is what it holds when it is opened again, one for each time."""

    name = "calls/one.mp3"

    def __init__(self, data=DATA, later=()):
        self.data = [data, *later]
        self.opened = 0

    def size(self):
        return None

    def open(self):
        self.opened += 1
        now = self.data.pop(0) if len(self.data) > 1 else self.data[0]
        if isinstance(now, Exception):
            raise now
        return io.BytesIO(now)


class Job:
    """One upload, with a clock that only sleeping moves."""

    def __init__(self, storage):
        self.storage = storage
        self.said = []
        self.slept = []
        self.now = 1_767_225_600.0
        self.asked = 0
        self.timeouts = (5.0, 5.0)
        self.url = storage.address()

    def fresh_url(self):
        self.asked += 1
        return self.storage.address(self.asked)

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def run(self, source=None):
        source = source or Source()
        settings = read_settings("c", password="t0ken")
        with make_session(settings) as session:
            # What a careless session might add.
            session.headers.update({"apitoken": "t0ken", "Authorization": "Bearer t0ken"})
            upload(
                source,
                compute_digest(source),
                attachment=WHAT,
                content_type="audio/mpeg",
                url=self.url,
                fresh_url=self.fresh_url,
                session=session,
                timeouts=self.timeouts,
                log=self.said.append,
                clock=Clock(wall=self.clock, sleep=self.sleep),
            )


@pytest.fixture
def job(storage):
    return Job(storage)


def fails(job, kind, source=None):
    with pytest.raises(kind) as failed:
        job.run(source)
    told = error_text(failed.value) + "\n".join(job.said)
    assert SECRET not in told
    assert "X-Amz" not in told
    return failed.value


def test_the_bytes_arrive_with_their_length_and_headers_and_without_a_token(job, storage):
    job.run()
    assert storage.stored == [DATA]
    (seen,) = storage.seen
    headers = {name.lower(): value for name, value in seen.headers.items()}
    assert headers["content-length"] == str(len(DATA))
    assert headers["content-type"] == "audio/mpeg"
    assert headers["x-amz-server-side-encryption"] == "AES256"
    assert not {"apitoken", "authorization", "cookie", "transfer-encoding"} & set(headers)
    assert "t0ken" not in str(seen.headers)


def test_a_file_of_one_byte_and_one_of_a_whole_number_of_blocks_arrive(job, storage):
    for size in (1, 64 << 10, 128 << 10, (64 << 10) + 1):
        job.run(Source(b"x" * size))
        assert storage.stored.pop() == b"x" * size


@pytest.mark.parametrize(
    "answer",
    [
        {"reset": "at once"},
        {"reset": "after", "keeps": True},
        {"status": 500},
        {"status": 500, "keeps": True},
        {"status": 503, "body": b"<Error><Code>SlowDown</Code></Error>"},
        {"status": 423},
        {"status": 429},
        {"status": 400, "body": b"<Error><Code>RequestTimeout</Code></Error>"},
        {"status": 200, "keeps": False, "body": b"<html>Log in</html>"},
        {"status": 200, "keeps": False, "body": b'{"id": "65f0'},
        {"status": 200, "keeps": False, "early": True, "headers": {"ETag": '"e"'}},
    ],
    ids=str,
)
def test_a_try_whose_answer_does_not_say_that_it_is_stored_is_made_again(job, storage, answer):
    storage.answers = [answer, answer, STORED]
    source = Source(DATA * 20)
    job.run(source)
    assert set(storage.stored) == {DATA * 20}
    assert len(storage.seen) == 3
    assert source.opened == 4
    assert len(job.slept) == 2
    assert job.asked == 0
    assert sum("Sending it again" in line for line in job.said) == 2


@pytest.mark.parametrize(
    ("answer", "known"),
    [
        ({"reset": "at once"}, "Attachment a-1 of ticket T-1 is without its bytes."),
        ({"reset": "after", "keeps": True}, "It is not known whether attachment a-1 of ticket T-1 has its bytes"),
        ({"status": 502}, "It is not known whether"),
        ({"status": 200, "keeps": False, "body": b"<html>Log in</html>"}, "It is not known whether"),
    ],
    ids=str,
)
def test_five_tries_are_made_and_then_it_is_said_what_is_known(job, storage, answer, known):
    storage.answers = [answer]
    # More than fits between two sockets, so that one that hangs up at once cannot have all of it.
    error = fails(job, errors.MaestroQAConnectionError, Source(DATA * 80))
    assert len(storage.seen) == 5
    assert [round(pause) for pause in job.slept] == sorted(round(pause) for pause in job.slept)
    assert known in str(error)
    assert error.retryable
    assert error.sent is ("not known" in known)


def test_a_storage_that_is_not_there_is_told_in_words(job):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        job.url = f"http://127.0.0.1:{nobody.getsockname()[1]}/x?X-Amz-Signature={SECRET}"
        error = fails(job, errors.MaestroQAConnectionError)
    assert "could not be sent to 127.0.0.1: the connection to the storage was refused or lost" in str(error)
    assert "is without its bytes" in str(error)
    assert len(job.slept) == 4


def test_a_time_out_is_a_lost_answer(job, storage):
    hold = threading.Event()
    storage.answers = [{"hold": hold, "keeps": True}, STORED]
    job.timeouts = (0.2, 0.2)
    job.run()
    hold.set()
    assert set(storage.stored) == {DATA}
    assert "the storage sent nothing in time" in job.said[0]


@pytest.mark.parametrize(
    "refusal",
    [EXPIRED, {"status": 401}, {"status": 400, "body": b"<Error><Code>ExpiredToken</Code></Error>"}],
    ids=["403", "401", "400"],
)
def test_an_address_that_is_refused_is_replaced_by_a_fresh_one_at_once(job, storage, refusal):
    storage.answers = [refusal, STORED]
    job.run()
    assert [seen.path[:13] for seen in storage.seen] == ["/bucket/key-0", "/bucket/key-1"]
    assert (job.asked, job.slept) == (1, [])
    assert "Asking MaestroQA for a fresh one" in job.said[0]


def test_three_addresses_that_are_refused_are_enough(job, storage):
    storage.answers = [EXPIRED]
    error = fails(job, errors.MaestroQAError)
    assert (job.asked, len(storage.seen)) == (2, 3)
    assert "rejected with 3 upload addresses" in str(error)
    assert "403 (AccessDenied)" in str(error)
    assert error.retryable


def test_an_old_address_is_not_tried(job, storage):
    storage.answers = [{"reset": "at once"}, STORED]
    job.sleep = lambda seconds: setattr(job, "now", job.now + 600)
    job.run()
    assert job.asked == 1
    assert storage.seen[1].path.startswith("/bucket/key-1")


def test_an_error_of_who_gives_fresh_addresses_is_not_repeated_here(job, storage, mocker):
    storage.answers = [EXPIRED]
    job.fresh_url = mocker.Mock(side_effect=errors.MaestroQAConnectionError("MaestroQA is away"))
    assert "is away" in str(fails(job, errors.MaestroQAConnectionError))
    assert (job.fresh_url.call_count, len(storage.seen), job.slept) == (1, 1, [])


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 405, 409, 411, 412, 413])
def test_a_refusal_for_good_is_not_repeated_and_a_redirect_not_followed(job, storage, status):
    headers = {"Location": f"{storage.url}/elsewhere", "ETag": '"e"'} if status < 400 else {}
    storage.answers = [{"status": status, "headers": headers, "body": b"<Error><Code>EntityTooLarge</Code></Error>"}]
    error = fails(job, errors.MaestroQAError)
    assert len(storage.seen) == 1
    assert f"the storage answered {status}" in str(error)
    assert ("A redirect is not followed" in str(error)) == (status < 400)
    assert ("(EntityTooLarge)" in str(error)) == (status >= 400)
    assert "is without its bytes" in str(error)
    assert not error.retryable


@pytest.mark.parametrize(
    ("later", "how"),
    [
        (DATA[:-1], "it is 1 bytes shorter"),
        (b"", "bytes shorter"),
        (DATA + b"!", "it is longer"),
        (DATA[:-1] + b"!", "it holds other bytes"),
        (b"!" + DATA[1:], "it holds other bytes"),
    ],
    ids=["shorter", "empty", "longer", "other at the end", "other at the start"],
)
def test_a_file_that_changed_is_never_stored(job, storage, later, how):
    error = fails(job, errors.MaestroQADataError, Source(DATA, [later]))
    assert f"{how} than when it was first read" in str(error)
    assert "is without its bytes" in str(error)
    assert storage.stored == []
    assert not error.retryable


def test_a_file_that_changes_after_a_lost_try_ends_with_the_words_that_nobody_knows(job, storage):
    storage.answers = [{"reset": "after", "keeps": True}, STORED]
    error = fails(job, errors.MaestroQADataError, Source(DATA, [DATA, b"other"]))
    assert "It is not known whether attachment a-1 of ticket T-1 has its bytes" in str(error)
    assert storage.stored == [DATA]


def test_a_source_that_breaks_off_is_read_again(job, storage):
    job.run(Source(DATA, [errors.MaestroQAConnectionError("the bucket is away"), DATA]))
    assert storage.stored == [DATA]
    assert "the bucket is away. Sending it again" in job.said[0]


def test_a_source_that_is_gone_is_not_waited_for(job):
    assert str(fails(job, errors.MaestroQADataError, Source(DATA, [errors.MaestroQADataError("gone")]))) == "gone"
    assert job.slept == []


@pytest.mark.parametrize(
    "url",
    [
        "http://storage.example.com/x?X-Amz-Signature=5ec7e75ignature",
        "http://10.0.0.1/x?X-Amz-Signature=5ec7e75ignature",
        "ftp://localhost/x?X-Amz-Signature=5ec7e75ignature",
        "https://?X-Amz-Signature=5ec7e75ignature",
        "https://[::1?X-Amz-Signature=5ec7e75ignature",
    ],
)
def test_an_address_that_is_not_safe_gets_no_byte(job, url):
    job.url = url
    assert "no upload address that is safe" in str(fails(job, errors.MaestroQADataError))


def test_a_certificate_that_cannot_be_verified_is_no_matter_for_another_try(job, mocker):
    unverified = requests.exceptions.SSLError(f"CERTIFICATE_VERIFY_FAILED {SECRET}")
    mocker.patch("requests.Session.put", side_effect=unverified)
    assert "name its file as verify" in str(fails(job, errors.MaestroQAConfigError))
    assert job.slept == []


def test_no_signature_is_in_any_log(job, storage, caplog):
    caplog.set_level(logging.DEBUG)
    storage.answers = [EXPIRED, {"reset": "at once"}, {"status": 500}, STORED]
    job.run()
    assert "PUT /bucket/key-1?***" in caplog.text
    assert SECRET not in caplog.text + "".join(job.said)


def test_a_long_upload_says_how_far_it_is(job):
    ticks = iter(range(0, 10_000, 7))
    job.clock = lambda: float(next(ticks))
    job.run(Source(DATA * 4))
    assert job.said
    assert all(line.startswith("Uploading calls/one.mp3: ") and " of 1.0 MB (" in line for line in job.said)


def test_a_storage_that_takes_the_file_ever_more_slowly_is_left_at_the_deadline(job, storage):
    hours = itertools.count()

    def clock():
        job.now += 600.0 if next(hours) > 3 else 0.0
        return job.now

    job.clock, began = clock, job.now
    error = fails(job, errors.MaestroQAConnectionError, Source(DATA * 40))
    assert f"{WHAT[:1].upper()}{WHAT[1:]} is without its bytes" in str(error)
    assert storage.stored == []
    assert len(storage.seen) <= 1
    assert job.now - began < 7 * 3600
