"""Every class is where people look for it: Airflow's list of providers, the README, the pages, the reference."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest

from airflow_provider_maestroqa.get_provider_info import get_provider_info

INFO = get_provider_info()


@pytest.fixture(scope="module")
def pages(package):
    """The pages of the documentation as one text, without the reference that is made of docstrings."""
    files = sorted((package.root / "docs").glob("*.md"))
    return "\n".join(file.read_text() for file in files if file.name != "changelog.md")


def listed_modules():
    listed = [
        module
        for house in ("hooks", "operators", "sensors", "triggers")
        for module in INFO[house][0]["python-modules"]
    ]
    return listed + [entry["python-module"] for entry in INFO["transfers"]]


def test_the_public_names_are_there(package):
    assert {made.__name__ for made in package.blocks()} == {
        "MaestroQAHook",
        "MaestroQARequestExportOperator",
        "MaestroQAExportSensor",
        "MaestroQAExportTrigger",
        "MaestroQAExportToS3Operator",
        "MaestroQAExportToObjectStorageOperator",
        "MaestroQACreateTicketOperator",
        "MaestroQAUpdateTicketOperator",
        "MaestroQADeleteTicketOperator",
        "MaestroQAGetTicketsOperator",
        "MaestroQAUpsertTicketsOperator",
        "MaestroQACreateCommentsOperator",
        "MaestroQACreateAttachmentOperator",
        "MaestroQAPushTicketMetricsOperator",
        "MaestroQAPushAgentMetricsOperator",
        "MaestroQAPushCsatScoresOperator",
        "MaestroQADeleteCustomerDataOperator",
        "MaestroQACreateAgentOperator",
        "MaestroQAAddAgentIdOperator",
        "MaestroQASetAgentAvailabilityOperator",
        "MaestroQAUpsertAgentsOperator",
        "MaestroQAUpdateAgentGroupOperator",
        "MaestroQARecordsToObjectStorageOperator",
        "ObjectStorageToMaestroQAOperator",
        "SqlToMaestroQAOperator",
        "MaestroQACoachingSessionTrigger",
        "MaestroQADataDeletionTrigger",
    }


def test_exactly_the_modules_of_public_classes_are_in_the_provider_info(package):
    listed = listed_modules()
    assert len(set(listed)) == len(listed)
    assert set(listed) == {made.__module__ for made in package.blocks()}


def test_each_entry_stands_under_what_it_is(package):
    for house in ("hooks", "operators", "sensors", "triggers"):
        for module in INFO[house][0]["python-modules"]:
            assert module.startswith(f"{package.name}.{house}.")
    for entry in INFO["transfers"]:
        assert entry["python-module"].startswith(f"{package.name}.transfers.")


def named_in(value):
    """Every dotted name of this package that a literal holds."""
    text = json.dumps(value)
    return set(re.findall(r'"(airflow_provider_maestroqa(?:\.\w+)+)"', text))


def test_every_name_in_the_provider_info_can_be_imported():
    for name in named_in(INFO):
        module, _, attribute = name.rpartition(".")
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), attribute), name


def test_airflow_accepts_the_provider_info():
    import airflow
    from jsonschema import validate

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    validate(INFO, schema)


def test_extra_links_of_operators_are_in_the_provider_info(package):
    """A link that Airflow is not told of makes a serialized DAG unreadable."""
    used = {
        f"{type(link).__module__}.{type(link).__qualname__}"
        for made in package.blocks()
        for link in getattr(made, "operator_extra_links", ())
        if type(link).__module__.startswith(package.name)
    }
    assert used <= set(INFO.get("extra-links", []))


def test_airflow_knows_the_hook_by_its_connection_type(hook):
    assert {entry["connection-type"]: entry["hook-class-name"] for entry in INFO["connection-types"]} == {
        hook.conn_type: f"{hook.__module__}.{hook.__qualname__}"
    }


def test_the_readmes_table_has_each_class_once(package):
    rows = re.findall(r"^\| `(\w+)` \|", (package.root / "README.md").read_text(), re.MULTILINE)
    for made in package.blocks():
        assert rows.count(made.__name__) == 1, made.__name__


def test_each_class_is_on_a_page(block, pages, package):
    """Of a trigger that users do not name themselves, the reference tells."""
    assert re.search(rf"\b{block.__name__}\b", pages) or block.__module__.startswith(f"{package.name}.triggers.")


def test_the_reference_has_the_module_of_each_class(block, package):
    """The reference is made from docstrings, so a module that is named there is there whole."""
    text = "\n".join(file.read_text() for file in (package.root / "docs" / "reference").glob("*.md"))
    assert block.__module__ in text or block.__name__ in text
