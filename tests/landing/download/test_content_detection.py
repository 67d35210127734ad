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


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br"])
def test_a_body_in_a_compression_that_is_not_read_is_rejected(landed, origin, reply, encoding):
    origin.plan.append(reply(200, {"Content-Encoding": encoding}, b"a,b\n1,2\n"))
    with pytest.raises(MaestroQADataError, match=r"encoded as (br|zstd), and only gzip"):
        landed()


@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "gzip", "aws-chunked", "identity", "binary"])
def test_a_label_that_says_nothing_about_the_bytes_is_ignored(landed, origin, reply, encoding):
    origin.plan.append(reply(200, {"Content-Encoding": encoding}, origin.body))
    assert landed() == origin.body


def test_a_csv_file_that_begins_with_a_brace_is_no_error(landed, origin):
    origin.body = b"{id},{name}\n1,2\n"
    assert landed() == origin.body
