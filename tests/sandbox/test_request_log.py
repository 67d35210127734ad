import threading

import pytest

from airflow_provider_maestroqa.sandbox.request_log import LoggedRequest, RequestLog


def test_every_request_is_recorded_as_it_came(client):
    client.api("POST", "/api/v1/request-groups-export", json={"name": "ü"}, params={"x": "1"})
    seen = client.sandbox.requests[0]
    assert (seen.method, seen.path, seen.query) == ("POST", "/api/v1/request-groups-export", {"x": "1"})
    assert seen.body == {"name": "ü"}
    assert seen.headers["apitoken"] == client.sandbox.token
    assert (seen.host, seen.status, seen.done) == ("api", 400, True)


def test_requests_to_both_hosts_are_in_the_order_of_arrival(client):
    _, answer = client.finished()
    content = client.get(answer["dataUrl"]).content
    seen = client.sandbox.requests
    assert [one.host for one in seen] == ["api"] * 4 + ["storage"]
    assert [one.number for one in seen] == list(range(5))
    assert seen[-1].sent == len(content)
    assert "apitoken" not in seen[-1].headers


def test_requests_are_counted_by_method_and_path(client):
    client.finished()
    assert client.sandbox.count("POST", "/api/v1/request-raw-export") == 1
    assert client.sandbox.count("GET", "/api/v1/get-export-data") == 3
    assert client.sandbox.count("GET", "/api/v1/request-raw-export") == 0


def test_time_is_the_injected_clocks(make_sandbox, make_client, clock):
    client = make_client(make_sandbox(clock=clock))
    client.ask("groups")
    clock.now += 5
    client.ask("groups")
    assert [one.at for one in client.sandbox.requests] == [clock.now - 5, clock.now]


def test_a_body_that_is_no_json_is_recorded_as_none(client):
    client.api("POST", "/api/v1/request-groups-export", data=b"{", headers={"apitoken": client.sandbox.token})
    assert client.sandbox.requests[0].body is None


def test_control_requests_are_not_recorded(client):
    client.api("GET", "/sandbox/state")
    client.api("GET", "/")
    assert client.sandbox.requests == []


def test_one_can_wait_for_a_request_of_somebody_else(client):
    sandbox = client.sandbox
    other = threading.Thread(target=client.ask, args=("groups",))
    other.start()
    seen = sandbox.wait_for(lambda: [one for one in sandbox.requests if one.done], timeout=10)
    other.join()
    assert seen[0].status == 200


def test_who_waits_may_act_on_the_sandbox_meanwhile(client):
    sandbox = client.sandbox
    sandbox.fault(kind="timeout")
    other = threading.Thread(target=client.ask, args=("groups",))
    other.start()
    released = sandbox.wait_for(lambda: any(one.held for one in sandbox.requests) and [sandbox.release()])
    other.join()
    assert (released, sandbox.requests[0].status) == ([None], 200)


def test_waiting_ends_with_an_error_that_shows_the_last_requests(client):
    client.ask("groups")
    with pytest.raises(TimeoutError, match="POST /api/v1/request-groups-export -> 200"):
        client.sandbox.wait_for(lambda: False, timeout=0.01)


def test_the_record_does_not_grow_for_ever():
    record = RequestLog(max_requests=3)
    keys = [record.add(LoggedRequest("GET", f"/{number}", {}, {}, b"", "api", 0.0)) for number in range(5)]
    record.update(keys[0], status=500)
    record.update(keys[4], status=200)
    assert [(one.path, one.number, one.status) for one in record.all()] == [
        ("/2", 2, None),
        ("/3", 3, None),
        ("/4", 4, 200),
    ]


def test_a_request_in_flight_at_a_reset_is_not_in_the_new_log(client, held):
    sandbox = client.sandbox
    sandbox.fault(kind="timeout")
    with held(sandbox, lambda: client.ask("groups")):
        sandbox.reset()
    assert sandbox.requests == []


def test_a_request_that_is_too_large_is_refused(client):
    answer = client.api("POST", "/api/v1/request-groups-export", data=b" " * (65 << 20))
    assert answer.status_code == 413


def test_the_record_forgets_the_oldest_bodies_when_they_are_too_many():
    record = RequestLog(max_requests=4, max_bytes=10)
    for number in range(6):
        record.add(LoggedRequest("POST", "/x", {}, {}, b'"%03d"' % number, "api", 0.0))
    assert [(one.number, one.body) for one in record.all()] == [(2, None), (3, None), (4, "004"), (5, "005")]
    assert record.count("POST", "/x") == 6
    record.clear()
    record.add(LoggedRequest("POST", "/x", {}, {}, b'"12345678"', "api", 0.0))
    assert (record.all()[0].body, record.count("POST", "/x")) == ("12345678", 1)


def test_bodies_that_went_with_their_requests_leave_room_for_others():
    record = RequestLog(max_requests=2, max_bytes=12)
    for number in range(6):
        record.add(LoggedRequest("POST", "/x", {}, {}, b'"%03d"' % number, "api", 0.0))
    assert [one.body for one in record.all()] == ["004", "005"]
    record.add(LoggedRequest("POST", "/x", {}, {}, b'"123456"', "api", 0.0))
    assert [one.body for one in record.all()] == [None, "123456"]


@pytest.mark.parametrize(("token", "kept"), [("sandbox-token", 100_000), ("wrong", 0)])
def test_a_large_body_is_kept_for_those_with_a_token_alone(client, token, kept):
    client.api("POST", "/api/v1/tickets", data=b" " * 100_000, headers={"apitoken": token})
    logged = client.sandbox.requests[0]
    assert (len(logged.raw), logged.received) == (kept, 100_000)


def test_a_body_larger_than_all_that_is_kept_is_forgotten_at_once():
    record = RequestLog(max_bytes=3)
    record.add(LoggedRequest("POST", "/x", {}, {}, b"12345", "api", 0.0, received=5))
    record.add(LoggedRequest("POST", "/x", {}, {}, b"12", "api", 0.0, received=2))
    assert [(one.body, one.received) for one in record.all()] == [(None, 5), (12, 2)]
