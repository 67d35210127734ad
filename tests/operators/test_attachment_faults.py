"""Every fault on the way of a file: one attachment with exactly its bytes, or a task that says what is not known.

Each row runs three times: direct, through a forward proxy, and through a tunnel, to MaestroQA and to the storage.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from clocks import SkippingTime
from error_text import error_text
from proxies import ROUTES

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.resources.attachments import id_for_file, id_for_url
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.operators.attachments import MaestroQACreateAttachmentOperator
from airflow_provider_maestroqa.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
POST, PUT = "/api/v1/attachments", "/attachments/*"
DATA = os.urandom(400_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
FILE_ID = id_for_file("T-1", "audio/mpeg", SHA256)
URL = "https://recordings.example.com/call.mp3"
URL_ID = id_for_url("T-1", "audio/mpeg", URL)

# What the task does where an id may be used again, and where it may not.
DONE, RETRIED, FAILS, UNKNOWN = "done", "fails, and Airflow retries", "fails for good", "fails, and nobody knows"
BEFORE = {
    "reset before": {"kind": "reset_before"},
    "time-out before": {"kind": "timeout"},
    "500 before": {"kind": "status", "status": 500},
    "503 before": {"kind": "status", "status": 503},
    "429": {"kind": "rate_limited"},
    "HTML before": {"kind": "html"},
    "malformed JSON before": {"kind": "malformed_json"},
}
AFTER = {
    "reset after": {"kind": "reset_after"},
    "time-out after": {"kind": "timeout", "done": True},
    "500 after": {"kind": "status", "status": 500, "done": True},
    "HTML after": {"kind": "html", "done": True},
    "malformed JSON after": {"kind": "malformed_json", "done": True},
}
ON_THE_WAY = {
    "the connection drops in the middle": {"kind": "drop_at_byte", "at": 200_000},
    "it is reset in the middle": {"kind": "reset_at_byte", "at": 200_000},
    "it stalls in the middle": {"kind": "stall_at_byte", "at": 200_000},
    "it drops after the last byte": {"kind": "drop_at_byte", "at": len(DATA)},
}
ROWS = [
    *[(f"POST: {name}", POST, [fault], DONE, DONE) for name, fault in BEFORE.items()],
    *[(f"POST: {name}", POST, [fault], DONE, UNKNOWN) for name, fault in AFTER.items()],
    ("POST: 401", POST, [{"kind": "status", "status": 401}], FAILS, FAILS),
    ("POST: 400", POST, [{"kind": "status", "status": 400}], FAILS, FAILS),
    ("POST: 500 for ever", POST, [{"kind": "status", "times": None}], RETRIED, RETRIED),
    ("POST: resets for ever", POST, [{"kind": "reset_after", "times": None}], RETRIED, RETRIED),
    *[(f"PUT: {name}", PUT, [fault], DONE, DONE) for name, fault in (BEFORE | AFTER | ON_THE_WAY).items()],
    ("PUT: the URL has expired", PUT, [{"kind": "expired_url"}], DONE, UNKNOWN),
    ("PUT: two URLs have expired", PUT, [{"kind": "expired_url", "times": 2}], DONE, UNKNOWN),
    ("PUT: all URLs have expired", PUT, [{"kind": "expired_url", "times": None}], RETRIED, UNKNOWN),
    ("PUT: 500 for ever", PUT, [{"kind": "status", "times": None}], RETRIED, RETRIED),
    ("PUT: lost for ever", PUT, [{"kind": "reset_after", "times": None}], RETRIED, RETRIED),
    ("PUT: a redirect", PUT, [{"kind": "redirect", "status": 307}], FAILS, FAILS),
    ("PUT: 404", PUT, [{"kind": "status", "status": 404}], FAILS, FAILS),
    (
        "401 in the middle",
        PUT,
        [{"kind": "expired_url"}, {"kind": "status", "status": 401, "path": POST, "after": 1}],
        FAILS,
        FAILS,
    ),
    (
        "the answer to the second POST is lost",
        PUT,
        [{"kind": "expired_url"}, {"kind": "reset_after", "path": POST, "after": 1}],
        DONE,
        UNKNOWN,
    ),
]


@pytest.fixture(params=["again", "conflict"])
def sandbox(request):
    """A MaestroQA that lets an id be used again, and one that does not."""
    with Sandbox(limits={}, attachment_id_reuse=request.param) as running:
        running.reuse = request.param
        running.add_tickets(["T-1"])
        yield running


@pytest.fixture(params=ROUTES)
def route(route):
    """Each row runs on each of them."""
    return route


@pytest.fixture(autouse=True)
def quick(monkeypatch, connect, sandbox, route):
    monkeypatch.setattr(MaestroQAHook, "clock", SkippingTime().clock())
    rates = {"normal": [[1000, 0.05]]}
    connect(password=sandbox.token, **route.connection(sandbox.url, timeout=1, rate_limits=rates))
    # The addresses to upload to lead through the tunnel, too.
    sandbox._state.storage_url = route.url(sandbox.storage_url)


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "call.mp3"
    path.write_bytes(DATA)
    return path


def attach(recording=None, url=None):
    return MaestroQACreateAttachmentOperator(
        task_id="attach",
        ticket_id="T-1",
        content_type="audio/mpeg",
        file=None if recording is None else str(recording),
        url=url,
    ).execute({})


def outcome_of(work, sandbox):
    """How a task ended, and the error it ended with."""
    try:
        work()
    except (AirflowFailException, errors.MaestroQAError) as error:
        told = error_text(error)
        assert not [secret for secret in sandbox.secrets if secret in told]
        assert "X-Amz" not in told
        real = error.__cause__ if isinstance(error, AirflowFailException) else error
        if not isinstance(error, AirflowFailException):
            return RETRIED, real
        return (UNKNOWN if isinstance(real, errors.MaestroQAOutcomeUnknownError) else FAILS), real
    return DONE, None


def is_attached(sandbox):
    attachments = sandbox.attachments
    # Never two, whatever happens.
    assert set(attachments) <= {FILE_ID}
    kept = attachments.get(FILE_ID, {}).get("upload")
    assert kept is None or kept["sha256"] == SHA256
    return kept is not None


CASES = [pytest.param("again", *row[1:4], id=f"again-{row[0]}") for row in ROWS]
# Most of what happens on the way to the storage has nothing to do with the id.
CASES += [
    pytest.param("conflict", *row[1:3], row[4], id=f"conflict-{row[0]}")
    for row in ROWS
    if row[1] == POST or row[3] != row[4] or "for ever" in row[0]
]


@pytest.mark.parametrize(("sandbox", "path", "faults", "expected"), CASES, indirect=["sandbox"])
def test_a_fault_ends_with_the_bytes_or_with_the_truth(sandbox, recording, path, faults, expected):
    for fault in faults:
        host = "storage" if fault.get("path", path) == PUT else "api"
        sandbox.fault(**{"path": path, "host": host, **fault})
    ended, error = outcome_of(lambda: attach(recording), sandbox)
    assert ended == expected, error
    attached = is_attached(sandbox)
    if ended == DONE:
        assert attached
    if ended == UNKNOWN:
        assert "not known" in str(error)
        assert FILE_ID in str(error)
    # The task is retried, or somebody clears it.
    sandbox.clear_faults()
    sandbox.release()
    there = FILE_ID in sandbox.attachments
    ended, error = outcome_of(lambda: attach(recording), sandbox)
    if sandbox.reuse == "again" or not there:
        assert ended == DONE
        assert is_attached(sandbox)
    else:
        assert ended == FAILS
        assert isinstance(error, errors.MaestroQAConflictError)
        assert "either this file was attached before, or an earlier try ended before its bytes were sent" in str(
            error
        )
        assert is_attached(sandbox) == attached


@pytest.mark.parametrize("name", [*BEFORE, *AFTER])
def test_a_url_is_attached_once_whatever_is_lost(sandbox, name):
    sandbox.fault(path=POST, **(BEFORE | AFTER)[name])
    assert attach(url=URL) == {"id": URL_ID}
    assert attach(url=URL) == {"id": URL_ID}
    assert set(sandbox.attachments) == {URL_ID}


def test_an_id_of_ones_own_that_is_taken_is_told(sandbox):
    own = {"task_id": "attach", "ticket_id": "T-1", "content_type": "audio/mpeg", "url": URL, "attachment_id": "a-1"}
    sandbox.fault(kind="reset_after", path=POST)
    ended, error = outcome_of(lambda: MaestroQACreateAttachmentOperator(**own).execute({}), sandbox)
    assert ended == (DONE if sandbox.reuse == "again" else UNKNOWN)
    ended, error = outcome_of(lambda: MaestroQACreateAttachmentOperator(**own).execute({}), sandbox)
    if sandbox.reuse == "conflict":
        assert isinstance(error, errors.MaestroQAConflictError)
        assert "another attachment has this id. Pass another attachment_id" in str(error)
    assert set(sandbox.attachments) == {"a-1"}


def test_a_maestroqa_that_is_not_there_is_worth_a_retry(sandbox, recording, connect, route):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        connect(**route.connection_to(f"http://127.0.0.1:{nobody.getsockname()[1]}"), timeout=0.25)
        ended, error = outcome_of(lambda: attach(recording), sandbox)
    assert ended == RETRIED
    assert isinstance(error, errors.MaestroQAConnectionError)


def test_a_storage_that_is_not_there_is_worth_a_retry(sandbox, recording, route):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = route.url(f"http://127.0.0.1:{nobody.getsockname()[1]}/x?X-Amz-Signature=5ec7e7")
        sandbox.fault(kind="status", status=200, path=POST, body={"presigned_url": url})
        ended, error = outcome_of(lambda: attach(recording), sandbox)
    assert ended == RETRIED
    # A 502 of a forward proxy may as well be one of the storage.
    not_known = f"It is not known whether attachment {FILE_ID} of ticket T-1 has its bytes"
    without = f"Attachment {FILE_ID} of ticket T-1 is without its bytes"
    assert (not_known if route.kind == "forward" else without) in str(error)


WORKERS = """
import json, os, sys
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.operators.attachments import MaestroQACreateAttachmentOperator
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    worker = os.fork()
    if worker == 0:
        os.environ["AIRFLOW_CONN_MAESTROQA_DEFAULT"] = order["connection"]
        made = MaestroQACreateAttachmentOperator(
            task_id="attach", ticket_id="T-1", content_type="audio/mpeg", file=order["file"]
        )
        made.execute({})
        os._exit(0)
    print("worker", worker, flush=True)
    os.waitpid(worker, 0)
"""


@pytest.fixture(scope="module")
def start_worker(tmp_path_factory):
    """Start a worker in a process of its own. They are forked, so that Airflow is imported once for all of them."""
    command = [sys.executable, "-W", "ignore", "-c", WORKERS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, cwd=tmp_path_factory.mktemp("workers"), **pipes) as workers:

        def answer(word):
            for line in workers.stdout:
                if line.startswith(word):
                    return line.split()
            raise AssertionError(f"no {word} came")

        def start(connection, file):
            workers.stdin.write(json.dumps({"connection": connection, "file": str(file)}) + "\n")
            workers.stdin.flush()
            return int(answer("worker")[1])

        answer("ready")
        yield start
        workers.stdin.close()


@pytest.mark.parametrize(
    ("fault", "is_there"),
    [
        ({"kind": "timeout", "path": POST}, False),
        ({"kind": "timeout", "path": POST, "done": True}, False),
        ({"kind": "timeout", "path": PUT}, None),
        ({"kind": "stall_at_byte", "at": 200_000}, None),
        ({"kind": "timeout", "path": PUT, "done": True}, True),
    ],
    ids=["before the POST", "after the POST", "before the PUT", "during the PUT", "after the PUT"],
)
def test_a_worker_that_is_killed_leaves_what_the_next_try_completes_or_explains(
    sandbox, recording, start_worker, route, fault, is_there
):
    sandbox.fault(**fault)
    extra = sandbox.connection()["extra"] | route.connection(sandbox.url, timeout=30)
    worker = start_worker(json.dumps({**sandbox.connection(), "host": extra.pop("host"), "extra": extra}), recording)
    sandbox.wait_for(lambda: any(seen.held for seen in sandbox.requests), timeout=60)
    os.kill(worker, signal.SIGKILL)
    sandbox.clear_faults()
    if is_there is None:
        # What was in the network when the worker died arrives or not.
        sandbox.release()
    sandbox.wait_for(lambda: all(seen.done for seen in sandbox.requests))
    attached = is_attached(sandbox)
    assert is_there in (None, attached)
    known = FILE_ID in sandbox.attachments
    ended, error = outcome_of(lambda: attach(recording), sandbox)
    if sandbox.reuse == "again" or not known:
        assert ended == DONE
        assert is_attached(sandbox)
    else:
        assert ended == FAILS
        assert "either this file was attached before, or an earlier try ended before" in str(error)
        assert is_attached(sandbox) == attached
