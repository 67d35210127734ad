"""What imports what: how much a DAG file pays, which way imports go, and that they never go in a circle."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

#: What takes long to import, or is not there everywhere.
HEAVY = (
    "requests", "aiohttp", "boto3", "botocore", "pyarrow", "redis", "isal", "openlineage", "pandas",
    "airflow.providers", "airflow_provider_maestroqa.client.resources.models",
    "airflow_provider_maestroqa.hooks.maestroqa",
)  # fmt: skip
#: Rooms that are imported by a task that runs, and not by what is read with a DAG file.
RUN_TIME = {"client", "storage", "landing", "pushes", "sources", "hooks", "sandbox", "check", "__main__"}
#: The layers of the house, the highest first: a room imports only from rooms in lower layers. Imports for types alone
#: and imports inside functions count. CONTRIBUTING.md shows the same table.
LAYERS = (
    ("__main__",),
    ("check",),
    ("transfers", "sensors"),
    ("operators",),
    ("triggers",),
    ("hooks",),
    ("windows",),
    ("runtime", "links", "retry_policies"),
    ("sources",),
    ("landing", "pushes"),
    ("storage",),
    ("assets", "get_provider_info"),
    ("client",),
    ("pytest_plugin",),
    ("_compat", "sandbox"),
    ("__init__",),
)
#: These know no Airflow, except for the module of the storage that opens Airflow connections.
BELOW_AIRFLOW = ("client", "storage", "landing", "pushes", "sources", "sandbox")
OPENS_CONNECTIONS = ("storage.open",)


def room_of(name):
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports_of(path, package):
    """Modules of the package that a file imports: at once, inside functions, and for type checkers alone."""
    known = {package.name, *package.modules()}
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            deeper = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(deeper & known or {node.module})
    return found & known


def module_of(path, package):
    parts = path.relative_to(package.root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.fixture(scope="module")
def graph(package):
    """Which module imports which."""
    return {module_of(path, package): imports_of(path, package) for path in package.files}


def test_imports_go_one_way(graph):
    layer = {room: number for number, rooms in enumerate(LAYERS) for room in rooms}
    wrong = []
    for module, targets in graph.items():
        room = room_of(module)
        assert room in layer, f"{room} is new: give it a place among the layers"
        others = [name for name in targets if room_of(name) != room]
        wrong += [f"{module} imports {name}" for name in others if layer[room_of(name)] <= layer[room]]
        if room == "sandbox":
            wrong += [f"{module} imports {name}" for name in others if room_of(name) != "__init__"]
    assert wrong == []


def test_there_is_no_circle_of_imports(graph):
    assert circle_of(graph) == []
    assert len(graph) > 100


@pytest.mark.parametrize("folder", ["scripts", "benchmarks", "docs", "tests/support"])
def test_there_is_no_circle_of_imports_outside_the_package(package, folder):
    """Each of these folders is on the path of its own programs, so its modules have plain names."""
    place = package.root / folder
    files = {".".join(path.relative_to(place).with_suffix("").parts): path for path in sorted(place.rglob("*.py"))}
    imports = {
        name: {target for node in ast.walk(ast.parse(path.read_text())) for target in named(node)} & set(files)
        for name, path in files.items()
    }
    assert circle_of(imports) == []


def circle_of(graph):
    """The first circle that is met, as the names on it; empty when there is none."""
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            path.append(name)
            for target in sorted(graph.get(name, ())):
                if circle := visit(target):
                    return circle
            path.pop()
            done.add(name)
        return []

    return next((circle for name in sorted(graph) if (circle := visit(name))), [])


def test_each_room_of_the_table_exists(graph):
    assert {room for rooms in LAYERS for room in rooms} == {room_of(name) for name in graph}


LOOK = """
import importlib, json, os, sys
first, *names = sys.argv[1:]
exec(first)
for name in names:
    sys.stdout.flush()
    if not os.fork():
        before = set(sys.modules)
        try:
            importlib.import_module(name)
            brought = sorted(set(sys.modules) - before)
        except BaseException as error:
            brought = repr(error)
        os.write(1, (json.dumps([name, brought]) + "\\n").encode())
        os._exit(0)
    os.wait()
"""
#: What Airflow itself brings to whoever reads a DAG file.
AIRFLOW = """
from airflow_provider_maestroqa._compat import BaseHook, BaseOperator, BaseSensorOperator, BaseTrigger, conf
import airflow.exceptions, airflow.models, airflow.triggers.base
for name in [name for name in sys.modules if name.startswith("airflow_provider_maestroqa")]:
    del sys.modules[name]
"""


def brought_by(names, *, first, root):
    """What each module alone imports into a process that has run ``first``; or the error that this ends with."""
    command = [sys.executable, "-W", "ignore", "-c", LOOK, first, *names]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert {name for name, _ in lines} == set(names)
    return dict(lines)


@pytest.fixture(scope="module")
def light(package):
    """What is brought by each module that is imported with a DAG file, or by Airflow's own processes."""
    names = [name for name in package.modules() if room_of(name) not in RUN_TIME]
    return brought_by(names, first=AIRFLOW, root=package.root)


def test_a_dag_file_pays_for_nothing_heavy(light):
    assert len(light) > 30
    for name, brought in light.items():
        assert isinstance(brought, list), f"{name}: {brought}"
        heavy = [one for one in brought for other in HEAVY if one == other or one.startswith(f"{other}.")]
        assert heavy == [], name


def test_the_hook_of_a_task_imports_only_what_sends_its_requests(package):
    """A task pays for it before its first request; aiohttp is the triggerer's alone."""
    (brought,) = brought_by([f"{package.name}.hooks.maestroqa"], first=AIRFLOW, root=package.root).values()
    assert isinstance(brought, list), brought
    heavy = ("aiohttp", "boto3", "botocore", "pyarrow", "redis", "psycopg2", "sqlite3", "isal", "airflow.providers")
    assert [one for one in brought for other in heavy if one == other or one.startswith(f"{other}.")] == []


def test_the_lower_rooms_know_no_airflow(package):
    names = [
        name for name in package.modules() if room_of(name) in BELOW_AIRFLOW and not name.endswith(OPENS_CONNECTIONS)
    ]
    first = f"for name in {names!r}:\n    importlib.import_module(name)\nassert 'airflow' not in sys.modules"
    assert brought_by([package.name], first=first, root=package.root) == {package.name: []}


@pytest.mark.parametrize("name", ["", ".get_provider_info"])
def test_what_airflow_reads_first_imports_next_to_nothing(package, name):
    (brought,) = brought_by([f"{package.name}{name}"], first="", root=package.root).values()
    ours = {one.removeprefix(package.name) for one in brought if one.startswith(package.name)}
    # The provider info holds the form of the connection, whose fields stand in a module of their own.
    form = {".client", ".client.connection_fields", ".client.hosts"}
    assert ours == ({"", name, *form} if name else {""})
    assert {one.split(".")[0] for one in brought} <= {package.name, *sys.stdlib_module_names}


def test_the_pytest_plugin_is_light_for_tests_that_do_not_use_it(package):
    (brought,) = brought_by([f"{package.name}.pytest_plugin"], first="import pytest", root=package.root).values()
    assert isinstance(brought, list), brought
    assert not {name.split(".")[0] for name in brought} & {"airflow", "aiohttp", "requests", "boto3", "pyarrow"}


def test_no_file_grows_past_one_sitting(package):
    assert [str(path) for path in package.files if len(path.read_text().splitlines()) > 400] == []


def test_no_module_is_a_drawer_for_everything(package):
    assert not {path.stem for path in package.files} & {"utils", "util", "helpers", "common", "misc"}


def test_only_one_place_knows_which_airflow_it_is(package):
    """What differs between Airflows goes through one module."""
    wrong = [
        f"{path.relative_to(package.root)}: {name}"
        for path in package.files
        if path.name != "_compat.py"
        for node in ast.walk(ast.parse(path.read_text()))
        for name in named(node)
        if name.split(".")[0] == "airflow" and not name.startswith(SAME_ON_ALL)
    ]
    assert wrong == []


#: Where a name has been since Airflow 2.11 and still is.
SAME_ON_ALL = ("airflow.providers.", "airflow.configuration", "airflow.exceptions", "airflow.models")


def named(node):
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_what_all_gives_is_there(package):
    for path in package.files:
        text = path.read_text()
        if "__all__" in text:
            module = __import__(module_of(path, package), fromlist=["__all__"])
            assert sorted(set(module.__all__)) == sorted(module.__all__), path
            assert all(hasattr(module, name) for name in module.__all__), path


def test_the_folder_of_tests_needs_no_package(package):
    assert not list(Path(package.root, "tests").rglob("__init__.py"))


def reads_context(node):
    """Whether a node reads something out of a variable named ``context``."""
    if isinstance(node, (ast.Subscript, ast.Attribute)):
        return isinstance(node.value, ast.Name) and node.value.id == "context"
    is_getattr = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr"
    return is_getattr and isinstance(node.args[0], ast.Name) and node.args[0].id == "context"


def test_only_one_module_reads_the_context_of_a_task(package):
    """Airflow changes its context: all others only pass it on."""
    readers = {
        str(path.relative_to(package.root))
        for path in package.files
        for node in ast.walk(ast.parse(path.read_text()))
        if reads_context(node)
    }
    assert readers == {f"{package.name}/runtime/task_context.py"}
