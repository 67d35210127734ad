"""A body with status 200 that is no export is rejected."""

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQADataError


@pytest.mark.parametrize(
    ("headers", "body", "message"),
    [
        ({"Content-Type": "text/html"}, b"<!DOCTYPE html><html>Log in</html>", "HTML page"),
        ({}, b"\n <html><body>Log in</body></html>", "HTML page"),
        ({"Content-Type": "text/html; charset=utf-8"}, b"Please log in", "HTML page"),
        ({"Content-Type": "application/xml"}, b"<Error><Code>SlowDown</Code></Error>", "error code SlowDown"),
        ({}, b'<?xml version="1.0"?>\n<Error><Code>InternalError</Code></Error>', "error code InternalError"),
        ({}, b'{"error": "expired"}', "JSON document"),
        ({"Content-Type": "application/json"}, b'{"message": ' + b'"x"' * 9999, "JSON document"),
        ({}, b"", "empty file"),
        ({"Content-Type": "text/html"}, b"<html>" + b"x" * 100_000, "HTML page"),
    ],
)
def test_an_error_page_with_status_200_is_no_export(landed, origin, reply, memory, headers, body, message):
    origin.plan.append(reply(200, headers, body))
    with pytest.raises(MaestroQADataError, match=message) as caught:
        landed()
    assert caught.value.retryable
    assert memory.get_bytes("_manifest.json") is None


@pytest.mark.parametrize(
    ("encoding", "body", "named"),
    [
        ("gzip", b"\x1f\x8b\x08\x00binary", "gzip"),
        ("", b"\x1f\x8b\x08\x00binary", "gzip"),
        ("br", b"a,b\n1,2\n", "br"),
    ],
)
def test_a_body_that_is_encoded_as_a_whole_is_rejected(landed, origin, reply, encoding, body, named):
    origin.plan.append(reply(200, {"Content-Encoding": encoding}, body))
    with pytest.raises(MaestroQADataError, match=f"encoded as {named}"):
        landed()


def test_a_csv_file_that_begins_with_a_brace_is_no_error(landed, origin):
    origin.body = b"{id},{name}\n1,2\n"
    assert landed() == origin.body
