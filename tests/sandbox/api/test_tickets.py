import re

import pytest

ANSWERED = ["id", "ticket_id", "type", "subject", "agents", "link"]
READ_ONLY = {"createdAt", "updatedAt", "source"}
EVERYTHING = {
    "body": "The text",
    "tags": "login,support",
    "status": "open",
    "csat_score": 5,
    "first_seen": "2022-02-02T00:00:00.000Z",
    "last_seen": "2022-03-07T00:00:00Z",
    "attributes": {"group": "Support", "public_comment_count": 5, "recontact": True},
}


@pytest.fixture
def create(client, records):
    return lambda ticket_id="t-1", **fields: client.call("POST", "/tickets", records.ticket(ticket_id, **fields))


def test_a_ticket_is_created_and_answered_as_it_was_sent(client, create, records):
    status, answer = create(**EVERYTHING)
    assert (status, answer) == (200, records.ticket(**EVERYTHING))
    kept = client.sandbox.tickets["t-1"]
    assert {name: kept[name] for name in answer} == answer
    assert set(kept) - set(answer) == {"id", *READ_ONLY}


def test_a_ticket_was_seen_now_unless_told_otherwise(make_sandbox, make_client, records, clock):
    _, answer = make_client(make_sandbox(clock=clock)).call("POST", "/tickets", records.ticket())
    assert answer["first_seen"] == answer["last_seen"] == "2023-11-14T22:13:20.000Z"


def test_an_id_that_is_taken_is_refused_with_409_that_names_it(client, create):
    create(subject="first")
    status, answer = create(subject="second")
    assert status == 409
    assert "ticket_id 't-1'" in answer["error"]
    assert client.sandbox.tickets["t-1"]["subject"] == "first"


@pytest.mark.parametrize("name", ["ticket_id", "type", "subject", "agents", "link"])
@pytest.mark.parametrize("wrong", ["missing", "null", "empty", "number"])
def test_a_required_parameter_must_be_there_and_hold_something(client, records, name, wrong):
    body = {**records.ticket(), name: {"null": None, "empty": "", "number": 5}.get(wrong)}
    if wrong == "missing":
        del body[name]
    status, answer = client.call("POST", "/tickets", body)
    assert status == 400
    assert re.search(rf"Invalid parameters: {name} (is required|must)", answer["error"])
    assert client.sandbox.tickets == {}


@pytest.mark.parametrize(
    ("field", "complaint"),
    [
        ({"agents": "agent-1"}, "agents must be an array"),
        ({"agents": ["agent-1", 5]}, "agents must be an array of non-empty strings"),
        ({"tags": ["login"]}, "tags must be a string"),
        ({"body": None}, "body must not be null"),
        ({"status": True}, "status must be a string"),
        ({"csat_score": "5"}, "csat_score must be a number"),
        ({"csat_score": True}, "csat_score must be a number"),
        ({"first_seen": "2022-02-02"}, "first_seen must be a UTC date"),
        ({"last_seen": "2022-02-30T00:00:00Z"}, "last_seen must be a UTC date"),
        ({"last_seen": "2022-02-02T00:00:00+00:00"}, "last_seen must be a UTC date"),
        ({"attributes": []}, "attributes must be an object"),
        ({"attributes": {"group": 5}}, "attributes.group must be a string"),
        ({"attributes": {"group": None}}, "attributes.group must be a string"),
        ({"attributes": {"recontact": "yes"}}, "attributes.recontact must be true or false"),
        ({"attributes": {"public_comment_count": True}}, "attributes.public_comment_count must be a number"),
        ({"createdAt": "2022-02-02T00:00:00Z"}, "createdAt is not a known parameter"),
        ({"_id": "x"}, "_id is not a known parameter"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_value_that_is_not_as_documented_is_refused_by_name(client, create, records, method, field, complaint):
    create("t-2")
    before = client.sandbox.tickets
    path, body = ("/tickets", records.ticket(**field)) if method == "POST" else ("/tickets/t-2", field)
    status, answer = client.call(method, path, body)
    assert status == 400
    assert complaint in answer["error"]
    assert client.sandbox.tickets == before


def test_a_number_that_is_infinite_is_refused(client, records):
    text = '{"csat_score": 1e999, "ticket_id": "t", "type": "t", "subject": "s", "agents": [], "link": "l"}'
    headers = {"apitoken": client.sandbox.token, "Content-Type": "application/json"}
    assert "csat_score" in client.api("POST", "/api/v1/tickets", data=text, headers=headers).json()["error"]


def test_all_that_is_wrong_is_named_at_once(create):
    _, answer = create(type=None, csat_score="x", attributes={"group": 1})
    assert answer["error"] == (
        "Invalid parameters: type must not be null; csat_score must be a number; attributes.group must be a string."
    )


def test_attributes_that_the_account_does_not_have_are_ignored(client, create):
    status, answer = create(attributes={"group": "A", "unheard_of": {"x": None}})
    assert (status, answer["attributes"]) == (200, {"group": "A"})
    assert client.sandbox.tickets["t-1"]["attributes"] == {"group": "A"}


def test_the_custom_attributes_of_the_account_can_be_chosen(make_sandbox, make_client, records):
    client = make_client(make_sandbox(custom_attributes={"vip": "boolean"}))
    status, answer = client.call("POST", "/tickets", records.ticket(attributes={"vip": True, "group": 5}))
    assert (status, answer["attributes"]) == (200, {"vip": True})


def test_an_update_changes_what_it_names_and_nothing_else(client, create):
    _, before = create(**EVERYTHING)
    status, after = client.call("PATCH", "/tickets/t-1", {"subject": "Updated!", "attributes": {"group": "Sales"}})
    assert status == 200
    internal_id = after.pop("_id")
    attributes = {**before["attributes"], "group": "Sales"}
    assert after == {**before, "subject": "Updated!", "attributes": attributes}
    assert client.call("GET", "/tickets/t-1")[1]["id"] == internal_id


def test_a_deleted_ticket_is_gone_and_so_is_what_hung_on_it(client, create, records):
    create("t-1")
    create("t-2")
    for ticket_id in ("t-1", "t-2"):
        client.call("POST", "/comments", records.comment(ticket_id))
        client.call("POST", "/ticket-metrics-batch", {"batch": [records.ticket_metric(ticket_id)]})
        client.call("POST", "/attachments", {"ticket_id": ticket_id, "content_type": "audio/mp3", "id": ticket_id})
    answer = client.api("DELETE", "/api/v1/tickets/t-1")
    assert (answer.status_code, answer.content) == (200, b"")
    sandbox = client.sandbox
    left = [sandbox.tickets, sandbox.attachments, {key[1] for key in sandbox.ticket_metrics}]
    assert [list(one) for one in left] == [["t-2"]] * 3
    assert [one["ticket_id"] for one in sandbox.comments] == ["t-2"]
    assert client.call("DELETE", "/tickets/t-1")[0] == 404


@pytest.mark.parametrize(("method", "body"), [("PATCH", {"subject": "x"}), ("DELETE", None), ("GET", None)])
def test_a_ticket_that_is_not_there_is_answered_with_404(client, method, body):
    status, answer = client.call(method, "/tickets/t-9", body)
    assert (status, "'t-9'" in answer["error"]) == (404, True)


def test_who_reads_a_ticket_gets_the_score_as_text_and_when_it_was_made(make_sandbox, make_client, records, clock):
    client = make_client(make_sandbox(clock=clock))
    client.call("POST", "/tickets", records.ticket(**EVERYTHING))
    clock.now += 60
    client.call("PATCH", "/tickets/t-1", {"status": "closed"})
    status, answer = client.call("GET", "/tickets/t-1")
    assert status == 200
    assert list(answer) == [*ANSWERED, *EVERYTHING, "createdAt", "updatedAt", "source"]
    assert (answer["csat_score"], answer["status"], answer["source"]) == ("5", "closed", "custom")
    assert (answer["createdAt"], answer["updatedAt"]) == ("2023-11-14T22:13:20.000Z", "2023-11-14T22:14:20.000Z")


@pytest.mark.parametrize(("score", "text"), [(4.5, "4.5"), (10.0, "10"), (-1, "-1")])
def test_a_score_is_written_as_javascript_would(client, create, score, text):
    create(csat_score=score)
    assert client.call("GET", "/tickets/t-1")[1]["csat_score"] == text


def test_agents_given_by_email_are_answered_by_id(client, create):
    _, answer = create(agents=["agent-2@example.com", "agent-3", "somebody@else.where"])
    assert answer["agents"] == ["agent-2", "agent-3", "somebody@else.where"]
    assert client.sandbox.tickets["t-1"]["agents"][0] == "agent-2@example.com"


def test_many_tickets_come_in_another_order_without_the_missing_ones(client):
    asked = [f"t-{number}" for number in range(9)]
    client.sandbox.add_tickets(asked)
    status, answer = client.call("GET", f"/tickets?ticket_ids={','.join(asked)},missing,t-1")
    got = [one["ticket_id"] for one in answer]
    assert (status, sorted(got)) == (200, asked)
    assert got != asked
    two = [one["ticket_id"] for one in client.call("GET", "/tickets?ticket_ids=t-1,t-2")[1]]
    assert two == ["t-2", "t-1"]


@pytest.mark.parametrize(
    "query", ["", "ticket_ids=", "ticket_ids=a,,b", "ticket_ids=a&ids=b", "ticket_ids=a&ticket_ids=b"]
)
def test_a_query_for_many_tickets_must_be_as_documented(client, query):
    status, answer = client.call("GET", f"/tickets?{query}")
    assert (status, "ids" in answer["error"]) == (400, True)


def test_a_url_that_is_too_long_is_refused_with_414_as_json(client):
    status, answer = client.call("GET", f"/tickets?ticket_ids={','.join(['ticket-id'] * 900)}")
    assert (status, answer) == (414, {"error": "The URL is too long."})
    assert [one.status for one in client.sandbox.requests] == [414]
    assert client.call("GET", f"/tickets?ticket_ids={','.join(['ticket-id'] * 750)}") == (200, [])


@pytest.mark.parametrize(
    ("method", "path", "body", "named"),
    [
        ("PATCH", "/tickets/t-1", {"ticket_id": "t-2"}, "ticket_id"),
        ("GET", "/tickets/t-1?fields=all", None, "fields"),
    ],
)
def test_the_id_cannot_be_changed_and_one_ticket_takes_no_query(client, create, method, path, body, named):
    create()
    status, answer = client.call(method, path, body)
    assert (status, named in answer["error"]) == (400, True)


@pytest.mark.parametrize("ticket_id", ["a/b", "50%", "ü ?#", "..x"])
def test_an_id_may_have_any_character_that_is_escaped_in_the_path(client, create, ticket_id):
    from urllib.parse import quote

    create(ticket_id)
    status, answer = client.call("GET", f"/tickets/{quote(ticket_id, safe='')}")
    assert (status, answer["ticket_id"]) == (200, ticket_id)


def test_of_a_synced_ticket_only_the_attributes_can_be_changed_which_are_not_shown(client):
    client.sandbox.add_tickets(["z-1"], synced=True, attributes={"group": "A"})
    status, answer = client.call("PATCH", "/tickets/z-1", {"subject": "x", "attributes": {"group": "B"}})
    assert (status, "subject" in answer["error"]) == (400, True)
    assert client.call("PATCH", "/tickets/z-1", {"attributes": {"group": "B"}})[0] == 200
    assert client.call("DELETE", "/tickets/z-1")[0] == 400
    assert client.sandbox.tickets["z-1"]["attributes"] == {"group": "B"}
    _, answer = client.call("GET", "/tickets/z-1")
    assert "attributes" not in answer
    assert answer["source"] == "zendesk"
