import pytest


def polls(client, export_id, times=4):
    return [client.poll(export_id).json() for _ in range(times)]


def statuses(client, export_id, times=4):
    return [answer["status"] for answer in polls(client, export_id, times)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("errored", ["requested", "in_progress", "errored", "errored"]),
        ("never", ["requested", "in_progress", "in_progress", "in_progress"]),
        ("completed", ["requested", "in_progress", "completed", "completed"]),
        ("no_data", ["requested", "in_progress", "complete", "complete"]),
        ("unknown_status", ["archiving", "in_progress", "complete", "complete"]),
    ],
)
def test_a_fault_decides_how_the_next_polled_export_ends(client, kind, expected):
    client.sandbox.fault(kind=kind)
    first, second = (client.ask().json()["exportId"] for _ in range(2))
    assert statuses(client, first) == expected
    assert statuses(client, second) == ["requested", "in_progress", "complete", "complete"]


@pytest.mark.parametrize(
    ("directive", "expected"),
    [
        ("fault:errored", ["requested", "in_progress", "errored", "errored"]),
        ("fault:never", ["requested", "in_progress", "in_progress", "in_progress"]),
        ("fault:completed_spelling", ["requested", "in_progress", "completed", "completed"]),
        ("fault:unknown_status", ["archiving"] * 4),
        ("fault:unknown_status=queued", ["queued"] * 4),
        ("nightly (fault:status=503)", [None, "requested", "in_progress", "complete"]),
    ],
)
def test_the_name_of_an_export_may_ask_for_a_fault(client, directive, expected):
    export_id = client.ask(name=directive).json()["exportId"]
    assert [answer.get("status") for answer in polls(client, export_id)] == expected
    other = client.ask().json()["exportId"]
    assert statuses(client, other)[-1] == "complete"


def test_completed_comes_with_a_url_no_data_and_errored_without(client):
    _, completed = client.finished(name="fault:completed_spelling")
    assert client.get(completed["dataUrl"]).status_code == 200
    for name, status in {"no_data": "complete", "errored": "errored"}.items():
        assert client.finished(name=f"fault:{name}")[1] == {"status": status, "dataUrl": ""}


def test_an_unknown_directive_is_refused_with_the_known_ones(client):
    answer = client.ask(name="fault:nonsense")
    assert answer.status_code == 400
    assert "unknown_status" in answer.json()["error"]
    assert client.sandbox.exports == {}


def test_a_directive_may_be_about_the_download(client):
    export_id, answer = client.finished(name="fault:drop_at_byte=100")
    _, received, broken = client.read(answer["dataUrl"])
    assert (len(received), broken) == (100, True)
    assert client.get(answer["dataUrl"]).status_code == 200
    assert client.sandbox.exports[export_id].url == answer["dataUrl"]


def test_an_outcome_may_be_decided_when_the_export_is_asked_for(client):
    client.sandbox.fault(kind="errored", method="POST", path="/api/v1/request-raw-export")
    first, second = (client.ask().json()["exportId"] for _ in range(2))
    assert statuses(client, second)[-1] == "complete"
    assert statuses(client, first)[-1] == "errored"


def test_a_fault_may_be_about_one_export(client):
    first, second = (client.ask().json()["exportId"] for _ in range(2))
    client.sandbox.fault(kind="errored", export_id=second)
    assert statuses(client, first)[-1] == "complete"
    assert statuses(client, second)[-1] == "errored"


def test_an_export_that_has_stopped_being_unknown_goes_on(make_sandbox, make_client):
    client = make_client(make_sandbox(polls=1))
    client.sandbox.fault(kind="unknown_status", text="warming up", times=3)
    export_id = client.ask().json()["exportId"]
    assert statuses(client, export_id, 5) == ["warming up"] * 3 + ["complete"] * 2
