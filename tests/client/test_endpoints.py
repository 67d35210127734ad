from __future__ import annotations

import re

import pytest

from airflow_provider_maestroqa.client.endpoints import (
    API_TOKEN,
    BEARER_TOKEN,
    ENDPOINTS,
    Endpoint,
    ParamLocation,
    build_alternative,
    build_request,
)
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError


def test_only_what_is_harmless_twice_is_repeatable():
    unsafe = {name for name, endpoint in ENDPOINTS.items() if not endpoint.idempotent}
    assert unsafe == {
        "request_raw_export",
        "request_groups_export",
        "request_audit_log_export",
        "create_comment",
        "create_comments",
        "create_attachment",
        "push_csat_scores",
        "create_agent_group",
        "create_user_group",
    }


def test_an_attachment_is_repeatable_only_with_an_id_of_ours():
    assert not build_request("create_attachment", {"ticket_id": "1", "content_type": "audio/mp3"}).idempotent
    assert build_request("create_attachment", {"ticket_id": "1", "content_type": "audio/mp3", "id": "a"}).idempotent


def test_only_the_coaching_export_and_deletions_draw_on_the_hard_bucket():
    assert {name for name, endpoint in ENDPOINTS.items() if endpoint.bucket == "hard"} == {
        "export_coaching_sessions",
        "request_data_deletion",
        "get_data_deletion",
    }


def test_a_batch_holds_at_most_so_many_records():
    batched = {name: endpoint.batch_size for name, endpoint in ENDPOINTS.items() if endpoint.batch_size}
    assert batched == {
        "create_comments": 500,
        "push_ticket_metrics": 500,
        "push_agent_metrics": 500,
        "push_csat_scores": 100,
        "request_data_deletion": 5,
    }


def test_every_path_lies_below_the_api_root():
    path = re.compile(r"/api/v1/(scim/v2/[A-Z])?[a-z-]+(/[a-z{}_-]+)?")
    assert all(path.fullmatch(endpoint.full_path) for endpoint in ENDPOINTS.values())


def test_another_api_under_the_same_token_is_a_row_of_the_table(monkeypatch):
    scim = {"root": "/api/v1/scim/v2", "auth": BEARER_TOKEN}
    users = Endpoint("GET", "/Users/{userName}", "SCIM", True, ParamLocation.NONE, **scim)
    monkeypatch.setitem(ENDPOINTS, "get_user", users)
    request = build_request("get_user", userName="Ada@x.com")
    assert request.path == "/api/v1/scim/v2/Users/Ada%40x.com"
    assert request.endpoint.auth.headers("t0k") == {"Authorization": "Bearer t0k"}
    assert {endpoint.auth for name, endpoint in ENDPOINTS.items() if name != "get_user"} == {API_TOKEN}
    assert API_TOKEN.headers("t0k") == {"apitoken": "t0k"}


def test_the_export_id_travels_in_the_body_of_a_get():
    call = build_request("get_export", {"exportId": "e1"})
    assert (call.method, call.path, call.query, call.body) == (
        "GET",
        "/api/v1/get-export-data",
        {},
        {"exportId": "e1"},
    )


def test_an_operation_may_have_a_second_request_that_is_without_a_body():
    call = build_alternative("get_export", {"exportId": "a/b"})
    assert (call.method, call.path, call.query, call.body) == ("GET", "/api/v1/export-data/a%2Fb", {}, None)
    with pytest.raises(MaestroQAConfigError, match="one request for get_ticket"):
        build_alternative("get_ticket", {"ticket_id": "T-1"})


def test_absent_parameters_are_left_out_and_never_sent_as_null():
    call = build_request("request_groups_export", {"name": None, "includeUnavailable": False})
    assert call.body == {"includeUnavailable": False}


def test_a_path_parameter_is_escaped():
    call = build_request("get_ticket", ticket_id="a/../b?c#d é")
    assert call.path == "/api/v1/tickets/a%2F..%2Fb%3Fc%23d%20%C3%A9"
    assert call.body is None


@pytest.mark.parametrize("value", ["", "  ", "..", ".", None, 7.5])
def test_an_id_that_would_change_the_path_is_refused(value):
    with pytest.raises(MaestroQAConfigError, match="ticket_id"):
        build_request("delete_ticket", ticket_id=value)
