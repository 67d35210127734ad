"""The files of exports: the columns that each is known to have, and which of them identify a record.

MaestroQA documents neither, and may change both: nothing here is required of a file. The cleaning, the manifest, the
choices of ``single_file_export`` and the tables of the docs are derived from :data:`EXPORT_FILES`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Columns that hold dates.
DATE_COLUMNS = frozenset(
    {"date_graded", "date_first_started", "date_first_graded", "ticket_created_at", "date_reported_as", "time_stamp"}
)
#: The column that a raw export has besides where deleted grades are included.
DELETED_COLUMN = "is_deleted"

#: A ticket (which is the gradable) may be graded more than once: by several rubrics, for several agents, by the
#: graders of a calibration, by hand and automatically.
_GRADE = ("gradable_id", "rubric_id", "agent_id", "grader", "grade_type")


@dataclass(frozen=True)
class ExportFile:
    """A CSV file of an export.

    :param name: of the file, without ``.csv``; an export that is not ``raw`` has one file, which is named after it.
    :param export_type: the export that it is in.
    :param columns: in the order in which they are known.
    :param key_columns: the columns that identify a record together, the most important one first.
    :param own_column: tells the file from those before it in :data:`EXPORT_FILES`, which do not have it.
    """

    name: str
    export_type: str
    columns: tuple[str, ...]
    key_columns: tuple[str, ...]
    own_column: str


EXPORT_FILES = (
    ExportFile(
        "total_scores",
        "raw",
        (
            *("gradable_id", "agent_id", "agent_name", "agent_email", "rubric_id", "rubric_name"),
            *("rubric_score", "max_rubric_score", "comment", "date_graded", "grader", "grade_type"),
            *("ticket_created_at", "date_first_started", "date_first_graded", "date_reported_as", "source"),
            *("total_grading_time", "alignment_score", "target_answer_id", "original_grader"),
        ),
        (*_GRADE, "date_reported_as"),
        "gradable_id",
    ),
    ExportFile(
        "section_scores",
        "raw",
        (
            *("gradable_id", "agent_id", "agent_name", "agent_email", "rubric_id", "rubric_name"),
            *("section_id", "section_name", "section_score", "max_section_score", "date_graded", "grader"),
            *("grade_type", "ticket_created_at", "date_reported_as", "source", "section_weight"),
            *("alignment_score", "target_answer_id", "original_grader"),
        ),
        (*_GRADE, "section_id", "date_reported_as"),
        "section_id",
    ),
    ExportFile(
        "individual_answers",
        "raw",
        (
            *("gradable_id", "agent_id", "agent_name", "agent_email", "rubric_id", "rubric_name"),
            *("question_id", "question", "answer_label", "feedback_answer_label", "question_score"),
            *("max_question_score", "comment", "date_graded", "grader", "grade_type", "ticket_created_at"),
            *("section_id", "section_name", "date_reported_as", "source", "alignment_score"),
            *("target_answer_id", "original_grader"),
        ),
        (*_GRADE, "question_id", "date_reported_as"),
        "question_id",
    ),
    ExportFile(
        "annotations",
        "raw",
        (
            *("gradable_id", "agent_id", "agent_name", "agent_email", "rubric_id", "rubric_name"),
            *("question_id", "question", "annotation_id", "selected_text", "comment", "date_graded"),
            *("grader", "grade_type", "ticket_created_at", "section_id", "section_name"),
            *("date_reported_as", "source"),
        ),
        (*_GRADE, "annotation_id", "date_reported_as"),
        "annotation_id",
    ),
    ExportFile(
        "csat",
        "raw",
        ("gradable_id", "csat_score", "csat_comment", "ticket_created_at", "source"),
        ("gradable_id",),
        "csat_score",
    ),
    ExportFile(
        "groups",
        "groups",
        ("group_name", "group_id", "agent_name", "agent_email", "agent_ids", "available"),
        # An agent may be in several groups.
        ("agent_ids", "group_id"),
        "agent_ids",
    ),
    ExportFile(
        "audit_log",
        "audit_log",
        ("activity_id", "time_stamp", "user_email", "item_type", "action_type", "description", "ip_address"),
        ("activity_id", "time_stamp", "description"),
        "activity_id",
    ),
)


def natural_key(columns: Sequence[str]) -> list[str]:
    """The columns of a file that identify a record, as far as it has them; none without the most important one.

    :param columns: the columns of a file, of which some may be missing and others unknown.
    """
    file = next((file for file in reversed(EXPORT_FILES) if file.own_column in columns), None)
    if file is None or file.key_columns[0] not in columns:
        return []
    return [name for name in file.key_columns if name in columns]
