"""Cleaned files as Parquet: which types, which cells, and what cannot be a Parquet file."""

import csv
import io
import subprocess
import sys
import zipfile
import zlib
from datetime import datetime, timezone
from pathlib import Path

import pytest
from zip_builder import Part, build_zip

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError, MaestroQADataError
from airflow_provider_maestroqa.client.resources.export_files import DATE_COLUMNS
from airflow_provider_maestroqa.landing.clean import arrow_reader
from airflow_provider_maestroqa.landing.clean import encoders as writing
from airflow_provider_maestroqa.landing.clean.cells import strip_formula_guard
from airflow_provider_maestroqa.landing.clean.dates import as_iso
from airflow_provider_maestroqa.landing.exports import LandingOptions
from airflow_provider_maestroqa.sandbox.data.export_files import write_export_file

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
MOMENT = pa.timestamp("us", tz="UTC")
ROOT = Path(__file__).resolve().parents[3]


def table_in(store, name):
    return pq.read_table(pa.BufferReader(store.get_bytes(name)))


def values(column):
    """Timestamps as microseconds, because Python's own zones may be missing here."""
    return (column.cast(pa.int64()) if column.type == MOMENT else column).to_pylist()


def micros(iso):
    form = "%Y-%m-%dT%H:%M:%S.%fZ" if "." in iso else "%Y-%m-%dT%H:%M:%SZ"
    seconds = datetime.strptime(iso, form).replace(tzinfo=timezone.utc) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return round(seconds.total_seconds() * 1_000_000)


def expected_cell(cell, column):
    cell = strip_formula_guard(cell)
    if cell in ("", "Unknown"):
        return None
    return micros(as_iso(cell)) if column in DATE_COLUMNS else cell


def test_a_realistic_export_has_the_cells_and_types_that_it_should_have(land, store, origin, monkeypatch):
    monkeypatch.setattr(writing, "ROW_GROUP_BYTES", 50_000)
    target = io.BytesIO()
    write_export_file(target, rows=120, seed=5)
    origin.body = target.getvalue()
    manifest = land(store, file_format="parquet")
    with zipfile.ZipFile(target) as archive:
        files = {name: archive.read(name).decode("utf-8-sig") for name in archive.namelist()}
    assert [file["name"] for file in manifest["files"]] == [name.replace(".csv", ".parquet") for name in files]
    for file, text in zip(manifest["files"], files.values(), strict=True):
        header, *rows = csv.reader(io.StringIO(text, newline=""))
        table = table_in(store, file["name"])
        assert table.column_names == file["columns"] == header
        assert table.schema.types == [MOMENT if name in DATE_COLUMNS else pa.string() for name in header]
        for at, name in enumerate(header):
            assert values(table[name]) == [expected_cell(row[at], name) for row in rows], name
            assert file["null_counts"][name] == table[name].null_count
        assert file["rows"] == len(rows)
        assert file["unreadable_dates"] == {}


def test_the_manifest_describes_the_object_itself(land, store, origin):
    origin.body = b"gradable_id,date_graded\n007,2021-03-04\n"
    (file,) = land(store, file_format="parquet")["files"]
    stored = store.get_bytes("export.parquet")
    assert file["content_bytes"] == file["bytes"] == len(stored)
    assert file["crc32"] == f"{zlib.crc32(stored):08x}"
    assert file["natural_key"] == ["gradable_id"]


def test_the_first_moment_of_unix_time_is_no_null(land, memory, origin):
    origin.body = b"id,date_graded\n1,1970-01-01\n2,\n3,1969-12-31T23:59:59.5Z\n"
    (file,) = land(memory, file_format="parquet")["files"]
    assert values(table_in(memory, "export.parquet")["date_graded"]) == [0, None, -500_000]
    assert file["null_counts"] == {"id": 0, "date_graded": 1}


def test_what_looks_like_a_number_stays_text(land, memory, origin):
    origin.body = b'id,score\n="03975800",1e5\n007,85.50\n'
    land(memory, file_format="parquet")
    assert table_in(memory, "export.parquet").to_pylist() == [
        {"id": "03975800", "score": "1e5"},
        {"id": "007", "score": "85.50"},
    ]


def test_a_header_alone_becomes_a_file_with_types_and_no_rows(land, memory, origin):
    origin.body = b"\xef\xbb\xbfid,date_graded,\r\n"
    (file,) = land(memory, file_format="parquet")["files"]
    table = table_in(memory, "export.parquet")
    assert (table.num_rows, table.schema.names, table.schema.types) == (
        0,
        ["id", "date_graded", ""],
        [pa.string(), MOMENT, pa.string()],
    )
    assert file["rows"] == 0


def test_row_groups_are_no_larger_than_they_should_be(land, memory, origin, monkeypatch):
    monkeypatch.setattr(writing, "ROW_GROUP_BYTES", 1 << 20)
    monkeypatch.setattr(arrow_reader, "PIECE", 1 << 17)
    origin.body = b"id,comment\n" + b"".join(b"%d,%d some text\n" % (n, n) for n in range(100_000))
    land(memory, file_format="parquet")
    found = pq.ParquetFile(pa.BufferReader(memory.get_bytes("export.parquet"))).metadata
    sizes = [found.row_group(number).total_byte_size for number in range(found.num_row_groups)]
    assert len(sizes) > 2
    assert max(sizes) < 2 << 20
    assert found.row_group(0).column(0).compression == "SNAPPY"


def test_a_date_that_cannot_be_read_is_refused_and_names_the_remedy(land, memory, origin):
    data = b'id,date_graded\n1,2021-03-04\n2,Unknown\n3,="04.03.2021"\n'
    origin.body = build_zip(Part(name=b"first.csv"), Part(name=b"scores.csv", data=data))
    with pytest.raises(MaestroQADataError) as caught:
        land(memory, file_format="parquet")
    message = str(caught.value)
    assert "'scores.csv'" in message
    assert "line 4 has a text of 13 characters that is no date, '=\"04.03.2021\"', in the date column" in message
    assert "clean=True with file_format='csv.gz' keeps such cells" in message
    assert not caught.value.retryable
    assert memory.fs.find(memory.root) == []
    (_, file) = land(memory, clean=True)["files"]
    assert file["unreadable_dates"] == {"date_graded": 1}


def test_two_files_that_would_get_one_name_are_refused(land, memory, origin):
    origin.body = build_zip(Part(name=b"A.csv"), Part(name=b"a.parquet", data=b"PAR1"))
    with pytest.raises(MaestroQADataError, match=r"'a\.parquet'.*csv\.gz"):
        land(memory, file_format="parquet")
    assert memory.fs.find(memory.root) == []
    assert len(land(memory)["files"]) == 2


def test_without_pyarrow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MaestroQAConfigError, match=r"airflow-provider-maestroqa\[parquet\]"):
        LandingOptions(file_format="parquet")
    assert LandingOptions(clean=True).cleans


def test_cleaning_to_csv_does_not_import_pyarrow():
    code = """
import sys
from airflow_provider_maestroqa.landing.clean.encoders import csv_blocks
from airflow_provider_maestroqa.landing.clean.key_counter import KeyCounter
from airflow_provider_maestroqa.landing.clean.cells import Cleaner, read_records
from airflow_provider_maestroqa.landing.clean.dates import as_iso
from airflow_provider_maestroqa.landing.exports import LandingOptions
LandingOptions(clean=True)
records = read_records("a", [b"a\\n1\\n"])
print(b"".join(csv_blocks(records, Cleaner(records, KeyCounter()))), "pyarrow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "b'a\\n1\\n' False\n"


def test_another_engine_reads_the_files(land, local, origin):
    duckdb = pytest.importorskip("duckdb")
    target = io.BytesIO()
    write_export_file(target, rows=120, seed=3)
    origin.body = target.getvalue()
    with duckdb.connect() as connection:

        def ask(question):
            return connection.execute(question).fetchall()

        for file in land(local, file_format="parquet")["files"]:
            source = f"read_parquet('{local.path(file['name'])}')"
            assert [row[0] for row in ask(f"describe from {source}")] == file["columns"]
            assert ask(f"select count(*) from {source}") == [(file["rows"],)]
        for file in land(local, file_format="csv.gz", clean=True)["files"]:
            source = f"read_csv('{local.path(file['name'])}', all_varchar=true, header=true)"
            nulls = ", ".join(f"count(*) - count({name})" for name in file["columns"])
            assert ask(f"select count(*), {nulls} from {source}") == [(file["rows"], *file["null_counts"].values())]
