import pytest

POLL = "/api/v1/get-export-data"


@pytest.mark.parametrize("headers", [{}, {"apitoken": ""}, {"apitoken": "wrong"}, {"Authorization": "sandbox-token"}])
def test_a_missing_or_wrong_token_is_refused_with_401(client, headers):
    answer = client.api("GET", POLL, json={"exportId": "x"}, headers=headers)
    assert answer.status_code == 401
    assert "token" in answer.json()["error"]


def test_the_token_header_ignores_case(client):
    assert client.api("GET", POLL, json={"exportId": "x"}, headers={"ApiToken": "sandbox-token"}).status_code == 404


@pytest.mark.parametrize(
    ("path", "place", "name"),
    [
        ("/api/v1/request-groups-export", "params", "apiToken"),
        ("/api/v1/request-groups-export", "params", "apitoken"),
        ("/api/v1/request-groups-export", "json", "apitoken"),
        ("/api/v1/tickets", "json", "apiToken"),
    ],
)
def test_a_token_in_the_query_or_a_body_is_refused_even_beside_the_header(client, path, place, name):
    sent = {"json": {}, "params": {}, place: {name: client.sandbox.token}}
    assert client.api("POST", path, **sent).status_code == 401
    assert client.sandbox.exports == {}


def test_operations_on_exports_take_the_token_in_the_body_as_documented(client):
    token = {"apiToken": client.sandbox.token}
    window = {"startDate": "2021-03-01T00:00:00Z", "endDate": "2021-03-08T00:00:00Z"}
    for kind, body in (("raw", window), ("audit-log", window), ("groups", {})):
        answer = client.api("POST", f"/api/v1/request-{kind}-export", json={**body, **token}, headers={})
        assert answer.status_code == 200
        poll = {"exportId": answer.json()["exportId"], **token}
        assert client.api("GET", POLL, json=poll, headers={}).json()["status"] == "requested"
    assert not any("apiToken" in export.parameters for export in client.sandbox.exports.values())
    assert client.sandbox.token not in client.api("GET", "/sandbox/requests").text


@pytest.mark.parametrize("headers", [{}, {"apitoken": "wrong"}])
def test_a_wrong_token_is_refused_wherever_it_is(client, headers):
    body = {"apiToken": client.sandbox.token if headers else "wrong"}
    assert client.api("POST", "/api/v1/request-groups-export", json=body, headers=headers).status_code == 401


def test_a_groups_export_needs_no_body_and_others_do(client):
    assert client.api("POST", "/api/v1/request-groups-export").status_code == 200
    assert client.api("POST", "/api/v1/request-raw-export").status_code == 400


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
