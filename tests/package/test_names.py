import ast
import importlib
import json
import re
import sys
from pathlib import Path

import airflow
import pytest
from jsonschema import Draft7Validator

from airflow_provider_maestroqa import __version__
from airflow_provider_maestroqa.get_provider_info import get_provider_info

SCHEMAS = Path(airflow.__file__).parent


def test_the_version_stands_in_one_place(told, checks, root):
    assert "version" in told["dynamic"]
    assert checks.version() == __version__
    assigned = re.compile(r"""^(__version__|version|VERSION)\s*[:=].*["']\d+\.\d+""", re.MULTILINE)
    stands = [
        path.relative_to(root).as_posix()
        for path in [root / "pyproject.toml", *(root / "airflow_provider_maestroqa").rglob("*.py")]
        if assigned.search(path.read_text())
    ]
    assert stands == ["airflow_provider_maestroqa/__init__.py"]


def test_the_changelog_has_a_section_for_this_version_or_for_the_next(root):
    headings = re.findall(r"^## \[([^\]]+)\]", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in ("Unreleased", __version__)
    assert __version__ in headings
    assert len(headings) == len(set(headings))


def test_the_readme_names_each_extra(told, root):
    readme = (root / "README.md").read_text()
    assert {extra for extra in told["optional-dependencies"] if f"`{extra}`" not in readme} == set()


def test_the_page_of_versions_has_a_row_for_each_extra_and_no_other(told, root):
    rows = (root / "docs" / "versions.md").read_text().partition("| Extra | For |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `([a-z]+)` \|", rows, re.MULTILINE)) == sorted(told["optional-dependencies"])


def test_an_extra_that_pages_or_messages_name_is_one_of_pyproject(told, root):
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "airflow_provider_maestroqa").rglob("*.py")]
    named = {
        (extra, path.name)
        for path in pages
        for several in re.findall(r"airflow-provider-maestroqa\[([a-z,]+)\]", path.read_text())
        for extra in several.split(",")
    }
    assert {extra for extra, _ in named} >= {"amazon", "parquet", "redis", "sql"}
    assert {one for one in named if one[0] not in told["optional-dependencies"]} == set()


#: Modules that need an extra, by that: they are imported when it is known to be there.
OF_EXTRAS = {"arrow_reader.py": "pyarrow"}


def test_what_is_imported_everywhere_is_a_dependency_that_is_always_there(told, root):
    brought = {re.match(r"[A-Za-z0-9-]+", line)[0].replace("-", "_") for line in told["dependencies"]}
    # pytest loads the plugin; urllib3 and pydantic_core are parts of how one uses requests and pydantic.
    known = brought | {"airflow", "airflow_provider_maestroqa", "pytest", "urllib3", "pydantic_core"}
    for path in (root / "airflow_provider_maestroqa").rglob("*.py"):
        for module in _imported_at_once(ast.parse(path.read_text())):
            name = module.partition(".")[0]
            of_extra = name == OF_EXTRAS.get(path.name)
            assert of_extra or name in known or name in sys.stdlib_module_names, f"{path.name} imports {name}"
            assert f"{module.rpartition('.')[2]}.py" not in OF_EXTRAS, f"{path.name} imports {module} at once"


def _imported_at_once(tree):
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_the_provider_info_fits_the_schema_that_airflow_checks_it_by():
    _validate(json.loads((SCHEMAS / "provider_info.schema.json").read_text()), get_provider_info())


@pytest.mark.parametrize("key", sorted(get_provider_info()))
def test_each_part_of_the_provider_info_fits_the_schema_of_airflows_own_providers(key):
    schema = json.loads((SCHEMAS / "provider.yaml.schema.json").read_text())
    if key not in schema["properties"]:
        # A part for other Airflows, which this one passes over.
        assert key in ("asset-uris", "dataset-uris")
        return
    part = {"definitions": schema.get("definitions", {}), **schema["properties"][key]}
    _validate(part, get_provider_info()[key])


def _validate(schema, value):
    found = sorted(Draft7Validator(schema).iter_errors(value), key=str)
    assert [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in found] == []


def test_all_that_the_provider_info_names_is_there():
    info = get_provider_info()
    for part in ("hooks", "operators", "sensors", "triggers"):
        for row in info[part]:
            for module in row["python-modules"]:
                assert importlib.import_module(module)
    for row in info["transfers"]:
        assert importlib.import_module(row["python-module"])
    for name in [row["hook-class-name"] for row in info["connection-types"]] + info.get("extra-links", []):
        module, _, attribute = name.rpartition(".")
        assert getattr(importlib.import_module(module), attribute)
