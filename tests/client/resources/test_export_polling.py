from __future__ import annotations

import json

import pytest

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.resources.export_polling import ExportWait, Pause, read_event
from airflow_provider_maestroqa.client.resources.exports import Export

SECRET = "https://storage.example/x?X-Amz-Signature=abc"


def wait(**changes):
    return ExportWait(**{"export_id": "e1", "poll_interval": 30, "deadline": 1000, "jitter": lambda: 1.0, **changes})


def export(status, url=""):
    return Export("e1", status, url)


@pytest.mark.parametrize(
    ("seen", "status", "has_data"),
    [
        (export("complete", SECRET), "complete", True),
        (export("completed", SECRET), "complete", True),
        (export("complete", ""), "complete", False),
        (export("errored"), "errored", False),
        (errors.MaestroQAAuthError(401, "GET", "/x", "no"), "refused", False),
        (errors.MaestroQAPermissionError(403, "GET", "/x", "no"), "refused", False),
        (errors.MaestroQANotFoundError(404, "GET", "/x", "no"), "refused", False),
    ],
)
def test_a_wait_ends_with_an_event_that_holds_no_url(seen, status, has_data):
    event = wait().on_poll(seen, now=0)
    assert set(event) - {"error", "http_status"} == {"status", "export_id", "has_data", "message"}
    assert (event["status"], event["export_id"], event["has_data"]) == (status, "e1", has_data)
    assert "Signature" not in json.dumps(event)


@pytest.mark.parametrize(
    "seen",
    [
        export("requested"),
        export("in_progress"),
        export("archiving"),
        export(""),
        errors.MaestroQAServerError(502, "GET", "/x", "bad gateway"),
        errors.MaestroQAConnectionError("cut"),
        errors.MaestroQARateLimitError(429, "GET", "/x", "too many"),
        None,
    ],
)
def test_everything_else_is_not_yet_until_the_deadline(seen):
    assert isinstance(wait().on_poll(seen, now=999.9), Pause)
    assert wait().on_poll(seen, now=1000)["status"] == "timeout"


def test_an_end_is_believed_even_after_the_deadline():
    assert wait().on_poll(export("complete"), now=5000)["status"] == "complete"


def test_pauses_grow_by_a_fifth_up_to_five_minutes():
    waiting = wait(deadline=1e9)
    pauses = [waiting.on_poll(export("in_progress"), now=0).seconds for _ in range(20)]
    assert pauses[:3] == pytest.approx([30, 36, 43.2])
    assert pauses[-1] == 300
    assert pauses == sorted(pauses)


def test_where_looks_wait_for_the_budget_the_pauses_are_at_least_as_long():
    assert wait().on_poll(export("in_progress"), now=0, waited_s=120).seconds == 120
    assert wait().on_poll(export("in_progress"), now=0, waited_s=12).seconds == 30
    assert wait().on_poll(export("in_progress"), now=950, waited_s=120).seconds == 50


def test_the_last_look_happens_at_the_deadline():
    assert wait().on_poll(export("in_progress"), now=995).seconds == pytest.approx(5)
    assert wait().initial_delay(990) == pytest.approx(10)
    assert wait().initial_delay(2000) == 0


def test_news_are_told_once():
    waiting = wait()
    told = [waiting.on_poll(export(status), now=0) for status in ("requested", "requested", "archiving", "archiving")]
    assert [bool(step.message) for step in told] == [True, False, True, False]
    assert [step.is_warning for step in told] == [False, False, True, True]


def test_a_poll_left_out_for_want_of_a_slot_is_no_warning_and_one_that_waited_in_vain_says_what_to_do():
    skipped = wait().on_poll(None, now=0)
    assert "is not polled now, because the token's request budget is used up" in skipped.message
    assert not skipped.is_warning
    in_vain = errors.MaestroQABudgetExhaustedError(None, "GET", "/x", "no slot. Use a second token.", retry_after=9)
    waited = wait().on_poll(in_vain, now=0)
    assert "Use a second token" in waited.message
    assert waited.is_warning
    assert "Use a second token" in wait().on_poll(in_vain, now=1000)["message"]


def test_only_a_complete_event_is_a_success():
    assert read_event({"status": "complete", "export_id": "e1", "has_data": False})["has_data"] is False


@pytest.mark.parametrize(
    ("event", "kind", "retryable"),
    [
        (None, errors.MaestroQAError, True),
        ({}, errors.MaestroQAError, True),
        ("complete", errors.MaestroQAError, True),
        ({"status": "complete"}, errors.MaestroQAError, True),
        ({"status": "success", "export_id": "e1", "has_data": True}, errors.MaestroQAError, False),
        ({"status": "refused", "export_id": "e1", "has_data": False, "message": "m"}, errors.MaestroQAError, False),
        ({"status": "errored", "export_id": "e1", "has_data": False}, errors.MaestroQAExportFailedError, False),
        ({"status": "timeout", "export_id": "e1", "has_data": False}, errors.MaestroQAExportTimeoutError, True),
        ({"status": "complete", "export_id": "e2", "has_data": True}, errors.MaestroQAError, False),
    ],
)
def test_every_other_event_is_an_error(event, kind, retryable):
    with pytest.raises(kind) as caught:
        read_event(event, export_id="e1")
    assert type(caught.value) is kind
    assert caught.value.retryable is retryable


@pytest.mark.parametrize(
    "error",
    [
        errors.MaestroQAAuthError(401, "GET", "/api/v1/get-export-data", "The API token is wrong."),
        errors.MaestroQAPermissionError(403, "GET", "/api/v1/get-export-data", "The API token may not do this."),
        errors.MaestroQANotFoundError(404, "GET", "/api/v1/get-export-data", "There is no such export."),
        errors.MaestroQAValidationError(422, "GET", "/api/v1/get-export-data", "exportId: bad."),
        errors.MaestroQAConfigError("The connection has no token."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_error_that_ended_a_wait_is_raised_again_as_what_it_was(error):
    event = json.loads(json.dumps(wait().on_poll(error, now=0)))
    with pytest.raises(type(error)) as caught:
        read_event(event, export_id="e1")
    assert (type(caught.value), str(caught.value)) == (type(error), str(error))
    assert {**vars(caught.value)} == {**vars(error)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MaestroQAAuthError", errors.MaestroQAAuthError),
        ("MaestroQANotThereError", errors.MaestroQAError),
        ("annotations", errors.MaestroQAError),
        ("Any", errors.MaestroQAError),
        (None, errors.MaestroQAError),
        (["MaestroQAAuthError"], errors.MaestroQAError),
    ],
)
def test_only_the_name_of_an_error_of_this_package_is_believed(name, expected):
    event = {"status": "refused", "export_id": "e1", "has_data": False, "message": "no", "error": name}
    with pytest.raises(errors.MaestroQAError, match="no") as caught:
        read_event(event)
    assert type(caught.value) is expected
