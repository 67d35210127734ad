import csv
import hashlib
import io
import zipfile
from datetime import datetime, timezone

import pytest

from airflow_provider_maestroqa.sandbox import rows_for_bytes, write_export_file
from airflow_provider_maestroqa.sandbox.data.export_cells import Content
from airflow_provider_maestroqa.sandbox.data.export_files import GenerationCancelledError
from airflow_provider_maestroqa.sandbox.data.export_rows import FILES
from airflow_provider_maestroqa.sandbox.data.sample_text import NASTY_CELLS

RAW = [f"{name}.csv" for name in FILES["raw"]]


def written(**options):
    target = io.BytesIO()
    files = write_export_file(target, **options)
    return files, target.getvalue()


def unpacked(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def records(data):
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@pytest.fixture(scope="module")
def raw():
    files, data = written(rows=60, seed=3)
    return files, unpacked(data)


def test_a_raw_export_is_a_zip_of_the_five_files(raw):
    files, members = raw
    assert list(members) == RAW == list(files)


def test_the_stated_truth_is_the_truth(raw):
    files, members = raw
    for name, data in members.items():
        assert files[name].rows == len(records(data))
        assert files[name].bytes == len(data)
        assert files[name].sha256 == hashlib.sha256(data).hexdigest()


def test_every_row_leads_to_a_grade_with_its_agent_rubric_and_grader(raw):
    _, members = raw
    shared = ("gradable_id", "agent_id", "agent_email", "rubric_id", "grader", "grade_type", "date_reported_as")
    grades = {tuple(row[column] for column in shared) for row in records(members["total_scores.csv"])}
    assert len(grades) == 60
    for name in ("section_scores.csv", "individual_answers.csv", "annotations.csv"):
        assert {tuple(row[column] for column in shared) for row in records(members[name])} <= grades
    assert {row["gradable_id"] for row in records(members["csat.csv"])} < {grade[0] for grade in grades}


@pytest.mark.parametrize("calibrations", [False, True])
def test_a_ticket_may_have_grades_by_several_graders_rubrics_and_of_several_agents(calibrations):
    types = ("Manual", "Automated", *(("Calibration",) if calibrations else ()))
    _, data = written(rows=800, single_file="total_scores", content=Content(grade_types=types))
    tickets = {}
    for row in records(data):
        tickets.setdefault(row["gradable_id"], []).append(row)
    several = [rows for rows in tickets.values() if len(rows) > 1]
    assert len(several) == 100
    for rows in several:
        assert len({row["agent_id"] for row in rows}) == 2
        assert len({row["date_reported_as"] for row in rows}) == 1
        calibrators = [row["grader"] for row in rows if row["grade_type"] == "Calibration"]
        assert len(set(calibrators)) == len(calibrators) == (3 if calibrations else 0)
        assert len({row["rubric_id"] for row in rows}) == (1 if calibrations else 2)


def test_every_nasty_cell_is_there(raw):
    _, members = raw
    comments = {row["comment"] for row in records(members["total_scores.csv"])}
    assert set(NASTY_CELLS) <= comments


def test_values_that_readers_like_to_spoil_are_there(raw):
    _, members = raw
    rows = records(members["total_scores.csv"])
    assert all(row["agent_id"].startswith("039758") for row in rows)
    assert all(row["date_graded"].startswith('="2021-03-') for row in rows)
    assert {"", "Unknown"} <= {row["date_first_started"] for row in rows} | {row["ticket_created_at"] for row in rows}
    assert [row["date_graded"] for row in rows] != sorted(row["date_graded"] for row in rows)


def test_files_differ_in_mark_line_end_and_last_line(raw):
    _, members = raw
    marked = {name for name, data in members.items() if data.startswith(b"\xef\xbb\xbf")}
    assert marked == {"individual_answers.csv"}
    assert members["section_scores.csv"].count(b"\r\n") > 120
    assert not members["annotations.csv"].endswith(b"\n")
    assert members["csat.csv"].endswith(b"\n")
    assert b',="2021-' in members["section_scores.csv"]
    assert b',"=""2021-' in members["total_scores.csv"]


def test_the_same_arguments_give_the_same_content_and_another_seed_another(raw):
    files, _ = raw
    again, _ = written(rows=60, seed=3)
    other, _ = written(rows=60, seed=4)
    assert again == files
    assert all(other[name].sha256 != files[name].sha256 for name in RAW)


def test_a_single_file_is_the_same_as_in_the_zip(raw):
    files, members = raw
    single, data = written(rows=60, seed=3, single_file="csat")
    assert single == {"csat.csv": files["csat.csv"]}
    assert data == members["csat.csv"]


@pytest.mark.parametrize(("export_type", "name"), [("groups", "agent_groups.csv"), ("audit_log", "audit_logs.csv")])
def test_groups_and_audit_logs_are_one_bare_csv(export_type, name):
    files, data = written(export_type=export_type, rows=40)
    assert files[name].rows == len(records(data)) == 40
    assert data.startswith(b"\xef\xbb\xbf")


def test_dates_lie_in_the_window():
    window = (datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2024, 1, 2, tzinfo=timezone.utc))
    _, data = written(rows=50, single_file="total_scores", content=Content(window=window))
    assert {row["date_graded"][2:12] for row in records(data)} == {"2024-01-01"}


def test_no_rows_leave_the_header():
    files, data = written(rows=0, single_file="total_scores")
    assert files["total_scores.csv"].rows == 0
    assert records(data) == []
    assert data.startswith(b"gradable_id,")


def test_the_archive_is_written_as_a_stream_with_sizes_behind_the_data():
    _, data = written(rows=5)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert all(info.flag_bits & 0x08 for info in archive.infolist())


def test_a_size_in_bytes_can_be_aimed_at():
    wanted = 6_000_000
    files, data = written(rows=rows_for_bytes(wanted))
    size = sum(file.bytes for file in files.values())
    assert abs(size - wanted) < wanted * 0.03
    assert 4 < size / len(data) < 8


def test_a_path_can_be_written_to(tmp_path):
    files = write_export_file(tmp_path / "export.zip", rows=5)
    assert set(unpacked((tmp_path / "export.zip").read_bytes())) == set(files)


def test_generation_stops_when_it_is_cancelled():
    with pytest.raises(GenerationCancelledError):
        write_export_file(io.BytesIO(), rows=10**9, cancelled=iter([False, False, True]).__next__)


def test_calibrations_and_grader_qa_are_included_when_asked_for(client):
    def grade_types(**parameters):
        _, answer = client.finished(singleFileExport="total_scores", **parameters)
        return {row["grade_type"] for row in records(client.get(answer["dataUrl"]).content)}

    assert grade_types() == {"Manual", "Automated"}
    assert grade_types(includeCalibrations="only") == {"Calibration"}
    assert grade_types(includeCalibrations="all", includeGraderQA=True) > {"Calibration", "Grader QA"}


def test_deleted_grades_are_marked_when_they_are_asked_for(client):
    def deleted(**parameters):
        _, answer = client.finished(singleFileExport="total_scores", **parameters)
        return {row.get("is_deleted") for row in records(client.get(answer["dataUrl"]).content)}

    assert deleted() == deleted(includeDeleted=False) == {None}
    assert deleted(includeDeleted=True) == {"true", "false"}


def test_two_sandboxes_with_one_seed_serve_the_same_content(make_sandbox, make_client):
    truths = []
    for _ in range(2):
        client = make_client(make_sandbox(seed=9, rows=12))
        export_id, _ = client.finished()
        truths.append(client.sandbox.exports[export_id].files)
    assert truths[0] == truths[1]
