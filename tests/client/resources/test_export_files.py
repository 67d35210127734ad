"""What is known of the export files, held against the files that the sandbox makes on its own."""

import csv
import io
from functools import cache

import pytest

from airflow_provider_maestroqa.client.resources.export_files import (
    DATE_COLUMNS,
    DELETED_COLUMN,
    EXPORT_FILES,
    natural_key,
)
from airflow_provider_maestroqa.sandbox.data.export_cells import Content
from airflow_provider_maestroqa.sandbox.data.export_rows import FILES, Table

BY_NAME = {file.name: file for file in EXPORT_FILES}
GRADE = ["gradable_id", "rubric_id", "agent_id", "grader", "grade_type"]
HAND = ("Manual", "Automated")
EVERY_TYPE = (*HAND, "Calibration", "Grader QA")


_AGENT = "agent_id agent_name agent_email"
#: The columns of each file, as independent public schemas of MaestroQA's exports have them.
PUBLIC = {
    "total_scores": f"gradable_id {_AGENT} rubric_id rubric_name rubric_score max_rubric_score comment date_graded "
    "grader grade_type ticket_created_at date_first_started date_first_graded date_reported_as source "
    "total_grading_time alignment_score target_answer_id original_grader",
    "section_scores": f"gradable_id {_AGENT} rubric_id rubric_name section_id section_name section_score "
    "max_section_score date_graded grader grade_type ticket_created_at date_reported_as source section_weight "
    "alignment_score target_answer_id original_grader",
    "individual_answers": f"gradable_id {_AGENT} rubric_id rubric_name question_id question answer_label "
    "feedback_answer_label question_score max_question_score comment date_graded grader grade_type ticket_created_at "
    "section_id section_name date_reported_as source alignment_score target_answer_id original_grader",
    "annotations": f"gradable_id {_AGENT} rubric_id rubric_name question_id question annotation_id selected_text "
    "comment date_graded grader grade_type ticket_created_at section_id section_name date_reported_as source",
    "csat": "gradable_id csat_score csat_comment ticket_created_at source",
    "groups": "group_name group_id agent_name agent_email agent_ids available",
    "audit_log": "activity_id time_stamp user_email item_type action_type description ip_address",
}


def sandbox_table(name, *, rows=0, **content):
    file = BY_NAME[name]
    table = Table(name if file.export_type == "raw" else FILES[file.export_type][0], rows, Content(**content))
    return csv.DictReader(io.StringIO(b"".join(table.blocks()).decode("utf-8-sig"), newline=""))


@cache
def many_rows(name, **content):
    return list(sandbox_table(name, rows=2000, **content))


def test_both_know_the_same_files():
    for export_type, names in FILES.items():
        files = [file.name for file in EXPORT_FILES if file.export_type == export_type]
        assert files == (list(names) if export_type == "raw" else [export_type])


@pytest.mark.parametrize("name", PUBLIC)
def test_the_sandbox_writes_the_columns_that_are_known(name):
    columns = sandbox_table(name).fieldnames
    assert columns == PUBLIC[name].split()
    assert tuple(columns) == BY_NAME[name].columns


@pytest.mark.parametrize("name", BY_NAME)
def test_deleted_grades_are_marked_in_a_column_of_their_own(name):
    columns = sandbox_table(name, deleted=True).fieldnames
    added = [DELETED_COLUMN] if "grade_type" in columns else []
    assert tuple(columns) == (*BY_NAME[name].columns, *added)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_columns_with_dates_are_known(name):
    guarded = set()
    for row in sandbox_table(name, rows=100):
        guarded |= {column for column, cell in row.items() if cell.startswith('="2021-')}
    assert guarded == DATE_COLUMNS & set(BY_NAME[name].columns) - {"date_reported_as"}


@pytest.mark.parametrize("name", BY_NAME)
def test_the_natural_key_of_a_file_is_found_by_its_columns(name):
    file = BY_NAME[name]
    assert natural_key(file.columns) == list(file.key_columns)
    assert natural_key([DELETED_COLUMN, *reversed(file.columns), "new"]) == list(file.key_columns)
    assert natural_key([column for column in file.columns if column != file.key_columns[0]]) in (
        [],
        list(file.key_columns[1:]),
    )


def shared_keys(name, *left_out, **content):
    """How many rows have a key that a row before them has."""
    key = [column for column in BY_NAME[name].key_columns if column not in left_out]
    rows = [tuple(row[column].replace("Unknown", "") for column in key) for row in many_rows(name, **content)]
    return len(rows) - len(set(rows))


@pytest.mark.parametrize("name", BY_NAME)
@pytest.mark.parametrize("grade_types", [HAND, ("Calibration",), EVERY_TYPE], ids=len)
def test_the_natural_key_tells_the_rows_apart(name, grade_types):
    assert shared_keys(name, grade_types=grade_types) == 0


@pytest.mark.parametrize(
    ("name", "left_out", "grade_types"),
    [
        ("total_scores", ["gradable_id"], HAND),
        ("total_scores", ["rubric_id"], HAND),
        ("total_scores", ["agent_id"], HAND),
        ("total_scores", ["grader"], EVERY_TYPE),
        ("total_scores", ["grader", "grade_type"], HAND),
        ("section_scores", ["section_id"], HAND),
        ("individual_answers", ["question_id"], HAND),
        ("annotations", ["annotation_id"], HAND),
        ("groups", ["group_id"], HAND),
        ("audit_log", ["description"], HAND),
    ],
)
def test_without_this_column_the_key_does_not_tell_them_apart(name, left_out, grade_types):
    assert shared_keys(name, *left_out, grade_types=grade_types) > 100


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        (["comment", "date_reported_as", "gradable_id"], ["gradable_id", "date_reported_as"]),
        (["gradable_id", "section_id", "date_reported_as"], ["gradable_id", "section_id", "date_reported_as"]),
        (["gradable_id", "question_id", "section_id"], ["gradable_id", "question_id"]),
        (["annotation_id", "gradable_id", "question_id"], ["gradable_id", "annotation_id"]),
        (["agent_ids", "comment"], ["agent_ids"]),
        (["section_id", "rubric_id"], []),
        (["membership_id", "date_reported_as"], []),
        ([], []),
    ],
)
def test_the_natural_key_is_made_of_the_columns_that_are_there(columns, key):
    assert natural_key(columns) == key


def test_the_natural_key_of_a_grade_holds_all_that_a_ticket_may_have_several_of():
    for name in ("total_scores", "section_scores", "individual_answers", "annotations"):
        assert set(GRADE) < set(BY_NAME[name].key_columns)
