import io
import zipfile

import pytest
import requests


@pytest.fixture
def export(client):
    export_id, answer = client.finished()
    client.url = answer["dataUrl"]
    return client.sandbox.exports[export_id]


@pytest.fixture
def whole(client, export):
    return client.get(client.url).content


def test_an_expired_url_stays_expired_and_a_fresh_one_works(client, export):
    client.sandbox.fault(kind="expired_url")
    assert [client.get(client.url).status_code for _ in range(2)] == [403, 403]
    fresh = client.poll(export.export_id).json()["dataUrl"]
    assert client.get(fresh).status_code == 200


def test_a_url_may_expire_in_the_middle_of_a_download(client, export, whole):
    client.sandbox.fault(kind="expire_after_bytes", at=5000)
    _, received, broken = client.read(client.url)
    assert (received, broken) == (whole[:5000], True)
    assert client.get(client.url, headers={"Range": "bytes=5000-"}).status_code == 403
    fresh = client.poll(export.export_id).json()["dataUrl"]
    rest = client.get(fresh, headers={"Range": "bytes=5000-", "If-Range": export.stored.etag})
    assert received + rest.content == whole


@pytest.mark.parametrize("at", [0, 1, 999, 5000])
def test_a_dropped_connection_delivers_exactly_the_bytes_before_it(client, whole, at):
    client.sandbox.fault(kind="drop_at_byte", at=at)
    answer, received, broken = client.read(client.url)
    assert answer.headers["Content-Length"] == str(len(whole))
    assert (received, broken) == (whole[:at], True)


def test_each_resumed_download_may_be_dropped_again_and_still_gets_on(client, whole):
    client.sandbox.fault(kind="drop_at_byte", at=4000, times=3)
    received = b""
    for expected in (True, True, True, False):
        _, more, broken = client.read(client.url, headers={"Range": f"bytes={len(received)}-"})
        assert broken is expected
        received += more
    assert received == whole


def test_a_reset_breaks_a_download_with_an_error_of_the_connection(client, whole):
    client.sandbox.fault(kind="reset_at_byte", at=3000)
    try:
        _, received, broken = client.read(client.url)
    except requests.ConnectionError:
        received, broken = b"", True
    assert broken
    assert len(received) <= 3000
    assert whole.startswith(received)


def test_a_stalled_download_goes_on_when_released(client, whole):
    client.sandbox.fault(kind="stall_at_byte", at=2000)
    with client.get(client.url, stream=True) as answer:
        assert answer.raw.read(2000) == whole[:2000]
        seen = client.sandbox.wait_for(lambda: next((one for one in client.sandbox.requests if one.held), None))
        assert (seen.sent, seen.done) == (2000, False)
        client.sandbox.release()
        assert answer.raw.read() == whole[2000:]


def test_a_truncated_answer_looks_complete(client, whole):
    client.sandbox.fault(kind="truncated")
    client.sandbox.fault(kind="truncated", at=10, after=1)
    half, few = client.get(client.url), client.get(client.url)
    assert half.content == whole[: len(whole) // 2]
    assert few.content == whole[:10]
    assert few.headers["ETag"] == half.headers["ETag"]


def test_a_corrupt_answer_has_one_byte_flipped_and_the_same_etag(client, export, whole):
    client.sandbox.fault(kind="corrupt", at=700)
    answer = client.get(client.url)
    differ = [at for at, (one, other) in enumerate(zip(answer.content, whole, strict=True)) if one != other]
    assert differ == [700]
    assert answer.headers["ETag"] == export.stored.etag


def test_corruption_hits_the_same_byte_of_the_object_in_a_range(client, whole):
    client.sandbox.fault(kind="corrupt", at=700, times=2)
    answer = client.get(client.url, headers={"Range": "bytes=650-799"})
    assert answer.content[50] == whole[700] ^ 0xFF
    assert client.get(client.url, headers={"Range": "bytes=701-"}).content == whole[701:]


def test_a_changed_object_is_another_valid_one_from_then_on(client, export, whole):
    etag = export.stored.etag
    client.sandbox.fault(kind="changed")
    answer = client.get(client.url, headers={"Range": "bytes=500-", "If-Range": etag})
    assert (answer.status_code, answer.headers["ETag"] != etag) == (200, True)
    assert answer.content != whole
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    assert client.get(client.url).content == answer.content


def test_a_file_may_be_replaced_by_bytes_or_by_a_file(client, export, tmp_path):
    (tmp_path / "nasty.zip").write_bytes(b"PK nasty")
    client.sandbox.fault(kind="replace_file", body=b"no archive at all")
    client.sandbox.fault(kind="replace_file", file=str(tmp_path / "nasty.zip"), after=2)
    answers = [client.get(client.url) for _ in range(3)]
    assert [answer.content for answer in answers] == [b"no archive at all"] * 2 + [b"PK nasty"]
    assert answers[0].headers["ETag"] == answers[1].headers["ETag"] != answers[2].headers["ETag"]
    assert client.get(client.url, headers={"Range": "bytes=3-"}).content == b"nasty"


def test_a_single_file_may_come_as_a_zip_with_one(client):
    export_id, answer = client.finished(name="fault:zipped", singleFileExport="csat")
    zipped = [client.get(answer["dataUrl"]) for _ in range(2)]
    assert {one.headers["Content-Type"] for one in zipped} == {"application/zip"}
    assert zipped[0].content == zipped[1].content
    file = client.sandbox.exports[export_id].files["csat.csv"]
    with zipfile.ZipFile(io.BytesIO(zipped[0].content)) as archive:
        assert [(info.filename, info.file_size) for info in archive.infolist()] == [("csat.csv", file.bytes)]


def test_a_replaced_file_keeps_its_etag_while_its_bytes_are_the_same(client, export):
    client.sandbox.fault(kind="replace_file", body="text", times=None)
    etags = {client.get(client.url).headers["ETag"] for _ in range(3)}
    assert etags == {export.stored.etag}


def test_a_file_of_no_bytes_is_served(client, export):
    client.sandbox.fault(kind="empty_file")
    client.sandbox.fault(kind="replace_file", body=b"", after=1)
    for _ in range(2):
        answer = client.get(client.url)
        assert (answer.status_code, answer.content) == (200, b"")


def test_a_server_may_ignore_ranges(client, whole):
    client.sandbox.fault(kind="no_range")
    answer = client.get(client.url, headers={"Range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (200, whole)
    assert "Content-Range" not in answer.headers


def test_a_server_may_answer_with_another_range_than_asked(client, whole):
    client.sandbox.fault(kind="wrong_range")
    answer = client.get(client.url, headers={"Range": "bytes=10-"})
    assert answer.headers["Content-Range"].startswith("bytes 11-")
    assert answer.content == whole[11:]


@pytest.mark.parametrize(("kind", "header"), [("no_etag", "ETag"), ("no_length", "Content-Length")])
def test_an_answer_may_lack_a_header(client, whole, kind, header):
    client.sandbox.fault(kind=kind)
    answer = client.get(client.url)
    assert header not in answer.headers
    assert answer.content == whole


def test_an_answer_of_unknown_length_may_break_off(client, whole):
    client.sandbox.fault(kind="no_length")
    client.sandbox.fault(kind="drop_at_byte", at=1500)
    answer, received, broken = client.read(client.url)
    assert "Content-Length" not in answer.headers
    assert (received, broken) == (whole[:1500], True)


def test_an_endless_body_goes_on_until_the_client_leaves(client, whole):
    client.sandbox.fault(kind="endless")
    wanted = 3 * len(whole)
    with client.get(client.url, stream=True) as answer:
        assert answer.raw.read(wanted) == whole * 3
    seen = client.sandbox.wait_for(lambda: next((one for one in client.sandbox.requests[-1:] if one.done), None))
    assert seen.sent >= wanted


def test_a_slow_answer_comes_in_small_pieces(client, whole):
    client.sandbox.fault(kind="slow", at=2000, seconds=0.001)
    with client.get(client.url, stream=True) as answer:
        pieces = list(answer.raw.stream(len(whole), decode_content=False))
    assert b"".join(pieces) == whole
    assert client.sandbox.requests[-1].sent == len(whole)


@pytest.mark.parametrize(
    ("kind", "content_type", "beginning"),
    [("html_200", "text/html", "<!DOCTYPE html>"), ("xml_200", "application/xml", "<?xml")],
)
def test_a_page_may_come_with_200_instead_of_the_file(client, export, kind, content_type, beginning):
    client.sandbox.fault(kind=kind)
    answer = client.get(client.url, headers={"Range": "bytes=5-"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(content_type)
    assert answer.text.startswith(beginning)


def test_download_faults_do_not_touch_the_api(client, export):
    client.sandbox.fault(kind="drop_at_byte", at=0)
    assert client.poll(export.export_id).status_code == 200


def test_a_download_fault_may_be_about_one_export(client, export):
    _, other = client.finished()
    client.sandbox.fault(kind="html_200", export_id=export.export_id)
    assert client.get(other["dataUrl"]).headers["Content-Type"] == "application/zip"
    assert client.get(client.url).headers["Content-Type"].startswith("text/html")
