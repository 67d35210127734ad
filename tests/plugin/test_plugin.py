"""The plugin in projects of users: what its fixtures give, and that it is no burden to who does not use it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INNER = Path(__file__).parent / "inner"
PACKAGE = "airflow_provider_maestroqa"
STRICT = ("-W", "error", "--strict-markers", "--strict-config")
#: Prints what has been imported when all is over.
MODULES = "import sys\n\ndef pytest_unconfigure():\n    print('modules:', *sys.modules)\n"
SHOWS = """
import os

def test_shows():
    for name, value in os.environ.items():
        if name.startswith("AIRFLOW"):
            print(f"{name}={value}.")
"""


def project(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory, run_pytest):
    folder = project(tmp_path_factory.mktemp("fixtures"), test_fixtures=(INNER / "fixtures.py").read_text())
    return run_pytest(folder, *STRICT, NO_PROXY="internal.example.com")


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory, run_pytest):
    folder = project(tmp_path_factory.mktemp("mistakes"), test_mistakes=(INNER / "mistakes.py").read_text())
    ran = run_pytest(folder, *STRICT)
    return dict(re.findall(r"^_+ ERROR at setup of (\w+) _+\n(.+?)(?=^[_=]+ )", ran.output, re.M | re.S))


def test_the_fixture_works_as_documented(fixtures):
    assert set(fixtures.outcomes.values()) == {"PASSED"}, fixtures.output
    assert len(fixtures.outcomes) == 13


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("test_unknown_option", "has no option pols. There are: account, agent_groups, agents, "),
        ("test_unknown_option", "conn_id"),
        ("test_option_without_a_name", "takes options by name only, such as polls=1."),
        ("test_value_that_there_is_not", "batch_mode is one of atomic, partial, not 'sometimes'."),
        ("test_limits_that_are_none", "or is REAL_LIMITS or None."),
        ("test_run_without_a_dags_folder", "write `maestroqa_dags_folder = dags` into pytest's configuration"),
    ],
)
def test_a_mistake_is_reported_in_a_sentence(mistakes, name, message):
    assert message in mistakes[name]
    assert "Traceback" not in mistakes[name]
    assert "pytest_plugin.py" not in mistakes[name]


def test_a_project_that_has_no_use_for_it_gets_nothing_imported_and_no_warning(tmp_path, run_pytest):
    folder = project(tmp_path, conftest=MODULES, test_plain="def test_plain():\n    assert True\n")
    with_it, without_it = run_pytest(folder, *STRICT), run_pytest(folder, *STRICT, "-p", "no:maestroqa")
    for ran in (with_it, without_it):
        assert (ran.code, ran.outcomes) == (0, {"test_plain": "PASSED"})
        assert not re.search(r"warnings summary|\wWarning\b", ran.output)
    brought = modules(with_it.output) - modules(without_it.output)
    assert {name for name in brought if not is_stdlib(name)} == {PACKAGE, f"{PACKAGE}.pytest_plugin"}


def test_the_module_imports_nothing_but_pytest_and_the_standard_library(clean_environment):
    code = f"import pytest, sys\nimport {PACKAGE}.pytest_plugin\nprint('modules:', *sys.modules)"
    plain = subprocess_output(code.replace(f"{PACKAGE}.pytest_plugin", "pytest"), clean_environment)
    brought = modules(subprocess_output(code, clean_environment)) - modules(plain)
    assert {name for name in brought if not is_stdlib(name)} == {PACKAGE, f"{PACKAGE}.pytest_plugin"}
    # A Python without SQLite is one more reason to fail at import.
    assert "sqlite3" not in brought


def test_a_program_that_imported_the_package_may_still_run_pytest(tmp_path, clean_environment):
    project(tmp_path, test_plain="def test_plain():\n    assert True\n")
    (tmp_path / "pytest.ini").touch()
    options = ["-W", "error", "-p", "no:cacheprovider", str(tmp_path)]
    code = f"import {PACKAGE}, pytest\nprint('code', int(pytest.main({options!r})))"
    assert "code 0" in subprocess_output(code, clean_environment)


def test_marker_setting_and_fixtures_explain_themselves(tmp_path, run_pytest):
    folder = project(tmp_path, test_plain="def test_plain():\n    assert True\n")
    assert (
        "@pytest.mark.maestroqa_sandbox(**options): options of the Sandbox" in run_pytest(folder, "--markers").output
    )
    assert "maestroqa_dags_folder" in run_pytest(folder, "--help").output
    output = re.sub(r"\s+", " ", run_pytest(folder, "--fixtures").output)
    assert "A fresh MaestroQA for this test alone, and the Airflow connection to it." in output
    assert "Run a DAG against this test's sandbox" in output


@pytest.mark.parametrize("variable", ["AIRFLOW__SECRETS__BACKEND", "AIRFLOW__WORKERS__SECRETS_BACKEND"])
def test_a_secrets_backend_that_takes_precedence_stops_the_test(tmp_path, run_pytest, variable):
    folder = project(tmp_path, test_one="def test_one(maestroqa_sandbox):\n    pass\n")
    ran = run_pytest(folder, **{variable: "some.vault.Backend"})
    assert ran.outcomes == {"test_one": "ERROR"}
    assert "before it finds the sandbox: a test could reach the real MaestroQA" in ran.output
    assert variable in ran.output


@pytest.fixture
def with_dags(tmp_path):
    (tmp_path / "dags").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\nmaestroqa_dags_folder = dags\n")
    return tmp_path


def test_a_dags_folder_gives_each_process_an_airflow_of_its_own(with_dags, run_pytest):
    twice = SHOWS.replace(
        "def test_shows", "import pytest\n\n@pytest.mark.parametrize('n', range(2))\ndef test_shows"
    )
    folder = project(with_dags, test_one=twice.replace("shows()", "shows(n)"))
    ran = run_pytest(folder, *STRICT, "-n", "2", "--dist", "load", AIRFLOW_HOME="/nowhere")
    assert len(ran.passed) == 2, ran.output
    homes = set(re.findall(r"AIRFLOW_HOME=(.+)\.", ran.output))
    assert len(homes) == 2
    assert "/nowhere" not in homes
    assert not [home for home in homes if Path(home).exists()]


def test_settings_of_the_environment_do_not_count_but_connections_and_variables_do(with_dags, run_pytest):
    ran = run_pytest(
        project(with_dags, test_one=SHOWS),
        *STRICT,
        AIRFLOW_HOME="/nowhere",
        AIRFLOW_CONFIG="/nowhere/airflow.cfg",
        AIRFLOW__SECRETS__BACKEND="some.vault.Backend",
        AIRFLOW__CORE__EXECUTOR="CeleryExecutor",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN="postgresql://production",
        AIRFLOW_CONN_AWS_DEFAULT="aws://",
        AIRFLOW_VAR_LAKE="s3://test-lake",
    )
    shown = dict(re.findall(r"^(AIRFLOW\w+)=(.*)\.$", ran.output, re.M))
    home = shown["AIRFLOW_HOME"]
    assert shown == {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__DAGS_FOLDER": str(with_dags / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
        "AIRFLOW_VAR_LAKE": "s3://test-lake",
    }


def test_a_conftest_may_set_what_the_tests_need_of_airflow(with_dags, run_pytest):
    sets = "import os\n\nos.environ['AIRFLOW__CORE__PLUGINS_FOLDER'] = os.environ['AIRFLOW__CORE__DAGS_FOLDER']\n"
    ran = run_pytest(project(with_dags, conftest=sets, test_one=SHOWS), *STRICT)
    assert f"AIRFLOW__CORE__PLUGINS_FOLDER={with_dags / 'dags'}." in ran.output


def test_a_dags_folder_that_is_not_there_is_reported(tmp_path, run_pytest):
    (tmp_path / "pytest.ini").write_text("[pytest]\nmaestroqa_dags_folder = dgas\n")
    ran = run_pytest(project(tmp_path, test_one=SHOWS))
    assert ran.code == pytest.ExitCode.USAGE_ERROR
    assert f"maestroqa_dags_folder is 'dgas', but the folder {tmp_path / 'dgas'} does not exist." in ran.output


def test_an_airflow_that_was_imported_before_is_reported(with_dags, run_pytest, clean_environment):
    # As a plugin of another package would, which pytest loads early.
    project(
        with_dags, early="import sys, types\n\nsys.modules['airflow.configuration'] = types.ModuleType('early')\n"
    )
    paths = os.pathsep.join([str(with_dags), clean_environment["PYTHONPATH"]])
    ran = run_pytest(project(with_dags, test_one=SHOWS), "-p", "early", PYTHONPATH=paths)
    assert ran.code == pytest.ExitCode.USAGE_ERROR
    assert "Airflow was imported before pytest read it" in ran.output


def test_pyproject_has_the_entry_points_that_these_tests_install(entry_points):
    text = (ROOT / "pyproject.toml").read_text()
    for group, name, target in re.findall(r"^\[(\w+)\]\n(\w+) = (\S+)$", entry_points, re.M):
        assert f'[project.entry-points.{group}]\n{name} = "{target}"' in text


def modules(output):
    return set(re.search(r"^modules: (.*)$", output, re.M)[1].split())


def is_stdlib(name):
    return name.partition(".")[0] in sys.stdlib_module_names


def subprocess_output(code, environment):
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
