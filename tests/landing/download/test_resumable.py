"""Every byte once, in order, whatever the network does."""

import logging
import socket

import pytest
import requests

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
)

BODY = b"name,text\n" + b"".join(b"%d,some text\n" % number for number in range(400))


@pytest.fixture
def landed(land, memory, origin):
    """Land as csv and return the published bytes."""
    origin.body = BODY

    def run(**changed):
        land(memory, file_format="csv", **changed)
        return memory.get_bytes("export.csv")

    return run


@pytest.mark.parametrize("cut", [0, 1, 2, 100, 4095, 4096, 4097, len(BODY) - 1])
def test_a_dropped_download_goes_on_from_the_same_byte(landed, origin, cut):
    origin.plan.append(origin.dropping(cut))
    assert landed() == BODY
    assert origin.ranges == [None, f"bytes={cut}-" if cut else None]
    assert origin.seen[1].get("if-range") == ('"v1"' if cut else None)


def test_a_download_that_drops_after_every_few_bytes_arrives_whole(landed, origin, clock):
    origin.plan.extend([origin.dropping(61)] * (len(BODY) // 61))
    assert landed() == BODY
    assert origin.ranges[1:] == [f"bytes={61 * number}-" for number in range(1, len(origin.seen))]
    assert max(clock.slept) <= 0.5


def test_an_expired_url_is_replaced_and_the_download_goes_on(landed, origin, reply):
    urls = iter([f"{origin.url}/first?s=1", f"{origin.url}/second?s=2"])
    origin.plan.extend([origin.dropping(1000), reply(403, body=b"<Error><Code>AccessDenied</Code></Error>")])
    assert landed(fresh_url=lambda: next(urls)) == BODY
    assert [seen[":path"] for seen in origin.seen] == ["/first?s=1", "/first?s=1", "/second?s=2"]
    assert origin.ranges[-1] == "bytes=1000-"


def test_a_url_that_expired_before_the_download_is_replaced(landed, origin, reply, clock):
    origin.plan.append(reply(403))
    assert landed() == BODY
    assert clock.slept == []


def test_fresh_urls_that_are_refused_too_end_the_download(landed, origin, reply):
    origin.plan.extend([reply(403)] * 10)
    with pytest.raises(MaestroQAError, match=r"denied with 3 URLs.*clock") as caught:
        landed()
    assert caught.value.retryable
    assert len(origin.seen) == 3


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_gone_ends_the_download_at_once(landed, origin, reply, status):
    origin.plan.append(reply(status))
    with pytest.raises(MaestroQADataError, match="not in the storage any more") as caught:
        landed()
    assert len(origin.seen) == 1
    assert not caught.value.retryable


def test_a_file_that_changed_between_two_tries_is_downloaded_anew(landed, origin):
    def changed(headers):
        origin.etag, origin.body = '"v2"', BODY + b"new,line\n"
        return origin.serve(headers)

    origin.plan.extend([origin.dropping(2000), changed])
    assert landed() == BODY + b"new,line\n"
    assert origin.ranges == [None, "bytes=2000-"]


def test_a_part_of_another_file_is_never_joined(landed, origin, reply):
    # A host that honours Range and forgets If-Range.
    other = reply(206, {"ETag": '"v2"', "Content-Range": f"bytes 2000-{len(BODY) - 1}/{len(BODY)}"}, BODY[2000:])
    origin.plan.extend([origin.dropping(2000), other])
    assert landed() == BODY
    assert origin.ranges == [None, "bytes=2000-", None]


def test_a_file_that_changes_all_the_time_ends_the_download(landed, origin):
    def another(headers):
        origin.etag = f'"v{len(origin.seen)}"'
        return origin.serve(headers, cut=2000)

    origin.plan.extend([another] * 20)
    with pytest.raises(MaestroQADataError, match="changed 5 times"):
        landed()


def test_a_host_without_ranges_sends_the_file_again_from_the_start(landed, origin):
    origin.plan.extend([origin.dropping(2000), origin.ignoring_ranges()])
    assert landed() == BODY


def test_without_a_validator_parts_are_not_joined(landed, origin):
    origin.etag = None
    origin.plan.append(origin.dropping(2000))
    assert landed() == BODY
    assert origin.ranges == [None, None]


def test_a_weak_etag_gives_way_to_the_date(landed, origin):
    origin.etag, origin.modified = 'W/"v1"', "Mon, 02 Nov 2026 10:00:00 GMT"
    origin.plan.append(origin.dropping(2000))
    assert landed() == BODY
    assert origin.seen[1]["if-range"] == origin.modified


def test_server_errors_and_dropped_connections_are_tried_again_with_growing_pauses(landed, origin, reply, clock):
    origin.plan.extend([reply(500), reply(503), reply(200, cut=0, body=BODY), reply(429)])
    assert landed() == BODY
    assert clock.slept == sorted(clock.slept)
    assert 0.5 < clock.slept[0] <= 1.0
    assert len(clock.slept) == 4


def test_tries_without_a_new_byte_are_bounded(landed, origin, reply, clock):
    origin.plan.extend([origin.dropping(100), *[reply(503)] * 50])
    with pytest.raises(MaestroQAConnectionError, match=rf"byte 100 of {len(BODY)}.* 8 attempts.*503") as caught:
        landed()
    assert len(origin.seen) == 9
    assert max(clock.slept) <= 20
    assert caught.value.retryable


def test_a_host_that_nobody_answers_at_is_a_connection_error(landed):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(MaestroQAConnectionError, match="refused or lost"):
            landed(fresh_url=lambda: f"http://127.0.0.1:{port}/x?{'sig' * 3}")


def test_a_silent_host_is_given_up_after_the_read_time_out(landed, clock):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(MaestroQAConnectionError, match="sent nothing within the time-out"):
            landed(fresh_url=lambda: url, limits={"read_timeout": 0.05, "tries": 2})


def test_the_deadline_ends_a_download_that_still_makes_progress(landed, origin):
    origin.plan.extend([origin.dropping(10)] * 300)
    with pytest.raises(MaestroQAConnectionError, match="not complete within 1 min 0 s"):
        landed(limits={"deadline": 60})
    assert 50 < len(origin.seen) < 200


def test_a_trickle_counts_as_a_lost_connection_and_not_as_progress(landed, origin, clock):
    clock.step = 200  # every look at the clock finds that minutes have passed
    origin.body = BODY * 2000
    with pytest.raises(MaestroQAConnectionError, match="next to nothing came"):
        landed(limits={"tries": 3, "stall_bytes": 1 << 30, "deadline": 1e9})


def test_an_answer_with_a_chunked_body_is_complete_at_its_last_chunk(landed, origin, reply):
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    origin.plan.append(reply(200, {"Transfer-Encoding": "chunked"}, body, with_length=False))
    assert landed() == BODY
    assert len(origin.seen) == 1


def test_a_chunked_body_without_its_last_chunk_is_not_complete(landed, origin, reply):
    body = b"%x\r\n%s\r\n" % (1000, BODY[:1000])
    origin.plan.append(reply(200, {"Transfer-Encoding": "chunked", "ETag": '"v1"'}, body, with_length=False))
    assert landed() == BODY
    assert origin.ranges[-1] == "bytes=1000-"


def test_a_body_of_unknown_length_that_was_cut_off_is_completed(landed, origin, reply):
    origin.plan.append(reply(200, {"ETag": '"v1"'}, BODY[:1000], with_length=False))
    assert landed() == BODY
    assert origin.ranges == [None, "bytes=1000-"]


def test_a_body_of_unknown_length_is_complete_when_there_is_nothing_behind_it(landed, origin, reply):
    origin.plan.append(reply(200, {"ETag": '"v1"'}, BODY, with_length=False))
    assert landed() == BODY
    assert origin.ranges == [None, f"bytes={len(BODY)}-"]


def test_a_body_of_unknown_length_without_ranges_is_complete_when_it_ends_twice_at_one_place(landed, origin, reply):
    origin.etag = None
    origin.plan.extend([reply(200, {}, BODY, with_length=False)] * 2)
    assert landed() == BODY
    assert len(origin.seen) == 2


def test_an_endless_body_stops_at_the_announced_length(landed, origin, reply):
    origin.plan.append(reply(200, {"Content-Length": len(BODY)}, BODY + b"x" * 100000))
    assert landed() == BODY


def test_an_endless_body_of_unknown_length_stops_at_the_limit(landed, origin, reply):
    origin.plan.append(reply(200, {}, BODY * 1000, with_length=False))
    with pytest.raises(MaestroQADataError, match=r"larger than the 1\.0 MB .*shorter window"):
        landed(limits={"max_bytes": 1_000_000})
    assert len(origin.seen) == 1


def test_a_file_that_says_it_is_too_large_is_not_downloaded(landed, origin, reply):
    origin.plan.append(reply(200, {"Content-Length": 60 << 30}, b"PK"))
    with pytest.raises(MaestroQADataError, match="Request a shorter window"):
        landed()


def test_redirects_are_followed_with_the_range(landed, origin, reply):
    moved = reply(307, {"Location": "/elsewhere?s=2"})
    origin.plan.extend([moved, origin.dropping(500), moved])
    assert landed() == BODY
    assert [seen[":path"] for seen in origin.seen[1::2]] == ["/elsewhere?s=2", "/elsewhere?s=2"]
    assert origin.ranges[-1] == "bytes=500-"


def test_a_ring_of_redirects_is_left(landed, origin, reply):
    origin.plan.extend([reply(302, {"Location": "/again"})] * 20)
    with pytest.raises(MaestroQADataError, match="redirected more than 5 times"):
        landed()
    assert len(origin.seen) == 6


@pytest.mark.parametrize("target", ["", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_redirect_to_no_web_address_is_not_followed(landed, origin, reply, target):
    origin.plan.append(reply(302, {"Location": target}))
    with pytest.raises(MaestroQADataError, match=r"not followed|neither http"):
        landed()
    assert len(origin.seen) == 1


def test_a_redirect_from_https_to_http_is_refused():
    from airflow_provider_maestroqa.landing.download.http_get import redirected_url

    with pytest.raises(MaestroQADataError, match=r"storage\.example redirected .* without TLS"):
        redirected_url("https://storage.example/a?s=1", "http://storage.example/a?s=1")
    assert redirected_url("https://a.example/x", "https://b.example/y") == "https://b.example/y"


@pytest.mark.parametrize("url", ["", "not a url", "ftp://host/x", "http://", "http://[bad/x"])
def test_an_unusable_download_address_is_refused(landed, url):
    with pytest.raises(MaestroQADataError, match="download address"):
        landed(fresh_url=lambda: url)


def test_no_credentials_of_the_session_or_the_machine_travel_to_the_storage(
    landed, origin, session, monkeypatch, tmp_path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    session.headers.update({"apitoken": "secret", "Authorization": "Bearer secret"})
    assert landed() == BODY
    assert not {"apitoken", "authorization"} & origin.seen[0].keys()
    assert origin.seen[0]["accept-encoding"] == "identity"


def test_the_session_s_proxy_is_used(landed, origin, session):
    session.trust_env = False
    session.proxies = {"http": origin.url}
    assert landed(fresh_url=lambda: "http://storage.example/export?s=1") == BODY
    assert origin.seen[0][":path"] == "http://storage.example/export?s=1"


@pytest.mark.parametrize(
    ("headers", "body", "told"),
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
def test_an_error_page_with_status_200_is_no_export(landed, origin, reply, memory, headers, body, told):
    origin.plan.append(reply(200, headers, body))
    with pytest.raises(MaestroQADataError, match=told) as caught:
        landed()
    assert caught.value.retryable
    assert memory.get_bytes("_manifest.json") is None


@pytest.mark.parametrize("body", [b"\x1f\x8b\x08\x00binary", BODY])
def test_a_body_that_is_encoded_as_a_whole_is_refused(landed, origin, reply, body):
    origin.plan.append(reply(200, {"Content-Encoding": "br" if body is BODY else "gzip"}, body))
    with pytest.raises(MaestroQADataError, match=r"encoded as (br|gzip)"):
        landed()


def test_a_csv_file_that_begins_with_a_brace_is_no_error(landed, origin):
    origin.body = b"{id},{name}\n1,2\n"
    assert landed() == origin.body


def test_a_temporary_folder_that_is_too_small_is_told_before_the_download(landed, monkeypatch, tmp_path):
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(MaestroQAError, match=rf"{tmp_path}.*1\.0 kB are free.*TMPDIR") as caught:
        landed()
    assert caught.value.retryable


def test_a_temporary_folder_that_does_not_exist_is_told(landed):
    with pytest.raises(MaestroQAConfigError, match=r"/no/such/folder.*TMPDIR"):
        landed(temp_dir="/no/such/folder")


def test_nothing_is_left_in_the_temporary_folder(landed, origin, reply, tmp_path):
    landed()
    origin.plan.append(reply(404))
    with pytest.raises(MaestroQADataError):
        landed(export_id="e2")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_temporary_file_is_private_while_it_is_there(landed, origin, tmp_path, monkeypatch):
    import os

    from airflow_provider_maestroqa.landing import exports as landing

    seen = []

    def looking(scratch, **arguments):
        seen.append(os.fstat(scratch.fileno()))
        return real(scratch, **arguments)

    real = landing.download
    monkeypatch.setattr(landing, "download", looking)
    landed()
    assert seen[0].st_mode & 0o777 == 0o600
    assert seen[0].st_nlink == 0


def test_a_line_tells_how_far_a_download_is_every_half_minute(landed, origin, clock, said):
    origin.body = BODY * 500
    clock.step = 9
    landed(limits={"deadline": 1e9, "stall_after": 1e9})
    lines = [line for line in said if "MB of" in line and line.startswith("Downloading")]
    assert lines
    assert all("B/s" in line and "%" in line for line in lines)
    assert all(line.endswith(" left") for line in lines if "100 %" not in line)


def test_neither_log_lines_nor_urllib3_s_debug_lines_hold_the_signature(landed, origin, reply, said, caplog):
    caplog.set_level(logging.DEBUG)
    origin.plan.extend([origin.dropping(100), reply(403), reply(500), reply(302, {"Location": origin.link})])
    landed()
    assert any("127.0.0.1" in line for line in said)
    assert any("GET" in record.getMessage() for record in caplog.records)
    assert "Signature" not in "\n".join(said) + caplog.text
    assert "5ec2e7" not in "\n".join(said) + caplog.text


@pytest.mark.parametrize("fault", ["refused", "404", "500", "html", "reset"])
def test_no_error_leads_back_to_the_signed_url(landed, origin, reply, fault):
    replies = {
        "404": reply(404),
        "500": reply(500),
        "html": reply(200, {}, f"<html>{origin.link}</html>".encode()),
        "reset": reply(200, {}, BODY, cut=10),
    }
    url = origin.link if fault != "refused" else origin.link.replace("127.0.0.1", "127.0.0.2")
    origin.plan.extend([replies.get(fault)] * 30)
    with pytest.raises(MaestroQAError) as caught:
        landed(fresh_url=lambda: url)
    error = caught.value
    while error is not None:
        assert "5ec2e7" not in f"{error!r} {error} {error.args} {vars(error)}"
        assert not isinstance(error, requests.RequestException)
        error = error.__cause__ or error.__context__
