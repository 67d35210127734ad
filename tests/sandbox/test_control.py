import json

import pytest


def control(client, method, path, **options):
    return client.api(method, path, headers=options.pop("headers", {}), **options)


@pytest.mark.parametrize("path", ["/", "/sandbox"])
def test_a_person_gets_a_page_that_says_what_this_is(client, path):
    client.sandbox.fault(kind="errored")
    client.ask("groups", name="<script>")
    page = control(client, "GET", path)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "MaestroQA sandbox" in page.text
    assert "errored" in page.text
    assert "<script>" not in page.text


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


def test_a_fault_sent_by_a_foreign_page_is_refused(client):
    answer = control(client, "POST", "/sandbox/faults", data=json.dumps({"kind": "status"}))
    assert answer.status_code == 400
    assert client.ask("groups").status_code == 200


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
