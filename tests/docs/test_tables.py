import importlib
import inspect
import re

from airflow_provider_maestroqa.get_provider_info import get_provider_info
from airflow_provider_maestroqa.sandbox import Sandbox

#: Where users import from: what Airflow is told of, and the sandbox.
INFO = get_provider_info()
MODULES = [
    module for house in ("hooks", "operators", "sensors", "triggers") for module in INFO[house][0]["python-modules"]
]
MODULES += [transfer["python-module"] for transfer in INFO["transfers"]]
MODULES += ["airflow_provider_maestroqa.sandbox"]


def test_the_members_of_a_sandbox_exist(table):
    for cell in table("docs/sandbox.md", "Member"):
        for name in re.findall(r"\w+(?=\(|`|$)", cell):
            if name not in ("method", "path"):
                assert hasattr(Sandbox, name), name


def test_every_name_in_the_readme_can_be_imported(table):
    homes = [importlib.import_module(module) for module in MODULES]
    for name in table("README.md", "Name"):
        assert any(hasattr(home, name) for home in homes), name


def test_every_public_class_is_in_the_readme(table):
    homes = [importlib.import_module(module) for module in MODULES if not module.endswith(".sandbox")]
    public = {
        name
        for home in homes
        for name, value in vars(home).items()
        if inspect.isclass(value) and value.__module__ == home.__name__ and "MaestroQA" in name
    }
    assert public <= set(table("README.md", "Name"))


def test_the_verbs_are_those_of_the_makefile(table, read):
    verbs = re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.MULTILINE)
    assert set(table("CONTRIBUTING.md", "Verb")) == {f"make {verb}" for verb in verbs}


def test_the_layout_is_drawn_as_it_is(read, root, monkeypatch):
    monkeypatch.syspath_prepend(root / "scripts")
    layout = importlib.import_module("layout")
    shown = read("CONTRIBUTING.md")
    assert layout.page(shown) == shown, "run: python scripts/layout.py"
    assert all(len(line) <= 125 for line in layout.rooms().splitlines())


def test_the_version_is_in_the_changelog(read):
    from airflow_provider_maestroqa import __version__

    assert f"## [{__version__}]" in read("CHANGELOG.md")


def test_the_files_to_touch_exist(table, root):
    places = {
        place for (cell,) in table("CONTRIBUTING.md", "To add").values() for place in re.findall(r"`([\w./]+)`", cell)
    }
    there = {
        place for place in places if (root / place).exists() or (root / "airflow_provider_maestroqa" / place).exists()
    }
    assert len(places) > 20
    assert places - there == {"root", "auth", "alternative", "TRANSIENT_STATUSES"}
