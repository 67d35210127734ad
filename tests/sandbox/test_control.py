import json
from base64 import b64encode
from hashlib import sha256

import pytest


def control(client, method, path, **options):
    return client.api(method, path, headers=options.pop("headers", {}), **options)


def test_faults_are_set_seen_and_cleared_over_http(client):
    made = control(client, "POST", "/sandbox/faults", json={"kind": "status", "status": 503, "times": None})
    assert (made.status_code, made.json()) == (201, {"kind": "status", "host": "api", "status": 503, "times": None})
    assert client.ask("groups").status_code == 503
    listed = control(client, "GET", "/sandbox/faults").json()
    assert listed["faults"][0]["fired"] == 1
    assert "never" in listed["kinds"]
    assert control(client, "DELETE", "/sandbox/faults").status_code == 200
    assert client.ask("groups").status_code == 200


@pytest.mark.parametrize("fault", [{"kind": "nonsense"}, {"kind": "status", "status": "x"}, {}])
def test_a_fault_that_makes_no_sense_is_refused(client, fault):
    answer = control(client, "POST", "/sandbox/faults", json=fault)
    assert answer.status_code == 400
    assert "fault" in answer.json()["error"]


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:8765"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "[::"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        (FORM, 400),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/sandbox/faults"), ("POST", "/sandbox/reset"), ("POST", "/sandbox/release")]
)
def test_what_a_foreign_page_sends_is_refused(client, method, path, headers, status):
    client.ask("groups")
    answer = control(client, method, path, data=json.dumps({"kind": "status"}), headers=headers)
    assert answer.status_code == status
    assert len(client.sandbox.exports) == 1
    assert client.ask("groups").status_code == 200


@pytest.mark.parametrize("path", ["/", "/sandbox/requests", "/api/v1/tickets/t"])
def test_a_rebound_page_reads_nothing(client, path):
    headers = {"Host": "rebound.example", "apitoken": client.sandbox.token}
    answer = control(client, "GET", path, headers=headers)
    assert (answer.status_code, list(answer.json())) == (403, ["error"])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST.", "[::1]:8765", "127.9.9.9"])
def test_its_own_names_and_its_own_page_are_let_in(client, host):
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert control(client, "POST", "/sandbox/reset", headers=headers).status_code == 200


def test_a_file_of_this_machine_is_served_to_nobody_who_asks_over_http(client, tmp_path):
    (tmp_path / "secret").write_text("secret")
    fault = {"kind": "replace_file", "file": str(tmp_path / "secret")}
    answer = control(client, "POST", "/sandbox/faults", json=fault)
    assert (answer.status_code, client.sandbox._state.faults.as_json()) == (400, [])
    assert "command line only" in answer.json()["error"]
    named = client.ask("groups", name=f"fault:replace_file={tmp_path}/secret")
    assert (named.status_code, client.sandbox._state.faults.as_json()) == (400, [])


@pytest.mark.parametrize("path", ["/", "/sandbox", "/sandbox/state", "/sandbox/nothing", "/api/v1/tickets/t"])
def test_a_browser_may_run_embed_and_guess_nothing(client, path):
    answer = control(client, "GET", path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    if path in ("/", "/sandbox"):
        assert "<h1>MaestroQA sandbox</h1>" in answer.text
        style = answer.text.partition("<style>")[2].partition("</style>")[0]
        assert b64encode(sha256(style.encode()).digest()).decode() in policy


def test_the_record_is_shown_without_the_token(client):
    client.ask("groups")
    answer = control(client, "GET", "/sandbox/requests")
    assert answer.json()[0]["path"] == "/api/v1/request-groups-export"
    assert answer.json()[0]["headers"]["apitoken"] == "***"
    assert client.sandbox.token not in answer.text


def test_the_state_shows_exports_and_what_is_in_them(client):
    export_id, _ = client.finished("groups")
    shown = control(client, "GET", "/sandbox/state").json()["exports"][0]
    assert (shown["export_id"], shown["polls"]) == (export_id, 3)
    assert shown["files"]["agent_groups.csv"]["rows"] == 30


def test_a_reset_forgets_everything_but_the_token(make_sandbox, make_client, clock):
    client = make_client(make_sandbox(limits={"normal": [[4, 60]]}, clock=clock))
    export_id, answer = client.finished("groups")
    client.sandbox.fault(kind="status")
    client.sandbox.add_token("other")
    assert control(client, "POST", "/sandbox/reset").status_code == 200
    assert client.sandbox.requests == []
    assert client.sandbox.exports == {}
    assert client.poll(export_id).status_code == 404
    assert client.get(answer["dataUrl"]).status_code == 404


def test_a_reset_from_python_lets_in_the_first_token_alone(client):
    client.sandbox.add_token("other")
    client.sandbox.revoke_token(client.sandbox.token)
    client.sandbox.reset()
    assert client.ask("groups").status_code == 200
    assert (
        client.api("POST", "/api/v1/request-groups-export", json={}, headers={"apitoken": "other"}).status_code == 401
    )


def test_held_responses_are_released_over_http(client, make_client, held):
    sandbox = client.sandbox
    sandbox.fault(kind="timeout")
    with held(sandbox, lambda: make_client(sandbox).ask("groups")):
        assert control(client, "POST", "/sandbox/release").status_code == 200
        sandbox.wait_for(lambda: sandbox.requests[0].status == 200)


def test_the_api_responds_while_another_request_is_held(client, held):
    sandbox = client.sandbox
    sandbox.fault(kind="timeout", path="get-export-data")
    with held(sandbox, lambda: client.poll("x")):
        assert client.ask("groups").status_code == 200
    assert sandbox.requests[0].status == 404
