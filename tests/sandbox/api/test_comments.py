import re

import pytest

EVERYTHING = {
    "author_id": "customer_12345",
    "role": "customer",
    "channel": "chat",
    "public": False,
    "time": "2023-11-03T16:38:53.508Z",
}


@pytest.fixture
def client(client):
    client.sandbox.add_tickets(["t-1", "t-2"])
    return client


def test_a_comment_is_answered_with_an_id_like_the_documents(client, records):
    status, answer = client.call("POST", "/comments", records.comment(**EVERYTHING))
    assert status == 200
    assert re.fullmatch(r"[0-9a-f]{24}_t-1_[0-9A-Z]{10}", answer.pop("id"))
    assert answer == records.comment(**EVERYTHING)


def test_a_comment_is_public_and_of_now_unless_told_otherwise(make_sandbox, make_client, records, clock):
    client = make_client(make_sandbox(clock=clock))
    client.sandbox.add_tickets(["t-1"])
    _, answer = client.call("POST", "/comments", records.comment())
    assert (answer["public"], answer["time"]) == (True, "2023-11-14T22:13:20.000Z")
    assert not {"author_id", "role", "channel"} & set(answer)


def test_a_comment_sent_twice_is_there_twice(client, records):
    ids = [client.call("POST", "/comments", records.comment())[1]["id"] for _ in range(2)]
    for _ in range(2):
        _, answer = client.call(
            "POST", "/comments-batch", {"batch": [records.comment("t-2"), records.comment("t-2")]}
        )
        ids += [one["id"] for one in answer["results"]]
    assert [one["ticket_id"] for one in client.sandbox.comments] == ["t-1"] * 2 + ["t-2"] * 4
    assert len(set(ids)) == 6
    assert {one["id"] for one in client.sandbox.comments} == set(ids)


@pytest.mark.parametrize(
    ("field", "complaint"),
    [
        ({"body": ""}, "body must be a non-empty string"),
        ({"ticket_id": 5}, "ticket_id must be a non-empty string"),
        ({"role": "bot"}, "role must be one of customer, agent"),
        ({"public": "true"}, "public must be true or false"),
        ({"time": "yesterday"}, "time must be a UTC date"),
        ({"author_id": None}, "author_id must not be null"),
        ({"id": "x"}, "id is not a known parameter"),
    ],
)
def test_a_comment_that_is_not_as_documented_is_refused(client, records, field, complaint):
    single = client.call("POST", "/comments", records.comment() | field)
    batch = client.call("POST", "/comments-batch", {"batch": [records.comment(), records.comment() | field]})
    assert (single[0], batch[0]) == (400, 400)
    assert f": {complaint}" in single[1]["error"]
    assert f": batch[1].{complaint}" in batch[1]["error"]
    assert client.sandbox.comments == []


def test_the_ticket_of_a_comment_must_exist(client, records):
    status, answer = client.call("POST", "/comments", records.comment("t-9"))
    assert (status, "ticket_id 't-9'" in answer["error"]) == (404, True)


def test_comments_arrive_in_the_order_of_the_batch(client, records):
    sent = [records.comment("t-1", f"number {number}") for number in range(50)]
    status, answer = client.call("POST", "/comments-batch", {"batch": sent})
    assert status == 200
    assert [one["body"] for one in client.sandbox.comments] == [one["body"] for one in sent]
    confirmed = [one["body"] for one in answer["results"]]
    assert sorted(confirmed) == sorted(one["body"] for one in sent)
    assert confirmed != [one["body"] for one in sent]


def test_ids_of_comments_are_never_given_out_twice(client):
    account = client.sandbox._state.account
    assert len({account.new_comment_id("t") for _ in range(50_000)}) == 50_000
