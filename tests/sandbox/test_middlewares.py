import pytest

POLL = "/api/v1/get-export-data"


@pytest.mark.parametrize("headers", [{}, {"apitoken": ""}, {"apitoken": "wrong"}, {"Authorization": "sandbox-token"}])
def test_a_missing_or_wrong_token_is_refused_with_401(client, headers):
    answer = client.api("GET", POLL, json={"exportId": "x"}, headers=headers)
    assert answer.status_code == 401
    assert "token" in answer.json()["error"]


def test_the_token_header_ignores_case(client):
    assert client.api("GET", POLL, json={"exportId": "x"}, headers={"ApiToken": "sandbox-token"}).status_code == 404


@pytest.mark.parametrize("name", ["apiToken", "apitoken"])
@pytest.mark.parametrize("place", ["json", "params"])
def test_a_token_in_the_body_or_the_query_is_refused_even_beside_the_header(client, place, name):
    sent = {"json": {}, "params": {}, place: {name: client.sandbox.token}}
    assert client.api("POST", "/api/v1/request-groups-export", **sent).status_code == 401
    assert client.sandbox.exports == {}


def test_an_expired_token_is_refused_from_the_moment_it_expires(make_sandbox, make_client, clock):
    sandbox = make_sandbox(clock=clock)
    client = make_client(sandbox)
    sandbox.add_token("short-lived", expires_at=clock.now + 10)
    headers = {"apitoken": "short-lived"}
    assert client.api("POST", "/api/v1/request-groups-export", json={}, headers=headers).status_code == 200
    clock.now += 10
    answer = client.api("POST", "/api/v1/request-groups-export", json={}, headers=headers)
    assert answer.status_code == 401
    assert "expired" in answer.json()["error"]


def test_a_revoked_token_is_refused(client):
    client.sandbox.revoke_token(client.sandbox.token)
    assert client.ask("groups").status_code == 401


def test_a_request_without_a_token_does_not_learn_which_paths_exist(client):
    assert client.api("GET", "/api/v1/nothing", headers={}).status_code == 401
