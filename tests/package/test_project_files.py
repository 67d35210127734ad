"""The files beside the package that others read: the registry's, the repository host's, pre-commit's."""

import re

import yaml


def test_the_registry_file_lists_what_the_provider_info_lists(script, root):
    registry = script("registry")
    assert (root / ".airflow-registry.yaml").read_text() == registry.text(), "run: python scripts/registry.py"
    content = yaml.safe_load(registry.text())
    entries = [
        entry for kind in ("hooks", "operators", "sensors", "triggers", "transfers") for entry in content[kind]
    ]
    assert len(entries) > 20
    assert all(entry["description"] for entry in entries)


def test_actions_are_pinned_by_commit_and_get_the_least_permissions(root):
    for path in sorted((root / ".github" / "workflows").glob("*.yml")):
        text = path.read_text()
        used = re.findall(r"uses: (\S+)(.*)$", text, re.MULTILINE)
        assert used, path.name
        for action, comment in used:
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
            assert comment.strip().startswith("#"), f"{action}: say which version it is"
        assert yaml.safe_load(text)["permissions"] == {}, path.name


def test_the_workflows_run_what_a_developer_runs(root):
    workflows = root / ".github" / "workflows"
    assert "run: bash .ci/run" in (workflows / "ci.yml").read_text()
    release = (workflows / "release.yml").read_text()
    assert "run: make release" in release
    assert "id-token: write" in release
    assert "secrets." not in release


def test_pre_commit_runs_the_commands_of_make_check(root):
    hooks = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (root / "Makefile").read_text().replace("$(BIN)", ".venv/bin")
    for hook in hooks:
        assert hook["entry"] in makefile, hook["id"]


def test_the_issue_form_asks_for_what_is_needed_to_reproduce(root):
    form = yaml.safe_load((root / ".github" / "ISSUE_TEMPLATE" / "bug.yml").read_text())
    required = {field["id"] for field in form["body"] if field.get("validations", {}).get("required")}
    assert {"package", "airflow", "python", "sandbox", "check", "steps"} <= required
