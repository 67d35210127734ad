"""What the documentation is made of: docstrings that say all that there is, and nothing that is not."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap

#: Modules that users import from, besides those of operators, sensors, triggers, transfers and hooks.
FOR_USERS = ("client.errors", "sandbox", "links", "assets", "retry_policies", "pytest_plugin")
PARAMETER = re.compile(r":param (\w+):")
#: A method says so when its arguments, or its errors, are told somewhere else.
ELSEWHERE = re.compile(r"otherwise (?:as|like)|see (?:the|:meth|:func|:class|:mod|:param)")


def members(cls):
    """A class's own public functions and properties, by name."""
    for name, value in vars(cls).items():
        function = getattr(value, "__func__", value)
        function = value.fget if isinstance(value, property) else getattr(value, "func", function)
        # What a field of a dataclass has by default is no method.
        if not name.startswith("_") and inspect.isfunction(function) and function.__name__ != "<lambda>":
            yield name, inspect.unwrap(function)


def documented(module):
    """Each public thing of a module with its name."""
    for value in vars(importlib.import_module(module)).values():
        is_own = getattr(value, "__module__", None) == module and not getattr(value, "__name__", "_").startswith("_")
        if is_own and inspect.isclass(value):
            yield value.__name__, value
            yield from ((f"{value.__name__}.{name}", function) for name, function in members(value))
        elif is_own and inspect.isfunction(value) and not hasattr(value, "_pytestfixturefunction"):
            yield value.__name__, value


def first_line(text):
    return " ".join(text.strip().split("\n\n")[0].split())


def test_a_module_begins_with_a_sentence(module):
    text = importlib.import_module(module).__doc__ or ""
    assert re.search(r"[.:?)]($|\s)", first_line(text)), text


def test_everything_public_begins_with_a_sentence(module):
    for name, value in documented(module):
        if Sorted.is_by_airflow(value):
            continue
        text = (vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__) or ""
        said = first_line(text)
        assert re.match(r"[A-Z0-9`\"“(]|:\w+:", said), f"{name}: {said!r}"
        # A list of parameters or a picture may follow at once.
        assert re.search(r"[.:?)](\s|$)", said), f"{name}: {said!r}"


class Sorted:
    """What the names in a docstring are held against."""

    @staticmethod
    def is_by_airflow(value):
        """Whether a class is a stand-in that this package gives another name."""
        return inspect.isclass(value) and issubclass(value, tuple) and not vars(value).get("__doc__")

    @staticmethod
    def names(value, package):
        """What may be documented as a parameter, and what must be, where users see it."""
        if not inspect.isclass(value):
            found = inspect.signature(value).parameters
            must = {name for name, one in found.items() if name not in ("self", "cls")}
            return must, must
        annotated = {name for base in value.__mro__ for name in vars(base).get("__annotations__", {})}
        if "__dataclass_fields__" in vars(value):
            must = {one.name for one in dataclasses.fields(value) if one.init and not one.name.startswith("_")}
        else:
            must = set(package.own_arguments(value))
        return annotated | must, must


def test_no_parameter_is_documented_that_does_not_exist(module, package):
    for name, value in documented(module):
        may, _ = Sorted.names(value, package)
        assert set(PARAMETER.findall(value.__doc__ or "")) <= may, name


def test_each_parameter_of_an_operator_trigger_or_hook_is_documented(block, package):
    # What all pushes take is told once, where they take it.
    told = "".join(base.__doc__ or "" for base in package.lineage(block))
    assert set(PARAMETER.findall(told)) == set(package.own_arguments(block))
    for base in package.lineage(block):
        if "__init__" in vars(base) and base.__doc__:
            own = set(inspect.signature(inspect.unwrap(base.__init__)).parameters) - {"self", "kwargs"}
            assert own <= set(PARAMETER.findall(base.__doc__)), base


def is_called_by_others(cls, name):
    """Whether Airflow, its lineage or pytest calls a function by itself, with arguments that are theirs."""
    by_airflow = any(hasattr(base, name) for base in cls.__mro__ if base.__module__.startswith("airflow."))
    return by_airflow or name.startswith(("get_openlineage_", "pytest_")) or name == "execute_complete"


def is_for_users(module, name, package):
    """Whether users import a thing: all of the modules that Airflow or the pages name, what the sandbox offers."""
    inside = module.removeprefix(f"{package.name}.")
    if inside.startswith("sandbox."):
        return name in importlib.import_module(f"{package.name}.sandbox").__all__
    return inside in FOR_USERS or module in {made.__module__ for made in package.blocks()}


def test_each_parameter_of_what_users_call_is_documented(module, package):
    untold = []
    classes = {name: value for name, value in documented(module) if inspect.isclass(value)}
    for name, value in documented(module):
        owner, _, method = name.partition(".")
        cls = classes.get(owner, object)
        # The parameters of operators and the like are looked at above.
        is_done = value in package.blocks() or issubclass(cls, Exception)
        if is_done or not is_for_users(module, owner, package) or is_called_by_others(cls, method or name):
            continue
        _, must = Sorted.names(value, package)
        untold += [f"{name}({one})" for one in sorted(must - set(PARAMETER.findall(value.__doc__ or "")))]
    assert untold == []


def test_each_parameter_of_a_hooks_methods_is_documented(hook, package):
    for name, method in inspect.getmembers(hook, inspect.isfunction):
        if not name.startswith("_") and method.__module__.startswith(package.name):
            text = inspect.getdoc(method) or ""
            arguments = set(inspect.signature(method).parameters) - {"self"}
            assert set(PARAMETER.findall(text)) == arguments or ELSEWHERE.search(text), name


def raised_in(function):
    """Whether a function raises an error of its own."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    return any(isinstance(node, ast.Raise) for node in ast.walk(tree))


#: What asks MaestroQA, and so may fail as any request may.
ASKS = re.compile(
    r"self\.(client\.send|send_for_record|_send|_get|request_export|push|get_export|get_ticket)\(|\.check\("
)


def test_a_hooks_method_names_the_errors_that_it_raises(hook):
    for name, method in inspect.getmembers(hook, inspect.isfunction):
        if (
            name.startswith("_")
            or name in vars(hook.__mro__[-2])
            or not method.__module__.startswith("airflow_provider")
        ):
            continue
        text = inspect.getdoc(method) or ""
        if raised_in(method) or ASKS.search(inspect.getsource(method)):
            assert ":raises " in text or ELSEWHERE.search(text) or name == "test_connection", name


def test_a_named_error_exists(module, package):
    from airflow_provider_maestroqa.client import errors

    for name, value in documented(module):
        for error in re.findall(r":raises (\w+):", value.__doc__ or ""):
            known = hasattr(errors, error) or error.startswith("Airflow") or hasattr(__builtins__, error)
            known = known or error in dir(__import__("builtins")) or error in vars(importlib.import_module(module))
            assert known or error in {one.__name__ for _, one in package.everything()}, f"{name}: {error}"


def test_an_operator_names_the_error_that_ends_it_and_what_it_returns(operator, package):
    assert any(":raises Airflow" in (base.__doc__ or "") for base in package.lineage(operator))
    assert ":return:" in operator.__doc__ or operator.__name__ == "MaestroQADeleteTicketOperator"
