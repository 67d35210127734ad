from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.client.resources.catalogue import LIST_RESOURCES, list_parameters, parse_page_size

AWARE = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize("resource", [row.name for row in LIST_RESOURCES.values() if row.is_windowed])
def test_filters_get_the_names_of_the_api_and_dates_its_form(resource):
    filters = {name: f"x-{name}" for name in LIST_RESOURCES[resource].filters}
    found = list_parameters(resource, start=AWARE, end="2026-02-01T00:00:00.5Z", **filters)
    api_names = {"agent_id": "agentId", "creator_id": "creatorId", "coach_id": "coachId"}
    assert found == {
        **{api_names[name]: value for name, value in filters.items()},
        "startDate": "2026-01-01T00:00:00Z",
        "endDate": "2026-02-01T00:00:00.500Z",
    }


def test_what_is_left_out_is_not_sent():
    assert list_parameters("todos", agent_id=None, start=None) == {}
    assert list_parameters("todos", end=AWARE) == {"endDate": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("resource", "filters", "named"),
    [
        (
            "todos",
            {"coach_id": "c1"},
            "coach_id is not a filter of todos. It takes: agent_id, creator_id, start, end",
        ),
        ("coaching_points", {"coach_id": "c1"}, "coach_id is not a filter of coaching_points"),
        ("coaching_sessions", {"status": "open"}, "status is not a filter of coaching_sessions.*coach_id"),
        ("todos", {"coachId": "a1"}, "coach_id is not a filter"),
        ("todos", {"agentId": "a1", "agent_id": "a1"}, "agent_id and agentId are the same filter"),
        ("todos", {"agent_id": ""}, "agent_id must be text that is not empty, got ''"),
        ("todos", {"agent_id": "None"}, "agent_id must be text that is not empty, got 'None'"),
        ("todos", {"agent_id": 7.5}, "agent_id must be .* got float 7.5. Pass the id as text"),
        ("todos", {"start": datetime(2026, 1, 1)}, "start=.* has no time zone"),
        ("todos", {"end": "2026-01-01"}, "end=.* has no time zone"),
        ("todos", {"start": "yesterday"}, "start='yesterday' is no point in time"),
        (
            "todos",
            {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
            "start .* must be before its end",
        ),
        (
            "todos",
            {"start": AWARE, "end": AWARE},
            "start and end are the same time .* Pass a later end, or leave one out",
        ),
        ("tickets", {}, "resource must be one of todos, coaching_points, coaching_sessions"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_by_name(resource, filters, named):
    with pytest.raises(MaestroQAConfigError, match=named):
        list_parameters(resource, **filters)


@pytest.mark.parametrize(("value", "size"), [(1, 1), (100, 100), ("250", 250), (10_000, 10_000)])
def test_a_page_size_is_a_whole_number_or_the_text_of_one(value, size):
    assert parse_page_size(value) == size


@pytest.mark.parametrize("value", [0, -1, 10_001, 1.5, True, None, "", "many", "1.5"])
def test_another_page_size_is_refused(value):
    with pytest.raises(MaestroQAConfigError, match="page_size must be a whole number from 1 to 10,000"):
        parse_page_size(value)


@pytest.mark.parametrize("filters", [{"agentId": "a"}, {"agent_id": "a"}, {"agentId": None, "agent_id": "a"}])
def test_a_filter_may_be_spelled_as_here_or_as_in_the_api(filters):
    assert list_parameters("todos", **filters, creatorId=7) == {"agentId": "a", "creatorId": "7"}
