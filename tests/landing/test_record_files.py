from __future__ import annotations

import gzip
import json
import math
import subprocess
from contextlib import ExitStack

import pytest

from airflow_provider_maestroqa.client.errors import MaestroQADataError
from airflow_provider_maestroqa.client.temp_file import TempFile
from airflow_provider_maestroqa.landing.record_files import RecordFile, file_names, row_splitter, split_session
from airflow_provider_maestroqa.storage.compression import isal_engine, zlib_engine

RECORDS = [
    {"id": "a", "text": "line\nbreak \u2028 “quotes” \\ お客様 🎉", "none": None, "n": 1.5, "list": [1, {"b": True}]},
    {"id": "0042", "text": ""},
]


@pytest.fixture(params=[zlib_engine, isal_engine])
def make_file(request):
    with ExitStack() as stack:
        yield lambda: RecordFile("x.jsonl.gz", stack.enter_context(TempFile()), request.param())


def packed(file, records):
    for record in records:
        file.write(record)
    file.finish()
    return b"".join(file.blocks())


def test_a_file_has_one_json_object_a_line(make_file):
    file = make_file()
    content = gzip.decompress(packed(file, RECORDS))
    assert [json.loads(line) for line in content.decode().split("\n")[:-1]] == RECORDS
    assert content.endswith(b"\n")
    assert (file.rows, file.content.size) == (2, len(content))
    assert "お客様".encode() in content


def test_a_large_file_comes_back_whole(make_file):
    file = make_file()
    records = [{"id": number, "text": "word " * 50} for number in range(5000)]
    content = gzip.decompress(packed(file, records))
    assert [json.loads(line) for line in content.splitlines()] == records
    assert file.size < len(content) / 5


def test_the_same_records_give_the_same_bytes_without_a_time_or_name(make_file):
    one, other = packed(make_file(), RECORDS), packed(make_file(), RECORDS)
    assert one == other
    assert one[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def test_gzip_takes_the_file(make_file, tmp_path):
    path = tmp_path / "x.jsonl.gz"
    path.write_bytes(packed(make_file(), RECORDS))
    assert subprocess.run(["gzip", "-t", str(path)], check=False).returncode == 0


def test_no_records_are_an_empty_file(make_file):
    assert gzip.decompress(packed(make_file(), [])) == b""


def test_half_a_pair_of_surrogates_is_kept_by_an_escape(make_file):
    content = gzip.decompress(packed(make_file(), [{"text": "x\ud800y"}]))
    assert content == b'{"text":"x\\ud800y"}\n'


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, b"bytes"])
def test_what_json_cannot_hold_is_an_error_that_names_the_record(make_file, value):
    file = make_file()
    file.write({"id": 1})
    with pytest.raises(MaestroQADataError, match=r"Record 1 of x\.jsonl\.gz cannot be written as JSON"):
        file.write({"id": 2, "value": value})


SESSION = {
    "_id": "s1",
    "coachName": "Ada",
    "coachingPoints": [{"_id": "p1", "type": "strength"}, {"_id": "p2", "session_id": "odd"}],
    "todos": [{"_id": "t1"}],
    "activityLog": [{"userId": "u1"}, {"userId": "u2"}],
}


def test_a_session_becomes_rows_of_four_files_with_keys():
    assert list(split_session(SESSION)) == [
        ("sessions.jsonl.gz", {"_id": "s1", "coachName": "Ada"}),
        ("coaching_points.jsonl.gz", {"session_id": "s1", "_id": "p1", "type": "strength"}),
        ("coaching_points.jsonl.gz", {"session_id": "s1", "_id": "p2"}),
        ("todos.jsonl.gz", {"session_id": "s1", "_id": "t1"}),
        ("activity_log.jsonl.gz", {"session_id": "s1", "position": 0, "userId": "u1"}),
        ("activity_log.jsonl.gz", {"session_id": "s1", "position": 1, "userId": "u2"}),
    ]


@pytest.mark.parametrize("odd", ["text", {"a": 1}, [1, 2], [{"a": 1}, None], 7])
def test_a_nested_value_that_is_no_table_stays_where_it_is(odd):
    (row,) = split_session({"_id": "s1", "todos": odd})
    assert row == ("sessions.jsonl.gz", {"_id": "s1", "todos": odd})


@pytest.mark.parametrize("session", [{"_id": "s1"}, {"_id": "s1", "todos": None, "coachingPoints": []}])
def test_nothing_nested_is_no_rows(session):
    assert list(split_session(session)) == [("sessions.jsonl.gz", {"_id": "s1"})]


def test_the_rows_of_a_session_without_an_id_say_so():
    rows = list(split_session({"todos": [{"_id": "t1"}]}))
    assert rows == [("sessions.jsonl.gz", {}), ("todos.jsonl.gz", {"session_id": None, "_id": "t1"})]


def test_a_resource_names_its_file():
    assert file_names("todos", split_nested=False) == ("todos.jsonl.gz",)
    assert list(row_splitter("todos", split_nested=False)(RECORDS[0])) == [("todos.jsonl.gz", RECORDS[0])]
    names = ("sessions", "coaching_points", "todos", "activity_log")
    assert file_names("coaching_sessions_export", split_nested=True) == tuple(f"{one}.jsonl.gz" for one in names)
