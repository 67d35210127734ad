"""Walks the package, so that no test has to be told of a new module or class."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import pytest

import airflow_provider_maestroqa
from airflow_provider_maestroqa._compat import BaseHook, BaseOperator, BaseTrigger

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = airflow_provider_maestroqa.__name__
#: Where Airflow's building blocks live.
HOUSES = ("hooks", "operators", "sensors", "triggers", "transfers")
#: What makes sense where an argument is required; any other gets a text.
SAMPLES = {
    "poll_interval": 30,
    "deadline": 1.5,
    "ticket_ids": ["T-1"],
    "ticket": {},
    "tickets": [{"ticket_id": "T-1"}],
    "changes": {"subject": "S"},
    "comments": [{"ticket_id": "T-1", "body": "B"}],
    "metrics": [{"metric_id": "m"}],
    "agent": {"email": "ann@example.com"},
    "agents": [{"email": "ann@example.com"}],
    "available": True,
}


@lru_cache
def modules():
    """The names of all modules, but for the ones that are run and not imported."""
    found = pkgutil.walk_packages(airflow_provider_maestroqa.__path__, f"{PACKAGE}.")
    return sorted(name for _, name, _ in found if not name.endswith("__main__"))


@lru_cache
def everything():
    """Each public class and function with the name of its module."""
    return [
        (name, value)
        for name in modules()
        for value in vars(importlib.import_module(name)).values()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == name
        and not value.__name__.startswith("_")
    ]


@lru_cache
def leaves(*bases):
    """The classes of the houses that no other class there is built on: what users import."""
    found = [
        value
        for name, value in everything()
        if name.split(".")[1] in HOUSES and inspect.isclass(value) and issubclass(value, bases)
    ]
    return [one for one in found if not any(one in other.__mro__[1:] for other in found)]


def lineage(cls):
    """A class and those of its parents that are of this package."""
    return [base for base in cls.__mro__ if base.__module__.startswith(PACKAGE)]


def inits(cls):
    """The constructors that this package has written for a class, the class's own first."""
    return [inspect.unwrap(base.__init__) for base in lineage(cls) if "__init__" in vars(base)]


def own_arguments(cls):
    """Parameters of a class's constructors of this package, by name."""
    found = {}
    for init in inits(cls):
        for name, one in inspect.signature(init).parameters.items():
            if name != "self" and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
                found.setdefault(name, one)
    return found


def required(cls):
    """Arguments that a class cannot do without, with values that make sense."""
    return {
        name: SAMPLES.get(name, f"some-{name}")
        for name, one in own_arguments(cls).items()
        if one.default is inspect.Parameter.empty
    }


WALKED = {
    "operator": lambda: leaves(BaseOperator),
    "deferrable_operator": lambda: [one for one in leaves(BaseOperator) if "deferrable" in own_arguments(one)],
    "trigger": lambda: leaves(BaseTrigger),
    "hook": lambda: leaves(BaseHook),
    "block": lambda: [*leaves(BaseOperator), *leaves(BaseTrigger), *leaves(BaseHook)],
    "module": modules,
}


def pytest_generate_tests(metafunc):
    """A test that asks for one of these gets each of them."""
    for name in WALKED.keys() & set(metafunc.fixturenames):
        metafunc.parametrize(name, WALKED[name](), ids=lambda one: getattr(one, "__name__", str(one)))


@pytest.fixture(scope="session")
def package():
    """The package, and ways to walk it."""
    return SimpleNamespace(
        name=PACKAGE,
        root=ROOT,
        path=ROOT / PACKAGE,
        houses=HOUSES,
        files=sorted((ROOT / PACKAGE).rglob("*.py")),
        modules=modules,
        everything=everything,
        leaves=leaves,
        lineage=lineage,
        inits=inits,
        own_arguments=own_arguments,
        required=required,
        blocks=WALKED["block"],
    )
