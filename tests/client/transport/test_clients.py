"""The sync and the async driver against a real server: the same faults, the same ends."""

from __future__ import annotations

import contextlib
import socket

import pytest

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.endpoints import build_request

ASK = build_request("request_groups_export", {"name": "x"})
ASK_PATH, GET_PATH = "/api/v1/request-groups-export", "/api/v1/get-export-data"


@pytest.fixture
def export_id(driver, sandbox):
    return driver.send(ASK)["exportId"]


def get(export_id):
    return build_request("get_export", {"exportId": export_id})


def test_a_call_carries_token_and_identity_and_the_body_of_a_get(driver, sandbox, export_id):
    assert driver.send(get(export_id))["status"] == "requested"
    seen = sandbox.requests[-1]
    assert seen.headers["apitoken"] == sandbox.token
    assert seen.headers["user-agent"].startswith("airflow-provider-maestroqa/0.")
    assert seen.body == {"exportId": export_id}
    assert not seen.query


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "html", "malformed_json", "empty_body"])
def test_a_call_that_is_safe_twice_is_repeated_when_its_answer_is_lost(driver, sandbox, export_id, kind):
    sandbox.fault(kind=kind, path=GET_PATH, times=2)
    assert driver.send(get(export_id))["status"] in ("requested", "in_progress", "complete")
    assert sandbox.count("GET", GET_PATH) == 3
    assert len(driver.time.slept) == 2


@pytest.mark.parametrize("status", [408, 421, 423, 425, 500, 502, 503, 504])
def test_a_transient_status_is_repeated_five_times_at_most(driver, sandbox, export_id, status):
    sandbox.fault(kind="status", status=status, path=GET_PATH, times=None)
    with pytest.raises(errors.MaestroQAServerError):
        driver.send(get(export_id))
    assert sandbox.count("GET", GET_PATH) == 5


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "html", "malformed_json", "empty_body", "status"])
def test_a_call_that_is_not_safe_twice_is_sent_once_and_its_outcome_is_unknown(driver, sandbox, kind):
    sandbox.fault(kind=kind, path=ASK_PATH, times=None)
    with pytest.raises(errors.MaestroQAOutcomeUnknownError, match="may or may not"):
        driver.send(ASK)
    assert sandbox.count("POST", ASK_PATH) == 1
    assert driver.time.slept == []


@pytest.mark.parametrize("status", [408, 423])
def test_a_status_that_may_hide_a_success_leaves_the_outcome_of_an_unsafe_call_unknown(driver, sandbox, status):
    sandbox.fault(kind="status", status=status, path=ASK_PATH, times=None)
    with pytest.raises(errors.MaestroQAOutcomeUnknownError):
        driver.send(ASK)
    assert sandbox.count("POST", ASK_PATH) == 1


@pytest.mark.parametrize("status", [421, 425])
def test_a_status_that_says_that_nothing_was_done_is_repeated_whatever_the_call(driver, sandbox, status):
    sandbox.fault(kind="status", status=status, path=ASK_PATH, times=2)
    assert driver.send(ASK)["exportId"]
    assert sandbox.count("POST", ASK_PATH) == 3


@pytest.mark.parametrize("call", [ASK, build_request("get_export", {"exportId": "e1"})])
def test_a_server_that_cannot_be_reached_is_tried_again_whatever_the_call(make_driver, call):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = make_driver(host=f"http://127.0.0.1:{port}")
    with pytest.raises(errors.MaestroQAConnectionError, match="could not be reached") as caught:
        driver.send(call)
    assert caught.value.sent is False
    assert len(driver.time.slept) == 4


def test_an_answer_that_does_not_come_in_time_is_lost(make_driver, sandbox):
    driver = make_driver(timeout=0.2)
    sandbox.fault(kind="timeout", path=ASK_PATH)
    with pytest.raises(errors.MaestroQAOutcomeUnknownError, match="no response came in time"):
        driver.send(ASK)
    assert sandbox.count("POST", ASK_PATH) == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.MaestroQAValidationError),
        (401, errors.MaestroQAAuthError),
        (403, errors.MaestroQAPermissionError),
        (404, errors.MaestroQANotFoundError),
        (422, errors.MaestroQAValidationError),
    ],
)
def test_a_refusal_is_never_repeated(driver, sandbox, export_id, status, kind):
    sandbox.fault(kind="status", status=status, path=GET_PATH, times=None)
    with pytest.raises(kind):
        driver.send(get(export_id))
    assert sandbox.count("GET", GET_PATH) == 1


def test_a_redirect_is_not_followed_so_the_token_stays_home(driver, sandbox, export_id):
    sandbox.fault(kind="redirect", path=GET_PATH, location=f"{sandbox.storage_url}/elsewhere")
    with pytest.raises(errors.MaestroQAAPIError, match=f"leads to {sandbox.storage_url}/elsewhere"):
        driver.send(get(export_id))
    assert [seen for seen in sandbox.requests if seen.host == "storage"] == []


def test_a_redirect_to_the_new_host_is_not_followed_but_names_it(driver, sandbox, export_id):
    location = f"https://me:{sandbox.token}@app.rippit.com/api/v1?apitoken={sandbox.token}#top"
    sandbox.fault(kind="redirect", path=GET_PATH, location=location, status=308)
    with pytest.raises(errors.MaestroQAAPIError) as caught:
        driver.send(get(export_id))
    assert str(caught.value).endswith(
        "answered 308: a redirect, which is not followed because the token must not travel to another host. It leads "
        "to https://app.rippit.com/api/v1. MaestroQA is called Rippit now: put https://app.rippit.com into the "
        "connection's host."
    )
    assert sandbox.count("GET", GET_PATH) == 1


@pytest.mark.parametrize("call", ["ask", "get"])
def test_a_429_is_waited_out_and_sent_again_whatever_the_call(driver, sandbox, export_id, call):
    call, path = (ASK, ASK_PATH) if call == "ask" else (get(export_id), GET_PATH)
    before = sandbox.count(call.method, path)
    started = driver.time.wall
    sandbox.fault(kind="rate_limited", text="second", path=path, times=3)
    assert driver.send(call)
    assert sandbox.count(call.method, path) == before + 4
    assert driver.time.wall - started >= 3


def test_both_clients_tell_the_budget_of_429s_that_others_must_have_caused(driver, sandbox, export_id, caplog):
    sandbox.fault(kind="rate_limited", text="second", path=GET_PATH, times=4)
    driver.send(get(export_id))
    assert [record.name for record in caplog.records].count("airflow_provider_maestroqa.client.budget.share") == 1
    assert "set rate_limit_store" in caplog.text


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "status", "html", "redirect", "rate_limited"])
def test_no_request_escapes_the_budget_whatever_goes_wrong(driver, sandbox, kind):
    sandbox.fault(kind=kind, path=GET_PATH, times=3)
    for export_id in [driver.send(ASK)["exportId"] for _ in range(2)]:
        with contextlib.suppress(errors.MaestroQAError):
            driver.send(get(export_id))
    assert driver.slots == len(sandbox.requests)


def test_endless_429s_end_at_the_deadline_with_a_clear_error(make_driver, sandbox, export_id):
    driver = make_driver(rate_limits={"normal": [[10, 1], [100, 60]]})
    sandbox.fault(kind="rate_limited", text="minute", path=GET_PATH, times=None)
    deadline = driver.time.wall + 200
    with pytest.raises(errors.MaestroQARateLimitError):
        driver.send(get(export_id), deadline=deadline)
    assert driver.time.wall <= deadline
    assert sandbox.count("GET", GET_PATH) <= 4


def test_a_poll_that_fails_is_left_to_the_next_poll(driver, sandbox, export_id):
    sandbox.fault(kind="status", status=502, path=GET_PATH)
    with pytest.raises(errors.MaestroQAServerError):
        driver.send(get(export_id), polling=True)
    assert sandbox.count("GET", GET_PATH) == 1


def test_an_error_says_nothing_of_a_proxys_password_not_even_in_its_chain(make_driver):
    driver = make_driver(host="http://127.0.0.1:9", proxies={"http": "http://user:hunter2@127.0.0.1:1"})
    with pytest.raises(errors.MaestroQAConnectionError, match=r"proxy|reached") as caught:
        driver.send(ASK)
    error = caught.value
    while error is not None:
        assert "hunter2" not in repr(error)
        error = error.__cause__ or error.__context__


def test_a_proxy_of_the_connection_is_used(make_driver, sandbox):
    # The sandbox stands in for the proxy: what reaches it asks for another host.
    driver = make_driver(host="http://maestroqa.invalid", allow_http=True, proxies={"http": sandbox.url})
    with contextlib.suppress(errors.MaestroQAError):
        driver.send(ASK)
    assert {seen.headers["host"] for seen in sandbox.requests} == {"maestroqa.invalid"}


def test_a_token_in_a_netrc_file_is_not_sent(make_driver, sandbox, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    make_driver().send(ASK)
    assert "authorization" not in sandbox.requests[-1].headers
