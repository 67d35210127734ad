"""Landing cleaned files: what is published, what the manifest says, and what keeps them from being published."""

import csv
import gzip
import hashlib
import io
import json
import re
import threading
import zipfile
import zlib
from pathlib import Path

import pytest
from zip_builder import Part, build_zip, deflated

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.client.resources.export_files import DATE_COLUMNS, EXPORT_FILES
from airflow_provider_maestroqa.landing.archive import content
from airflow_provider_maestroqa.landing.clean.cells import strip_formula_guard
from airflow_provider_maestroqa.landing.clean.dates import as_iso
from airflow_provider_maestroqa.landing.clean.encoders import ROW_GROUP_BYTES
from airflow_provider_maestroqa.landing.exports import LandingOptions
from airflow_provider_maestroqa.sandbox.data.export_files import write_export_file
from airflow_provider_maestroqa.storage import fsspec_store
from airflow_provider_maestroqa.storage.csv_reader import MAX_CELL
from airflow_provider_maestroqa.storage.s3_store import S3Store

SCORES = b'\xef\xbb\xbfgradable_id,grader,date_graded\r\n0397,Unknown,="2021-03-04 10:00:00.123"\r\n'
CLEANED = b"gradable_id,grader,date_graded\n0397,,2021-03-04T10:00:00.123Z\n"
ALL_FORMATS = ["csv.gz", "csv", "parquet"]


def names_in(store):
    if isinstance(store, S3Store):
        found = store.client.list_objects_v2(Bucket=store.bucket).get("Contents", [])
        uploads = store.client.list_multipart_uploads(Bucket=store.bucket).get("Uploads", [])
        return sorted(item["Key"].removeprefix(f"{store.prefix}/") for item in [*found, *uploads])
    return sorted(path.removeprefix(store.root + "/") for path in store.fs.find(store.root))


def content_of(store, name):
    stored = store.get_bytes(name)
    return gzip.decompress(stored) if name.endswith(".gz") else stored


def rows_of(data):
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def cleaned_cell(cell, column):
    cell = strip_formula_guard(cell)
    cell = "" if cell == "Unknown" else cell
    return as_iso(cell) or cell if column in DATE_COLUMNS else cell


@pytest.fixture
def export(origin):
    """A realistic archive at the origin, and its files as they are."""
    target = io.BytesIO()
    write_export_file(target, rows=120, seed=5)
    origin.body = target.getvalue()
    with zipfile.ZipFile(target) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("file_format", ["csv.gz", "csv"])
def test_a_realistic_export_is_cleaned_cell_by_cell(land, store, export, file_format):
    manifest = land(store, file_format=file_format, clean=True)
    ending = ".gz" if file_format == "csv.gz" else ""
    assert [file["name"] for file in manifest["files"]] == [name + ending for name in export]
    for file in manifest["files"]:
        header, *rows = rows_of(export[file["name"].removesuffix(".gz")])
        landed = content_of(store, file["name"])
        expected = [[cleaned_cell(cell, name) for name, cell in zip(header, row, strict=True)] for row in rows]
        assert rows_of(landed) == [header, *expected]
        stored = store.get_bytes(file["name"])
        nulls = {name: sum(not row[at] for row in expected) for at, name in enumerate(header)}
        assert file == {
            "name": file["name"],
            "uri": store.uri(file["name"]),
            "bytes": len(stored),
            "sha256": hashlib.sha256(stored).hexdigest(),
            "content_bytes": len(landed),
            "crc32": f"{zlib.crc32(landed):08x}",
            "verified": "crc32",
            "rows": len(rows),
            "columns": header,
            "natural_key": file["natural_key"],
            "duplicate_keys": 0,
            "null_counts": nulls,
            "unreadable_dates": {},
        }
    assert json.loads(store.get_bytes("_manifest.json")) == manifest


def test_the_natural_keys_are_those_of_each_file(land, memory, export):
    manifest = land(memory, clean=True)
    known = {file.name: list(file.key_columns) for file in EXPORT_FILES if file.export_type == "raw"}
    assert {file["name"].partition(".")[0]: file["natural_key"] for file in manifest["files"]} == known


GRADES = b"""gradable_id,rubric_id,agent_id,grader,grade_type,rubric_score,date_reported_as
1,7,39,Ada,Calibration,80,2021-03-04
1,7,39,Grace,Calibration,85,2021-03-04
1,7,39,Olga,Calibration,90,2021-03-04
1,7,40,Ada,Manual,70,2021-03-04
"""


@pytest.mark.parametrize("file_format", ALL_FORMATS)
def test_records_that_share_a_natural_key_are_counted_and_reported(land, memory, origin, file_format):
    warned = []
    shared = GRADES + b"1,7,40,Ada,Manual,75,2021-03-04\n" + b"2,7,40,Unknown,Manual,1,2021-03-04\n" * 3
    parts = [Part(data=shared), Part(name=b"b.csv", data=GRADES), Part(name=b"c.csv", data=b"id\n1\n1\n")]
    origin.body = build_zip(*parts)
    files = land(memory, file_format=file_format, clean=True, warn=warned.append)["files"]
    assert [(file["rows"], file["duplicate_keys"]) for file in files] == [(8, 3), (4, 0), (2, None)]
    (line,) = warned
    assert f"3 of {files[0]['name']}. " in line


def test_dates_of_the_landed_files_are_iso_or_null(land, memory, export):
    manifest = land(memory, file_format="csv", clean=True)
    iso = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z|")
    cells = []
    for file in manifest["files"]:
        for record in csv.DictReader(io.StringIO(content_of(memory, file["name"]).decode(), newline="")):
            cells += [record[name] for name in DATE_COLUMNS & set(record)]
    assert len(cells) > 500
    assert all(iso.fullmatch(cell) for cell in cells)


@pytest.mark.parametrize(
    ("file_format", "name"), [("csv.gz", "export.csv.gz"), ("csv", "export.csv"), ("parquet", "export.parquet")]
)
def test_a_bare_csv_becomes_one_cleaned_object(land, memory, origin, file_format, name):
    origin.body = SCORES
    (file,) = land(memory, file_format=file_format, clean=True)["files"]
    assert (file["name"], file["rows"], file["null_counts"]["grader"]) == (name, 1, 1)
    if file_format != "parquet":
        assert content_of(memory, name) == CLEANED


def test_a_stored_member_is_cleaned_too(land, memory, origin):
    origin.body = build_zip(Part(data=SCORES, method=0), Part(name=b"B.CSV", data=SCORES))
    assert [file["name"] for file in land(memory, clean=True)["files"]] == ["a.csv.gz", "B.CSV.gz"]
    assert content_of(memory, "a.csv.gz") == content_of(memory, "B.CSV.gz") == CLEANED


def test_the_same_export_is_cleaned_to_the_same_bytes(land, memory, local, export, engine):
    first = land(memory, clean=True, engine=engine)
    second = land(local, clean=True, engine=engine)
    plain = land(memory, file_format="csv", clean=True, engine=engine)
    assert [file["sha256"] for file in first["files"]] == [file["sha256"] for file in second["files"]]
    contents = [content_of(local, file["name"]) for file in second["files"]]
    assert [file["sha256"] for file in plain["files"]] == [hashlib.sha256(data).hexdigest() for data in contents]


@pytest.mark.parametrize("file_format", ALL_FORMATS)
def test_a_file_that_is_no_csv_is_landed_as_it_is(land, memory, origin, file_format):
    origin.body = build_zip(Part(data=SCORES), Part(name=b"readme.txt", data=b'="x"\r\n'))
    readme = land(memory, file_format=file_format, clean=True)["files"][1]
    assert readme["name"] == "readme.txt" + (".gz" if file_format == "csv.gz" else "")
    assert content_of(memory, readme["name"]) == b'="x"\r\n'
    assert not {"columns", "rows"} & set(readme)


def test_a_header_alone_lands_with_no_rows(land, memory, origin):
    origin.body = build_zip(Part(data=b"a,b\r\n"))
    (file,) = land(memory, clean=True)["files"]
    assert content_of(memory, file["name"]) == b"a,b\n"
    assert (file["rows"], file["null_counts"]) == (0, {"a": 0, "b": 0})


def test_the_default_is_still_the_archive_s_own_bytes(land, memory, export):
    manifest = land(memory)
    assert {file["name"]: content_of(memory, file["name"]) for file in manifest["files"]} == {
        f"{name}.gz": data for name, data in export.items()
    }
    assert all("columns" not in file for file in manifest["files"])


BAD = {
    "a row too short": (b"a,b\n1,2\n3\n", "line 3 has 1 cells, but the header has 2"),
    "a row too long": (b"a,b\n1,2\n3,4,secret text\n", "line 3 has 3 cells, but the header has 2"),
    "no UTF-8": (b"a,b\n1,\xe9secret text\n", "line 2 is not UTF-8"),
    "semicolons": (b"a;b\n1;2\n", "semicolons"),
    "an open quote": (b'a,b\n1,"secret text\n', "line 2 opens a quote"),
    "a column twice": (b"a,a\n1,2\n", "'a' more than once"),
}


@pytest.mark.parametrize("file_format", ALL_FORMATS)
@pytest.mark.parametrize("what", BAD)
def test_a_file_that_is_no_table_keeps_all_from_being_published(land, memory, origin, file_format, what):
    data, message = BAD[what]
    origin.body = build_zip(Part(data=SCORES), Part(name=b"bad.csv", data=data))
    with pytest.raises(MaestroQADataError, match=re.escape(message)) as caught:
        land(memory, file_format=file_format, clean=True)
    assert "'bad.csv'" in str(caught.value)
    assert "secret text" not in str(caught.value)
    assert not caught.value.retryable
    assert names_in(memory) == []
    assert len(land(memory)["files"]) == 2


@pytest.mark.parametrize("file_format", ALL_FORMATS)
@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\n"])
def test_a_file_without_a_header_is_one_without_rows(land, memory, origin, file_format, data):
    origin.body = build_zip(Part(data=SCORES), Part(name=b"empty.csv", data=data))
    file = land(memory, file_format=file_format, clean=True)["files"][1]
    assert (file["rows"], file["columns"], file["natural_key"]) == (0, [], [])
    if file_format == "parquet":
        pq = pytest.importorskip("pyarrow.parquet")
        assert pq.read_table(io.BytesIO(memory.get_bytes("empty.parquet"))).num_rows == 0


def test_nothing_is_left_in_s3_when_the_last_file_is_bad(land, s3_store, origin):
    rows = (b"1," + b"text " * 1000 + b"\n") * 1200
    origin.body = build_zip(Part(data=b"id,b\n" + rows), Part(name=b"bad.csv", data=b"a,b\n1\n"))
    with pytest.raises(MaestroQADataError, match="line 2 has 1 cells"):
        land(s3_store, file_format="csv", clean=True)
    assert names_in(s3_store) == []


GOOD = b"a,b\n" + b"1,2\n" * 1000
DAMAGED = {
    "bad row": Part(name=b"b.csv", data=GOOD + b"3\n", crc32=zlib.crc32(GOOD + b"3,4\n")),
    "cut off": Part(name=b"b.csv", data=GOOD, packed=deflated(GOOD)[:-5]),
    "good rows": Part(name=b"b.csv", data=GOOD, crc32=1),
}


@pytest.mark.parametrize("file_format", ALL_FORMATS)
@pytest.mark.parametrize("damage", DAMAGED)
def test_damage_is_reported_as_damage_even_where_it_looks_like_a_bad_row(land, memory, origin, file_format, damage):
    origin.body = build_zip(Part(data=SCORES), DAMAGED[damage])
    with pytest.raises(MaestroQADataError, match=r"damaged: member 'b\.csv'") as caught:
        land(memory, file_format=file_format, clean=True)
    assert caught.value.retryable
    assert names_in(memory) == []


LANDINGS = [("csv.gz", False), ("csv.gz", True), ("csv", False), ("csv", True), ("parquet", False), ("zip", False)]


@pytest.mark.parametrize("first", LANDINGS)
@pytest.mark.parametrize("second", LANDINGS)
def test_only_the_same_kind_of_landing_needs_not_be_done_again(land, memory, origin, first, second):
    data = SCORES + b'0398,Ada,="2021-03-05 10:00:00.000"\r\n' * 20
    origin.body = build_zip(Part(data=data), Part(name=b"readme.txt", data=b"text " * 40))
    before = land(memory, file_format=first[0], clean=first[1])
    asked = len(origin.seen)
    after = land(memory, file_format=second[0], clean=second[1])
    assert len(origin.seen) == asked + (first != second)
    assert (after == before) == (first == second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"clean": True}, {"clean": True, "count_rows": True}),
        ({"file_format": "parquet"}, {"file_format": "parquet", "clean": True}),
    ],
)
def test_an_option_that_changes_nothing_needs_no_second_landing(land, memory, origin, first, second):
    origin.body = SCORES
    assert land(memory, **first) == land(memory, **second, fresh_url=lambda: pytest.fail("requested again"))


def test_a_zip_cannot_be_cleaned():
    with pytest.raises(MaestroQAConfigError, match=r"clean=True and file_format='zip' exclude each other"):
        LandingOptions(file_format="zip", clean=True)


def test_dates_that_cannot_be_read_are_logged_once(land, memory, origin, log_lines):
    warned = []
    data = b'date_graded,id\n="soon",1\nlater,2\n2021-03-04,3\n'
    origin.body = build_zip(Part(data=data), Part(name=b"b.csv", data=data), Part(name=b"c.csv", data=SCORES))
    manifest = land(memory, clean=True, warn=warned.append)
    assert [file["unreadable_dates"] for file in manifest["files"]] == [{"date_graded": 2}, {"date_graded": 2}, {}]
    assert content_of(memory, "a.csv.gz") == b"date_graded,id\nsoon,1\nlater,2\n2021-03-04T00:00:00Z,3\n"
    (line,) = warned
    assert "2 in date_graded of a.csv.gz, 2 in date_graded of b.csv.gz" in line
    assert "soon" not in line
    assert not any("cannot be read" in line for line in log_lines)


def test_progress_of_cleaning_is_logged(land, memory, export, log_lines, clock):
    clock.step = 15
    land(memory, clean=True, limits={"deadline": 1e9})
    lines = [line for line in log_lines if line.startswith("Checking and storing export e1")]
    shares = [int(re.search(r"\((\d+) %\)", line).group(1)) for line in lines]
    assert shares == sorted(shares)
    assert shares[-1] == 100


def test_a_failing_store_ends_the_thread_that_deflates(land, memory, export, monkeypatch):
    monkeypatch.setattr(content, "_DEFLATED_BLOCK", 1000)

    def full(upload, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fsspec_store.FilesystemUpload, "write", full)
    with pytest.raises(OSError, match="No space"):
        land(memory, clean=True)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("maestroqa")]
    assert names_in(memory) == []


def test_the_documentation_names_what_a_cleaned_file_has(land, memory, origin):
    origin.body = SCORES
    plain = set(land(memory)["files"][0])
    cleaned = set(land(memory, clean=True)["files"][0])
    page = (Path(__file__).resolve().parents[3] / "docs/landing.md").read_text()
    table = page.partition("| Of a cleaned file |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == cleaned - plain - {"rows"}
    assert f"more than {MAX_CELL:,} characters" in page
    assert f"row group of {ROW_GROUP_BYTES >> 20} MiB" in page
    named = re.search(r"The known date columns are (.*?)\.", page, re.DOTALL)[1]
    assert set(re.findall(r"`(\w+)`", named)) == DATE_COLUMNS
