"""Projects of users: folders with tests, run by a pytest of their own in which the plugin is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "airflow_provider_maestroqa"
#: As pyproject.toml has them; a test compares.
ENTRY_POINTS = f"""
[apache_airflow_provider]
provider_info = {PACKAGE}.get_provider_info:get_provider_info
[pytest11]
maestroqa = {PACKAGE}.pytest_plugin
"""


@dataclass(frozen=True)
class Ran:
    """What one pytest said: its exit code, its output, and how each test ended, by name."""

    code: int
    output: str
    outcomes: dict[str, str]

    @property
    def passed(self):
        return {name for name, outcome in self.outcomes.items() if outcome == "PASSED"}


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """What an installation leaves besides the package: the entry points, and the list of its files."""
    site = tmp_path_factory.mktemp("site")
    folder = site / f"{PACKAGE}-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE.replace('_', '-')}\nVersion: 1\n")
    (folder / "entry_points.txt").write_text(ENTRY_POINTS)
    files = [str(path.relative_to(ROOT)) for path in (ROOT / PACKAGE).rglob("*.py")]
    (folder / "RECORD").write_text("".join(f"{path},,\n" for path in files))
    return site


@pytest.fixture
def entry_points():
    return ENTRY_POINTS


@pytest.fixture(scope="session")
def clean_environment(installed):
    """The environment of a user who has the package installed, and knows nothing of this repository."""
    names = [name for name in os.environ if not name.startswith(("AIRFLOW", "PYTEST"))]
    return {
        **{name: os.environ[name] for name in names},
        "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}",
    }


@pytest.fixture(scope="session")
def run_pytest(clean_environment):
    """Run pytest in a folder."""

    def run(folder, *arguments, **environment):
        (folder / "pytest.ini").touch()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *arguments],
            cwd=folder,
            env={**clean_environment, **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        output = done.stdout + done.stderr
        ended = re.findall(r"^(PASSED|FAILED|ERROR) \S+?::(\S+)", output, re.M)
        return Ran(done.returncode, output, {name: outcome for outcome, name in ended})

    return run


@pytest.fixture(scope="session")
def user_project(tmp_path_factory, run_pytest):
    """The project of the page about testing, with more DAGs and tests in it, run once on two processes."""
    folder = tmp_path_factory.mktemp("project") / "project"
    no_cache = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "docs" / "snippets" / "testing", folder, ignore=no_cache)
    for name in ("dags", "tests"):
        shutil.copytree(Path(__file__).parent / "inner" / name, folder / name, ignore=no_cache, dirs_exist_ok=True)
    for path in (folder / "tests").glob("more_*.py"):
        path.rename(path.with_name(f"test_{path.name}"))
    return run_pytest(folder, "-n", "2", "--strict-markers", "--strict-config")
