"""What must hold for every class of the package, found by walking it."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import pkgutil
import re
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

import airflow_provider_maestroqa
from airflow_provider_maestroqa._compat import BaseHook, BaseOperator, BaseTrigger
from airflow_provider_maestroqa.get_provider_info import get_provider_info

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGE = airflow_provider_maestroqa.__name__
HOUSES = ("hooks", "operators", "sensors", "triggers", "transfers")
HEAVY = {"requests", "aiohttp", "boto3", "botocore", "pyarrow", "airflow.providers.http", "redis", "isal", "ijson"}
SAMPLES = {
    "export_id": "e1",
    "s3_bucket": "b",
    "s3_prefix": "p",
    "destination": "file:///tmp/x",
    "poll_interval": 30,
    "deadline": 1.5,
    "ticket_id": "T-1",
    "ticket_ids": ["T-1"],
    "ticket": {},
    "tickets": [],
    "changes": {},
    "comments": [],
    "metrics": [],
    "agent": {},
    "agents": [],
    "agent_email": "ann@example.com",
    "agent_id": "a-1",
    "available": True,
    "content_type": "audio/mpeg",
    "resource": "todos",
    "source": "/tmp/x.csv",
    "sql": "SELECT 1",
    "sql_conn_id": "warehouse",
}


def modules():
    found = pkgutil.walk_packages(airflow_provider_maestroqa.__path__, f"{PACKAGE}.")
    return [name for _, name, _ in found if not name.endswith("__main__")]


def classes(*bases):
    found = []
    for name in modules():
        if name.split(".")[1] in HOUSES:
            module = importlib.import_module(name)
            found += [
                value
                for value in vars(module).values()
                if inspect.isclass(value) and issubclass(value, bases) and value.__module__ == name
            ]
    return found


PUBLIC = ("MaestroQA", "ObjectStorageToMaestroQA", "SqlToMaestroQA")
OPERATORS = [made for made in classes(BaseOperator) if made.__name__.startswith(PUBLIC)]
TRIGGERS = classes(BaseTrigger)
HOOKS = [made for made in classes(BaseHook) if made.__name__.startswith("MaestroQA")]
by_name = pytest.mark.parametrize


def own_arguments(cls):
    names = []
    for base in cls.__mro__:
        if base.__module__.startswith(PACKAGE) and "__init__" in vars(base):
            init = inspect.unwrap(base.__init__)
            kinds = inspect.signature(init).parameters.items()
            names += [
                name
                for name, one in kinds
                if name != "self" and one.kind is not one.VAR_KEYWORD and name not in names
            ]
    return names


def required(cls):
    return {name: SAMPLES[name] for name in own_arguments(cls) if name in SAMPLES}


def ids(made):
    return made.__name__


def test_the_public_names_are_there():
    assert {made.__name__ for made in [*OPERATORS, *TRIGGERS, *HOOKS]} == {
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
        "MaestroQACreateAgentOperator",
        "MaestroQAAddAgentIdOperator",
        "MaestroQASetAgentAvailabilityOperator",
        "MaestroQAUpsertAgentsOperator",
        "MaestroQARecordsToObjectStorageOperator",
        "ObjectStorageToMaestroQAOperator",
        "SqlToMaestroQAOperator",
        "MaestroQACoachingSessionTrigger",
    }


@by_name("operator", OPERATORS, ids=ids)
def test_template_fields_are_arguments_and_attributes(operator):
    made = operator(task_id="t", **required(operator))
    for name in operator.template_fields:
        assert hasattr(made, name)
        assert name in own_arguments(operator)


@by_name("operator", OPERATORS, ids=ids)
def test_every_argument_but_switches_of_the_machinery_is_templated(operator):
    switches = {"deferrable", "wait_for_completion"}
    assert set(own_arguments(operator)) - switches <= set(operator.template_fields)


@by_name("operator", OPERATORS, ids=ids)
def test_arguments_are_keyword_only_and_only_assigned(operator):
    for base in operator.__mro__:
        if base.__module__.startswith(PACKAGE) and "__init__" in vars(base):
            parameters = inspect.signature(inspect.unwrap(base.__init__)).parameters.values()
            assert all(one.kind in (one.KEYWORD_ONLY, one.VAR_KEYWORD) for one in list(parameters)[1:])
    # Whatever a template may still hold is taken as it is.
    odd = {
        name: "{{ odd }}"
        for name in operator.template_fields
        if name not in ("poke_interval", "timeout", "poll_interval") or "Sensor" not in operator.__name__
    }
    made = operator(task_id="t", **odd)
    assert all(getattr(made, name) == "{{ odd }}" for name in odd)


@by_name("operator", OPERATORS, ids=ids)
def test_an_operator_can_be_mapped(operator):
    from airflow import DAG

    given = required(operator)
    mapped_over = operator.template_fields[0]
    with DAG(dag_id="d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)):
        rest = {name: value for name, value in given.items() if name != mapped_over}
        made = operator.partial(task_id="t", **rest).expand(**{mapped_over: ["a", "b"]})
    assert made.task_id == "t"


@by_name("operator", [made for made in OPERATORS if "deferrable" in own_arguments(made)], ids=ids)
def test_deferrable_follows_airflows_default(operator):
    signature = inspect.signature(inspect.unwrap(operator.__init__)).parameters
    code = f"""
import inspect, importlib
made = getattr(importlib.import_module({operator.__module__!r}), {operator.__name__!r})
print(inspect.signature(inspect.unwrap(made.__init__)).parameters["deferrable"].default)
"""
    environment = {**os.environ, "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "True", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert signature["deferrable"].default is False
    assert done.stdout.splitlines()[-1] == "True"


@by_name("trigger", TRIGGERS, ids=ids)
def test_a_trigger_serializes_to_its_own_arguments(trigger):
    made = trigger(**required(trigger))
    path, arguments = made.serialize()
    assert path == f"{trigger.__module__}.{trigger.__qualname__}"
    assert set(arguments) == set(own_arguments(trigger))
    again = json.loads(json.dumps(arguments))
    assert trigger(**again).serialize() == (path, arguments)


@by_name("cls", [*OPERATORS, *TRIGGERS, *HOOKS], ids=ids)
def test_every_argument_is_documented(cls):
    # What all pushes take is told once, where they take it.
    told = [base.__doc__ or "" for base in cls.__mro__ if base.__module__.startswith(PACKAGE)]
    assert set(re.findall(r":param (\w+):", "".join(told))) == set(own_arguments(cls))


@by_name("cls", HOOKS, ids=ids)
def test_every_public_method_of_a_hook_is_documented(cls):
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        if not name.startswith("_") and method.__module__.startswith(PACKAGE):
            documented = set(re.findall(r":param (\w+):", inspect.getdoc(method) or ""))
            arguments = set(inspect.signature(method).parameters) - {"self", "options"}
            refers = re.search("otherwise as|see the three", inspect.getdoc(method) or "")
            assert documented == arguments or refers, name


def test_every_class_is_in_the_provider_info():
    info = get_provider_info()
    listed = {module for house in HOUSES[:4] for entry in info[house] for module in entry["python-modules"]}
    listed |= {entry["python-module"] for entry in info["transfers"]}
    assert {made.__module__ for made in [*OPERATORS, *TRIGGERS, *HOOKS]} == listed


def test_airflow_accepts_the_provider_info():
    import airflow
    from jsonschema import validate

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    validate(get_provider_info(), schema)


def imported_by(*names):
    code = f"import sys, importlib\n[importlib.import_module(name) for name in {names!r}]\nprint(*sys.modules)"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_a_dag_file_pays_for_nothing_heavy():
    ours = [made.__module__ for made in [*OPERATORS, *TRIGGERS]]
    base = ["airflow.triggers.base"]
    base += ["airflow.sdk"] if sys.modules.get("airflow.sdk") else ["airflow.models", "airflow.sensors.base"]
    brought = imported_by(*base, *ours) - imported_by(*base)
    assert not {name for name in brought for heavy in HEAVY if name == heavy or name.startswith(f"{heavy}.")}


@by_name("name", [PACKAGE, f"{PACKAGE}.get_provider_info"])
def test_what_airflow_imports_early_imports_no_airflow(name):
    assert not {module for module in imported_by(name) if module == "airflow" or module.startswith("airflow.")}


@by_name(
    ("house", "never"),
    [(house, "airflow") for house in ("client", "exports", "records", "pushes", "sources", "sandbox")],
)
def test_the_lower_houses_know_nothing_of_airflow(house, never):
    names = [name for name in modules() if name.startswith(f"{PACKAGE}.{house}")]
    assert names
    assert not {module for module in imported_by(*names) if module == never or module.startswith(f"{never}.")}


def test_imports_go_one_way():
    """Transfers → operators, sensors → triggers → hooks → pushes → client; the sandbox stands alone."""
    may = {
        "client": {"client"},
        "exports": {"exports", "client"},
        "records": {"records", "exports", "client"},
        "pushes": {"pushes", "exports", "client"},
        "sources": {"sources", "pushes", "exports", "client"},
        "sandbox": {"sandbox"},
        "hooks": {"hooks", "pushes", "client"},
        "triggers": {"triggers", "hooks", "client"},
        "operators": {"operators", "triggers", "hooks", "client"},
        "sensors": {"sensors", "triggers", "hooks", "client"},
        "transfers": {"transfers", "operators", "hooks", "client", "exports", "records", "sources", "pushes"},
    }
    wrong = []
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        house = path.relative_to(ROOT / PACKAGE).parts[0]
        if house not in may:
            continue
        for target in re.findall(rf"^\s*from {PACKAGE}\.(\w+)[.\w]* import", path.read_text(), re.MULTILINE):
            if target in may and target not in may[house]:
                wrong.append(f"{path.relative_to(ROOT)} imports {target}")
    assert wrong == []


def test_no_file_grows_past_one_sitting():
    long = [
        str(path.relative_to(ROOT))
        for path in ROOT.joinpath(PACKAGE).rglob("*.py")
        if len(path.read_text().splitlines()) > 400
    ]
    assert long == []
