import asyncio
import gc
import json
import socket
import threading
import time

import aiohttp
import pytest
import requests

from airflow_provider_maestroqa.sandbox import Sandbox
from airflow_provider_maestroqa.sandbox.data import exports


def test_it_starts_and_stops_quickly_and_leaves_no_thread_and_no_file(make_client):
    before = set(threading.enumerate())
    began = time.monotonic()
    with Sandbox(limits={}, rows=5) as sandbox:
        started = time.monotonic() - began
        make_client(sandbox).finished()
        directory = sandbox._state.directory
        assert list(directory.iterdir())
        began = time.monotonic()
    stopped = time.monotonic() - began
    gc.collect()
    assert set(threading.enumerate()) == before
    assert not directory.exists()
    # Generous, since machines are shared: it takes about a hundredth of that.
    assert started < 1
    assert stopped < 1


def test_it_stops_quickly_with_connections_open_and_answers_held():
    sandbox = Sandbox(limits={}).start()
    sandbox.fault(kind="timeout")
    failures = []

    def ask():
        try:
            requests.post(
                sandbox.url + "/api/v1/request-groups-export", json={}, headers={"apitoken": "x"}, timeout=10
            )
            requests.post(
                sandbox.url + "/api/v1/request-groups-export",
                json={},
                headers={"apitoken": sandbox.token},
                timeout=10,
            )
        except requests.ConnectionError as error:
            failures.append(error)

    other = threading.Thread(target=ask)
    other.start()
    with socket.create_connection(("127.0.0.1", int(sandbox.url.rsplit(":", 1)[1]))):
        sandbox.wait_for(lambda: any(seen.held for seen in sandbox.requests))
        began = time.monotonic()
        sandbox.stop()
    other.join(10)
    assert not other.is_alive()
    assert time.monotonic() - began < 3


def test_it_stops_while_a_huge_file_is_being_made(make_client):
    sandbox = Sandbox(limits={}, rows=10_000_000).start()
    make_client(sandbox).ask()
    began = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - began < 3


def test_a_poll_does_not_wait_for_ever_for_a_huge_file(make_sandbox, make_client, monkeypatch):
    monkeypatch.setattr(exports, "_MAX_WAIT", 0.01)
    client = make_client(make_sandbox(rows=10_000_000, polls=0))
    export_id = client.ask().json()["exportId"]
    assert [client.poll(export_id).json()["status"] for _ in range(2)] == ["in_progress"] * 2


def test_what_was_recorded_can_be_read_after_it_stopped(make_client):
    with Sandbox(limits={}) as sandbox:
        make_client(sandbox).ask("groups")
    assert sandbox.count("POST", "/api/v1/request-groups-export") == 1
    with pytest.raises(RuntimeError, match="does not run"):
        sandbox.reset()
    sandbox.stop()


def test_it_cannot_be_started_twice_or_used_before():
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="not been started"):
        _ = sandbox.url
    with sandbox, pytest.raises(RuntimeError, match="once"):
        sandbox.start()


@pytest.mark.parametrize("which", ["port", "storage_port"])
def test_a_port_that_is_taken_is_an_error_that_leaves_nothing_open(which):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Sandbox(**{which: taken.getsockname()[1]}).start()


def test_ports_can_be_chosen():
    with Sandbox() as first:
        ports = [int(url.rsplit(":", 1)[1]) for url in (first.url, first.storage_url)]
    with Sandbox(port=ports[0], storage_port=ports[1]) as second:
        assert (second.url, second.storage_url) == (first.url, first.storage_url)


def test_it_listens_on_loopback_alone(sandbox):
    port = int(sandbox.url.rsplit(":", 1)[1])
    hosts = {sock.getsockname()[0] for sock in _sockets(sandbox)}
    assert hosts <= {"127.0.0.1", "::1"}
    assert port > 0


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"bind": "0.0.0.0", "hosts": ["Sandbox.default.svc", "other"]}, "Sandbox.default.svc"),
        ({"bind": "127.0.0.2"}, "127.0.0.2"),
    ],
)
def test_it_can_be_reached_by_others_by_the_names_that_it_was_given(make_sandbox, make_client, options, name):
    client = make_client(make_sandbox(polls=0, **options))
    assert client.sandbox.url.startswith(f"http://{name}:")
    assert client.sandbox.storage_url.startswith(f"http://{name}:")
    client.sandbox._state.api_url = client.sandbox.url.replace(name, options["bind"])
    for host, status in {name.lower(): 200, options.get("hosts", [name])[-1]: 200, "evil.example": 403}.items():
        headers = {"Host": host, "apitoken": client.sandbox.token}
        answer = client.api("POST", "/api/v1/request-groups-export", json={}, headers=headers)
        assert answer.status_code == status


def test_the_connection_leads_airflow_here(sandbox):
    connection = json.loads(sandbox.connection_json(timeout=5))
    assert connection == {
        "conn_type": "maestroqa",
        "host": sandbox.url,
        "password": sandbox.token,
        "extra": {"rate_limit_store": "memory", "timeout": 5},
    }
    assert json.loads(sandbox.connection_json(rate_limit_store=None))["extra"] == {}


def test_it_knows_the_secrets_that_no_log_may_hold(client):
    _, answer = client.finished()
    secrets = client.sandbox.secrets
    assert secrets[0] == client.sandbox.token
    assert answer["dataUrl"].endswith(secrets[1])


def test_an_aiohttp_client_can_send_a_body_with_its_get(sandbox):
    async def run():
        async with aiohttp.ClientSession(sandbox.url, headers={"apitoken": sandbox.token}) as session:
            async with session.post("/api/v1/request-groups-export", json={}) as answer:
                export_id = (await answer.json())["exportId"]
            async with session.get("/api/v1/get-export-data", json={"exportId": export_id}) as answer:
                return await answer.json()

    assert asyncio.run(run()) == {"status": "requested", "dataUrl": ""}


def test_many_clients_are_served_at_once(make_sandbox, make_client):
    sandbox = make_sandbox(polls=0)
    clients = [make_client(sandbox) for _ in range(8)]
    threads = [threading.Thread(target=lambda one=one: [one.finished() for _ in range(5)]) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sandbox.exports) == sandbox.count("POST", "/api/v1/request-raw-export") == 40


def _sockets(sandbox):
    ports = {int(url.rsplit(":", 1)[1]) for url in (sandbox.url, sandbox.storage_url)}
    # By type: isinstance would ask lazy objects of other libraries, which then try to become what they stand for.
    sockets = [one for one in gc.get_objects() if issubclass(type(one), socket.socket) and one.fileno() >= 0]
    return [one for one in sockets if one.getsockname()[1:2] and one.getsockname()[1] in ports]
