"""What is published: which bytes, under which names, described how."""

import gzip
import hashlib
import io
import json
import random
import zipfile
import zlib

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.landing.exports import LandingOptions
from airflow_provider_maestroqa.sandbox.data.export_files import write_export_file

BARE = '\ufeffname,text\n名前,"two\nlines"\n'.encode()


@pytest.fixture
def export(origin):
    """A realistic archive at the origin, and the truth about it."""
    target = io.BytesIO()
    truth = write_export_file(target, rows=300, seed=5)
    origin.body = target.getvalue()
    return truth


def test_a_gzipped_file_holds_the_archive_s_own_compressed_bytes(land, store, origin, export, engine):
    manifest = land(store, count_rows=True, engine=engine)
    assert [file["name"] for file in manifest["files"]] == [f"{name}.gz" for name in export]
    for file in manifest["files"]:
        stored, known = store.get_bytes(file["name"]), export[file["name"][:-3]]
        assert gzip.decompress(stored)[:0] == b""
        assert hashlib.sha256(gzip.decompress(stored)).hexdigest() == known.sha256
        assert stored[10:-8] in origin.body
        assert stored[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
        assert file == {
            "name": file["name"],
            "uri": store.uri(file["name"]),
            "bytes": len(stored),
            "sha256": hashlib.sha256(stored).hexdigest(),
            "content_bytes": known.bytes,
            "crc32": known.crc32,
            "verified": "crc32",
            "rows": known.rows,
        }


def test_an_unpacked_file_is_the_member_byte_for_byte(land, store, export, engine):
    manifest = land(store, file_format="csv", count_rows=True, engine=engine)
    for file in manifest["files"]:
        stored, known = store.get_bytes(file["name"]), export[file["name"]]
        assert hashlib.sha256(stored).hexdigest() == known.sha256 == file["sha256"]
        assert (file["bytes"], file["content_bytes"], file["crc32"]) == (known.bytes, known.bytes, known.crc32)
        assert file["rows"] == known.rows


def test_the_archive_is_kept_as_it_came(land, store, origin, export, engine):
    manifest = land(store, file_format="zip", count_rows=True, engine=engine)
    assert store.get_bytes("export.zip") == origin.body
    assert manifest["files"] == [
        {
            "name": "export.zip",
            "uri": store.uri("export.zip"),
            "bytes": len(origin.body),
            "sha256": hashlib.sha256(origin.body).hexdigest(),
            "content_bytes": len(origin.body),
            "crc32": f"{zlib.crc32(origin.body):08x}",
            "verified": "crc32",
            "rows": sum(known.rows for known in export.values()),
        }
    ]


@pytest.mark.parametrize(
    ("file_format", "name"), [("csv.gz", "export.csv.gz"), ("csv", "export.csv"), ("zip", "export.csv")]
)
def test_a_bare_csv_becomes_one_object(land, store, origin, engine, file_format, name):
    origin.body = BARE
    manifest = land(store, file_format=file_format, count_rows=True, engine=engine)
    stored = store.get_bytes(name)
    assert (gzip.decompress(stored) if name.endswith(".gz") else stored) == BARE
    (file,) = manifest["files"]
    assert (file["content_bytes"], file["crc32"], file["rows"]) == (len(BARE), f"{zlib.crc32(BARE):08x}", 1)


def test_a_stored_member_is_compressed_and_always_to_the_same_bytes(
    land, memory, local, origin, make_zip, part, engine
):
    data = b"h\n" + random.Random(1).randbytes(300_000)
    origin.body = make_zip(part(data=data, method=0), part(name=b"empty.csv", data=b"", method=0))
    for store in (memory, local):
        land(store, engine=engine)
    assert gzip.decompress(memory.get_bytes("a.csv.gz")) == data
    assert gzip.decompress(memory.get_bytes("empty.csv.gz")) == b""
    assert memory.get_bytes("a.csv.gz") == local.get_bytes("a.csv.gz")


def test_folders_of_the_archive_are_kept(land, store, origin, make_zip, part):
    origin.body = make_zip(part(name=b"2026/11/a [1] #2?.csv"), part(name=b"2026/b*.csv"))
    land(store, file_format="csv")
    assert store.get_bytes("2026/11/a [1] #2?.csv") == store.get_bytes("2026/b*.csv") == b"h\n1\n"


def test_rows_are_counted_only_on_request_and_only_in_csv_files(land, memory, origin, make_zip, part):
    origin.body = make_zip(part(), part(name=b"readme.txt", data=b"a\nb\nc\n"))
    assert all("rows" not in file for file in land(memory)["files"])
    assert [file.get("rows") for file in land(memory, count_rows=True)["files"]] == [1, None]


def test_the_manifest_is_stored_as_it_is_returned(land, store, export):
    manifest = land(store, window={"start": "2026-11-01T00:00:00Z", "end": "2026-11-02T00:00:00Z"})
    assert json.loads(store.get_bytes("_manifest.json")) == manifest
    assert list(manifest) == [
        "export_id",
        "has_data",
        "destination",
        "window",
        "file_format",
        "clean",
        "files",
        "manifest",
    ]
    assert manifest["destination"] == store.uri()
    assert manifest["manifest"] == f"{store.uri()}/_manifest.json"
    assert manifest["has_data"] is True


def test_a_large_content_is_framed_right_across_many_blocks(land, memory, origin, engine):
    data = b"".join(b"%d,%s\n" % (number, b"text " * (number % 40)) for number in range(60_000))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.csv", data)
    origin.body = target.getvalue()
    for file_format, name in (("csv.gz", "big.csv.gz"), ("csv", "big.csv")):
        manifest = land(memory, file_format=file_format, count_rows=True, engine=engine)
        stored = memory.get_bytes(name)
        assert (gzip.decompress(stored) if file_format == "csv.gz" else stored) == data
        assert manifest["files"][0]["rows"] == 59_999


@pytest.mark.parametrize("file_format", ["xlsx", "tar", ""])
def test_an_unknown_format_is_rejected(file_format):
    with pytest.raises(MaestroQAConfigError, match=r"csv\.gz, csv, zip, parquet"):
        LandingOptions(file_format=file_format)


def test_a_summary_says_what_was_landed(land, memory, export, log_lines):
    land(memory, count_rows=True)
    assert log_lines[-1].startswith(f"Export e1 landed at {memory.uri()}: 5 files with ")
    assert "MB stored" in log_lines[-1]


def test_the_progress_of_checking_and_storing_is_logged(land, memory, export, log_lines, clock):
    clock.step = 15
    land(memory, limits={"deadline": 1e9})
    lines = [line for line in log_lines if line.startswith("Checking and storing export e1")]
    assert lines
    assert all("MB of" in line for line in lines)
    assert any(line.endswith(" left") for line in lines)
    assert "finishing" in lines[-1]
