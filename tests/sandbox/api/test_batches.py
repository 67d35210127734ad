import pytest

COMMENTS, TICKETS, AGENTS = "/comments-batch", "/ticket-metrics-batch", "/agent-metrics-batch"
MAKERS = {COMMENTS: "comment", TICKETS: "ticket_metric", AGENTS: "agent_metric"}


@pytest.fixture(params=[COMMENTS, TICKETS, AGENTS])
def path(request):
    return request.param


@pytest.fixture
def make_batch(records, path):
    """Records of one kind that differ, so that each can be told from the others."""

    def make(number):
        maker = getattr(records, MAKERS[path])
        field = "body" if path == COMMENTS else "metric_id"
        return [maker(**{field: f"number {one}"}) for one in range(number)]

    return make


def stored(sandbox, path):
    """The numbers of the records that are in the account."""
    kept = {COMMENTS: sandbox.comments, TICKETS: sandbox.ticket_metrics, AGENTS: sandbox.agent_metrics}[path]
    field = "body" if path == COMMENTS else "metric_id"
    return sorted(int(one[field].split()[1]) for one in (kept if path == COMMENTS else kept.values()))


@pytest.fixture
def client(client):
    client.sandbox.add_tickets(["t-1"])
    return client


@pytest.fixture
def partial(make_sandbox, make_client):
    client = make_client(make_sandbox(batch_mode="partial"))
    client.sandbox.add_tickets(["t-1"])
    return client


def spoil(record, how):
    if how == "absent":
        record["ticket_id" if "ticket_id" in record else "agent_id"] = "nobody"
    elif how == "invalid":
        record["colour"] = "red"
    return 5 if how == "no object" else record


@pytest.mark.parametrize(("number", "status"), [(0, 400), (1, None), (500, None), (501, 400)])
def test_a_batch_has_1_to_500_records(client, path, make_batch, number, status):
    got, answer = client.call("POST", path, {"batch": make_batch(number)})
    assert got == (status or (200 if path == COMMENTS else 201))
    if status:
        assert f"batch must hold 1 to 500 records, not {number}" in answer["error"]
    assert len(stored(client.sandbox, path)) == (0 if status else number)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "batch is required"),
        ({"batch": {}}, "batch must be an array"),
        ({"batch": [], "mode": "x"}, "mode is not a known parameter"),
        ([{}], "must be a JSON object"),
    ],
)
def test_the_wrapper_must_be_as_documented(client, path, body, complaint):
    status, answer = client.call("POST", path, body)
    assert (status, complaint in answer["error"]) == (400, True)


@pytest.mark.parametrize("at", [0, 250, 499])
@pytest.mark.parametrize(("how", "expected"), [("invalid", 400), ("absent", 404), ("no object", 400)])
def test_one_bad_record_costs_the_whole_batch_and_is_named(client, path, make_batch, at, how, expected):
    batch = make_batch(500)
    batch[at] = spoil(batch[at], how)
    status, answer = client.call("POST", path, {"batch": batch})
    assert status == expected
    assert answer["error"].count("batch[") == answer["error"].count(f"batch[{at}]") == 1
    assert stored(client.sandbox, path) == []


def test_bad_records_of_both_kinds_are_400_and_all_named(client, path, make_batch):
    batch = make_batch(4)
    batch[1], batch[3] = spoil(batch[1], "absent"), spoil(batch[3], "invalid")
    status, answer = client.call("POST", path, {"batch": batch})
    assert status == 400
    assert "batch[3].colour is not a known parameter" in answer["error"]
    assert "batch[1]." in answer["error"]


def test_of_many_complaints_the_first_are_told(client, path):
    _, answer = client.call("POST", path, {"batch": [5] * 100})
    assert answer["error"].endswith("batch[19] must be an object; and 80 more.")


@pytest.mark.parametrize("bad", [[0], [0, 3, 9], list(range(10))])
@pytest.mark.parametrize("how", ["invalid", "absent", "no object"])
def test_in_partial_mode_the_good_ones_are_stored_and_confirmed(partial, path, make_batch, bad, how):
    batch = make_batch(10)
    good = [one for one in range(10) if one not in bad]
    for one in bad:
        batch[one] = spoil(batch[one], how)
    status, answer = partial.call("POST", path, {"batch": batch})
    assert status in (200, 201)
    assert len(answer["results"]) == len(good)
    assert stored(partial.sandbox, path) == good


@pytest.mark.parametrize("seed", [1, 2])
def test_results_come_in_another_order_that_the_seed_decides(make_sandbox, make_client, records, seed):
    orders = []
    for _ in range(2):
        client = make_client(make_sandbox(seed=seed, unknown_tickets="accept"))
        sent = [f"t-{number}" for number in range(20)]
        _, answer = client.call("POST", TICKETS, {"batch": [records.ticket_metric(one) for one in sent]})
        orders.append([one["ticket_id"] for one in answer["results"]])
        assert sorted(orders[-1]) == sorted(sent)
        assert orders[-1] != sent
    assert orders[0] == orders[1]


def test_two_results_are_always_swapped(client, records):
    for _ in range(10):
        batch = [records.agent_metric("agent-1"), records.agent_metric("agent-2")]
        _, answer = client.call("POST", AGENTS, {"batch": batch})
        assert [one["agent_id"] for one in answer["results"]] == ["agent-2", "agent-1"]


@pytest.mark.parametrize(("at", "confirmed"), [(None, 9), (3, 7), (99, 0)])
@pytest.mark.parametrize("kind", ["unconfirmed", "lost"])
def test_records_may_be_stored_but_unconfirmed_or_neither(client, path, make_batch, kind, at, confirmed):
    client.sandbox.fault(kind, at=at)
    _, answer = client.call("POST", path, {"batch": make_batch(10)})
    assert len(answer["results"]) == confirmed
    assert len(stored(client.sandbox, path)) == (10 if kind == "unconfirmed" else confirmed)
    assert len(client.call("POST", path, {"batch": make_batch(10)})[1]["results"]) == 10


def test_an_answer_may_come_without_results(client, path, make_batch):
    client.sandbox.fault("no_results")
    status, answer = client.call("POST", path, {"batch": make_batch(10)})
    assert (status in (200, 201), answer) == (True, {})
    assert stored(client.sandbox, path) == list(range(10))


def test_batch_faults_hit_batches_alone(client, records):
    client.sandbox.fault("no_results")
    assert "id" in client.call("POST", "/comments", records.comment())[1]
    assert client.call("POST", COMMENTS, {"batch": [records.comment()]})[1] == {}


def test_batch_faults_apply_together(client, path, make_batch):
    client.sandbox.fault("lost", at=2)
    client.sandbox.fault("unconfirmed", at=3)
    _, answer = client.call("POST", path, {"batch": make_batch(10)})
    assert (len(stored(client.sandbox, path)), len(answer["results"])) == (8, 5)


def test_any_ticket_may_count_as_existing(make_sandbox, make_client, records):
    client = make_client(make_sandbox(unknown_tickets="accept"))
    statuses = [
        client.call("POST", "/comments", records.comment("x"))[0],
        client.call("POST", COMMENTS, {"batch": [records.comment("x")]})[0],
        client.call("POST", TICKETS, {"batch": [records.ticket_metric("x")]})[0],
        client.call("POST", "/attachments", {"ticket_id": "x", "content_type": "audio/mp3"})[0],
        client.call("GET", "/tickets/x")[0],
        client.call("PATCH", "/tickets/x", {})[0],
    ]
    assert statuses == [200, 200, 201, 200, 404, 404]


def test_a_body_that_is_too_large_is_refused_with_413_as_json(make_sandbox, make_client, records):
    client = make_client(make_sandbox(largest_body=2000, unknown_tickets="accept"))
    batch = [records.ticket_metric(f"t-{number}") for number in range(20)]
    status, answer = client.call("POST", TICKETS, {"batch": batch})
    assert (status, "too large" in answer["error"]) == (413, True)
    assert [(one.status, one.body) for one in client.sandbox.requests] == [(413, None)]
    assert client.call("POST", TICKETS, {"batch": batch[:5]})[0] == 201
    assert len(client.sandbox.ticket_metrics) == 5
