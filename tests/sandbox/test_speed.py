import json
import time

from airflow_provider_maestroqa.sandbox.request_log import LoggedRequest, RequestLog


def test_two_hundred_thousand_records_are_taken_and_read_back_in_good_time(make_sandbox, make_client, records):
    sandbox = make_sandbox(unknown_tickets="accept")
    times = push(make_client(sandbox), "/ticket-metrics-batch", records.ticket_metric, 400)
    # The best of many, since machines are shared.
    assert min(times[:100]) < 0.01
    assert min(times[-100:]) < 0.01
    began = time.monotonic()
    assert sandbox.count("POST", "/api/v1/ticket-metrics-batch") == len(sandbox.requests) == 400
    assert len(sandbox.ticket_metrics) == 200_000
    assert len(sandbox.requests[-1].body["batch"]) == 500
    assert time.monotonic() - began < 3


def test_a_batch_of_500_comments_takes_less_than_ten_milliseconds(make_sandbox, make_client, records):
    sandbox = make_sandbox(unknown_tickets="accept")
    assert min(push(make_client(sandbox), "/comments-batch", records.comment, 40)) < 0.01
    assert len(sandbox.comments) == 20_000


def push(client, path, make, batches):
    """Push batches of 500 records; how long each took, in seconds."""
    headers = {"apitoken": client.sandbox.token, "Content-Type": "application/json"}
    times = []
    for number in range(batches):
        data = json.dumps({"batch": [make(f"t-{number}-{one}") for one in range(500)]})
        began = time.monotonic()
        answer = client.api("POST", f"/api/v1{path}", data=data, headers=headers)
        times.append(time.monotonic() - began)
        assert len(answer.json()["results"]) == 500
    return times


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


def test_a_body_larger_than_all_that_is_kept_is_forgotten_at_once():
    record = RequestLog(max_bytes=3)
    record.add(LoggedRequest("POST", "/x", {}, {}, b"12345", "api", 0.0, received=5))
    record.add(LoggedRequest("POST", "/x", {}, {}, b"12", "api", 0.0, received=2))
    assert [(one.body, one.received) for one in record.all()] == [(None, 5), (12, 2)]
