from __future__ import annotations

import json

import pytest

from airflow_provider_maestroqa.client import errors
from airflow_provider_maestroqa.client.resources.export_polling import ExportWait, Pause, read_event
from airflow_provider_maestroqa.client.resources.exports import Export

SECRET = "https://storage.example/x?X-Amz-Signature=abc"


def wait(**changes):
    return ExportWait(**{"export_id": "e1", "poll_interval": 30, "deadline": 1000, "jitter": lambda: 1.0, **changes})


def look(status, url=""):
    return Export("e1", status, url)


@pytest.mark.parametrize(
    ("seen", "status", "has_data"),
    [
        (look("complete", SECRET), "complete", True),
        (look("completed", SECRET), "complete", True),
        (look("complete", ""), "complete", False),
        (look("errored"), "errored", False),
        (errors.MaestroQAAuthError(401, "GET", "/x", "no"), "refused", False),
        (errors.MaestroQAPermissionError(403, "GET", "/x", "no"), "refused", False),
        (errors.MaestroQANotFoundError(404, "GET", "/x", "no"), "refused", False),
    ],
)
def test_a_wait_ends_with_an_event_that_holds_no_url(seen, status, has_data):
    event = wait().after(seen, now=0)
    assert set(event) == {"status", "export_id", "has_data", "message"}
    assert (event["status"], event["export_id"], event["has_data"]) == (status, "e1", has_data)
    assert "Signature" not in json.dumps(event)


@pytest.mark.parametrize(
    "seen",
    [
        look("requested"),
        look("in_progress"),
        look("archiving"),
        look(""),
        errors.MaestroQAServerError(502, "GET", "/x", "bad gateway"),
        errors.MaestroQAConnectionError("cut"),
        errors.MaestroQARateLimitError(429, "GET", "/x", "too many"),
    ],
)
def test_everything_else_is_not_yet_until_the_deadline(seen):
    assert isinstance(wait().after(seen, now=999.9), Pause)
    assert wait().after(seen, now=1000)["status"] == "timeout"


def test_an_end_is_believed_even_after_the_deadline():
    assert wait().after(look("complete"), now=5000)["status"] == "complete"


def test_pauses_grow_by_a_fifth_up_to_five_minutes():
    waiting = wait(deadline=1e9)
    pauses = [waiting.after(look("in_progress"), now=0).seconds for _ in range(20)]
    assert pauses[:3] == pytest.approx([30, 36, 43.2])
    assert pauses[-1] == 300
    assert pauses == sorted(pauses)


def test_where_looks_wait_for_the_budget_the_pauses_are_at_least_as_long():
    assert wait().after(look("in_progress"), now=0, waited_s=120).seconds == 120
    assert wait().after(look("in_progress"), now=0, waited_s=12).seconds == 30
    assert wait().after(look("in_progress"), now=950, waited_s=120).seconds == 50


def test_the_last_look_happens_at_the_deadline():
    assert wait().after(look("in_progress"), now=995).seconds == pytest.approx(5)
    assert wait().first_pause(990) == pytest.approx(10)
    assert wait().first_pause(2000) == 0


def test_news_are_told_once():
    waiting = wait()
    told = [waiting.after(look(status), now=0) for status in ("requested", "requested", "archiving", "archiving")]
    assert [bool(step.news) for step in told] == [True, False, True, False]
    assert [step.is_warning for step in told] == [False, False, True, True]


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
