"""The page "Test your DAGs without a token", followed literally, and what else a project may do."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SNIPPETS = ROOT / "docs" / "snippets" / "testing"
MUST_FAIL = {
    "test_an_unknown_dag",
    "test_an_unknown_argument",
    "test_a_date_that_is_not_aware[date0]",
    "test_a_date_that_is_not_aware[2026-03-02T00:00:00Z]",
}


def test_every_test_of_the_page_passes_on_two_processes(user_project):
    written = re.findall(r"^def (test_\w+)", "".join(path.read_text() for path in SNIPPETS.rglob("test_*.py")), re.M)
    passed = {name.partition("[")[0] for name in user_project.passed}
    assert set(written) <= passed, user_project.output[-5000:]
    assert len(written) >= 8


def test_runs_work_as_documented_and_are_independent(user_project):
    assert {name for name, outcome in user_project.outcomes.items() if outcome != "PASSED"} == MUST_FAIL
    assert {f"test_each_test_has_a_database_and_a_sandbox_of_its_own[{number}]" for number in range(2)} <= (
        user_project.passed
    )


def test_the_error_for_an_unknown_dag_lists_known_and_broken_dags(user_project):
    said = re.sub(r"\s+", " ", user_project.output)
    assert "There is no DAG 'erands' in" in said
    assert "There are: comments_from_file, errands, grades_to_lake." in said
    assert "no DAG to be had here" in said


def test_an_argument_that_no_task_has_is_an_error(user_project):
    assert "task_arguments: no task of this DAG has an argument 'pol_interval'." in user_project.output


def test_a_naive_date_is_an_error_before_airflow_sees_it(user_project):
    assert (
        "logical_date is an aware datetime, such as datetime(2026, 3, 2, tzinfo=timezone.utc)" in user_project.output
    )
    assert "StatementError" not in user_project.output


def test_the_tables_of_the_page_name_what_there_is():
    from airflow_provider_maestroqa import pytest_plugin

    page = (ROOT / "docs" / "testing.md").read_text()
    tables = {
        header: re.findall(r"^\| `(\w+)`", rows, re.M)
        for header, rows in re.findall(r"^\| (\w+) \|.*\n((?:\|.*\n)+)", page, re.M)
    }
    fixtures = re.findall(r"@pytest\.fixture\ndef (maestroqa_\w+)", inspect.getsource(pytest_plugin))
    arguments = list(inspect.signature(pytest_plugin.RunDag.__call__).parameters)[1:]
    assert tables == {
        "Fixture": fixtures,
        "Argument": arguments,
        "Result": [field.name for field in fields(pytest_plugin.DagRunOutcome)],
        "Option": [*pytest_plugin._SANDBOX_DEFAULTS, *pytest_plugin._CONNECTION_OPTIONS],
    }


def test_ci_installs_the_newest_airflow_with_its_constraints():
    newest = (ROOT / "requirements" / "newest").read_text().strip()
    installed = (SNIPPETS / "ci.yml").read_text()
    assert f'"apache-airflow=={newest}"' in installed
    assert f"/constraints-{newest}/constraints-3.11.txt" in installed
