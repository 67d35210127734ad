"""The hook's methods for coaching data."""

from __future__ import annotations

import inspect
from datetime import date, datetime, timezone

import pytest

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQADataError,
    MaestroQANotFoundError,
)
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

ONE = {
    "get_todo": ("todos", "/api/v1/todos"),
    "get_coaching_point": ("coaching_points", "/api/v1/coaching-points"),
    "get_coaching_session": ("coaching_sessions", "/api/v1/coaching-sessions"),
}
MANY = ("list_todos", "list_coaching_points", "list_coaching_sessions")


@pytest.fixture
def hook(connection):
    with MaestroQAHook() as made:
        yield made


@pytest.mark.parametrize("method", ONE)
def test_one_record_is_read_by_its_id(hook, sandbox, method):
    name, path = ONE[method]
    record = getattr(sandbox, name)[5]
    assert getattr(hook, method)(record["id"]) == record
    assert sandbox.count("GET", f"{path}/{record['id']}") == 1


@pytest.mark.parametrize("method", ONE)
def test_a_record_that_is_not_there_is_an_error_of_its_own(hook, method):
    with pytest.raises(MaestroQANotFoundError, match="answered 404"):
        getattr(hook, method)("nobody/../x")


@pytest.mark.parametrize("method", ONE)
@pytest.mark.parametrize("record_id", ["", "  ", "..", None, 7.5])
def test_an_impossible_id_is_an_error_before_a_request(hook, sandbox, method, record_id):
    with pytest.raises(MaestroQAConfigError, match="needs a id"):
        getattr(hook, method)(record_id)
    assert sandbox.requests == []


@pytest.mark.parametrize("answer", [[], "text", 7])
def test_a_response_that_is_no_record_is_an_error(hook, sandbox, answer):
    sandbox.fault("status", status=200, body=[answer] if isinstance(answer, str) else answer, path="/api/v1/todos/*")
    with pytest.raises(MaestroQADataError, match="returned no record"):
        hook.get_todo("x")


@pytest.mark.parametrize("method", MANY)
def test_a_list_is_read_to_its_end_lazily(hook, sandbox, method):
    name = method.removeprefix("list_")
    listing = getattr(hook, method)(page_size=90)
    assert sandbox.requests == []
    assert next(listing) == getattr(sandbox, name)[0]
    assert len(sandbox.requests) == 1
    assert [next(iter(listing)), *listing] == list(getattr(sandbox, name))[1:]
    assert listing.total == len(getattr(sandbox, name))


@pytest.mark.parametrize("method", MANY)
def test_filters_travel_by_the_names_of_the_api(hook, sandbox, method):
    filters = {"agent_id": "agent-1", "creator_id": "user-2"}
    if method == "list_coaching_sessions":
        filters["coach_id"] = "coach-3"
    start = datetime(2026, 2, 1, tzinfo=timezone.utc)
    list(getattr(hook, method)(start=start, end="2026-12-01T00:00:00Z", **filters))
    query = sandbox.requests[0].query
    assert query["startDate"], query["endDate"] == ("2026-02-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert {name: query[name] for name in query if name.endswith("Id")} == {
        {"agent_id": "agentId", "creator_id": "creatorId", "coach_id": "coachId"}[name]: value
        for name, value in filters.items()
    }


@pytest.mark.parametrize("method", MANY)
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"status": "open"}, "status is not a filter of"),
        ({"page_size": 0}, "page_size must be"),
        ({"start": datetime(2026, 1, 1)}, "start=.* has no time zone"),
        ({"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}, "must be before its end"),
        ({"agent_id": ""}, "agent_id must be text that is not empty"),
    ],
)
def test_a_wrong_argument_is_an_error_at_once_not_at_the_first_record(hook, sandbox, method, arguments, named):
    with pytest.raises(MaestroQAConfigError, match=named):
        getattr(hook, method)(**arguments)
    assert sandbox.requests == []


@pytest.mark.parametrize("method", ["list_todos", "list_coaching_points"])
def test_only_sessions_have_a_coach(hook, method):
    with pytest.raises(MaestroQAConfigError, match="coach_id is not a filter of"):
        getattr(hook, method)(coach_id="coach-1")
    assert "coach_id" in inspect.signature(hook.list_coaching_sessions).parameters


def test_the_export_covers_any_range_and_each_session_comes_once(hook, sandbox):
    sessions = hook.export_coaching_sessions(date(2026, 1, 1), "2026-12-31")
    assert sandbox.requests == []
    assert list(sessions) == sandbox.exported_sessions("2026-01-01", "2026-12-31")
    assert sandbox.count("POST", "/api/v1/coaching-sessions") == 5


def test_the_export_uses_the_given_time_axis(hook, sandbox):
    found = hook.export_coaching_sessions("2026-01-01", "2026-02-01", time_axis="createdAt")
    assert list(found) == sandbox.exported_sessions("2026-01-01", "2026-02-01", "createdAt")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("2026-02-01", "2026-01-01"), "must be a day before end"),
        ((datetime(2026, 1, 1), "2026-02-01"), "has no time zone"),
    ],
)
def test_an_impossible_range_is_an_error_at_once(hook, sandbox, arguments, named):
    with pytest.raises(MaestroQAConfigError, match=named):
        hook.export_coaching_sessions(*arguments)
    assert sandbox.requests == []


def test_a_closed_hook_can_continue_a_list(hook, sandbox):
    listing = hook.list_todos()
    next(listing)
    hook.close()
    assert len(list(listing)) == 499
