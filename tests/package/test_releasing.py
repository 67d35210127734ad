import re
import subprocess

import pytest

VERSION = "0.2.0"
CHANGES = f"# Changelog\n\n## [Unreleased]\n\n## [{VERSION}] - 2026-12-01\n\n### Added\n\n- More.\n\n## [0.1.0]\n"


@pytest.fixture
def git(tmp_path, monkeypatch):
    """Run git in a clone that is ready to be released."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "a maintainer")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "maintainer@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")

    def run(*words):
        return subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    (tmp_path / "airflow_provider_maestroqa").mkdir()
    (tmp_path / "airflow_provider_maestroqa" / "__init__.py").write_text(f'__version__ = "{VERSION}"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    (tmp_path / "pyproject.toml").write_text('repository = "https://code.example.com/team/provider"\n')
    run("init", "--quiet")
    run("add", "--all")
    run("commit", "--quiet", "--message", f"Release {VERSION}")
    run("tag", "--annotate", f"v{VERSION}", "--message", f"Release {VERSION}")
    return run


def test_a_clean_commit_with_tag_and_changelog_may_be_released(git, checks, tmp_path):
    assert checks.release(tmp_path) == []


def test_a_project_without_a_repository_builds_and_is_not_released(git, checks, tmp_path):
    (tmp_path / "pyproject.toml").write_text('repository = ""\n')
    git("commit", "--quiet", "--all", "--amend", "--no-edit")
    git("tag", "--force", "--annotate", f"v{VERSION}", "--message", "again")
    (problem,) = checks.release(tmp_path)
    assert problem.startswith("pyproject.toml has no repository")


def test_the_urls_of_the_project_derive_from_the_repository(script):
    description = script("description")
    assert description.urls_of("", "0.2.0") == {}
    urls = description.urls_of("https://code.example.com/team/provider", "0.2.0")
    assert urls["Changelog"] == "https://code.example.com/team/provider/blob/v0.2.0/CHANGELOG.md"
    assert urls["Issues"] == "https://code.example.com/team/provider/issues"


def test_a_tree_with_changes_is_not_released(git, checks, tmp_path):
    (tmp_path / "stray.txt").write_text("x")
    assert checks.release(tmp_path) == ["1 files are not committed; begin from a clean clone"]


def test_a_commit_without_its_tag_is_not_released(git, checks, tmp_path):
    git("tag", "--delete", f"v{VERSION}")
    assert checks.release(tmp_path) == [f"the last commit has no tag v{VERSION}"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (f"## [{VERSION}] - 2026-12-01", f"## [{VERSION}]", f"no line '## [{VERSION}] - YYYY-MM-DD'"),
        ("## [Unreleased]\n", "## [Unreleased]\n\n- Not moved.\n", "has changes under Unreleased"),
    ],
)
def test_a_changelog_that_is_not_written_is_not_released(git, checks, tmp_path, old, new, said):
    (tmp_path / "CHANGELOG.md").write_text(CHANGES.replace(old, new))
    git("commit", "--quiet", "--all", "--amend", "--no-edit")
    git("tag", "--force", "--annotate", f"v{VERSION}", "--message", "again")
    (problem,) = checks.release(tmp_path)
    assert said in problem


def test_each_step_of_the_checklist_has_a_command_or_a_list_and_an_expected_result(root):
    text = (root / "docs" / "releasing.md").read_text().partition("## A release, step by step")[2]
    steps = re.split(r"^### ", text.partition("\n## ")[0], flags=re.MULTILINE)[1:]
    assert [int(step.partition(".")[0]) for step in steps] == list(range(1, len(steps) + 1))
    for step in steps:
        assert "```bash" in step or step.count("\n- ") > 1 or "](" in step, step
        # The version and the commit are seen by the steps behind them.
        assert "*See:*" in step or step.startswith(("2.", "4.")), step


def test_the_checklist_runs_what_is_there(root):
    text = (root / "docs" / "releasing.md").read_text()
    makefile = (root / "Makefile").read_text()
    verbs = set(re.findall(r"^make (?:-C \S+ )?([a-z-]+)$", text, re.MULTILINE))
    assert verbs >= {"test", "matrix", "docs", "release"}
    assert {verb for verb in verbs if not re.search(rf"^{verb}:.*## ", makefile, re.MULTILINE)} == set()
    # Only these two are for an index; the bill of materials is not.
    assert "twine upload dist/*.whl dist/*.tar.gz\n" in text


def test_the_security_policy_names_the_supported_version(checks, root):
    rows = re.findall(r"^\| (\d+\.\d+) \| yes \|$", (root / "SECURITY.md").read_text(), re.MULTILINE)
    assert checks.version().rpartition(".")[0] in rows
