"""Fixtures for pytest: a MaestroQA on your desk for each test, and runs of your DAGs against it.

pytest loads this wherever the package is installed, also for projects that have no use for it. So it imports nothing
but pytest and the standard library, and does nothing until a test asks for a fixture or the project names its DAGs.
"""

from __future__ import annotations

import importlib
import inspect
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_maestroqa.sandbox import Sandbox

_MARKER = "maestroqa_sandbox"
_DAGS_FOLDER = "maestroqa_dags_folder"
#: So wide that no test waits for the request budget, and so short that a 429 costs no more than a moment.
_WIDE = {"normal": [[100_000, 0.1]], "hard": [[100_000, 0.1]]}
#: What a test is spared unless it asks for it.
_DEFAULTS: Mapping[str, Any] = {"polls": 0, "limits": {}}
_OWN_OPTIONS = ("conn_id", "extra")
#: What survives of the settings in the environment: data for DAGs, not how Airflow runs.
_KEPT = ("AIRFLOW_CONN_", "AIRFLOW_VAR_")
_HOME: pytest.StashKey[Path] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Make the setting known that asks for an Airflow."""
    parser.addini(
        _DAGS_FOLDER,
        "folder of your DAGs: gives the tests an Airflow of their own with it, for the fixture maestroqa_run_dag",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, for who is strict about markers."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(**options): options of the Sandbox that the fixture {_MARKER} starts, and of the connection to "
        "it: conn_id, extra",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Give this process an Airflow home of its own before anything can import Airflow, if the project asks for it."""
    folder = early_config.getini(_DAGS_FOLDER)
    if not folder:
        return
    if "airflow.configuration" in sys.modules:
        raise pytest.UsageError(
            f"{_DAGS_FOLDER} gives the tests an Airflow of their own, but Airflow was imported before pytest had "
            "read it: by another plugin, or by a program that runs pytest within its own process."
        )
    dags = (early_config.inipath.parent if early_config.inipath else early_config.rootpath) / folder
    if not dags.is_dir():
        raise pytest.UsageError(f"{_DAGS_FOLDER} is {folder!r}, but there is no folder {dags}.")
    home = Path(tempfile.mkdtemp(prefix="maestroqa-airflow-"))
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("AIRFLOW") and not name.startswith(_KEPT)]:
        patch.delenv(name)
    patch.setenv("AIRFLOW_HOME", str(home))
    patch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(dags))
    patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{home / 'airflow.db'}")
    early_config.stash[_HOME] = home
    early_config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    early_config.add_cleanup(patch.undo)


@pytest.fixture
def maestroqa_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A MaestroQA for this test alone, fresh and empty, and the Airflow connection to it.

    Exports are complete at the first look and there are no request limits, unless
    ``@pytest.mark.maestroqa_sandbox(polls=1, limits=REAL_LIMITS)`` says otherwise: it takes the options of
    ``Sandbox``, and ``conn_id`` (an id or a list of them; ``maestroqa_default``) and ``extra`` (more keys for the
    connection's extra).
    """
    from airflow_provider_maestroqa.sandbox import Sandbox

    options = _marked_options(request.node, known=_keyword_only(Sandbox))
    conn_id, extra = options.pop("conn_id", "maestroqa_default"), options.pop("extra", {})
    conn_ids = [conn_id] if isinstance(conn_id, str) else list(conn_id)
    try:
        made = Sandbox(**{**_DEFAULTS, **options})
    except (ValueError, TypeError) as error:
        pytest.fail(f"@pytest.mark.{_MARKER}: {error}", pytrace=False)
    _check_no_secrets_backend(conn_ids)
    with made as sandbox, pytest.MonkeyPatch.context() as patch:
        if options.get("limits"):
            # All tasks of a test share one budget, and no other test's.
            store = request.getfixturevalue("tmp_path_factory").mktemp("maestroqa") / "budget.sqlite3"
            budget = {"rate_limits": {**_WIDE, **options["limits"]}, "rate_limit_store": str(store)}
        else:
            budget = {"rate_limits": _WIDE}
        for name in conn_ids:
            patch.setenv(f"AIRFLOW_CONN_{name.upper()}", sandbox.connection_json(**{**budget, **extra}))
        _keep_loopback_from_proxies(patch)
        yield sandbox


@dataclass(frozen=True)
class DagRunOutcome:
    """How a run of a DAG ended.

    :param state: the run's state, such as ``success``.
    :param tasks: each task's state by its id; an instance of a mapped task is named ``task_id[index]``.
    :param returned: what each task returned (its XCom), for those that returned something.
    """

    state: str
    tasks: Mapping[str, str]
    returned: Mapping[str, Any]


@dataclass(frozen=True)
class RunDag:
    """Runs DAGs of the DAGs folder in this process; what the fixture ``maestroqa_run_dag`` gives.

    :param dags_folder: the folder.
    """

    dags_folder: Path

    def __call__(
        self,
        dag_id: str,
        *,
        logical_date: datetime | None = None,
        conf: Mapping[str, Any] | None = None,
        task_arguments: Mapping[str, Any] | None = None,
    ) -> DagRunOutcome:
        """Run a DAG once, from its first task to its last, deferring for real.

        :param dag_id: the DAG's id; its file is read anew.
        :param logical_date: the run's date, aware. Default: now.
        :param conf: the run's configuration.
        :param task_arguments: arguments that tasks get instead of their own, such as ``{"poll_interval": 0.1}`` or
            ``{"retries": 0}``: each task that has such an argument.
        :return: how it ended; a task that failed raises nothing.
        """
        dag = self._load(dag_id)
        for name, value in (task_arguments or {}).items():
            _set_argument(dag.tasks, name, value)
        run = dag.test(run_conf=None if conf is None else dict(conf), **_dated(dag, logical_date))
        tasks, returned = {}, {}
        for instance in run.get_task_instances():
            name = instance.task_id if instance.map_index < 0 else f"{instance.task_id}[{instance.map_index}]"
            tasks[name] = _word(instance.state)
            value = instance.xcom_pull(task_ids=instance.task_id, map_indexes=instance.map_index)
            if value is not None:
                returned[name] = value
        return DagRunOutcome(_word(run.state), tasks, returned)

    def _load(self, dag_id: str) -> Any:
        from airflow.models import DagBag

        bag = DagBag(dag_folder=str(self.dags_folder))
        if dag_id in bag.dags:
            return bag.dags[dag_id]
        there = ", ".join(sorted(bag.dags)) or "none"
        broken = "".join(f"\n{file} cannot be imported:\n{error}" for file, error in bag.import_errors.items())
        pytest.fail(f"There is no DAG {dag_id!r} in {self.dags_folder}. There are: {there}.{broken}", pytrace=False)


@pytest.fixture
def maestroqa_run_dag(maestroqa_sandbox: Sandbox, _maestroqa_fresh_database: None) -> RunDag:  # noqa: ARG001
    """Run a DAG against this test's sandbox: ``maestroqa_run_dag("my_dag")`` gives state, tasks and returned values.

    Needs ``maestroqa_dags_folder`` in pytest's configuration. Each test begins with an empty Airflow database.
    """
    return RunDag(Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]))


@pytest.fixture(scope="session")
def _maestroqa_empty_database(pytestconfig: pytest.Config) -> tuple[Path, Path]:
    """Airflow's database, and an empty one beside it."""
    home = pytestconfig.stash.get(_HOME, None)
    if home is None:
        pytest.fail(
            f"maestroqa_run_dag needs to know your DAGs: write `{_DAGS_FOLDER} = dags` into pytest's configuration "
            "(pytest.ini, or [tool.pytest.ini_options] in pyproject.toml). It counts from that file's folder.",
            pytrace=False,
        )
    command = [sys.executable, "-W", "ignore", "-m", "airflow", "db", "migrate"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=home)  # noqa: S603
    if done.returncode:
        pytest.fail(f"`airflow db migrate` failed:\n{done.stdout}\n{done.stderr}", pytrace=False)
    database, empty = home / "airflow.db", home / "empty.db"
    _copy(database, empty)
    return database, empty


@pytest.fixture
def _maestroqa_fresh_database(_maestroqa_empty_database: tuple[Path, Path]) -> None:
    database, empty = _maestroqa_empty_database
    _copy(empty, database)


def _copy(source: Path, target: Path) -> None:
    import sqlite3

    # SQLite's own way to copy, because Airflow may keep connections open.
    with closing(sqlite3.connect(source)) as from_, closing(sqlite3.connect(target)) as to:
        from_.backup(to)


def _keyword_only(made: type) -> list[str]:
    parameters = inspect.signature(made).parameters.values()
    return [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]


def _marked_options(node: pytest.Item, *, known: Sequence[str]) -> dict[str, Any]:
    """The options of all markers of a test; the nearest one wins."""
    options: dict[str, Any] = {}
    for mark in node.iter_markers(_MARKER):
        if mark.args:
            pytest.fail(f"@pytest.mark.{_MARKER} takes options by name only, such as polls=1.", pytrace=False)
        options = {**mark.kwargs, **options}
    if not isinstance(options.get("limits") or {}, Mapping):
        pytest.fail(f"@pytest.mark.{_MARKER}: limits looks like {_WIDE}, or is REAL_LIMITS or None.", pytrace=False)
    if unknown := sorted(set(options) - {*known, *_OWN_OPTIONS}):
        pytest.fail(
            f"@pytest.mark.{_MARKER} has no option {', '.join(unknown)}. There are: "
            f"{', '.join(sorted([*known, *_OWN_OPTIONS]))}.",
            pytrace=False,
        )
    return options


def _check_no_secrets_backend(conn_ids: Sequence[str]) -> None:
    """Fail where Airflow would look elsewhere first, and a test could reach the real MaestroQA."""
    read = sys.modules.get("airflow.configuration")
    for section, key in (("secrets", "backend"), ("workers", "secrets_backend")):
        variable = f"AIRFLOW__{section}__{key}".upper()
        backend = read.conf.get(section, key, fallback="") if read else os.environ.get(variable)
        if backend:
            pytest.fail(
                f"[{section}] {key} is {backend}, where Airflow looks for {', '.join(conn_ids)} before it finds the "
                f"sandbox: a test could reach the real MaestroQA. Run the tests with {variable} set to nothing, or "
                f"let {_DAGS_FOLDER} give them an Airflow of their own.",
                pytrace=False,
            )


def _keep_loopback_from_proxies(patch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        given = os.environ.get(name, "")
        if given.strip() != "*":
            patch.setenv(name, ",".join(filter(None, (given, "127.0.0.1", "localhost"))))


def _dated(dag: Any, logical_date: datetime | None) -> dict[str, datetime]:
    if logical_date is None:
        return {}
    if not isinstance(logical_date, datetime) or logical_date.utcoffset() is None:
        pytest.fail(
            f"logical_date is an aware datetime, such as datetime(2026, 3, 2, tzinfo=timezone.utc), not "
            f"{logical_date!r}.",
            pytrace=False,
        )
    if "logical_date" in inspect.signature(dag.test).parameters:
        return {"logical_date": logical_date}
    # Airflow 2 replaces an earlier run of this date, and needs the table of users for that.
    with suppress(ImportError):
        importlib.import_module("airflow.providers.fab.auth_manager.models")
    return {"execution_date": logical_date}


def _set_argument(tasks: Sequence[Any], name: str, value: Any) -> None:
    found = False
    for task in tasks:
        mapped = getattr(task, "partial_kwargs", None)
        if not _takes(type(task) if mapped is None else task.operator_class, name):
            continue
        found = True
        if mapped is None:
            setattr(task, name, value)
        else:
            mapped[name] = value
    if not found:
        pytest.fail(f"task_arguments: no task of this DAG has an argument {name!r}.", pytrace=False)


def _takes(operator: type, name: str) -> bool:
    inits = [vars(made)["__init__"] for made in operator.__mro__ if "__init__" in vars(made)]
    return any(name in inspect.signature(init).parameters for init in inits)


def _word(state: Any) -> str:
    return str(getattr(state, "value", state))
