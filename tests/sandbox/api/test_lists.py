from __future__ import annotations

import tracemalloc

import pytest

PATHS = {
    "todos": "/api/v1/todos",
    "coaching_points": "/api/v1/coaching-points",
    "coaching_sessions": "/api/v1/coaching-sessions",
}
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


# -- Accounts that differ -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("list_dates", "taken"),
    [("documented", [200, 200, 400, 400]), ("seconds", [200, 400, 400, 400]), ("iso8601", [200, 200, 200, 400])],
)
def test_an_account_takes_the_dates_that_it_takes(make_sandbox, make_client, list_dates, taken):
    client = make_client(make_sandbox(list_dates=list_dates))
    same = ["2026-02-01T00:00:00Z", "2026-02-01T00:00:00.000Z", "2026-02-01T01:00:00.000000+01:00"]
    answers = [
        client.api("GET", PATHS["todos"], params={"startDate": date}) for date in [*same, "2026-02-01T00:00:00"]
    ]
    assert [answer.status_code for answer in answers] == taken
    assert len({answer.json()["totalResults"] for answer in answers if answer.ok}) == 1


@by_list
def test_a_window_may_go_by_the_last_change_too(make_sandbox, make_client, name):
    window = {"startDate": "2026-01-01T01:00:00Z", "endDate": "2026-01-03T02:00:00Z", "agentId": "agent-2"}
    for option, fields in {"created": ["createdAt"], "changed": ["createdAt", "updatedAt"]}.items():
        client = make_client(make_sandbox(list_times=option))
        assert {one["id"] for one in pages(client, name, **window)} == {
            one["id"]
            for one in getattr(client.sandbox, name)
            if one["agentId"] == "agent-2"
            and any(window["startDate"] < one[field] < window["endDate"] for field in fields)
        }


def test_a_filter_that_is_not_known_may_be_ignored(make_sandbox, make_client):
    client = make_client(make_sandbox(unknown_filters="ignore"))
    page = client.api("GET", PATHS["todos"], params={"count": "1", "weather": "fine"}).json()
    assert page == client.api("GET", PATHS["todos"], params={"count": "1"}).json()
    assert client.api("GET", PATHS["todos"], params={"count": "one"}).status_code == 400
