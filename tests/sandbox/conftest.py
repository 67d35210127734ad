from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import requests
from factories import agent_metric, comment, csat_score, ticket, ticket_metric

from airflow_provider_maestroqa.sandbox import Sandbox

WINDOW = {"startDate": "2021-03-01T00:00:00Z", "endDate": "2021-03-08T00:00:00Z"}
AES = {"x-amz-server-side-encryption": "AES256"}


@pytest.fixture
def records():
    """Makers of records that are as documented."""
    return SimpleNamespace(
        ticket=ticket,
        comment=comment,
        ticket_metric=ticket_metric,
        agent_metric=agent_metric,
        csat_score=csat_score,
        aes=AES,
    )


@dataclass
class Clock:
    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Client:
    """Speaks to a sandbox as a plain HTTP client would."""

    def __init__(self, sandbox, session):
        self.sandbox = sandbox
        self.session = session

    def api(self, method, path, **options):
        options.setdefault("headers", {"apitoken": self.sandbox.token})
        options.setdefault("timeout", 10)
        options.setdefault("allow_redirects", False)
        return self.session.request(method, self.sandbox.url + path, **options)

    def call(self, method, path, body=None, **options):
        """Status and JSON answer of an operation; ``None`` for an empty answer."""
        answer = self.api(method, f"/api/v1{path}", **({} if body is None else {"json": body}), **options)
        return answer.status_code, answer.json() if answer.content else None

    def ask(self, kind="raw", **parameters):
        """Ask for an export; a window is put in where one is needed."""
        window = {} if kind == "groups" else WINDOW
        return self.api("POST", f"/api/v1/request-{kind.replace('_', '-')}-export", json={**window, **parameters})

    def poll(self, export_id):
        return self.api("GET", "/api/v1/get-export-data", json={"exportId": export_id})

    def finished(self, kind="raw", **parameters):
        """Ask for an export and poll until it has ended; the id and the last answer."""
        export_id = self.ask(kind, **parameters).json()["exportId"]
        for _ in range(20):
            answer = self.poll(export_id).json()
            if answer["status"] not in ("requested", "in_progress"):
                return export_id, answer
        raise AssertionError(f"export {export_id} does not end: {answer}")

    def get(self, url, **options):
        """A request to the storage host; no token goes there."""
        options.setdefault("timeout", 10)
        return self.session.request(options.pop("method", "GET"), url, **options)

    def read(self, url, **options):
        """Status, bytes received and whether the answer broke off."""
        received = bytearray()
        with self.get(url, stream=True, **options) as answer:
            try:
                # Byte by byte: what is left of a bigger piece gets lost when the connection breaks.
                for piece in answer.iter_content(1):
                    received += piece
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
                return answer, bytes(received), True
        return answer, bytes(received), False


@contextmanager
def held(sandbox, send):
    """Send a request beside the test; the list of its result is filled when it is released at the end."""
    results = []
    thread = threading.Thread(target=lambda: results.append(send()))
    thread.start()
    sandbox.wait_for(lambda: sandbox.requests and sandbox.requests[-1].held)
    yield results
    sandbox.release()
    thread.join(10)


@pytest.fixture(name="held")
def provide_held():
    return held


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_sandbox():
    """Makes sandboxes, without limits unless asked, and stops them after the test."""
    started = []

    def make(**options):
        options.setdefault("limits", {})
        options.setdefault("rows", 30)
        started.append(Sandbox(**options).start())
        return started[-1]

    yield make
    for sandbox in started:
        sandbox.stop()


@pytest.fixture
def make_client():
    """Makes clients, and closes their connections after the test."""
    sessions = []

    def make(sandbox):
        sessions.append(requests.Session())
        sessions[-1].trust_env = False
        return Client(sandbox, sessions[-1])

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def sandbox(make_sandbox):
    return make_sandbox()


@pytest.fixture
def client(sandbox, make_client):
    return make_client(sandbox)
