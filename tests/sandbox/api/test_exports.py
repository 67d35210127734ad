import csv
import io

import pytest

POLL = "/api/v1/get-export-data"
RAW = "/api/v1/request-raw-export"


@pytest.mark.parametrize("kind", ["raw", "groups", "audit_log"])
def test_an_export_is_asked_for_and_gets_an_id(client, kind):
    answer = client.ask(kind)
    assert answer.status_code == 200
    assert list(answer.json()) == ["exportId"]
    assert client.sandbox.exports[answer.json()["exportId"]].export_type == kind


@pytest.mark.parametrize(
    "parameters",
    [
        {"name": "Weekly"},
        {"singleFileExport": "csat"},
        {"includeCalibrations": "only"},
        {"includeGraderQA": True},
        {"includeDeleted": False},
        {"startDate": "2021-03-01T00:00:00.123Z"},
    ],
)
def test_documented_parameters_are_taken(client, parameters):
    assert client.ask("raw", **parameters).status_code == 200


@pytest.mark.parametrize(
    ("kind", "parameters", "named"),
    [
        ("raw", {"startDate": "2021-03-01"}, "startDate"),
        ("raw", {"startDate": "2021-03-01T00:00:00+00:00"}, "startDate"),
        ("raw", {"startDate": "2021-03-01T00:00:00"}, "startDate"),
        ("raw", {"startDate": "2021-13-01T00:00:00Z"}, "startDate"),
        ("raw", {"endDate": "2021-03-08T00:00:00.123456Z"}, "endDate"),
        ("raw", {"endDate": 1614556800}, "endDate"),
        ("raw", {"endDate": "2021-02-01T00:00:00Z"}, "endDate"),
        ("raw", {"startDate": "2021-03-01T00:00:00.001Z", "endDate": "2021-03-01T00:00:00.000Z"}, "endDate"),
        ("raw", {"startDate": None}, "startDate"),
        ("raw", {"name": None}, "name"),
        ("raw", {"name": 5}, "name"),
        ("raw", {"singleFileExport": "scores"}, "singleFileExport"),
        ("raw", {"includeCalibrations": True}, "includeCalibrations"),
        ("raw", {"includeGraderQA": "true"}, "includeGraderQA"),
        ("raw", {"includeDeleted": 1}, "includeDeleted"),
        ("raw", {"includeUnavailable": True}, "includeUnavailable"),
        ("groups", {"startDate": "2021-03-01T00:00:00Z"}, "startDate"),
        ("groups", {"includeUnavailable": "no"}, "includeUnavailable"),
        ("audit_log", {"includeDeleted": True}, "includeDeleted"),
    ],
)
def test_wrong_parameters_are_refused_by_name(client, kind, parameters, named):
    answer = client.ask(kind, **parameters)
    assert answer.status_code == 400
    assert named in answer.json()["error"]
    assert client.sandbox.exports == {}


def test_every_missing_parameter_is_named(client):
    error = client.api("POST", RAW, json={}).json()["error"]
    assert "startDate" in error
    assert "endDate" in error


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b'{"a": NaN}', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(client, body):
    headers = {"apitoken": client.sandbox.token, "Content-Type": "application/json"}
    assert client.api("POST", RAW, data=body, headers=headers).status_code == 400


@pytest.mark.parametrize("body", [{"name": "x"}, '{"name": "x"}'])
def test_a_form_and_json_that_is_not_called_so_are_refused(client, body):
    answer = client.api("POST", "/api/v1/request-groups-export", data=body)
    assert answer.status_code == 400
    assert "application/json" in answer.json()["error"]


def test_the_export_id_travels_in_the_body_of_the_get(client):
    export_id = client.ask("groups").json()["exportId"]
    answer = client.api("GET", POLL, params={"exportId": export_id})
    assert answer.status_code == 400
    assert "body" in answer.json()["error"]
    assert client.poll(export_id).status_code == 200


@pytest.mark.parametrize("body", [{}, {"exportId": None}, {"exportId": 7}, {"exportId": ""}, {"id": "x"}])
def test_a_poll_without_a_valid_export_id_is_refused(client, body):
    answer = client.api("GET", POLL, json=body)
    assert answer.status_code == 400
    assert "exportId" in answer.json()["error"]


def test_an_unknown_export_is_not_found(client):
    assert client.poll("nope").status_code == 404


def test_other_paths_and_methods_are_refused_in_json(client):
    assert client.api("GET", "/api/v1/request-raw-export").status_code == 405
    answer = client.api("POST", "/api/v1/nothing", json={})
    assert answer.status_code == 404
    assert "error" in answer.json()
    assert client.api("HEAD", POLL).status_code == 405


def test_an_export_goes_from_requested_over_in_progress_to_complete(make_sandbox, make_client):
    client = make_client(make_sandbox(polls=3))
    export_id = client.ask().json()["exportId"]
    answers = [client.poll(export_id).json() for _ in range(5)]
    assert [answer["status"] for answer in answers] == ["requested", *["in_progress"] * 2, *["complete"] * 2]
    assert [bool(answer["dataUrl"]) for answer in answers] == [False, False, False, True, True]
    assert client.sandbox.exports[export_id].polls == 5


def test_an_export_takes_its_seconds_by_the_injected_clock(make_sandbox, make_client, clock):
    client = make_client(make_sandbox(polls=0, seconds=3600, clock=clock))
    export_id = client.ask().json()["exportId"]
    clock.now += 3599
    assert client.poll(export_id).json()["status"] == "requested"
    clock.now += 1
    assert client.poll(export_id).json()["status"] == "complete"


@pytest.mark.parametrize(
    ("start", "end"),
    [("2033-01-01T00:00:00Z", "2033-02-01T00:00:00Z"), ("2021-03-01T00:00:00Z", "2021-03-01T00:00:00Z")],
)
def test_a_window_in_the_future_or_of_no_length_has_no_data(make_sandbox, make_client, clock, start, end):
    client = make_client(make_sandbox(clock=clock))
    _, answer = client.finished(startDate=start, endDate=end)
    assert answer == {"status": "complete", "dataUrl": ""}


def test_each_poll_of_a_complete_export_signs_a_fresh_url_to_the_same_object(client):
    export_id, first = client.finished()
    second = client.poll(export_id).json()
    assert first["dataUrl"] != second["dataUrl"]
    assert first["dataUrl"].split("?")[0] == second["dataUrl"].split("?")[0]
    assert client.get(first["dataUrl"]).content == client.get(second["dataUrl"]).content


@pytest.mark.parametrize(
    ("kind", "parameters", "name"),
    [
        ("raw", {}, "raw_export.zip"),
        ("raw", {"name": "Weekly: grades/2021"}, "Weekly_grades_2021.zip"),
        ("raw", {"singleFileExport": "csat"}, "csat.csv"),
        ("groups", {}, "agent_groups.csv"),
        ("audit_log", {"name": "x"}, "audit_logs.csv"),
    ],
)
def test_the_object_is_named_after_what_it_holds(client, kind, parameters, name):
    export_id, answer = client.finished(kind, **parameters)
    assert answer["dataUrl"].startswith(f"{client.sandbox.storage_url}/exports/{export_id}/{name}?X-Amz-Algorithm=")


def test_a_reset_while_files_are_being_made_forgets_them_too(make_sandbox, make_client):
    sandbox = make_sandbox(rows=3000)
    client = make_client(sandbox)
    for _ in range(4):
        client.ask()
    sandbox.reset()
    assert sandbox.exports == {}
    _, answer = client.finished(singleFileExport="csat")
    assert client.get(answer["dataUrl"]).status_code == 200


def test_an_export_can_be_looked_at_by_its_path(client):
    export_id = client.ask("groups").json()["exportId"]
    path = f"/export-data/{export_id}"
    assert client.call("GET", path) == (200, {"status": "requested", "dataUrl": ""})
    assert client.call("GET", "/export-data/none") == (404, {"error": "There is no export with this exportId."})
    assert client.call("GET", path, params={"a": "b"})[0] == 400
    assert client.call("GET", path, headers={"apitoken": "other"})[0] == 401
    assert client.poll(export_id).json()["status"] == "in_progress"


def test_faults_of_an_export_show_whichever_way_it_is_looked_at(client):
    export_id = client.ask("groups", name="fault:never").json()["exportId"]
    client.sandbox.fault("status", export_id=export_id, status=503)
    assert client.call("GET", f"/export-data/{export_id}")[0] == 503
    assert [client.call("GET", f"/export-data/{export_id}")[1]["status"] for _ in range(5)][-1] == "in_progress"


@pytest.mark.parametrize(("lookup", "by_body", "by_path"), [("body", 200, 404), ("path", 400, 200)])
def test_one_way_to_look_at_an_export_can_be_missing(make_sandbox, make_client, lookup, by_body, by_path):
    client = make_client(make_sandbox(export_lookup=lookup))
    export_id = client.ask("groups").json()["exportId"]
    assert client.poll(export_id).status_code == by_body
    assert client.call("GET", f"/export-data/{export_id}")[0] == by_path


# -- Accounts that differ -------------------------------------------------------------------------------------------


def grades_of(client, start, end, **parameters):
    """The grades in an export: what tells each apart, and when it was graded."""
    _, answer = client.finished(startDate=start, endDate=end, singleFileExport="total_scores", **parameters)
    if not answer["dataUrl"]:
        return []
    rows = csv.DictReader(io.StringIO(client.get(answer["dataUrl"]).content.decode("utf-8-sig")))
    return [(row["gradable_id"], row["agent_id"], row["rubric_id"], row["date_graded"][2:-1]) for row in rows]


@pytest.mark.parametrize(
    ("edges", "at_first", "at_second"), [("half_open", 0, 1), ("included", 1, 1), ("excluded", 0, 0)]
)
def test_a_part_of_a_window_may_hold_the_grades_of_the_whole(make_sandbox, make_client, edges, at_first, at_second):
    client = make_client(make_sandbox(export_windows=edges, rows=30))
    start, end = "2021-03-01T00:00:00Z", "2021-03-08T00:00:00Z"
    whole = grades_of(client, start, end)
    assert len(whole) == 30
    middle = sorted(date for *_, date in whole)[15]
    border = middle.replace(" ", "T") + "Z"
    first, second = grades_of(client, start, border), grades_of(client, border, end)
    assert sorted(first) == sorted(one for one in whole if one[3] < middle or (at_first and one[3] == middle))
    assert sorted(second) == sorted(one for one in whole if one[3] > middle or (at_second and one[3] == middle))
    assert client.sandbox.exports[[*client.sandbox.exports][1]].files["total_scores.csv"].rows == len(first)


def test_by_default_each_window_is_filled(client):
    start, end = "2021-03-01T00:00:00Z", "2021-03-08T00:00:00Z"
    assert len(grades_of(client, start, end)) == len(grades_of(client, "2021-03-02T00:00:00Z", end)) == 30


def test_what_is_not_said_of_a_raw_export_may_be_included(make_sandbox, make_client):
    client = make_client(make_sandbox(export_defaults="included", rows=40))
    _, answer = client.finished(singleFileExport="total_scores")
    header, *rows = client.get(answer["dataUrl"]).content.decode("utf-8-sig").splitlines()
    assert header.endswith(",is_deleted")
    assert any(",Calibration," in row for row in rows)
    off = {"includeCalibrations": "none", "includeGraderQA": False, "includeDeleted": False}
    _, answer = client.finished(singleFileExport="total_scores", **off)
    text = client.get(answer["dataUrl"]).content.decode("utf-8-sig")
    assert not any(word in text for word in ("is_deleted", ",Calibration,", ",Grader QA,"))
