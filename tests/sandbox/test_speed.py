import json
import time


def test_two_hundred_thousand_records_are_taken_and_read_back_in_good_time(make_sandbox, make_client, records):
    sandbox = make_sandbox(unknown_tickets="accept")
    times = push(make_client(sandbox), "/ticket-metrics-batch", records.ticket_metric, 400)
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
    """Push batches of 500 records; seconds of a processor that each took, client and sandbox together."""
    headers = {"apitoken": client.sandbox.token, "Content-Type": "application/json"}
    times = []
    for number in range(batches):
        data = json.dumps({"batch": [make(f"t-{number}-{one}") for one in range(500)]})
        began = time.process_time()
        answer = client.api("POST", f"/api/v1{path}", data=data, headers=headers)
        times.append(time.process_time() - began)
        assert len(answer.json()["results"]) == 500
    return times
