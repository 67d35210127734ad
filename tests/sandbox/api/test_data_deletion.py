import pytest

PATH, CHECK = "/data-deletion-request", "/data-deletion-check"
ANN = "ann@example.com"


@pytest.fixture
def check(client):
    return lambda deletion_id: client.call("GET", f"{CHECK}/{deletion_id}")


def test_a_deletion_is_confirmed_and_completed_later(client, check):
    status, answer = client.call("DELETE", PATH, {"emails": [ANN, "bob@example.com"], "auditLabel": "request 7"})
    assert (status, answer["confirmation"]) == (200, True)
    assert [check(answer["id"]) for _ in range(3)] == [
        (200, {"status": "pending"}),
        (200, {"status": "pending"}),
        (200, {"status": "completed"}),
    ]
    assert client.sandbox.deletions[answer["id"]] == {
        "id": answer["id"],
        "emails": [ANN, "bob@example.com"],
        "auditLabel": "request 7",
        "status": "completed",
        "polls": 3,
    }


def test_what_the_customer_wrote_is_gone(client, records):
    client.sandbox.add_tickets(["t-1"])
    for author in ("Ann@example.com", "bob@example.com"):
        client.call("POST", "/comments", records.comment(author_id=author))
    client.call("DELETE", PATH, {"emails": [ANN]})
    assert [one["author_id"] for one in client.sandbox.comments] == ["bob@example.com"]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "emails is required"),
        ({"emails": []}, "emails must hold 1 to 5 email addresses, not 0"),
        ({"emails": [ANN] * 6}, "emails must hold 1 to 5 email addresses, not 6"),
        ({"emails": ANN}, "emails must be an array"),
        ({"emails": [ANN, "ann"]}, "emails must hold email addresses, not ann"),
        ({"emails": [ANN, 5]}, "emails must hold email addresses, not 5"),
        ({"emails": [ANN], "auditLabel": None}, "auditLabel must not be null"),
        ({"emails": [ANN], "label": "x"}, "label is not a known parameter"),
    ],
)
def test_a_request_must_be_as_documented(client, body, complaint):
    status, answer = client.call("DELETE", PATH, body)
    assert (status, complaint in answer["error"], client.sandbox.deletions) == (400, True, {})


def test_an_unknown_deletion_is_404(check):
    assert check("none")[0] == 404


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ({"kind": "errored"}, ["pending", "errored", "errored"]),
        ({"kind": "never"}, ["pending", "pending", "pending"]),
        ({"kind": "unknown_status", "text": "not found"}, ["not found", "completed", "completed"]),
    ],
)
def test_a_deletion_may_end_otherwise(make_sandbox, make_client, fault, statuses):
    client = make_client(make_sandbox(deletion_polls=1))
    client.sandbox.fault(**fault, path="/api/v1/data-deletion-check/*")
    deletion_id = client.call("DELETE", PATH, {"emails": [ANN]})[1]["id"]
    assert [client.call("GET", f"{CHECK}/{deletion_id}")[1]["status"] for _ in range(3)] == statuses


def test_deletions_draw_on_the_hard_bucket(make_sandbox, make_client, clock):
    client = make_client(make_sandbox(limits={"hard": [[2, 60]], "normal": [[9, 60]]}, clock=clock))
    statuses = [client.call("DELETE", PATH, {"emails": [ANN]})[0], client.call("GET", f"{CHECK}/none")[0]]
    statuses += [client.call("DELETE", PATH, {"emails": [ANN]})[0], client.call("GET", f"{CHECK}/none")[0]]
    assert [*statuses, client.call("GET", "/tickets/none")[0]] == [200, 404, 429, 429, 404]
