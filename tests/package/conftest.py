"""The package, built once for all tests."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def script():
    """Import a script of scripts/ by its name."""
    path = str(ROOT / "scripts")
    sys.path.insert(0, path)
    yield importlib.import_module
    sys.path.remove(path)


@pytest.fixture(scope="session")
def project_files(script):
    """The files of the project, as git knows them."""
    known = ["git", "-C", str(ROOT), "rev-parse", "--show-toplevel"]
    if shutil.which("git") is None or subprocess.run(known, capture_output=True, check=False).returncode:
        pytest.skip("what belongs to the package is known by git, and here is no clone")
    return script("package_build").files_of()


@pytest.fixture(scope="session")
def built(script, project_files, tmp_path_factory):
    """The sdist and the wheel of the tree as it is."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the package, is not in this environment")
    return script("package_build").build(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def checks(script):
    return script("package_checks")


@pytest.fixture(scope="session")
def licenses(script):
    return script("licenses")


@pytest.fixture
def told(checks):
    """The table ``project`` of pyproject.toml."""
    return checks.project()["project"]


@pytest.fixture
def root():
    return ROOT
