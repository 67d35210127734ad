"""Every byte once, in order, whatever the network does."""

import socket

import pytest

from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConnectionError,
    MaestroQADataError,
    MaestroQAError,
)

BODY = b"name,text\n" + b"".join(b"%d,some text\n" % number for number in range(400))


@pytest.fixture(autouse=True)
def body(origin):
    origin.body = BODY


@pytest.mark.parametrize("cut", [0, 1, 2, 100, 4095, 4096, 4097, len(BODY) - 1])
def test_a_dropped_download_resumes_from_the_same_byte(landed, origin, cut):
    origin.plan.append(origin.dropping(cut))
    assert landed() == BODY
    assert origin.ranges == [None, f"bytes={cut}-" if cut else None]
    assert origin.seen[1].get("if-range") == ('"v1"' if cut else None)


def test_a_download_that_drops_after_every_few_bytes_arrives_whole(landed, origin, clock):
    origin.plan.extend([origin.dropping(61)] * (len(BODY) // 61))
    assert landed() == BODY
    assert origin.ranges[1:] == [f"bytes={61 * number}-" for number in range(1, len(origin.seen))]
    assert max(clock.slept) <= 0.5


def test_an_expired_url_is_replaced_and_the_download_resumes(landed, origin, reply):
    urls = iter([f"{origin.url}/first?s=1", f"{origin.url}/second?s=2"])
    origin.plan.extend([origin.dropping(1000), reply(403, body=b"<Error><Code>AccessDenied</Code></Error>")])
    assert landed(fresh_url=lambda: next(urls)) == BODY
    assert [seen[":path"] for seen in origin.seen] == ["/first?s=1", "/first?s=1", "/second?s=2"]
    assert origin.ranges[-1] == "bytes=1000-"


def test_a_url_that_expired_before_the_download_is_replaced(landed, origin, reply, clock):
    origin.plan.append(reply(403))
    assert landed() == BODY
    assert clock.slept == []


def test_fresh_urls_that_are_denied_too_end_the_download(landed, origin, reply):
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


def test_a_file_that_changed_between_two_attempts_is_downloaded_anew(landed, origin):
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


@pytest.mark.parametrize("with_range", [True, False])
@pytest.mark.parametrize("etag", ['"v1"', None])
def test_the_rest_of_a_file_with_status_200_is_never_taken_for_all_of_it(landed, origin, reply, etag, with_range):
    headers = {"Content-Range": f"bytes 2000-{len(BODY) - 1}/{len(BODY)}"} if with_range else {}
    headers |= {"ETag": etag} if etag else {}
    origin.plan.extend([origin.dropping(2000), reply(200, headers, BODY[2000:])])
    assert landed() == BODY


def test_a_shorter_length_under_the_same_strong_etag_is_damage(landed, origin, reply):
    origin.plan.extend([origin.dropping(0), reply(200, {"ETag": '"v1"'}, BODY[:2000])])
    assert landed() == BODY


def test_lengths_that_contradict_each_other_all_the_time_end_the_download(landed, origin, reply, memory):
    origin.plan.append(reply(200, {"ETag": '"v1"', "Content-Length": 2000}, cut=0))
    with pytest.raises(MaestroQADataError, match="changed 5 times") as caught:
        landed()
    assert caught.value.retryable
    assert memory.get_bytes("_manifest.json") is None


def test_a_part_that_is_longer_than_its_header_says_is_read_to_there(landed, origin, reply):
    part = reply(
        206,
        {"ETag": '"v1"', "Content-Range": f"bytes 2000-2999/{len(BODY)}", "Content-Length": None},
        BODY[2000:3000] + b"more",
    )
    origin.plan.extend([origin.dropping(2000), part])
    assert landed() == BODY
    assert origin.ranges[-1] == "bytes=3000-"


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


@pytest.mark.parametrize(
    ("etag", "modified", "second"),
    [
        (None, None, (None, None)),
        ('W/"v1"', "Mon, 02 Nov 2026 10:00:00 GMT", ("bytes=2000-", "Mon, 02 Nov 2026 10:00:00 GMT")),
    ],
)
def test_parts_are_joined_by_a_strong_etag_or_the_date_only(landed, origin, etag, modified, second):
    origin.etag, origin.modified = etag, modified
    origin.plan.append(origin.dropping(2000))
    assert landed() == BODY
    assert (origin.ranges[1], origin.seen[1].get("if-range")) == second


def test_server_errors_and_dropped_connections_are_retried_with_growing_pauses(landed, origin, reply, clock):
    origin.plan.extend([reply(500), reply(503), reply(200, cut=0, body=BODY), reply(429)])
    assert landed() == BODY
    assert clock.slept == sorted(clock.slept)
    assert 0.5 < clock.slept[0] <= 1.0
    assert len(clock.slept) == 4


def test_attempts_without_a_new_byte_are_bounded(landed, origin, reply, clock):
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
        with pytest.raises(MaestroQAConnectionError, match="sent nothing in time"):
            landed(fresh_url=lambda: url, limits={"read_timeout": 0.05, "max_attempts": 2})


def test_the_deadline_ends_a_download_that_still_makes_progress(landed, origin):
    origin.plan.extend([origin.dropping(10)] * 300)
    with pytest.raises(MaestroQAConnectionError, match="not complete within 1 min 0 s"):
        landed(limits={"deadline": 60})
    assert 50 < len(origin.seen) < 200


def test_a_trickle_counts_as_a_lost_connection_and_not_as_progress(landed, origin, clock):
    clock.step = 200  # minutes pass between two readings of the clock
    origin.body = BODY * 2000
    with pytest.raises(MaestroQAConnectionError, match="next to nothing came"):
        landed(limits={"max_attempts": 3, "stall_bytes": 1 << 30, "deadline": 1e9})


CHUNKED = {"Transfer-Encoding": "chunked", "ETag": '"v1"'}


@pytest.mark.parametrize(
    ("headers", "sent", "ranges"),
    [
        (CHUNKED, b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), [None]),
        (CHUNKED, b"%x\r\n%s\r\n" % (1000, BODY[:1000]), [None, "bytes=1000-"]),
        ({"ETag": '"v1"'}, BODY[:1000], [None, "bytes=1000-"]),
        ({"ETag": '"v1"'}, BODY, [None, f"bytes={len(BODY)}-"]),
    ],
    ids=["last chunk", "no last chunk", "unknown length, cut off", "unknown length, whole"],
)
def test_a_body_without_a_length_is_read_to_its_end(landed, origin, reply, headers, sent, ranges):
    origin.plan.append(reply(200, headers, sent, with_length=False))
    assert landed() == BODY
    assert origin.ranges == ranges


def test_a_body_of_unknown_length_without_ranges_is_complete_when_it_ends_twice_at_one_place(landed, origin, reply):
    origin.etag = None
    origin.plan.extend([reply(200, {}, BODY, with_length=False)] * 2)
    assert landed() == BODY
    assert len(origin.seen) == 2


def test_an_endless_body_stops_at_the_announced_length(landed, origin, reply):
    origin.plan.append(reply(200, {"Content-Length": len(BODY)}, BODY + b"x" * 100000))
    assert landed() == BODY


@pytest.mark.parametrize(
    ("headers", "sent"), [({}, BODY * 1000), ({"Content-Length": 60 << 30}, b"PK")], ids=["endless", "announced"]
)
def test_a_file_that_is_too_large_is_not_downloaded(landed, origin, reply, headers, sent):
    origin.plan.append(reply(200, headers, sent, with_length="Content-Length" in headers))
    with pytest.raises(MaestroQADataError, match=r"larger than the 1\.0 MB .*shorter window"):
        landed(limits={"max_bytes": 1_000_000})
    assert len(origin.seen) == 1


def test_a_temporary_folder_that_is_too_small_is_reported_before_the_download(landed, monkeypatch, tmp_path):
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(MaestroQAError, match=rf"{tmp_path}.*1\.0 kB are free.*TMPDIR") as caught:
        landed()
    assert caught.value.retryable


def test_a_temporary_folder_that_does_not_exist_is_reported(landed):
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

    def spy(scratch, **arguments):
        seen.append(os.fstat(scratch.fileno()))
        return real(scratch, **arguments)

    real = landing.download
    monkeypatch.setattr(landing, "download", spy)
    landed()
    assert seen[0].st_mode & 0o777 == 0o600
    assert seen[0].st_nlink == 0


def test_progress_is_logged_every_half_minute(landed, origin, clock, log_lines):
    origin.body = BODY * 500
    clock.step = 9
    landed(limits={"deadline": 1e9, "stall_after": 1e9})
    lines = [line for line in log_lines if "MB of" in line and line.startswith("Downloading")]
    assert lines
    assert all("B/s" in line and "%" in line for line in lines)
    assert all(line.endswith(" left") for line in lines if "100 %" not in line)
