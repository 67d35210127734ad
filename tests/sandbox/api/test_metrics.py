import pytest

KEY = ("response_time", "t-1", "crm", "agent-1", None)


@pytest.fixture
def push(client, records):
    """Pushes ticket metrics, each made of changes to a good one; status and answer."""
    client.sandbox.add_tickets(["t-1", "t-2"])

    def send(*changes):
        return client.call(
            "POST", "/ticket-metrics-batch", {"batch": [records.ticket_metric() | one for one in changes]}
        )

    return send


def test_ticket_metrics_are_stored_and_confirmed_with_201(client, push, records):
    status, answer = push({}, {"ticket_id": "t-2", "metric_value": 1.5})
    assert status == 201
    assert sorted(answer["results"], key=str) == [
        {"ticket_id": "t-1", "metric_id": "response_time"},
        {"ticket_id": "t-2", "metric_id": "response_time"},
    ]
    assert client.sandbox.ticket_metrics[KEY] == records.ticket_metric()


def test_pushing_a_metric_again_replaces_it_also_within_a_batch(client, push):
    push({})
    status, answer = push({"metric_value": 18, "timestamp": "2018-01-01T00:00:00Z"}, {"metric_value": 2})
    assert (status, len(answer["results"])) == (201, 2)
    assert [one["metric_value"] for one in client.sandbox.ticket_metrics.values()] == [2]


@pytest.mark.parametrize(
    ("change", "place", "value"),
    [
        ({"metric_id": "csat"}, 0, "csat"),
        ({"ticket_id": "t-2"}, 1, "t-2"),
        ({"source_id": "zendesk"}, 2, "zendesk"),
        ({"agent_id": "agent-2"}, 3, "agent-2"),
        ({"ticket_event_id": "survey-1"}, 4, "survey-1"),
    ],
)
def test_each_part_of_the_key_makes_another_metric(client, push, change, place, value):
    push({}, change)
    other = (*KEY[:place], value, *KEY[place + 1 :])
    assert set(client.sandbox.ticket_metrics) == {KEY, other}


def test_an_event_may_be_null_or_absent(client, push):
    push({"ticket_event_id": None}, {"metric_value": 2})
    assert list(client.sandbox.ticket_metrics) == [KEY]


def test_an_agent_is_one_by_id_and_by_email(client, push):
    status, _ = push({"metric_value": 1}, {"agent_id": "agent-1@example.com", "metric_value": 2})
    assert status == 201
    assert client.sandbox.ticket_metrics[KEY]["agent_id"] == "agent-1@example.com"
    assert len(client.sandbox.ticket_metrics) == 1


def test_a_deleted_metric_is_gone_and_may_be_deleted_again(client, push):
    push({}, {"metric_id": "csat"})
    for _ in range(2):
        status, answer = push({"metric_deleted": True})
        assert (status, len(answer["results"])) == (201, 1)
    assert [key[0] for key in client.sandbox.ticket_metrics] == ["csat"]
    push({"metric_deleted": False})
    assert len(client.sandbox.ticket_metrics) == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"metric_value": "17"}, "metric_value must be a number"),
        ({"metric_value": None}, "metric_value must not be null"),
        ({"metric_value": True}, "metric_value must be a number"),
        ({"timestamp": "2017-12-13"}, "timestamp must be a UTC date"),
        ({"agent_id": ""}, "agent_id must be a non-empty string"),
        ({"source_id": None}, "source_id must not be null"),
        ({"ticket_event_id": 5}, "ticket_event_id must be a non-empty string"),
        ({"metric_deleted": None}, "metric_deleted must not be null"),
        ({"source": "crm"}, "source is not a known parameter"),
    ],
)
def test_a_metric_that_is_not_as_documented_is_refused(client, push, change, complaint):
    status, answer = push({}, change)
    assert (status, f"batch[1].{complaint}" in answer["error"]) == (400, True)
    assert client.sandbox.ticket_metrics == {}


@pytest.mark.parametrize("name", ["ticket_id", "source_id", "agent_id", "metric_id", "metric_value", "timestamp"])
def test_a_metric_needs_all_that_is_required_even_to_be_deleted(client, records, name):
    record = {key: value for key, value in records.ticket_metric(metric_deleted=True).items() if key != name}
    status, answer = client.call("POST", "/ticket-metrics-batch", {"batch": [record]})
    assert (status, answer["error"]) == (400, f"Invalid parameters: batch[0].{name} is required.")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ticket_id": "t-9"}, "batch[0].ticket_id 't-9' is no ticket"),
        ({"agent_id": "nobody"}, "batch[0].agent_id 'nobody' is no agent"),
    ],
)
def test_ticket_and_agent_must_exist(push, change, complaint):
    status, answer = push(change)
    assert (status, complaint in answer["error"]) == (404, True)


def test_agent_metrics_are_stored_and_confirmed_with_201(client, records):
    batch = [records.agent_metric("agent-1"), records.agent_metric("agent-2@example.com", 5)]
    status, answer = client.call("POST", "/agent-metrics-batch", {"batch": batch})
    assert status == 201
    assert sorted(answer["results"], key=str) == [
        {"agent_id": "agent-1", "metric_id": "hours_worked"},
        {"agent_id": "agent-2@example.com", "metric_id": "hours_worked"},
    ]
    assert client.sandbox.agent_metrics == {
        ("hours_worked", "agent-1"): batch[0],
        ("hours_worked", "agent-2"): batch[1],
    }


def test_an_agent_metric_of_another_day_replaces_the_former(client, records):
    for day in ("2017-12-13T05:00:00Z", "2017-12-14T05:00:00Z"):
        client.call("POST", "/agent-metrics-batch", {"batch": [records.agent_metric(timestamp=day)]})
    assert [one["timestamp"] for one in client.sandbox.agent_metrics.values()] == ["2017-12-14T05:00:00Z"]


@pytest.mark.parametrize("field", [{"ticket_id": "t-1"}, {"metric_deleted": True}, {"ticket_event_id": None}])
def test_what_belongs_to_a_ticket_is_unknown_to_an_agent_metric(client, records, field):
    status, answer = client.call("POST", "/agent-metrics-batch", {"batch": [records.agent_metric(**field)]})
    assert (status, "is not a known parameter" in answer["error"]) == (400, True)
