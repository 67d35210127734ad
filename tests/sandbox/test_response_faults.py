import pytest
import requests

POLL = "/api/v1/get-export-data"
GROUPS = "/api/v1/request-groups-export"


def test_a_status_fault_answers_instead_of_the_api(client):
    client.sandbox.fault(kind="status", status=503, times=2)
    assert [client.ask("groups").status_code for _ in range(3)] == [503, 503, 200]
    assert len(client.sandbox.exports) == 1


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (None, "application/json", '{"error": "A fault of the sandbox: status 422."}'),
        ({"error": "agentId is taken"}, "application/json", '{"error": "agentId is taken"}'),
        ("plain", "text/plain", "plain"),
        (b"\x00", "application/octet-stream", "\x00"),
    ],
)
def test_a_status_fault_may_have_any_body(client, body, content_type, text):
    client.sandbox.fault(kind="status", status=422, body=body, headers={"X-Made": "up"}, retry_after="7")
    answer = client.ask("groups")
    assert (answer.status_code, answer.text) == (422, text)
    assert answer.headers["Content-Type"].startswith(content_type)
    assert (answer.headers["X-Made"], answer.headers["Retry-After"]) == ("up", "7")


@pytest.mark.parametrize(("kind", "exports"), [("reset_before", 0), ("reset_after", 1)])
def test_a_reset_drops_the_connection_before_or_after_the_work(client, kind, exports):
    client.sandbox.fault(kind=kind)
    with pytest.raises(requests.ConnectionError, match="reset"):
        client.ask("groups")
    assert len(client.sandbox.exports) == exports
    seen = client.sandbox.wait_for(lambda: [one for one in client.sandbox.requests if one.done])
    assert (len(seen), seen[0].status) == (1, None)


@pytest.mark.parametrize(("done", "exports"), [(False, 0), (True, 1)])
def test_a_timeout_holds_the_answer_until_the_client_goes_away(client, done, exports):
    client.sandbox.fault(kind="timeout", done=done)
    with pytest.raises(requests.ReadTimeout):
        client.api("POST", GROUPS, json={}, timeout=0.2)
    client.sandbox.wait_for(lambda: client.sandbox.requests[0].done)
    assert len(client.sandbox.exports) == exports
    assert client.sandbox.requests[0].status is None


def test_a_held_response_is_sent_when_it_is_released(client, held):
    client.sandbox.fault(kind="timeout")
    with held(client.sandbox, lambda: client.ask("groups").status_code) as statuses:
        assert statuses == []
    assert statuses == [200]
    assert not client.sandbox.requests[0].held


@pytest.mark.parametrize(
    ("kind", "content_type", "beginning"),
    [
        ("html", "text/html", "<!DOCTYPE html>"),
        ("malformed_json", "application/json", '{"exportId": "'),
        ("empty_body", "application/json", ""),
    ],
)
def test_a_body_that_is_no_json_comes_with_200(client, kind, content_type, beginning):
    client.sandbox.fault(kind=kind)
    answer = client.ask("groups")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(content_type)
    assert answer.text.startswith(beginning)
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_a_redirect_leads_to_the_storage_host_or_where_it_is_told(client):
    client.sandbox.fault(kind="redirect")
    client.sandbox.fault(kind="redirect", location="http://127.0.0.1:1/there")
    locations = [client.ask("groups").headers["Location"] for _ in range(2)]
    assert locations == [client.sandbox.storage_url + "/elsewhere", "http://127.0.0.1:1/there"]


def test_who_follows_a_redirect_with_the_token_is_found_out(client):
    client.sandbox.fault(kind="redirect")
    client.api("GET", POLL, json={"exportId": "x"}, allow_redirects=True)
    seen = client.sandbox.requests[-1]
    assert (seen.host, seen.status, seen.headers["apitoken"]) == ("storage", 400, client.sandbox.token)


def test_a_rate_limit_fault_names_the_window(client):
    client.sandbox.fault(kind="rate_limited", text="minute", retry_after="3")
    answer = client.ask("groups")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert answer.json() == {"error": "Too many requests in the past minute."}


def test_a_fault_lets_as_many_requests_pass_as_it_is_told(client):
    client.sandbox.fault(kind="status", after=2, times=1)
    assert [client.ask("groups").status_code for _ in range(4)] == [200, 200, 500, 200]


def test_a_fault_may_last_until_it_is_cleared(client):
    client.sandbox.fault(kind="status", times=None)
    assert {client.ask("groups").status_code for _ in range(5)} == {500}
    client.sandbox.clear_faults()
    assert client.ask("groups").status_code == 200


def test_of_several_answer_faults_the_first_goes_first(client):
    client.sandbox.fault(kind="status", status=500, times=2)
    client.sandbox.fault(kind="status", status=429)
    assert [client.ask("groups").status_code for _ in range(4)] == [500, 500, 429, 200]


@pytest.mark.parametrize(
    ("matching", "hit"),
    [
        ({"path": GROUPS}, True),
        ({"path": "/api/v1/request-*"}, True),
        ({"path": "groups"}, True),
        ({"path": "/api/v1/request"}, False),
        ({"path": POLL}, False),
        ({"method": "POST"}, True),
        ({"method": "GET"}, False),
        ({"host": "storage"}, False),
        ({"export_id": "x"}, False),
    ],
)
def test_a_fault_hits_what_it_matches_and_nothing_else(client, matching, hit):
    client.sandbox.fault(kind="status", **matching)
    assert (client.ask("groups").status_code == 500) is hit


def test_a_request_with_a_wrong_token_uses_no_fault_up(client):
    client.sandbox.fault(kind="status")
    assert client.api("POST", GROUPS, json={}, headers={}).status_code == 401
    assert client.ask("groups").status_code == 500


def test_an_answer_fault_can_hit_the_storage_host(client):
    _, answer = client.finished()
    client.sandbox.fault(kind="status", status=503, host="storage")
    client.sandbox.fault(kind="reset_before", path="/exports/*")
    refused = client.get(answer["dataUrl"])
    assert refused.status_code == 503
    assert "<Error>" in refused.text
    with pytest.raises(requests.ConnectionError):
        client.get(answer["dataUrl"])
    assert client.get(answer["dataUrl"]).status_code == 200
