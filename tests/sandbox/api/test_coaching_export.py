import json
from datetime import datetime

import pytest

TODOS, POINTS, EXPORT = "/api/v1/todos", "/api/v1/coaching-points", "/api/v1/coaching-sessions"


def days(client, start="2026-01-01", end="2026-03-31", **more):
    return client.api("POST", EXPORT, json={"startDate": start, "endDate": end, **more})


@pytest.mark.parametrize("time_axis", ["meetingDate", "createdAt"])
@pytest.mark.parametrize("end_day", ["included", "excluded"])
def test_it_gives_the_sessions_of_the_days_by_the_axis(make_sandbox, make_client, time_axis, end_day):
    sandbox = make_sandbox(coaching_sessions=2000, export_end_day=end_day)
    found = days(make_client(sandbox), "2026-02-10", "2026-03-20", timeAxis=time_axis).json()
    expected = sandbox.exported_sessions("2026-02-10", "2026-03-20", time_axis)
    assert found == expected
    dates = [session[time_axis][:10] for session in found]
    assert (min(dates), max(dates)) == ("2026-02-10", "2026-03-20" if end_day == "included" else "2026-03-19")


def test_the_axis_is_the_meeting_unless_told_otherwise(client):
    assert (
        days(client).json()
        == days(client, timeAxis="meetingDate").json()
        != days(client, timeAxis="createdAt").json()
    )


def test_a_session_has_what_hangs_on_it(client, sandbox):
    sessions = days(client).json()
    assert all(session["activityLog"] for session in sessions)
    session = next(one for one in sessions if len(one["todos"]) == len(one["coachingPoints"]) == 2)
    for path, part in ((TODOS, "todos"), (POINTS, "coachingPoints")):
        for one in session[part]:
            listed = client.api("GET", f"{path}/{one['_id']}").json()
            assert listed["coachingSessionIds"] == [session["_id"]]
    assert client.api("GET", f"{EXPORT}/{session['_id']}").status_code == 200


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"startDate": "2026-01-01"}, "endDate is required"),
        ({"startDate": "2026-01-01T00:00:00Z", "endDate": "2026-01-02"}, "startDate must be a date"),
        ({"startDate": "2026-01-01", "endDate": "2026-02-30"}, "endDate must be a date"),
        ({"startDate": "2026-01-01", "endDate": "2026-04-02"}, "within 90 days"),
        ({"startDate": "2026-01-02", "endDate": "2026-01-01"}, "before startDate"),
        ({"startDate": "2026-01-01", "endDate": "2026-01-02", "timeAxis": "updatedAt"}, "timeAxis"),
        ({"startDate": "2026-01-01", "endDate": "2026-01-02", "agentId": "agent-1"}, "agentId"),
    ],
)
def test_what_is_not_documented_is_refused(client, asked, named):
    answer = client.api("POST", EXPORT, json=asked)
    assert answer.status_code == 400
    assert named in answer.json()["error"]


def test_ninety_days_are_allowed_and_no_sessions_are_an_empty_array(client):
    assert days(client, "2026-01-01", "2026-04-01").status_code == 200
    assert days(client, "2021-01-01", "2021-01-02").text == "[]"


def test_its_bucket_is_the_hard_one(make_sandbox, make_client):
    client = make_client(make_sandbox(limits={"hard": [[1, 1]], "normal": [[10, 1]]}))
    assert [days(client).status_code for _ in range(2)] == [200, 429]
    assert client.api("GET", EXPORT).status_code == 200


@pytest.mark.parametrize("at", [0, 1, 4000, 150_000])
def test_its_answer_can_be_cut_at_any_byte(client, sandbox, at):
    sandbox.fault("drop_at_byte", at=at, path=EXPORT)
    with pytest.raises(Exception, match=r"(?i)incomplete|ended prematurely|aborted|broken"):
        days(client)
    assert len(days(client).content) > at


def test_its_answer_can_be_cut_as_if_it_were_whole(client, sandbox):
    sandbox.fault("truncated", at=5000, path=EXPORT)
    answer = days(client)
    assert len(answer.content) == 5000
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_ids_can_be_left_out(client, sandbox):
    sandbox.fault("no_id", at=3, path=EXPORT)
    assert ["_id" in session for session in days(client).json()[:5]] == [False, False, False, True, True]


def test_an_added_session_is_listed_exported_and_found(client, sandbox, clock):
    made = sandbox.add_coaching_session(agentId="agent-2", createdAt="2026-05-01T10:00:00.000Z")
    today = datetime.fromisoformat(made["meetingDate"][:-1]).date().isoformat()
    filters = {"agentId": "agent-2", "startDate": "2026-05-01T09:59:59Z", "count": 1000}
    listed = client.api("GET", EXPORT, params=filters).json()["Resources"]
    assert listed[-1]["id"] == made["_id"]
    assert client.api("GET", f"{EXPORT}/{made['_id']}").json() == listed[-1]
    assert days(client, "2026-05-01", "2026-05-01", timeAxis="createdAt").json()[-1] == made
    assert made in days(client, today, today).json()
    assert len(sandbox.coaching_sessions) == 251
    sandbox.reset()
    assert len(sandbox.coaching_sessions) == 250
