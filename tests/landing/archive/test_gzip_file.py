"""A CSV file that is stored as gzip lands like one that is not."""

import gzip
from functools import partial

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQADataError

DATA = "name,text\n名前,x\n".encode() + b"1,text\n" * 50_000
compress = partial(gzip.compress, mtime=0)
PACKED = compress(DATA)
NAMED = b"\x1f\x8b\x08\x1e" + bytes(6) + b"\3\0abc" + b"export.csv\0" + b"a comment\0" + b"cc"


@pytest.mark.parametrize("header", [{"Content-Encoding": "gzip"}, {}])
@pytest.mark.parametrize("start", [None, NAMED], ids=["plain header", "every field"])
@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("file_format", ["csv.gz", "csv", "zip"])
def test_its_content_is_landed(land, memory, origin, reply, engine, header, start, clean, file_format):
    if clean and file_format == "zip":
        return
    packed = PACKED if start is None else start + PACKED[10:]
    origin.plan.append(reply(200, header, packed))
    (file,) = land(memory, file_format=file_format, clean=clean, count_rows=True, engine=engine)["files"]
    stored = memory.get_bytes(file["name"])
    assert file["name"] == ("export.csv.gz" if file_format == "csv.gz" else "export.csv")
    assert (gzip.decompress(stored) if file_format == "csv.gz" else stored) == DATA
    assert (file["rows"], file["content_bytes"], file["verified"]) == (50_001, len(DATA), "crc32")


def damaged(at, value=b"\xff"):
    return PACKED[:at] + value + PACKED[at:][1:]


@pytest.mark.parametrize(
    ("body", "message", "retryable"),
    [
        (PACKED[:-9], "gzip file is damaged", True),
        (PACKED[:5], "gzip file is damaged: its beginning", True),
        (PACKED[:15], "gzip file is damaged: it is cut off", True),
        (PACKED * 2, "continues behind its end", True),
        (damaged(2), "gzip file is damaged: its beginning", True),
        (damaged(3, b"\x08"), "gzip file is damaged", True),
        (damaged(300), "gzip file is damaged", True),
        (damaged(-8), "gzip file is damaged: its checksum", True),
        (compress(bytes(70 << 20)), "gzip file is rejected", False),
        (compress(PACKED), "compressed twice", False),
        (compress(b"PK\3\4..."), "compressed twice", False),
        (compress(b"<html>Log in</html>"), "HTML page", True),
    ],
)
def test_what_is_damaged_or_no_csv_file_is_rejected(land, memory, origin, body, message, retryable):
    origin.body = body
    with pytest.raises(MaestroQADataError, match=message) as caught:
        land(memory)
    assert caught.value.retryable == retryable
    assert not memory.fs.find(memory.root)
