import dataclasses
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest


def test_a_second_build_and_a_build_from_the_sdist_have_the_same_bytes(script, built, tmp_path):
    assert script("package_build").build_again(built, tmp_path) == []


def test_files_carry_the_time_of_the_last_commit(script, built):
    committed = int(script("package_build").epoch())
    with tarfile.open(built.sdist) as archive:
        assert {member.mtime for member in archive.getmembers()} == {committed}
    with zipfile.ZipFile(built.wheel) as archive:
        assert len({info.date_time for info in archive.infolist()}) == 1


def test_sdist_and_wheel_hold_what_they_must_and_nothing_else(checks, built, project_files):
    assert checks.contents(built, project_files) == []


def test_the_wheel_holds_neither_tests_nor_caches(checks, built):
    held = checks.in_wheel(built.wheel)
    assert f"{checks.PACKAGE}/example_dags/maestroqa_raw_export_to_s3.py" in held
    assert not [name for name in held if "__pycache__" in name or "/tests/" in name or name.startswith("tests")]


def test_a_program_that_has_imported_the_wheel_may_run_pytest(built, tmp_path):
    with zipfile.ZipFile(built.wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_plain.py").write_text("def test_plain():\n    assert True\n")
    options = [
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "--markers",
        "--rootdir",
        str(tmp_path),
        str(tmp_path / "tests"),
    ]
    code = f"import airflow_provider_maestroqa as p, pytest\nprint(p.__file__, int(pytest.main({options!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith(f"{tmp_path}/site/airflow_provider_maestroqa/__init__.py 0\n"), done.stderr
    assert "maestroqa_sandbox" in done.stdout


def test_the_sdist_holds_nothing_that_git_ignores(checks, built):
    held = checks.in_sdist(built.sdist)
    assert "tests/package/test_build.py" in held
    assert not [name for name in held if "__pycache__" in name or name.startswith((".venv", "dist/", "docs/_build"))]


def test_what_lacks_and_what_is_too_much_is_found(checks, built, project_files, tmp_path):
    wheel = tmp_path / built.wheel.name
    with zipfile.ZipFile(built.wheel) as archive, zipfile.ZipFile(wheel, "w") as other:
        for name in archive.namelist():
            if name != f"{checks.PACKAGE}/py.typed":
                other.writestr(name, archive.read(name))
        other.writestr("tests/test_stray.py", "")
    found = checks.contents(dataclasses.replace(built, wheel=wheel), project_files)
    assert found == [
        f"the wheel lacks {checks.PACKAGE}/py.typed",
        "the wheel holds tests/test_stray.py, which it should not",
        "the wheel lacks py.typed: type checkers would not read its types",
    ]


def test_a_build_that_differs_is_found(script, built, tmp_path):
    differs = script("package_build").differs
    changed = tmp_path / built.wheel.name
    shutil.copy(built.wheel, changed)
    assert differs("it is another wheel", built.wheel, changed) == []
    with zipfile.ZipFile(changed, "a") as archive:
        archive.writestr("one-more", "")
    (found,) = differs("it is another wheel", built.wheel, changed)
    assert found.startswith("it is another wheel: ")


def test_metadata_match_pyproject(checks, built):
    assert checks.metadata(built) == []


def test_the_description_renders_and_links_nowhere_into_the_tree(checks, built):
    if importlib.util.find_spec("twine") is None:
        pytest.skip("twine, which renders the description, comes with requirements/tools.txt")
    assert checks.description(built) == []


def test_links_of_the_description_become_text_or_addresses(script):
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the package, is not in this environment")
    describe = script("description").describe
    readme = "[Begin](docs/a.md#x), [site](https://example.com), [up](#top)\n\n![a b](docs/b.png)\n"
    fence = "```text\n[kept](docs/a.md)\n```\n"
    assert describe(readme + fence) == f"Begin, [site](https://example.com), [up](#top)\n\n\n{fence}"
    assert describe(readme, "https://example.com/tree/") == readme.replace(
        "(docs/", "(https://example.com/tree/docs/"
    )
