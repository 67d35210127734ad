"""Every class that a DAG author names has a how-to: text, and code out of an example that the tests run."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from airflow_provider_maestroqa.get_provider_info import get_provider_info

INFO = get_provider_info()
MODULES = [
    module
    for house in ("operators", "sensors", "triggers")
    for entry in INFO[house]
    for module in entry["python-modules"]
]
MODULES += [entry["python-module"] for entry in INFO["transfers"]]
INCLUDE = re.compile(
    r'```{literalinclude} (\S+)\n.*?:start-after: "(\[START howto_\w+\])"\n:end-before: "(\[END howto_\w+\])"',
    re.DOTALL,
)
#: No DAG author names it: the operator on whose page it is defers to it.
NAMED_BY_NOBODY = {"MaestroQADataDeletionTrigger"}


def public_classes():
    for module in MODULES:
        for name, value in vars(importlib.import_module(module)).items():
            named = "MaestroQA" in name and not name.startswith("_") and name not in NAMED_BY_NOBODY
            if inspect.isclass(value) and value.__module__ == module and named:
                yield name


@pytest.fixture(scope="module")
def howtos():
    """The pages with the blocks that they include: (page's text, all included code)."""
    from pathlib import Path

    found = []
    for page in sorted((Path(__file__).resolve().parents[2] / "docs").glob("*.md")):
        text, code = page.read_text(), []
        for name, start, end in INCLUDE.findall(text):
            source = (page.parent / name).resolve().read_text()
            code.append(source.partition(start)[2].partition(end)[0])
        found.append((text, "\n".join(code)))
    return found


@pytest.mark.parametrize("name", sorted(set(public_classes())))
def test_a_class_is_explained_on_a_page_that_includes_an_example_of_it(howtos, name):
    called = re.compile(rf"\b{name}(\.partial)?\(")
    assert [text for text, code in howtos if re.search(rf"\b{name}\b", text) and called.search(code)], name


def test_there_are_as_many_classes_as_users_know():
    assert len(set(public_classes())) >= 22
