"""What an answer of the storage host means for a download."""

import pytest
from requests.structures import CaseInsensitiveDict

from airflow_provider_maestroqa.client.errors import TRANSIENT_STATUSES
from airflow_provider_maestroqa.landing.download.range_requests import Action, Version, decide, request_headers

KNOWN = Version('"v1"', None, 100)


def answer(status, *, offset=0, version=KNOWN, **headers):
    return decide(
        status,
        CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()}),
        offset=offset,
        version=version,
    )


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_url_is_replaced(status):
    assert answer(status).action is Action.FRESH_URL


@pytest.mark.parametrize("status", sorted(TRANSIENT_STATUSES - set(range(505, 1000))))
def test_a_passing_failure_is_asked_again(status):
    assert answer(status, offset=5).action is Action.RETRY


@pytest.mark.parametrize("status", [204, 304, 404, 405, 410, 451])
def test_what_cannot_get_better_ends_the_download(status):
    assert answer(status).action is Action.FAIL


def test_a_part_that_begins_where_it_was_asked_for_is_read():
    decision = answer(206, offset=40, Content_Range="bytes 40-99/100", ETag='"v1"')
    assert (decision.action, decision.start, decision.version.total) == (Action.READ, 40, 100)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content_Range": "bytes */100"},
        {"Content_Range": "bytes 0-99/100"},
        {"Content_Range": "bytes 39-99/100"},
        {"Content_Range": "items 40-99/100"},
    ],
)
def test_a_part_that_is_not_the_one_asked_for_starts_over(headers):
    decision = answer(206, offset=40, **headers)
    assert decision.action is Action.RESTART
    assert not decision.changed


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Range": "bytes 40-99/100", "ETag": '"v2"'},
        {"Content_Range": "bytes 40-119/120", "ETag": '"v1"'},
    ],
)
def test_a_part_of_another_file_starts_over(headers):
    decision = answer(206, offset=40, **headers)
    assert decision.action is Action.RESTART
    assert decision.changed


def test_the_whole_file_in_place_of_a_part_is_read_from_its_first_byte():
    decision = answer(200, offset=40, Content_Length="120", ETag='"v2"')
    assert (decision.action, decision.start, decision.changed) == (Action.READ, 0, True)


def test_the_same_file_sent_whole_again_has_not_changed():
    decision = answer(200, offset=40, Content_Length="100", ETag='"v1"')
    assert (decision.start, decision.changed) == (0, False)


def test_416_at_the_end_of_a_file_of_unknown_length_means_that_it_is_complete():
    unknown = Version('"v1"', None, None)
    assert answer(416, offset=40, version=unknown, Content_Range="bytes */40").action is Action.DONE
    assert answer(416, offset=40, version=unknown).action is Action.DONE


def test_416_before_the_end_means_another_file():
    assert answer(416, offset=40, Content_Range="bytes */30").action is Action.RESTART
    assert answer(416, offset=40).action is Action.RESTART


def test_only_a_strong_etag_or_a_date_joins_two_parts():
    assert request_headers(7, Version('"v1"', "Mon", 9))["If-Range"] == '"v1"'
    assert request_headers(7, Version('W/"v1"', "Mon", 9))["If-Range"] == "Mon"
    assert "If-Range" not in request_headers(7, Version('W/"v1"', None, 9))


def test_the_first_request_asks_for_the_whole_file_unencoded():
    assert request_headers(0, Version()) == {"Accept-Encoding": "identity"}
