from __future__ import annotations

import json

import pytest

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.budget import BudgetExhaustedError
from airflow_provider_maestroqa.client.endpoints import build_request
from airflow_provider_maestroqa.client.transport.retry import (
    Response,
    Retry,
    connection_error,
    rate_limit_pause,
    read_response,
    read_retry_after,
)

GET = build_request("get_ticket", ticket_id="t1")
COMMENT = build_request("create_comment", {"body": "hi", "ticket_id": "t1"})
EXPORT = build_request("request_groups_export")
NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def answer(status, body=b"", **headers):
    return Response(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def read(status, body=b"", call=GET, **headers):
    return read_response(call, answer(status, body, **headers), now=NOW, secrets=("s3cret",))


@pytest.mark.parametrize("status", [200, 201, 202])
def test_every_2xx_with_json_is_a_success(status):
    assert read(status, {"ticket_id": "t1"}) == {"ticket_id": "t1"}


def test_a_delete_may_answer_nothing():
    assert read(200, b"", build_request("delete_ticket", ticket_id="t1")) is None


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (301, errors.MaestroQAAPIError, False),
        (302, errors.MaestroQAAPIError, False),
        (400, errors.MaestroQAValidationError, False),
        (401, errors.MaestroQAAuthError, False),
        (403, errors.MaestroQAPermissionError, False),
        (404, errors.MaestroQANotFoundError, False),
        (409, errors.MaestroQAConflictError, False),
        (413, errors.MaestroQAValidationError, False),
        (422, errors.MaestroQAValidationError, False),
        (418, errors.MaestroQAValidationError, False),
        (429, errors.MaestroQARateLimitError, True),
        (408, errors.MaestroQAServerError, True),
        (421, errors.MaestroQAServerError, True),
        (423, errors.MaestroQAServerError, True),
        (425, errors.MaestroQAServerError, True),
        (500, errors.MaestroQAServerError, True),
        (502, errors.MaestroQAServerError, True),
        (599, errors.MaestroQAServerError, True),
    ],
)
def test_a_status_becomes_its_error(status, kind, retryable):
    with pytest.raises(kind) as caught:
        read(status, {"error": "subject is wrong"})
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.method, caught.value.path) == (status, "GET", "/api/v1/tickets/t1")
    assert caught.value.retryable is retryable


def test_an_error_says_what_the_server_said_but_no_secret_and_no_novel():
    with pytest.raises(errors.MaestroQAValidationError) as caught:
        read(400, {"error": "bad\nvalue of s3cret " + "x" * 2000})
    assert "bad value of ***" in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": "subject is wrong"}, "subject is wrong"),
        ({"error": {"code": "x", "message": "subject is wrong"}}, "subject is wrong"),
        ({"statusCode": 400, "error": "Bad Request", "message": "subject is wrong"}, "subject is wrong"),
        ({"error": "Bad Request", "message": "Bad Request"}, "Bad Request"),
        ({"errors": ["a is wrong", "b is wrong"]}, "a is wrong; b is wrong"),
        ({"errors": [{"field": "subject", "message": "is wrong"}, {"detail": "b"}]}, "subject: is wrong; b"),
        ({"message": "Invalid", "errors": {"subject": ["is wrong", "long"]}}, "Invalid: subject: is wrong, long"),
        ([{"message": "a is wrong"}], "a is wrong"),
        ({"type": "about:blank", "title": "Wrong", "detail": "a is 1", "status": 400}, "Wrong: a is 1"),
        ({"error": True, "message": "a is wrong", "path": "/api/v1/tickets"}, "a is wrong"),
    ],
)
def test_a_rejection_says_why_in_the_servers_own_words(body, said):
    with pytest.raises(errors.MaestroQAValidationError, match=f"answered 400: {said}. The values") as caught:
        read(400, body)
    assert caught.value.explained


def test_a_rejection_in_plain_text_is_told_but_is_not_taken_for_maestroqas_own():
    """A proxy's words in a 404 must not make a push reject its records one by one."""
    with pytest.raises(errors.MaestroQANotFoundError, match=r"404: no such route\. MaestroQA has") as caught:
        read(404, b"no such\nroute", **{"content-type": "text/plain; charset=utf-8"})
    assert not caught.value.explained
    with pytest.raises(errors.MaestroQAValidationError) as caught:
        read(400, b"<html>no</html>", **{"content-type": "text/plain"})
    assert "html" not in str(caught.value)


def test_a_refused_token_gets_the_90_day_hint():
    with pytest.raises(errors.MaestroQAAuthError, match="90 days"):
        read(401, {"error": "Invalid token"})


@pytest.mark.parametrize("body", [b"<html>login</html>", b"", b'{"status": "comp', b"\xff\xfe"])
def test_a_success_without_json_counts_as_a_server_error(body):
    with pytest.raises(errors.MaestroQAServerError) as caught:
        read(200, body)
    assert caught.value.status == 200


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("99999", 300.0),
        ("Thu, 01 Jan 2026 00:00:20 GMT", 20.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date_and_clamped(value, seconds):
    assert read_retry_after(value, now=NOW) == seconds


@pytest.mark.parametrize(
    ("said", "header", "refusals", "seconds"),
    [
        ("Too many requests in the past second.", None, 1, 1.0),
        ("Too many requests in the past minute.", None, 1, 60.0),
        ("Too many requests in the past minute.", "5", 1, 5.0),
        ("slow down", None, 1, 1.0),
        ("slow down", None, 4, 8.0),
        ("slow down", None, 20, 60.0),
    ],
)
def test_a_429_makes_everyone_wait_as_long_as_it_says(said, header, refusals, seconds):
    with pytest.raises(errors.MaestroQARateLimitError) as caught:
        read(429, {"error": said}, **({"retry-after": header} if header else {}))
    assert rate_limit_pause(caught.value, ((10, 1.0), (100, 60.0)), refusals) == seconds


REFUSED = errors.MaestroQARateLimitError(429, "POST", "/x", "too many")
FAILED = errors.MaestroQAServerError(500, "POST", "/x", "failed")
CUT = connection_error(COMMENT, "cut", sent=True)
UNSENT = connection_error(COMMENT, "refused", sent=False)
TIMED_OUT = errors.MaestroQAServerError(408, "POST", "/x", "too slow")
LOCKED = errors.MaestroQAServerError(423, "POST", "/x", "locked")
MISDIRECTED = errors.MaestroQAServerError(421, "POST", "/x", "wrong server")
TOO_EARLY = errors.MaestroQAServerError(425, "POST", "/x", "too early")
INVALID = errors.MaestroQAValidationError(400, "POST", "/x", "wrong")


@pytest.mark.parametrize(
    ("call", "error", "again"),
    [
        (COMMENT, REFUSED, True),
        (COMMENT, UNSENT, True),
        (COMMENT, CUT, False),
        (COMMENT, FAILED, False),
        (COMMENT, TIMED_OUT, False),
        (COMMENT, LOCKED, False),
        (COMMENT, MISDIRECTED, True),
        (COMMENT, TOO_EARLY, True),
        (EXPORT, CUT, False),
        (GET, CUT, True),
        (GET, FAILED, True),
        (GET, TIMED_OUT, True),
        (GET, LOCKED, True),
        (GET, TOO_EARLY, True),
        (GET, INVALID, False),
    ],
)
def test_only_what_is_safe_is_sent_again(call, error, again):
    assert Retry(call, deadline=0).is_retryable(error) is again


@pytest.mark.parametrize("error", [CUT, FAILED, TIMED_OUT, LOCKED])
def test_a_lost_answer_to_an_unsafe_write_is_an_unknown_outcome(error):
    judged = Retry(COMMENT, deadline=0).final_error(error)
    assert isinstance(judged, errors.MaestroQAOutcomeUnknownError)
    assert judged.retryable is False


@pytest.mark.parametrize(
    ("call", "error"), [(GET, CUT), *((COMMENT, error) for error in (UNSENT, INVALID, REFUSED, TOO_EARLY))]
)
def test_every_other_error_stays_what_it_is(call, error):
    assert Retry(call, deadline=0).final_error(error) is error


@pytest.mark.parametrize(("call", "hint"), [(EXPORT, "Request it again"), (COMMENT, "Look at MaestroQA")])
def test_the_endpoint_says_what_to_do_about_an_unknown_outcome(call, hint):
    assert hint in str(Retry(call, deadline=0).final_error(CUT))


def test_a_budget_without_a_slot_in_time_is_no_429_that_maestroqa_sent():
    error = Retry(GET, deadline=0).final_error(BudgetExhaustedError("normal", 12.0))
    assert type(error) is errors.MaestroQABudgetExhaustedError
    assert (error.status, error.retry_after) == (None, 12.0)
    assert "was not sent" in str(error)
    assert "429" not in str(error)


def test_pauses_grow_and_stay_below_half_a_minute():
    retry = Retry(GET, deadline=0)
    for failures, (low, high) in enumerate([(0.5, 1), (1, 2), (2, 4), (4, 8), (8, 16), (15, 30), (15, 30)], start=1):
        retry.record_failure(FAILED)
        assert low <= retry.pause_s() <= high, failures
