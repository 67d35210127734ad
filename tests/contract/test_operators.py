"""What must hold for every operator, sensor and transfer."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
import textwrap
from datetime import datetime, timezone

import pytest
from airflow import DAG
from airflow.serialization import serialized_objects

from airflow_provider_maestroqa.runtime.concealed import Concealed

#: Arguments that are not templated, and why.
SWITCHES = {
    "deferrable": "Airflow decides by it before a template is rendered",
    "wait_for_completion": "it says what the task is, as deferrable does",
    "durable": "it says what a retry does, and is a plain flag as Airflow has it",
}
#: What a base class of Airflow's checks when the DAG file is read.
CHECKED_BY_AIRFLOW = {"poke_interval", "timeout", "task_id"}
#: What Airflow 2.11's and 3's UI can colour, of what an argument here may hold.
LEXERS = {"json", "sql", "py", "bash"}
#: A value of these is best read as JSON.
STRUCTURED = re.compile(r"Mapping\[|Iterable\[|Sequence\[|Sequence\b")


def dag_with(*tasks):
    """A DAG that holds the tasks that these callables make."""
    with DAG(dag_id="d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
        for number, make in enumerate(tasks):
            make(f"t{number}")
    return dag


def serialized(dag):
    made = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    return made, made.to_dict(dag)


def test_template_fields_are_arguments_and_attributes(package, operator):
    made = operator(task_id="t", **package.required(operator))
    assert len(set(operator.template_fields)) == len(operator.template_fields)
    for name in operator.template_fields:
        assert hasattr(made, name)
        assert name in package.own_arguments(operator)


def test_every_argument_is_templated_but_the_switches(package, operator):
    assert set(package.own_arguments(operator)) - set(operator.template_fields) <= set(SWITCHES)


def test_each_switch_that_is_not_templated_is_some_operators(package):
    from airflow_provider_maestroqa._compat import BaseOperator

    assert {name for one in package.leaves(BaseOperator) for name in package.own_arguments(one)} >= set(SWITCHES)


def test_each_connection_has_its_default_id(package, operator):
    arguments = package.own_arguments(operator)
    assert arguments["maestroqa_conn_id"].default == "maestroqa_default"
    if "aws_conn_id" in arguments:
        assert arguments["aws_conn_id"].default == "aws_default"


def test_structured_values_are_shown_as_json_and_queries_as_sql(package, operator):
    renderers = operator.template_fields_renderers
    assert set(renderers.values()) <= LEXERS
    assert set(renderers) <= set(operator.template_fields)
    wanted = {
        name: "json"
        for name, one in package.own_arguments(operator).items()
        if name in operator.template_fields and STRUCTURED.search(str(one.annotation))
    }
    wanted |= {name: "sql" for name in operator.template_fields if name == "sql"}
    assert renderers == wanted
    assert set(operator.template_ext) == ({".sql"} if "sql" in operator.template_fields else set())


def test_arguments_are_keyword_only(package, operator):
    for init in package.inits(operator):
        given = list(inspect.signature(init).parameters.values())[1:]
        assert all(one.kind in (one.KEYWORD_ONLY, one.VAR_KEYWORD) for one in given)


def test_the_constructor_only_assigns(package, operator):
    for init in package.inits(operator):
        (function,) = ast.parse(textwrap.dedent(inspect.getsource(init))).body
        for statement in function.body:
            line = ast.unparse(statement)
            is_own = re.fullmatch(r"self\.(\w+) = \1|self\._\w+(: [^=]+)? = (None|False|''|0)", line)
            assert is_own or line == "super().__init__(**kwargs)", line


def test_nonsense_is_taken_until_the_task_runs(package, operator):
    names = [
        name for name in operator.template_fields if name not in CHECKED_BY_AIRFLOW or "Sensor" not in str(operator)
    ]
    for nonsense in ("{{ odd }}", -1, object(), {"no": ["sense"]}):
        made = operator(task_id="t", **dict.fromkeys(names, nonsense))
        assert all(revealed(getattr(made, name)) is nonsense for name in names)


def revealed(value):
    """The value itself, also where the operator conceals it from Airflow."""
    return value.reveal() if isinstance(value, Concealed) else value


def test_an_operator_can_be_mapped_over_each_of_its_fields(package, operator):
    given = package.required(operator)
    for name in operator.template_fields:
        rest = {key: value for key, value in given.items() if key != name}
        dag = dag_with(
            lambda task_id, name=name, rest=rest: operator.partial(task_id=task_id, **rest).expand(
                **{name: ["a", "b"]}
            )
        )
        assert "Mapped" in type(dag.get_task("t0")).__name__
    pairs = [{**given, "maestroqa_conn_id": name} for name in ("one", "other")]
    dag = dag_with(lambda task_id: operator.partial(task_id=task_id).expand_kwargs(pairs))
    assert "Mapped" in type(dag.get_task("t0")).__name__


def test_a_dag_is_serialized_the_same_each_time_and_comes_back(package, operator):
    given = package.required(operator)
    name = operator.template_fields[0]
    rest = {key: value for key, value in given.items() if key != name}

    def plain(task_id):
        operator(task_id=task_id, **given)

    def mapped(task_id):
        operator.partial(task_id=task_id, **rest).expand(**{name: ["a", "b"]})

    made, first = serialized(dag_with(plain, mapped))
    _, second = serialized(dag_with(plain, mapped))
    text = json.dumps(first, sort_keys=True)
    assert text == json.dumps(second, sort_keys=True)
    assert " at 0x" not in text
    again = made.from_dict(json.loads(text))
    back = again.get_task("t0")
    assert back.task_type == operator.__name__
    assert list(back.template_fields) == list(operator.template_fields)
    assert dict(back.template_fields_renderers) == dict(operator.template_fields_renderers)
    fields = [key for key in given if key in operator.template_fields]
    before = {key: getattr(operator(task_id="t", **given), key) for key in fields}
    shown = {key: str(value) if isinstance(value, Concealed) else value for key, value in before.items()}
    assert {key: getattr(back, key) for key in fields} == shown
    assert "Mapped" in type(again.get_task("t1")).__name__


def test_deferrable_follows_airflows_default(package, deferrable_operator):
    cls = deferrable_operator
    code = f"""
import inspect, importlib
made = getattr(importlib.import_module({cls.__module__!r}), {cls.__name__!r})
print(made(task_id="t", **{package.required(cls)!r}).deferrable)
"""
    environment = {**os.environ, "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "True", "PYTHONPATH": str(package.root)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True"
    assert inspect.signature(inspect.unwrap(cls.__init__)).parameters["deferrable"].default is False


def test_an_operator_that_waits_can_be_deferred(package, operator):
    source = inspect.getsource(sys.modules[operator.__module__])
    assert ("self.defer_to_trigger(" in source) == ("deferrable" in package.own_arguments(operator))


@pytest.mark.parametrize("name", ["execute", "on_kill"])
def test_what_airflow_calls_has_airflows_signature(operator, name):
    from airflow_provider_maestroqa._compat import BaseOperator

    ours, theirs = (list(inspect.signature(getattr(cls, name)).parameters) for cls in (operator, BaseOperator))
    assert ours == theirs
