import importlib.util
import re
import sys

import pytest

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!_-]+")


@pytest.fixture
def matrix(root, monkeypatch):
    monkeypatch.syspath_prepend(root / "scripts")
    spec = importlib.util.spec_from_file_location("maestroqa_matrix", root / "scripts" / "matrix.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def rows_of(page, heading):
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def test_the_table_of_what_has_been_run_has_every_cell_of_the_matrix_and_all_are_green(read, matrix):
    rows = rows_of(read("docs/versions.md"), "What has been run")
    assert [(row[0], row[1]) for row in rows] == list(matrix.CELLS)
    assert {row[-1] for row in rows} == {"green"}


def test_each_cell_has_a_complete_list_of_versions_that_names_its_airflow(root, matrix):
    from environment import list_of

    for airflow, python in matrix.CELLS:
        versions = list_of(airflow, tuple(map(int, python.split("."))))
        assert versions.exists()
        if airflow != "lowest":
            assert f"apache-airflow=={airflow}" in versions.read_text().split()


def test_lists_of_versions_are_plain_names_and_versions(root):
    for path in (root / "requirements").glob("airflow-*.txt"):
        lines = path.read_text().splitlines()
        assert [line for line in lines if not PLAIN.fullmatch(line)] == [], path.name
        names = [line.partition("==")[0].lower() for line in lines]
        assert len(names) == len(set(names)), path.name


def test_the_releases_that_make_test_runs_are_in_the_matrix(read, matrix):
    (older,) = re.findall(r"^OLDER := (.+)$", read("Makefile"), re.MULTILINE)
    assert set(older.split()) | {matrix.NEWEST} <= {airflow for airflow, _ in matrix.CELLS}
    assert older.split() == ["2.11.0", "3.0.6"]


def test_the_tests_that_the_matrix_runs_and_leaves_out_exist(root, matrix):
    paths = [argument.removeprefix("--ignore=") for argument in (*matrix.QUICK, *matrix.WHOLE)]
    assert [path for path in paths if not (root / path).exists()] == []


def test_the_extras_of_the_page_are_those_of_the_package(read):
    extras = re.findall(
        r"^([a-z]+) = \[",
        read("pyproject.toml").partition("[project.optional-dependencies]")[2].partition("\n[")[0],
        re.MULTILINE,
    )
    assert sorted(row[0].strip("`") for row in rows_of(read("docs/versions.md"), "Install")) == sorted(extras)


def test_a_cell_whose_demo_or_tests_failed_makes_the_matrix_fail(matrix, monkeypatch, capsys, tmp_path):
    verdicts = {"2.11.0": "green", "3.2.1": "RED"}

    def run_cell(airflow, python, interpreter, *, keep, whole):
        return matrix.Row(airflow=airflow, python=python, verdict=verdicts[airflow], minutes=1.0)

    monkeypatch.setattr(matrix, "run_cell", run_cell)
    monkeypatch.setattr(matrix, "find_python", lambda version: "python" if version != "3.12" else None)
    monkeypatch.setattr(sys, "argv", ["matrix.py", "2.11.0"])
    assert matrix.main() == 0
    assert "| 2.11.0 | 3.12 |  |  | 0.0 | no such Python here |" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["matrix.py", "3.2.1-python3.12"])
    monkeypatch.setattr(matrix, "find_python", lambda version: "python")
    assert matrix.main() == 1
    assert "| 3.2.1 | 3.12 |  |  | 1.0 | RED |" in capsys.readouterr().out
