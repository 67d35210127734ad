"""Two requests look at an export: where one does not get through, the other one does, in sync and async alike."""

from __future__ import annotations

import asyncio

import pytest
from clocks import FakeTime

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.sandbox import Sandbox

BODY, PATH = "/api/v1/get-export-data", "/api/v1/export-data/*"
#: What a proxy makes of a GET with a body, without a word of MaestroQA.
REFUSALS = [{"status": status, "body": "<html>No</html>"} for status in (400, 403, 404, 405, 411)]
#: What MaestroQA makes of one whose body was dropped.
DROPPED = [
    {"status": 400, "body": {"error": "exportId is required"}},
    {"status": 404, "body": {"error": "No export"}},
]


@pytest.fixture(scope="module")
def running():
    with Sandbox(limits={}, rows=10) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running):
    running.reset()
    return running


@pytest.fixture(params=["get_export", "aget_export"])
def look(request, hook):
    def get(export_id, **options):
        result = getattr(hook, request.param)(export_id, **options)
        return asyncio.run(result) if request.param == "aget_export" else result

    return get


@pytest.fixture
def export_id(hook):
    return hook.request_groups_export()


def looks(sandbox):
    """Which requests have looked at an export, in their order."""
    return ["body" if one.path == BODY else "path" for one in sandbox.requests if one.method == "GET"]


@pytest.mark.parametrize("refusal", [*REFUSALS, *DROPPED], ids=str)
def test_what_a_proxy_refuses_is_asked_for_in_the_other_way_from_then_on(sandbox, look, export_id, refusal):
    sandbox.fault("status", path=BODY, times=None, **refusal)
    assert look(export_id).status == "requested"
    assert look(export_id).status == "in_progress"
    assert looks(sandbox) == ["body", "path", "path"]


def test_a_way_that_stops_working_is_left(sandbox, look, export_id):
    sandbox.fault("status", path=PATH, status=405, after=1, times=None)
    sandbox.fault("status", path=BODY, status=411, times=1)
    assert [look(export_id).status for _ in range(3)] == ["requested", "in_progress", "complete"]
    assert looks(sandbox) == ["body", "path", "path", "body", "body"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, errors.MaestroQAAuthError),
        (403, errors.MaestroQAPermissionError),
        (409, errors.MaestroQAConflictError),
        (422, errors.MaestroQAValidationError),
        (429, errors.MaestroQARateLimitError),
        (502, errors.MaestroQAServerError),
    ],
)
def test_what_is_not_about_the_form_is_asked_for_in_one_way(hook, sandbox, look, export_id, status, error):
    sandbox.fault("status", path=BODY, times=None, status=status)
    with pytest.raises(error):
        look(export_id, polling=True, deadline=hook.clock.wall() + 1)
    assert set(looks(sandbox)) == {"body"}


def test_an_export_that_is_not_there_costs_a_second_request_only_until_a_way_is_known_to_work(
    sandbox, look, export_id
):
    for _ in range(2):
        with pytest.raises(errors.MaestroQANotFoundError, match=r"get-export-data answered 404: There is no export"):
            look("65f0")
        assert look(export_id)
    assert looks(sandbox) == ["body", "path", "body", "body", "body"]


@pytest.mark.parametrize(
    ("first", "second", "raised"),
    [
        ({"status": 405, "body": ""}, {"status": 404, "body": ""}, r"get-export-data answered 405"),
        ({"status": 405, "body": ""}, {"status": 404}, r"export-data/\w+ answered 404: A fault"),
        ({"status": 404}, {"status": 404}, r"get-export-data answered 404: A fault"),
        ({"status": 400}, {"status": 404, "body": "<html>"}, r"get-export-data answered 400: A fault"),
        ({"status": 411, "body": ""}, {"status": 401}, r"export-data/\w+ answered 401"),
        ({"status": 411, "body": ""}, {"status": 503}, r"export-data/\w+ answered 503"),
    ],
)
def test_the_error_is_the_one_that_says_more(sandbox, look, export_id, first, second, raised):
    sandbox.fault("status", path=BODY, times=None, **first)
    sandbox.fault("status", path=PATH, times=None, **second)
    with pytest.raises(errors.MaestroQAAPIError, match=raised) as caught:
        look(export_id, polling=True)
    assert caught.value.retryable == (second["status"] == 503)
    assert looks(sandbox) == ["body", "path"]


def test_a_lost_response_to_the_second_request_is_no_answer(sandbox, look, export_id):
    sandbox.fault("status", path=BODY, times=None, status=405)
    sandbox.fault("reset_after", path=PATH)
    with pytest.raises(errors.MaestroQAConnectionError):
        look(export_id, polling=True)
    assert look(export_id, polling=True).status == "in_progress"


def test_what_worked_is_remembered_for_each_host(connect, sandbox, hook, export_id):
    sandbox.fault("status", path=BODY, times=1, status=405)
    hook.get_export(export_id)
    with Sandbox(limits={}) as other:
        connect("elsewhere", host=other.url)
        with MaestroQAHook("elsewhere") as other_hook:
            other_hook.get_export(other_hook.request_groups_export())
        assert looks(other) == ["body"]
    with MaestroQAHook() as again:
        again.get_export(export_id)
    assert looks(sandbox) == ["body", "path", "path"]


@pytest.mark.parametrize(("lookup", "ways"), [("path", ["body", "path", "path"]), ("body", ["body", "body"])])
def test_a_wait_ends_whichever_way_the_server_knows(connect, monkeypatch, lookup, ways):
    monkeypatch.setattr(MaestroQAHook, "clock", FakeTime().clock())
    with Sandbox(limits={}, polls=1, export_lookup=lookup) as sandbox:
        connect(host=sandbox.url)
        with MaestroQAHook() as hook:
            event = hook.wait_for_export(hook.request_groups_export(), deadline=hook.clock.wall() + 600)
        assert event["status"] == "complete"
        assert looks(sandbox) == ways
