"""Attachments, from the operator to what the sandbox holds afterwards."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from datetime import datetime, timedelta, timezone

import pytest
from clocks import SkippingTime
from error_text import error_text

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.resources.attachments import id_for_file, id_for_url
from airflow_provider_maestroqa.client.transport.sync_client import SyncClient
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.operators.attachments import MaestroQACreateAttachmentOperator

POST, PUT = "/api/v1/attachments", "/attachments/*"
DATA = os.urandom(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
FILE_ID = id_for_file("T-1", "audio/mpeg", SHA256)
URL = "https://recordings.example.com/call.mp3?X-Amz-Signature=5ec7e75ignature"


@pytest.fixture
def sandbox(sandbox):
    sandbox.add_tickets(["T-1"])
    return sandbox


@pytest.fixture(autouse=True)
def quick(monkeypatch, connect, sandbox):
    """Nobody sleeps, a time-out is short, and Airflow's masker is not filled for the rest of the process."""
    masked = []
    monkeypatch.setattr(_compat, "mask_secret", masked.append)
    monkeypatch.setattr(MaestroQAHook, "clock", SkippingTime().clock())
    connect(host=sandbox.url, password=sandbox.token, timeout=0.5, rate_limits={"normal": [[1000, 0.05]]})
    return masked


@pytest.fixture
def logged(mocker):
    """What the hook logs at a level, in whatever way this Airflow logs."""
    log = mocker.patch.object(MaestroQAHook, "log", create=True)
    return lambda level: [call.args[0] % call.args[1:] for call in getattr(log, level).call_args_list]


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "call #1.mp3"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def task(recording):
    """The operator for the recording, or with other arguments."""

    def make(**changes):
        arguments = {"ticket_id": "T-1", "content_type": "audio/mpeg", "file": str(recording), **changes}
        return MaestroQACreateAttachmentOperator(task_id="attach", **arguments)

    return make


def fails(task, sandbox):
    """Run a task that must fail; its error, or the one that it was raised from, after a look for secrets."""
    with pytest.raises((AirflowFailException, errors.MaestroQAError)) as failed:
        task.execute({})
    told = error_text(failed.value)
    assert not [secret for secret in sandbox.secrets if secret in told]
    assert "X-Amz" not in told
    return failed.value.__cause__ or failed.value


def is_attached(sandbox, *, attachment_id=FILE_ID, sha256=SHA256):
    """Whether there is one attachment, with these bytes."""
    attachments = sandbox.attachments
    assert set(attachments) <= {attachment_id}
    upload = attachments.get(attachment_id, {}).get("upload")
    return upload is not None and (upload["sha256"], upload["content_type"]) == (sha256, "audio/mpeg")


def test_a_file_of_this_worker_is_attached(task, sandbox):
    assert task().execute({}) == {"id": FILE_ID}
    assert is_attached(sandbox)
    assert sandbox.attachments[FILE_ID]["upload"]["size"] == len(DATA)
    posted, put = sandbox.requests
    assert posted.body == {"ticket_id": "T-1", "content_type": "audio/mpeg", "id": FILE_ID}
    assert (put.method, put.headers["content-length"]) == ("PUT", str(len(DATA)))


@pytest.mark.parametrize("form", ["{path}", "file://{path}"])
def test_a_path_or_a_file_url_is_a_file_of_this_worker(task, sandbox, recording, form):
    task(file=form.format(path=recording)).execute({})
    assert is_attached(sandbox)


def test_a_relative_path_is_one_from_where_the_worker_runs(task, sandbox, recording, monkeypatch):
    monkeypatch.chdir(recording.parent)
    with MaestroQAHook() as hook:
        assert hook.upload_attachment("T-1", "audio/mpeg", recording.relative_to(recording.parent)) == {"id": FILE_ID}
    assert is_attached(sandbox)


@pytest.mark.parametrize(
    "arguments",
    [
        {"file": "s3://my-data-lake/calls/call #1?.mp3"},
        {"file": "s3://aws_default@my-data-lake/calls/call #1?.mp3"},
        {"file": "s3://my-data-lake/calls/call #1?.mp3", "storage_conn_id": "aws_default"},
    ],
    ids=["default", "in the URL", "argument"],
)
def test_an_object_in_s3_is_attached(task, sandbox, s3, arguments):
    s3.put_object(Bucket="my-data-lake", Key="calls/call #1?.mp3", Body=DATA)
    assert task(**arguments).execute({}) == {"id": FILE_ID}
    assert is_attached(sandbox)


def test_an_object_in_any_storage_that_airflow_knows_is_attached(task, sandbox, monkeypatch):
    from fsspec.implementations.memory import MemoryFileSystem

    opened = []

    def get_fs(scheme, conn_id=None):
        opened.append((scheme, conn_id))
        return MemoryFileSystem()

    monkeypatch.setattr(_compat, "get_fs", get_fs, raising=False)
    MemoryFileSystem().pipe("/calls/call.mp3", DATA)
    task(file="gs://my_google@calls/call.mp3").execute({})
    assert is_attached(sandbox)
    assert opened == [("gs", "my_google")]
    MemoryFileSystem().rm("/calls", recursive=True)


def test_every_argument_reaches_maestroqa_in_its_own_form(task, sandbox):
    moment = datetime(2026, 3, 1, 13, 30, tzinfo=timezone(timedelta(hours=1)))
    done = task(attachment_id="call-17", author_id="agent-1", public="false", timestamp=moment).execute({})
    assert done == {"id": "call-17"}
    (posted, _) = sandbox.requests
    assert posted.body == {
        "ticket_id": "T-1",
        "content_type": "audio/mpeg",
        "id": "call-17",
        "author_id": "agent-1",
        "public": False,
        "timestamp": "2026-03-01T12:30:00Z",
    }
    assert is_attached(sandbox, attachment_id="call-17")


def test_a_url_is_attached_without_any_bytes(task, sandbox):
    url_id = id_for_url("T-1", "audio/mpeg", URL)
    assert task(file=None, url=URL).execute({}) == {"id": url_id}
    (posted,) = sandbox.requests
    assert posted.body == {"ticket_id": "T-1", "content_type": "audio/mpeg", "id": url_id, "url": URL}


def test_the_log_tells_the_story_without_secrets(task, sandbox, logged, caplog, recording):
    caplog.set_level(logging.DEBUG)
    sandbox.fault(kind="reset_before", path=PUT)
    sandbox.fault(kind="expired_url")
    task().execute({})
    name = f"attachment {FILE_ID}"
    assert logged("info")[0] == f"Uploading {recording} (0.3 MB, audio/mpeg) as {name} of ticket T-1."
    assert "Sending it again in " in logged("info")[1]
    assert logged("info")[-1] == f"Uploaded {recording}: {name} is complete."
    assert logged("warning") == []
    everything = "\n".join([*logged("info"), caplog.text])
    assert "PUT /attachments/" in everything
    assert not [secret for secret in sandbox.secrets if secret in everything]
    assert "X-Amz-Signature" not in everything


def test_the_story_of_a_url_shows_its_host_alone(task, logged, quick):
    task(file=None, url=URL).execute({})
    (line,) = logged("info")
    assert line.startswith("Attached the file at recordings.example.com to ticket T-1: attachment airflow-")
    assert quick == ["X-Amz-Signature=5ec7e75ignature", "sandbox-token"]


def test_presigned_urls_and_their_queries_are_masked(sandbox, quick):
    with MaestroQAHook() as hook:
        answer = hook.create_attachment("T-1", "audio/mpeg")
    assert quick == [sandbox.token, answer["presigned_url"], answer["presigned_url"].partition("?")[2]]
    assert sandbox.attachments[answer["id"]]["upload"] is None


def test_the_token_never_goes_to_the_storage_and_no_signature_to_maestroqa(task, sandbox):
    sandbox.fault(kind="redirect", path=PUT, location=f"{sandbox.url}/api/v1/todos", status=307)
    fails(task(), sandbox)
    to_storage = [seen for seen in sandbox.requests if seen.host == "storage"]
    assert len(to_storage) == 1
    assert not any(sandbox.token in str(seen.headers) or "apitoken" in seen.headers for seen in to_storage)
    assert not any(seen.query for seen in sandbox.requests if seen.host == "api")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"file": None}, "Neither file nor url is given"),
        ({"url": "https://example.com/x"}, "Both file and url are given"),
        ({"ticket_id": ""}, "ticket_id must be text"),
        ({"content_type": "mp3"}, "content_type must be a type and a subtype"),
        ({"public": "maybe"}, "public must be True or False"),
        ({"timestamp": "2026-01-01T00:00:00"}, "has no time zone"),
        ({"attachment_id": "None"}, "attachment_id must be text"),
        ({"author_id": " "}, "author_id must be text"),
        ({"file": ""}, "file must be a path on this machine or a storage URL"),
        ({"file": "None"}, "file must be a path"),
        ({"file": 5}, "file must be a path"),
        ({"file": "https://example.com/x?sig=5ec7e7"}, "If MaestroQA can read that address, pass it as url"),
        ({"file": "martian://bucket/x"}, "martian:// cannot be opened"),
        ({"file": "s3://my-data-lake/calls/"}, "names a folder"),
        ({"file": "s3://my-data-lake"}, "names no object"),
        ({"file": None, "url": "s3://bucket/x"}, "url must be an address"),
        ({"file": None, "url": ""}, "url must be an address"),
    ],
    ids=str,
)
def test_wrong_arguments_fail_at_once_and_spend_no_request(task, sandbox, s3_server, changes, named):
    error = fails(task(**changes), sandbox)
    assert isinstance(error, errors.MaestroQAConfigError)
    assert named in str(error)
    assert "5ec7e7" not in str(error)
    assert sandbox.requests == []


def test_a_bad_file_fails_at_once_and_spends_no_request(task, sandbox, s3, tmp_path):
    (tmp_path / "empty").touch()
    with (tmp_path / "huge").open("wb") as file:
        file.truncate((5 << 30) + 1)
    os.mkfifo(tmp_path / "pipe")
    for file, named in {
        tmp_path / "missing.mp3": "There is no file",
        tmp_path: "is a folder or a device",
        tmp_path / "pipe": "is a folder or a device",
        tmp_path / "empty": "is empty",
        tmp_path / "huge": "larger than the 5 GB",
        "s3://my-data-lake/missing.mp3": "There is no object s3://my-data-lake/missing.mp3",
    }.items():
        error = fails(task(file=str(file)), sandbox)
        assert isinstance(error, errors.MaestroQADataError), file
        assert named in str(error), file
    assert sandbox.requests == []


def test_a_file_that_may_not_be_read_is_told(task, sandbox, mocker):
    mocker.patch("pathlib.Path.open", side_effect=PermissionError(13, "Permission denied"))
    error = fails(task(), sandbox)
    assert "call #1.mp3 cannot be read: Permission denied" in str(error)
    assert sandbox.requests == []


def test_a_bucket_that_does_not_exist_fails_before_a_request(task, sandbox, s3):
    error = fails(task(file="s3://no-such-bucket/call.mp3"), sandbox)
    assert "s3://no-such-bucket/call.mp3" in str(error)
    assert sandbox.requests == []


def test_a_file_that_changes_in_between_is_never_attached(task, sandbox, recording, monkeypatch):
    send = SyncClient.send

    def and_then_somebody_writes(client, call, **options):
        answer = send(client, call, **options)
        with recording.open("ab") as file:
            file.write(b"!")
        return answer

    monkeypatch.setattr(SyncClient, "send", and_then_somebody_writes)
    error = fails(task(), sandbox)
    assert isinstance(error, errors.MaestroQADataError)
    assert "it is longer than when it was first read" in str(error)
    assert sandbox.attachments[FILE_ID]["upload"] is None


def test_a_ticket_that_does_not_exist_is_told_in_maestroqas_words(task, sandbox):
    error = fails(task(ticket_id="T-404"), sandbox)
    assert isinstance(error, errors.MaestroQANotFoundError)
    assert "T-404" in str(error)
    assert sandbox.count("PUT", PUT) == 0


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"id": "x"}, "returned no URL for the bytes"),
        ({"id": "x", "presigned_url": ""}, "returned no URL for the bytes"),
        ({"id": "x", "presigned_url": 5}, "returned no URL for the bytes"),
        ([], "returned no URL for the bytes"),
        (None, "returned no URL for the bytes"),
    ],
    ids=str,
)
def test_an_answer_without_an_address_is_no_success(task, sandbox, body, named):
    sandbox.fault(kind="status", status=200, path=POST, body=json.dumps(body), done=True)
    error = fails(task(), sandbox)
    assert isinstance(error, errors.MaestroQAOutcomeUnknownError)
    assert named in str(error)
    assert "It is not known whether" in str(error)


def test_an_address_that_is_not_safe_gets_nothing(task, sandbox):
    url = "http://storage.example.com/x?X-Amz-Signature=5ec7e7"
    sandbox.fault(kind="status", status=200, path=POST, body={"id": FILE_ID, "presigned_url": url})
    error = fails(task(), sandbox)
    assert "no upload address that is safe" in str(error)


def test_an_answer_with_another_id_is_what_is_returned_and_is_warned_of(task, sandbox, logged):
    url = sandbox.presign("/attachments/none", ttl=60)
    sandbox.fault(kind="status", status=200, path=POST, body={"id": "other", "presigned_url": url})
    fails(task(), sandbox)
    assert "assigned the id other to the attachment" in logged("warning")[0]
    assert "it is not confirmed that it has its bytes" in logged("warning")[1]
    with MaestroQAHook() as hook:
        sandbox.fault(kind="status", status=200, path=POST, body={"_id": "comment"})
        assert hook.create_attachment("T-1", "audio/mpeg", url=URL)["id"] == id_for_url("T-1", "audio/mpeg", URL)


@pytest.mark.parametrize("assigned", ["../../x", "a\n[2026] ERROR \x1b[31mforged", "9" * 5_000, "\u202ex", ["x"], ""])
def test_what_is_no_id_is_not_taken_for_one(sandbox, logged, assigned):
    own = id_for_url("T-1", "audio/mpeg", URL)
    sandbox.fault(kind="status", status=200, path=POST, body=json.dumps({"id": assigned}))
    with MaestroQAHook() as hook:
        assert hook.create_attachment("T-1", "audio/mpeg", url=URL) == {"id": own}
    lines = [*logged("warning"), *logged("info")]
    assert all(line.isprintable() and len(line) < 500 for line in lines)
    assert len(logged("warning")) == (1 if assigned and isinstance(assigned, str) else 0)


def test_a_number_is_an_id(sandbox):
    sandbox.fault(kind="status", status=200, path=POST, body={"id": 5071})
    with MaestroQAHook() as hook:
        assert hook.create_attachment("T-1", "audio/mpeg", url=URL) == {"id": "5071"}


def test_a_fresh_address_of_another_attachment_gets_nothing(task, sandbox):
    sandbox.fault(kind="expired_url")
    url = sandbox.presign("/attachments/none", ttl=60)
    sandbox.fault(kind="status", status=200, path=POST, body={"id": "other", "presigned_url": url}, after=1)
    error = fails(task(), sandbox)
    assert isinstance(error, errors.MaestroQAOutcomeUnknownError)
    assert re.search(r"fresh URL for attachment airflow-\w+ belongs to another one: other", str(error))


class TestMapping:
    def test_one_task_for_each_recording(self):
        from airflow import DAG

        recordings = [{"ticket_id": "T-1", "file": "a.mp3"}, {"ticket_id": "T-2", "file": "b.mp3"}]
        with DAG(dag_id="d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
            made = MaestroQACreateAttachmentOperator.partial(
                task_id="attach", content_type="audio/mpeg"
            ).expand_kwargs(recordings)
        assert made.task_id == "attach"
