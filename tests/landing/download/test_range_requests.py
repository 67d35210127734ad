"""What a response of the storage host means for a download."""

import pytest
from requests.structures import CaseInsensitiveDict

from airflow_provider_maestroqa.client.errors import TRANSIENT_STATUSES
from airflow_provider_maestroqa.landing.download.range_requests import Action, Version, decide, request_headers

KNOWN = Version('"v1"', None, 100)
UNKNOWN = Version('"v1"', None, None)


def decide_on(status, *, offset=0, version=KNOWN, **headers):
    headers = CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()})
    return decide(status, headers, offset=offset, version=version)


@pytest.mark.parametrize(
    ("action", "statuses"),
    [
        (Action.FRESH_URL, {400, 401, 403}),
        (Action.RETRY, TRANSIENT_STATUSES),
        (Action.FAIL, {204, 304, 404, 405, 410, 451}),
    ],
)
def test_a_failure_is_retried_unless_it_cannot_get_better(action, statuses):
    assert {decide_on(status, offset=5).action for status in statuses} == {action}


def test_a_part_that_begins_where_it_was_requested_is_read():
    decision = decide_on(206, offset=40, Content_Range="bytes 40-99/100", ETag='"v1"')
    assert (decision.action, decision.start, decision.version.total) == (Action.READ, 40, 100)


@pytest.mark.parametrize(
    ("changed", "headers"),
    [
        (False, {}),
        (False, {"Content_Range": "bytes */100"}),
        (False, {"Content_Range": "bytes 0-99/100"}),
        (False, {"Content_Range": "bytes 39-99/100"}),
        (False, {"Content_Range": "items 40-99/100"}),
        (False, {"Content_Range": "bytes 40-99/100", "Content_Length": "100"}),
        (False, {"Content_Range": "bytes 40-39/100"}),
        (False, {"Content_Range": f"bytes 40-{'9' * 5_000}/*"}),
        (False, {"Content_Range": "bytes 40-٩٩/100"}),
        (False, {"Content_Range": f"bytes 40-99/{'9' * 5_000}"}),
        (True, {"Content_Range": "bytes 40-99/100", "ETag": '"v2"'}),
        (True, {"Content_Range": "bytes 40-119/120", "ETag": '"v1"'}),
    ],
)
def test_a_part_that_was_not_requested_or_is_of_another_file_starts_over(changed, headers):
    decision = decide_on(206, offset=40, **headers)
    assert (decision.action, decision.changed) == (Action.RESTART, changed)


@pytest.mark.parametrize(
    ("offset", "headers", "expected"),
    [
        (40, {"Content_Range": "bytes 40-99/100", "Content_Length": "60"}, (Action.READ, 40, 100)),
        (40, {"Content_Range": "bytes 50-99/100"}, (Action.RESTART, 0, None)),
        (40, {"Content_Range": "bytes 0-99/100"}, (Action.RESTART, 0, None)),
        (40, {"Content_Length": "60"}, (Action.RESTART, 0, None)),
        (0, {"Content_Range": "bytes 40-99/100"}, (Action.RESTART, 0, None)),
        (0, {"Content_Range": "bytes 0-39/100"}, (Action.READ, 0, 40)),
        (0, {"Content_Range": "bytes */100", "Content_Length": "100"}, (Action.READ, 0, None)),
    ],
)
def test_status_200_does_not_put_bytes_where_their_header_says_they_do_not_belong(offset, headers, expected):
    version = KNOWN if offset else Version()
    decision = decide_on(200, offset=offset, version=version, **headers)
    assert (decision.action, decision.start, decision.end) == expected


def test_a_length_of_thousands_of_digits_is_not_known():
    assert decide_on(200, offset=0, Content_Length="9" * 5_000).version.total is None


@pytest.mark.parametrize(("etag", "length", "changed"), [('"v2"', "120", True), ('"v1"', "100", False)])
def test_the_whole_file_in_place_of_a_part_is_read_from_its_first_byte(etag, length, changed):
    decision = decide_on(200, offset=40, Content_Length=length, ETag=etag)
    assert (decision.action, decision.start, decision.changed) == (Action.READ, 0, changed)


@pytest.mark.parametrize(
    ("version", "headers", "action"),
    [
        (UNKNOWN, {"Content_Range": "bytes */40"}, Action.DONE),
        (UNKNOWN, {}, Action.DONE),
        (KNOWN, {"Content_Range": "bytes */30"}, Action.RESTART),
        (KNOWN, {}, Action.RESTART),
    ],
)
def test_416_is_the_end_of_a_file_of_unknown_length_and_means_another_file_elsewhere(version, headers, action):
    assert decide_on(416, offset=40, version=version, **headers).action is action


@pytest.mark.parametrize(
    ("etag", "modified", "validator"), [('"v1"', "Mon", '"v1"'), ('W/"v1"', "Mon", "Mon"), ('W/"v1"', None, None)]
)
def test_only_a_strong_etag_or_a_date_joins_two_parts(etag, modified, validator):
    assert request_headers(7, Version(etag, modified, 9)).get("If-Range") == validator


def test_the_first_request_is_for_the_whole_file_unencoded():
    assert request_headers(0, Version()) == {"Accept-Encoding": "identity"}
