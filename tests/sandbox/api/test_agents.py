import pytest

NEW = {"name": "Allison Agent", "available": True, "email": "brand_new@maestroqa.com"}


def test_there_are_agents_at_the_beginning(client):
    agents = client.sandbox.agents
    assert list(agents) == [f"agent-{number}@example.com" for number in range(1, 21)]
    assert agents["agent-7@example.com"]["agentId"] == "agent-7"
    assert agents["agent-7@example.com"]["available"] is True


def test_there_may_be_none(make_sandbox):
    assert make_sandbox(agents=0).agents == {}


def test_an_agent_is_created_and_answered(client):
    sent = {**NEW, "agentId": "allisonagent", "agentGroupId": "ZBceBjFgQjNY2qLof"}
    status, answer = client.call("POST", "/agents", sent)
    assert status == 200
    assert len(answer.pop("_id")) == 17
    assert answer == sent
    kept = client.sandbox.agents[NEW["email"]]
    assert {name: kept[name] for name in sent} == sent


def test_an_agent_without_an_id_gets_one(client):
    ids = {client.call("POST", "/agents", {**NEW, "email": f"{name}@x.y"})[1]["agentId"] for name in "abc"}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("clash", "named", "silent"),
    [
        ({"email": "agent-1@example.com"}, ["email 'agent-1@example.com'"], "agentId"),
        ({"agentId": "agent-2"}, ["agentId 'agent-2'"], "email"),
        ({"email": "agent-1@example.com", "agentId": "agent-2"}, ["email", "agentId"], "name"),
    ],
)
def test_what_is_taken_is_refused_with_409_that_names_it(client, clash, named, silent):
    status, answer = client.call("POST", "/agents", NEW | clash)
    assert status == 409
    assert all(name in answer["error"] for name in named)
    assert silent not in answer["error"]
    assert len(client.sandbox.agents) == 20


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("/agents", {**NEW, "available": "yes"}, "available must be true or false"),
        ("/agents", {**NEW, "email": "nobody"}, "email must be an email address"),
        ("/agents", {**NEW, "name": ""}, "name must be a non-empty string"),
        ("/agents", {**NEW, "agentId": None}, "agentId must not be null"),
        ("/agents", {"name": "A", "available": True}, "email is required"),
        ("/agents", {**NEW, "role": "x"}, "role is not a known parameter"),
        ("/agents/add-id-to-agent", {"email": "agent-1@example.com"}, "agentId is required"),
        ("/agents/add-id-to-agent", {"agentId": "x"}, "email is required"),
        ("/update-agent-availability", {"email": "agent-1@example.com"}, "available is required"),
        ("/update-agent-availability", {"email": "agent-1@example.com", "available": 1}, "available must be"),
    ],
)
def test_a_parameter_that_is_not_as_documented_is_refused_by_name(client, path, body, complaint):
    before = client.sandbox.agents
    status, answer = client.call("POST", path, body)
    assert (status, complaint in answer["error"]) == (400, True)
    assert client.sandbox.agents == before


def test_an_id_is_added_to_an_agent_once_or_again(client):
    body = {"email": "agent-1@example.com", "agentId": "extra"}
    answers = [client.call("POST", "/agents/add-id-to-agent", body) for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0][0], answers[0][1]["agentId"]) == (200, "extra")
    assert client.sandbox.agents["agent-1@example.com"]["agentId"] == "extra"


def test_an_id_of_another_agent_is_refused_with_409(client):
    status, answer = client.call(
        "POST", "/agents/add-id-to-agent", {"email": "agent-1@example.com", "agentId": "agent-2"}
    )
    assert (status, "agentId 'agent-2'" in answer["error"]) == (409, True)
    assert client.sandbox.agents["agent-1@example.com"]["agentId"] == "agent-1"


def test_an_agent_keeps_a_former_id_too(client, records):
    client.call("POST", "/agents/add-id-to-agent", {"email": "agent-1@example.com", "agentId": "extra"})
    batch = [records.agent_metric(name, metric_id=name) for name in ("agent-1", "extra", "agent-1@example.com")]
    assert client.call("POST", "/agent-metrics-batch", {"batch": batch})[0] == 201
    assert set(client.sandbox.agent_metrics) == {(one["metric_id"], "agent-1") for one in batch}


def test_availability_is_set(client):
    status, answer = client.call(
        "POST", "/update-agent-availability", {"email": "agent-1@example.com", "available": False}
    )
    assert (status, answer["available"]) == (200, False)
    assert client.sandbox.agents["agent-1@example.com"]["available"] is False
    assert client.sandbox.agents["agent-2@example.com"]["available"] is True


@pytest.mark.parametrize(
    ("path", "field"),
    [("/agents/add-id-to-agent", {"agentId": "x"}), ("/update-agent-availability", {"available": True})],
)
def test_an_unknown_email_is_not_found(client, path, field):
    status, answer = client.call("POST", path, {"email": "nobody@example.com", **field})
    assert (status, "nobody@example.com" in answer["error"]) == (404, True)
