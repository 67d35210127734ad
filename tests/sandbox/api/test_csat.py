import pytest

PATH = "/create-customer-feedback"
ANSWER = {"question": "Was it solved?", "score": 4, "comment": "Soon", "score_label": "Well", "max_score": 7}


@pytest.fixture
def client(client):
    client.sandbox.add_tickets(["t-1", "t-2"])
    return client


@pytest.fixture
def push(client):
    def run(*scores, to=client):
        status, answer = to.call("POST", PATH, {"data": list(scores)})
        assert (status, answer["status"], answer["total"]) == (201, "completed", len(scores))
        return answer["results"]

    return run


def test_scores_are_stored_as_they_were_sent_and_each_is_told(client, push, records):
    scores = [records.csat_score(), records.csat_score("t-2", agent_email="agent-2@example.com")]
    scores[0] |= {"comment": "Good", "score_label": "Fine", "min_score": 0, "max_score": 10, "score": 9}
    scores[0]["clarifying_answers"] = [ANSWER, {"question": "And?"}]
    results = push(*scores)
    assert client.sandbox.csat_scores == scores
    assert [(one["ticket_id"], one["status"]) for one in results] == [("t-2", "Created"), ("t-1", "Created")]


def test_a_score_sent_twice_is_there_twice(client, push, records):
    push(records.csat_score())
    push(records.csat_score())
    assert client.sandbox.csat_scores == [records.csat_score()] * 2


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"score": 6}, "score must be from 1 to 5"),
        ({"score": 0}, "score must be from 1 to 5"),
        ({"score": 6, "max_score": 10, "min_score": 7}, "score must be from 7 to 10"),
        ({"score": 4.0}, "score must be an integer"),
        ({"score": "4"}, "score must be an integer"),
        ({"score": True}, "score must be an integer"),
        ({"score": None}, "score must not be null"),
        ({"submitted_at": "2017-12-13"}, "submitted_at must be a UTC date"),
        ({"ticket_id": "t-9"}, "'t-9' is no ticket"),
        ({"agent_id": "nobody"}, "'nobody' is no agent"),
        ({"agent_email": "x@y.z"}, "'x@y.z' is no agent"),
        ({"colour": "red"}, "colour is not a known parameter"),
        ({"clarifying_answers": "yes"}, "clarifying_answers must be an array"),
        ({"clarifying_answers": [5]}, "clarifying_answers [0] must be an object"),
        ({"clarifying_answers": [ANSWER, {}]}, "clarifying_answers [1].question is required"),
        ({"clarifying_answers": [{**ANSWER, "score": 8}]}, "clarifying_answers [0].score must be from 1 to 7"),
    ],
)
def test_a_bad_score_fails_alone_and_is_told_why(client, push, records, change, problem):
    good = records.csat_score("t-2")
    bad, fine = sorted(push({**records.csat_score(), **change}, good), key=lambda one: one["status"] == "Created")
    assert bad["status"].startswith("Failed: ")
    assert problem in bad["status"]
    assert (fine["status"], client.sandbox.csat_scores) == ("Created", [good])


def test_a_score_needs_an_agent(push, records):
    score = records.csat_score()
    del score["agent_id"]
    assert push(score)[0]["status"] == "Failed: agent_id or agent_email is required"


@pytest.mark.parametrize(("number", "expected"), [(0, 400), (100, 201), (101, 400)])
def test_a_request_holds_at_most_100_scores(client, records, number, expected):
    status, answer = client.call("POST", PATH, {"data": [records.csat_score()] * number})
    assert status == expected
    assert ("data must hold 1 to 100 scores" in answer.get("error", "")) is (status == 400)
    assert len(client.sandbox.csat_scores) == (number if expected == 201 else 0)


@pytest.mark.parametrize("body", [{}, {"batch": []}, {"data": {}}, {"data": [], "more": 1}, []])
def test_the_wrapper_must_be_as_documented(client, body):
    assert client.call("POST", PATH, body)[0] == 400


def test_results_may_be_texts_in_the_order_of_the_request(make_sandbox, make_client, push, records):
    client = make_client(make_sandbox(csat_results="texts", unknown_tickets="accept"))
    results = push(records.csat_score(), 5, records.csat_score(score=9), to=client)
    assert results == ["Created", "Failed: a score must be an object", "Failed: score must be from 1 to 5"]


@pytest.mark.parametrize(("kind", "told", "there"), [("unconfirmed", 2, 3), ("lost", 2, 2), ("no_results", 0, 3)])
def test_scores_may_be_unconfirmed_or_lost(client, records, kind, told, there):
    client.sandbox.fault(kind)
    _, answer = client.call("POST", PATH, {"data": [records.csat_score() for _ in range(3)]})
    assert (len(answer.get("results", [])), len(client.sandbox.csat_scores)) == (told, there)


def test_the_scores_of_a_deleted_ticket_are_gone(client, push, records):
    push(records.csat_score(), records.csat_score("t-2"))
    assert client.call("DELETE", "/tickets/t-1")[0] == 200
    assert [one["ticket_id"] for one in client.sandbox.csat_scores] == ["t-2"]
