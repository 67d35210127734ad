"""Tasks with the storages of three clouds, on emulators: the bytes, what a retry finds, and what refusals say."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import zlib
from unittest import mock

import pytest
from airflow_fixtures import task_context
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from factories import many, texts
from google_front import TOKEN

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.__main__ import main
from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.operators.attachments import MaestroQACreateAttachmentOperator
from airflow_provider_maestroqa.operators.comments import MaestroQACreateCommentsOperator
from airflow_provider_maestroqa.sandbox import Sandbox
from airflow_provider_maestroqa.storage.open import open_object
from airflow_provider_maestroqa.transfers.export_to_object_storage import MaestroQAExportToObjectStorageOperator
from airflow_provider_maestroqa.transfers.object_storage_to_maestroqa import ObjectStorageToMaestroQAOperator
from airflow_provider_maestroqa.transfers.records_to_object_storage import MaestroQARecordsToObjectStorageOperator

COMMENTS, METRICS = "/api/v1/comments-batch", "/api/v1/ticket-metrics-batch"
# What the file systems do, not what is done with them: bytes in one piece, files and clients that close themselves.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
]


@pytest.fixture(scope="module")
def running():
    with Sandbox(limits={}, rows=40, unknown_tickets="accept") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.reset()
    running.add_tickets(["T-1"])
    return running


@pytest.fixture
def export_id(connection, sandbox):
    with MaestroQAHook() as hook:
        export_id = hook.request_raw_export("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
        while not hook.get_export(export_id).is_complete:
            pass
    return export_id


def land(export_id, destination):
    return MaestroQAExportToObjectStorageOperator(
        task_id="land", export_id=export_id, destination=destination, count_rows=True
    ).execute({})


def land_records(destination):
    return MaestroQARecordsToObjectStorageOperator(
        task_id="records", resource="todos", destination=destination
    ).execute({})


def push_file(source, **arguments):
    task = ObjectStorageToMaestroQAOperator(
        task_id="push", source=source, resource="ticket_metrics", on_error="collect", **arguments
    )
    return task.execute(task_context())


def push_comments(comments, *, context=None, **arguments):
    task = MaestroQACreateCommentsOperator(task_id="push", comments=comments, **arguments)
    return task.execute(context or task_context())


def attach(file):
    return MaestroQACreateAttachmentOperator(
        task_id="attach", ticket_id="T-1", content_type="audio/mpeg", file=file
    ).execute({})


def test_an_export_lands_with_the_bytes_that_its_manifest_names(cloud, export_id):
    manifest = land(export_id, cloud.url("raw"))
    assert cloud.names("raw") == sorted(["_manifest.json", *(file["name"] for file in manifest["files"])])
    assert json.loads(cloud.read("raw/_manifest.json")) == manifest
    assert sum(file["rows"] for file in manifest["files"]) > 40
    for file in manifest["files"]:
        stored = cloud.read(f"raw/{file['name']}")
        assert (hashlib.sha256(stored).hexdigest(), len(stored)) == (file["sha256"], file["bytes"])
        assert f"{zlib.crc32(gzip.decompress(stored)):08x}" == file["crc32"]
        assert file["uri"] == cloud.url(f"raw/{file['name']}")
    assert land(export_id, cloud.url("raw")) == manifest


def test_records_land_whole(cloud, connection, sandbox):
    land_records(cloud.url("todos"))
    stored = gzip.decompress(cloud.read("todos/todos.jsonl.gz"))
    assert [json.loads(line) for line in stored.splitlines()] == list(sandbox.todos)


def test_a_file_is_pushed_its_rejects_are_stored_and_a_retry_resumes(cloud, connection, sandbox):
    metrics = many("ticket_metrics", 600, {520: {"agent_id": "nobody"}, 590: {"metric_value": "x"}})
    lines = b"".join(json.dumps(metric, default=str).encode() + b"\n" for metric in metrics)
    cloud.write("in/metrics.jsonl.gz", gzip.compress(lines))
    places = {"rejects_path": cloud.url("out/rejects.jsonl"), "state_path": cloud.url("state/task.json")}
    sandbox.fault(kind="status", status=401, body={"error": "expired"}, path=METRICS, after=1, times=1)
    with pytest.raises(AirflowFailException):
        push_file(cloud.url("in/metrics.jsonl.gz"), **places)
    assert cloud.names("state") == ["task.json"]
    requests = sandbox.count("POST", METRICS)
    report = push_file(cloud.url("in/metrics.jsonl.gz"), **places)
    assert (report["confirmed"], report["rejected"], report["rejects_path"]) == (598, 2, places["rejects_path"])
    assert [json.loads(line)["index"] for line in cloud.read("out/rejects.jsonl").splitlines()] == [520, 590]
    assert cloud.names("out") == ["rejects.jsonl"]
    assert cloud.names("state") == []
    assert len(sandbox.ticket_metrics) == 598
    assert requests == 2


def test_comments_are_sent_once_by_a_retry_and_their_position_stays(cloud, connection, sandbox):
    comments, place = many("comments", 600), cloud.url("state/comments.json")
    sandbox.fault(kind="status", status=401, body={"error": "expired"}, path=COMMENTS, after=1, times=1)
    with pytest.raises(AirflowFailException):
        push_comments(comments, state_path=place)
    retry = task_context(try_number=2)
    assert push_comments(comments, context=retry, state_path=place)["confirmed"] == 600
    assert texts(sandbox) == [comment["body"] for comment in comments]
    assert json.loads(cloud.read("state/comments.json"))["value"]["finished"]
    assert cloud.names("state") == ["comments.json"]
    again = task_context(try_number=3)
    assert push_comments(comments, context=again, state_path=place)["confirmed"] == 600
    assert len(texts(sandbox)) == 600


def test_comments_whose_outcome_is_unknown_are_named_by_the_next_try(cloud, connection, sandbox):
    comments, place = many("comments", 600), cloud.url("state/comments.json")
    sandbox.fault(kind="reset_after", path=COMMENTS, after=1)
    for number in (1, 2):
        with pytest.raises(AirflowFailException, match="records 500 to 599 of the comments arrived"):
            push_comments(comments, context=task_context(try_number=number), state_path=place)
    assert len(texts(sandbox)) == 600


def test_google_is_not_asked_to_write_one_object_twice_in_a_second(google_cloud, google_front, connection, sandbox):
    comments, google_front.is_limited = many("comments", 2000), True
    report = push_comments(comments, state_path=google_cloud.url("state/comments.json"))
    assert (report["confirmed"], report["requests"]) == (2000, 4)
    assert google_front.written >= 2 * 4
    assert google_front.too_soon == 0
    assert google_cloud.names("state") == ["comments.json"]


def test_an_attachment_has_the_bytes_of_its_object(cloud, connection, sandbox):
    data = os.urandom(300_000)
    cloud.write("calls/1.mp3", data)
    attachment = attach(cloud.url("calls/1.mp3"))
    upload = sandbox.attachments[attachment["id"]]["upload"]
    assert (upload["size"], upload["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


USES = {
    "landing": lambda url, export_id: land(export_id, f"{url}/raw"),
    "records": lambda url, _: land_records(f"{url}/todos"),
    "source": lambda url, _: push_file(f"{url}/in.csv"),
    "rejects": lambda url, _: push_comments(many("comments", 1), on_error="collect", rejects_path=f"{url}/r.jsonl"),
    "state": lambda url, _: push_comments(many("comments", 1), state_path=f"{url}/state.json"),
    "attachment": lambda url, _: attach(f"{url}/1.mp3"),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("problem", ["wrong credentials", "no bucket"])
def test_a_storage_that_refuses_is_a_clear_error_before_anything_is_sent(
    cloud, connection, sandbox, request, use, problem
):
    export_id = request.getfixturevalue("export_id") if use == "landing" else None
    url = cloud.url()
    if problem == "no bucket":
        url = cloud.url(bucket="no-such-lake")
    else:
        cloud.refuse()
    before = len(sandbox.requests)
    with pytest.raises((AirflowFailException, MaestroQAError)) as error:
        USES[use](url, export_id)
    cause = error.value.__cause__ or error.value
    assert isinstance(cause, MaestroQAError)
    assert not cause.retryable, cause
    assert "Check" in str(error.value)
    assert url.partition("://")[2].partition("/")[0] in str(error.value)
    writes = [one for one in sandbox.requests[before:] if one.method != "GET"]
    assert writes == [], str(error.value)


def test_the_budget_opens_in_each_cloud_through_the_hook(cloud, connect, sandbox):
    async def ask(hook):
        async with await hook.aclient():
            return cloud.names("budget")

    connect(host=sandbox.url, password=sandbox.token, rate_limit_store=cloud.url("budget"))
    with MaestroQAHook() as hook:
        assert hook.test_connection() == (True, mock.ANY)
        assert asyncio.run(ask(hook))


def test_the_command_shows_what_a_storage_does_and_leaves_nothing(cloud, capsys):
    assert main(["storage", cloud.url("check")]) == 0
    out = capsys.readouterr().out
    assert [line[:2] for line in out.splitlines() if line.startswith("ok")] == ["ok"] * 6
    assert cloud.names("check") == []
    assert main(["storage", cloud.url("check", bucket="no-such-lake")]) == 1
    assert "failed: Cannot " in capsys.readouterr().err


@pytest.mark.parametrize("way", ["key_path", "keyfile_dict", "keyfile_dict and an older provider"])
def test_google_is_asked_with_the_token_for_a_key(google_cloud, google_front, monkeypatch, tmp_path, way):
    if "older" in way:
        newer = _compat.get_fs

        def get_fs(scheme, conn_id=None, storage_options=None):
            return newer(scheme, conn_id, {"token": "a token that ends", **(storage_options or {})})

        monkeypatch.setattr("airflow_provider_maestroqa._compat.get_fs", get_fs)
    private = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = {
        "type": "service_account",
        "project_id": "test",
        "private_key_id": way,
        "private_key": private.decode(),
        "client_email": "lake@test.iam.example.com",
        "client_id": "1",
        "token_uri": f"{google_front.url}/token",
    }
    (tmp_path / "key.json").write_text(json.dumps(key))
    extra = {"key_path": str(tmp_path / "key.json")} if way == "key_path" else {"keyfile_dict": json.dumps(key)}
    fields = {"conn_type": "google_cloud_platform", "extra": {**extra, "gcs.endpoint": google_front.url}}
    monkeypatch.setenv("AIRFLOW_CONN_MY_GOOGLE", json.dumps(fields))
    stored = open_object(google_cloud.url("x.json").replace("gs://", "gs://my_google@"))
    stored.write(b"1")
    assert google_cloud.read("x.json") == b"1"
    assert google_front.authorizations == {f"Bearer {TOKEN}"}
    assert stored.store.fs.credentials.credentials.expiry is not None


def test_a_connection_of_google_without_credentials_is_a_clear_error(google_cloud, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/key.json")
    monkeypatch.setenv("AIRFLOW_CONN_MY_GOOGLE", '{"conn_type": "google_cloud_platform"}')
    with pytest.raises(MaestroQAError, match=r"'my_google' leads to no credentials .* Give it a key") as error:
        open_object("gs://my_google@lake/x.json")
    assert not error.value.retryable
