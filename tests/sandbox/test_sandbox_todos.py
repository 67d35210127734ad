from __future__ import annotations

import pytest


def test_an_account_has_no_todos_yet(client):
    answer = client.api("GET", "/api/v1/todos", params={"count": 1})
    assert answer.status_code == 200
    assert answer.json() == {"startIndex": 0, "totalResults": 0, "itemsPerPage": 1, "Resources": []}


@pytest.mark.parametrize("query", [{"count": "many"}, {"coachId": "c1"}, {"startDate": "2026-01-01"}])
def test_a_filter_that_is_not_documented_is_refused_by_name(client, query):
    answer = client.api("GET", "/api/v1/todos", params=query)
    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["error"]
