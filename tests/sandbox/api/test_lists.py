from __future__ import annotations

import json
import tracemalloc
from datetime import datetime

import pytest

PATHS = {
    "todos": "/api/v1/todos",
    "coaching_points": "/api/v1/coaching-points",
    "coaching_sessions": "/api/v1/coaching-sessions",
}
EXPORT = "/api/v1/coaching-sessions"
by_list = pytest.mark.parametrize("name", PATHS)


def pages(client, name, **query):
    """All records of a list, as a client that trusts the server would read them."""
    found, start = [], 0
    while True:
        page = client.api("GET", PATHS[name], params={**query, "startIndex": start}).json()
        found += page["Resources"]
        start += len(page["Resources"])
        if start >= page["totalResults"]:
            return found


def days(client, start="2026-01-01", end="2026-03-31", **more):
    return client.api("POST", EXPORT, json={"startDate": start, "endDate": end, **more})


@by_list
def test_the_pages_of_a_list_are_all_its_records_in_the_order_of_creation(client, sandbox, name):
    found = pages(client, name, count=60)
    assert found == list(getattr(sandbox, name))
    assert len({record["id"] for record in found}) == len(found) > 200
    assert [record["createdAt"] for record in found] == sorted(record["createdAt"] for record in found)


@by_list
def test_a_record_is_found_by_its_id(client, sandbox, name):
    record = getattr(sandbox, name)[17]
    answer = client.api("GET", f"{PATHS[name]}/{record['id']}")
    assert (answer.status_code, answer.json()) == (200, record)


@by_list
@pytest.mark.parametrize("record_id", ["nobody", "0" * 17, "f" * 17, "-1", "%20"])
def test_an_id_of_nothing_is_answered_with_404(client, name, record_id):
    answer = client.api("GET", f"{PATHS[name]}/{record_id}")
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_the_records_of_one_list_are_not_found_in_another(client, sandbox):
    assert client.api("GET", f"{PATHS['todos']}/{sandbox.coaching_points[0]['id']}").status_code == 404


@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ("todos", {"agentId": "agent-3"}),
        ("todos", {"creatorId": "user-5", "agentId": "agent-7"}),
        ("coaching_points", {"creatorId": "user-1"}),
        ("coaching_sessions", {"coachId": "coach-2"}),
        ("coaching_sessions", {"coachId": "coach-3", "agentId": "agent-1", "creatorId": "user-2"}),
        ("todos", {"agentId": "somebody-else"}),
        ("todos", {"agentId": "agent-8"}),
    ],
)
def test_a_filter_leaves_the_records_that_match(client, sandbox, name, filters):
    fits = [one for one in getattr(sandbox, name) if all(one[key] == value for key, value in filters.items())]
    assert pages(client, name, **filters) == fits
    assert len(fits) < len(getattr(sandbox, name))


def test_dates_bound_the_time_of_creation_without_the_bounds_themselves(client, sandbox):
    first, last = sandbox.todos[10]["createdAt"], sandbox.todos[20]["createdAt"]
    found = pages(client, "todos", startDate=first, endDate=last, agentId="agent-5")
    assert found == [one for one in sandbox.todos[11:20] if one["agentId"] == "agent-5"]


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("todos", {"count": "many"}),
        ("todos", {"coachId": "coach-1"}),
        ("todos", {"startDate": "2026-01-01"}),
        ("coaching_points", {"coachId": "coach-1"}),
        ("coaching_sessions", {"timeAxis": "createdAt"}),
        ("coaching_sessions", {"startIndex": "-1"}),
        ("coaching_sessions", {"agentId": ""}),
    ],
)
def test_a_filter_that_is_not_documented_is_refused_by_name(client, name, query):
    answer = client.api("GET", PATHS[name], params=query)
    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["error"]


@pytest.mark.parametrize(("query", "size"), [({}, 100), ({"count": 7}, 7), ({"count": 5000}, 500), ({"count": 0}, 0)])
def test_a_page_has_as_many_records_as_asked_for_up_to_a_limit(client, query, size):
    page = client.api("GET", PATHS["todos"], params=query).json()
    assert len(page["Resources"]) == size
    assert (page["startIndex"], page["totalResults"]) == (0, 500)


def test_the_same_seed_gives_the_same_records_and_another_one_others(make_sandbox):
    first, same, other = (make_sandbox(seed=seed) for seed in (5, 5, 6))
    assert list(first.coaching_sessions) == list(same.coaching_sessions)
    assert first.todos[0]["id"] != other.todos[0]["id"]


def test_a_million_records_take_no_memory_and_any_page_no_time(make_sandbox, make_client):
    sandbox = make_sandbox(todos=1_000_000, coaching_points=0, coaching_sessions=0)
    client = make_client(sandbox)
    client.api("GET", PATHS["todos"], params={"count": 1})
    tracemalloc.start()
    page = client.api("GET", PATHS["todos"], params={"startIndex": 999_950, "agentId": "agent-1"}).json()
    assert page["Resources"] == []
    assert page["totalResults"] == 142_858
    last = client.api("GET", PATHS["todos"], params={"startIndex": 999_999}).json()["Resources"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert last == [sandbox.todos[-1]]
    assert peak < 2_000_000


class TestExport:
    """POST /coaching-sessions."""

    @pytest.mark.parametrize("time_axis", ["meetingDate", "createdAt"])
    @pytest.mark.parametrize("end_day", ["included", "excluded"])
    def test_it_gives_the_sessions_of_the_days_by_the_axis(self, make_sandbox, make_client, time_axis, end_day):
        sandbox = make_sandbox(coaching_sessions=2000, export_end_day=end_day)
        found = days(make_client(sandbox), "2026-02-10", "2026-03-20", timeAxis=time_axis).json()
        expected = sandbox.exported_sessions("2026-02-10", "2026-03-20", time_axis)
        assert found == expected
        dates = [session[time_axis][:10] for session in found]
        assert (min(dates), max(dates)) == ("2026-02-10", "2026-03-20" if end_day == "included" else "2026-03-19")

    def test_the_axis_is_the_meeting_unless_told_otherwise(self, client):
        assert (
            days(client).json()
            == days(client, timeAxis="meetingDate").json()
            != days(client, timeAxis="createdAt").json()
        )

    def test_a_session_has_what_hangs_on_it(self, client, sandbox):
        sessions = days(client).json()
        assert all(session["activityLog"] for session in sessions)
        session = next(one for one in sessions if len(one["todos"]) == len(one["coachingPoints"]) == 2)
        for todo in session["todos"]:
            listed = client.api("GET", f"{PATHS['todos']}/{todo['_id']}").json()
            assert listed["coachingSessionIds"] == [session["_id"]]
        for point in session["coachingPoints"]:
            listed = client.api("GET", f"{PATHS['coaching_points']}/{point['_id']}").json()
            assert listed["coachingSessionIds"] == [session["_id"]]
        assert client.api("GET", f"{PATHS['coaching_sessions']}/{session['_id']}").status_code == 200

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
    def test_what_is_not_documented_is_refused(self, client, asked, named):
        answer = client.api("POST", EXPORT, json=asked)
        assert answer.status_code == 400
        assert named in answer.json()["error"]

    def test_ninety_days_are_allowed(self, client):
        assert days(client, "2026-01-01", "2026-04-01").status_code == 200

    def test_no_sessions_are_an_empty_array(self, client):
        assert days(client, "2021-01-01", "2021-01-02").text == "[]"

    def test_its_bucket_is_the_hard_one(self, make_sandbox, make_client):
        client = make_client(make_sandbox(limits={"hard": [[1, 1]], "normal": [[10, 1]]}))
        assert [days(client).status_code for _ in range(2)] == [200, 429]
        assert client.api("GET", PATHS["coaching_sessions"]).status_code == 200

    @pytest.mark.parametrize("at", [0, 1, 4000, 150_000])
    def test_its_answer_can_be_cut_at_any_byte(self, client, sandbox, at):
        sandbox.fault("drop_at_byte", at=at, path=EXPORT)
        with pytest.raises(Exception, match=r"(?i)incomplete|ended prematurely|aborted|broken"):
            days(client)
        assert len(days(client).content) > at

    def test_its_answer_can_be_cut_as_if_it_were_whole(self, client, sandbox):
        sandbox.fault("truncated", at=5000, path=EXPORT)
        answer = days(client)
        assert len(answer.content) == 5000
        with pytest.raises(json.JSONDecodeError):
            answer.json()

    def test_ids_can_be_left_out(self, client, sandbox):
        sandbox.fault("no_id", at=3, path=EXPORT)
        assert ["_id" in session for session in days(client).json()[:5]] == [False, False, False, True, True]


def test_an_added_session_is_listed_exported_and_found(client, sandbox, clock):
    made = sandbox.add_coaching_session(agentId="agent-2", createdAt="2026-05-01T10:00:00.000Z")
    today = datetime.fromisoformat(made["meetingDate"][:-1]).date().isoformat()
    listed = pages(client, "coaching_sessions", agentId="agent-2", startDate="2026-05-01T09:59:59Z")
    assert listed[-1]["id"] == made["_id"]
    assert client.api("GET", f"{PATHS['coaching_sessions']}/{made['_id']}").json() == listed[-1]
    assert days(client, "2026-05-01", "2026-05-01", timeAxis="createdAt").json()[-1] == made
    assert made in days(client, today, today).json()
    assert len(sandbox.coaching_sessions) == 251
    sandbox.reset()
    assert len(sandbox.coaching_sessions) == 250


class TestFaults:
    """Pages that are not what they should be."""

    def page(self, client, **query):
        return client.api("GET", PATHS["todos"], params={"count": 50, "startIndex": 100, **query}).json()

    @pytest.mark.parametrize(
        ("fault", "first", "size", "total"),
        [
            ({"kind": "page_cap", "at": 20}, 100, 20, 500),
            ({"kind": "wrong_total", "at": 40}, 100, 50, 540),
            ({"kind": "wrong_total", "at": -40}, 100, 50, 460),
            ({"kind": "empty_page"}, None, 0, 500),
            ({"kind": "repeat_page"}, 50, 50, 500),
            ({"kind": "overlap_page", "at": 5}, 95, 50, 500),
            ({"kind": "shrink", "at": 30}, 130, 50, 470),
        ],
        ids=lambda value: value["kind"] if isinstance(value, dict) else None,
    )
    def test_a_page_is_spoiled_once(self, client, sandbox, fault, first, size, total):
        sandbox.fault(**fault)
        page = self.page(client)
        assert (len(page["Resources"]), page["totalResults"]) == (size, total)
        assert page["Resources"][:1] == ([] if first is None else [sandbox.todos[first]])
        assert len(self.page(client)["Resources"]) == 50

    def test_a_list_that_has_shrunk_stays_so_until_a_reset(self, client, sandbox):
        sandbox.fault("shrink", at=30)
        assert [self.page(client)["totalResults"] for _ in range(2)] == [470, 470]
        sandbox.reset()
        assert self.page(client)["totalResults"] == 500

    def test_ids_can_be_left_out(self, client, sandbox):
        sandbox.fault("no_id")
        assert ["id" in one for one in self.page(client)["Resources"][:2]] == [False, True]
