"""Fixtures for pytest: a local MaestroQA for each test, and runs of your DAGs against it.

pytest loads this wherever the package is installed, also for projects that do not use it. So it imports nothing but
pytest and the standard library, and does nothing until a test requests a fixture or the project names its DAGs.
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
#: So wide that no test waits for the request budget, and so short that the pause after a 429 costs no time.
_WIDE_LIMITS = {"normal": [[100_000, 0.1]], "hard": [[100_000, 0.1]]}
#: Exports are complete at the first poll, and no request is limited, unless a test asks for it.
_SANDBOX_DEFAULTS: Mapping[str, Any] = {"polls": 0, "limits": {}}
_CONNECTION_OPTIONS = ("conn_id", "extra")
#: The variables that tests inherit: data for DAGs, and nothing of how Airflow runs.
_INHERITED = ("AIRFLOW_CONN_", "AIRFLOW_VAR_")
_HOME: pytest.StashKey[Path] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the setting that gives the tests an Airflow."""
    parser.addini(
        _DAGS_FOLDER,
        "folder of your DAGs: gives the tests an Airflow of their own with these DAGs, for the fixture "
        "maestroqa_run_dag",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, for projects with strict markers."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(**options): options of the Sandbox that the fixture {_MARKER} starts, and of the connection to "
        "it: conn_id, extra",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """If the project names its DAGs, give this process its own Airflow home before anything can import Airflow."""
    folder = early_config.getini(_DAGS_FOLDER)
    if not folder:
        return
    if "airflow.configuration" in sys.modules:
        raise pytest.UsageError(
            f"{_DAGS_FOLDER} gives the tests an Airflow of their own, but Airflow was imported before pytest read "
            "it: by another plugin, or by a program that runs pytest within its own process."
        )
    dags = (early_config.inipath.parent if early_config.inipath else early_config.rootpath) / folder
    if not dags.is_dir():
        raise pytest.UsageError(f"{_DAGS_FOLDER} is {folder!r}, but the folder {dags} does not exist.")
    home = Path(tempfile.mkdtemp(prefix="maestroqa-airflow-"))
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("AIRFLOW") and not name.startswith(_INHERITED)]:
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
    """A fresh MaestroQA for this test alone, and the Airflow connection to it.

    Exports are complete at the first poll and there are no request limits, unless the marker
    ``@pytest.mark.maestroqa_sandbox(polls=1, limits=REAL_LIMITS)`` sets them: it takes the options of ``Sandbox``,
    and ``conn_id`` (an id or a list of them; ``maestroqa_default``) and ``extra`` (more keys for the connection's
    extra).
    """
    from airflow_provider_maestroqa.sandbox import Sandbox

    options = _marked_options(request.node, known=_keyword_only(Sandbox))
    conn_id, extra = options.pop("conn_id", "maestroqa_default"), options.pop("extra", {})
    conn_ids = [conn_id] if isinstance(conn_id, str) else list(conn_id)
    try:
        sandbox = Sandbox(**{**_SANDBOX_DEFAULTS, **options})
    except (ValueError, TypeError) as error:
        pytest.fail(f"@pytest.mark.{_MARKER}: {error}", pytrace=False)
    _check_no_secrets_backend(conn_ids)
    with sandbox, pytest.MonkeyPatch.context() as patch:
        if options.get("limits"):
            # All tasks of a test share one budget, which no other test uses.
            store = request.getfixturevalue("tmp_path_factory").mktemp("maestroqa") / "budget.sqlite3"
            budget = {"rate_limits": {**_WIDE_LIMITS, **options["limits"]}, "rate_limit_store": str(store)}
        else:
            budget = {"rate_limits": _WIDE_LIMITS}
        for name in conn_ids:
            patch.setenv(f"AIRFLOW_CONN_{name.upper()}", sandbox.connection_json(**{**budget, **extra}))
        _bypass_proxies_for_loopback(patch)
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
    """Runs DAGs of the DAGs folder in this process. The value of the fixture ``maestroqa_run_dag``.

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

        :param dag_id: the DAG's id; its file is read again for each run.
        :param logical_date: the run's date, aware. Default: now.
        :param conf: the run's configuration.
        :param task_arguments: arguments that replace those of the tasks, such as ``{"poll_interval": 0.1}`` or
            ``{"retries": 0}``: for each task that has such an argument.
        :return: how it ended; a task that failed raises nothing.
        """
        if logical_date is not None and (not isinstance(logical_date, datetime) or logical_date.utcoffset() is None):
            pytest.fail(
                f"logical_date is an aware datetime, such as datetime(2026, 3, 2, tzinfo=timezone.utc), not "
                f"{logical_date!r}.",
                pytrace=False,
            )
        dag = self._load(dag_id)
        for name, value in (task_arguments or {}).items():
            if not set_argument(dag, name, value):
                pytest.fail(f"task_arguments: no task of this DAG has an argument {name!r}.", pytrace=False)
        return run_dag(dag, logical_date=logical_date, conf=conf)

    def _load(self, dag_id: str) -> Any:
        from airflow.models import DagBag

        bag = DagBag(dag_folder=str(self.dags_folder))
        if dag_id in bag.dags:
            return bag.dags[dag_id]
        dag_ids = ", ".join(sorted(bag.dags)) or "none"
        broken = "".join(f"\n{file} cannot be imported:\n{error}" for file, error in bag.import_errors.items())
        pytest.fail(f"There is no DAG {dag_id!r} in {self.dags_folder}. There are: {dag_ids}.{broken}", pytrace=False)


def run_dag(
    dag: Any, *, logical_date: datetime | None = None, conf: Mapping[str, Any] | None = None
) -> DagRunOutcome:
    """Run a DAG once with Airflow's own ``dag.test()``; see :class:`RunDag`.

    :param dag: the DAG.
    :param logical_date: the run's date, aware. Default: now.
    :param conf: the run's configuration.
    """
    date: dict[str, datetime] = {}
    if logical_date is not None and "logical_date" in inspect.signature(dag.test).parameters:
        date = {"logical_date": logical_date}
    elif logical_date is not None:
        # Airflow 2 replaces an earlier run of this date, and needs the table of users for that.
        with suppress(ImportError):
            importlib.import_module("airflow.providers.fab.auth_manager.models")
        date = {"execution_date": logical_date}
    run = dag.test(run_conf=None if conf is None else dict(conf), **date)
    tasks, returned = {}, {}
    for instance in run.get_task_instances():
        name = instance.task_id if instance.map_index < 0 else f"{instance.task_id}[{instance.map_index}]"
        tasks[name] = _state_name(instance.state)
        value = instance.xcom_pull(task_ids=instance.task_id, map_indexes=instance.map_index)
        if value is not None:
            returned[name] = value
    return DagRunOutcome(_state_name(run.state), tasks, returned)


def set_argument(dag: Any, name: str, value: Any) -> bool:
    """Replace an argument of each task that has it.

    :param dag: the DAG of the tasks.
    :param name: the argument's name.
    :param value: its new value.
    :return: whether there is such a task.
    """
    is_argument = False
    for task in dag.tasks:
        partial_kwargs = getattr(task, "partial_kwargs", None)
        operator = type(task) if partial_kwargs is None else task.operator_class
        inits = [vars(parent)["__init__"] for parent in operator.__mro__ if "__init__" in vars(parent)]
        if not any(name in inspect.signature(init).parameters for init in inits):
            continue
        is_argument = True
        if partial_kwargs is None:
            setattr(task, name, value)
        else:
            partial_kwargs[name] = value
    return is_argument


@pytest.fixture
def maestroqa_run_dag(maestroqa_sandbox: Sandbox, _maestroqa_fresh_database: None) -> RunDag:  # noqa: ARG001
    """Run a DAG against this test's sandbox: ``maestroqa_run_dag("my_dag")`` gives state, tasks and returned values.

    Needs ``maestroqa_dags_folder`` in pytest's configuration. Each test starts with an empty Airflow database.
    """
    return RunDag(Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]))


@pytest.fixture(scope="session")
def _maestroqa_empty_database(pytestconfig: pytest.Config) -> tuple[Path, Path]:
    """Airflow's database, and an empty one beside it."""
    home = pytestconfig.stash.get(_HOME, None)
    if home is None:
        pytest.fail(
            f"maestroqa_run_dag needs to know your DAGs: write `{_DAGS_FOLDER} = dags` into pytest's configuration "
            "(pytest.ini, or [tool.pytest.ini_options] in pyproject.toml). It is relative to that file's folder.",
            pytrace=False,
        )
    command = [sys.executable, "-W", "ignore", "-m", "airflow", "db", "migrate"]
    process = subprocess.run(command, capture_output=True, text=True, check=False, cwd=home)  # noqa: S603
    if process.returncode:
        pytest.fail(f"`airflow db migrate` failed:\n{process.stdout}\n{process.stderr}", pytrace=False)
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


def _keyword_only(cls: type) -> list[str]:
    parameters = inspect.signature(cls).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _marked_options(node: pytest.Item, *, known: Sequence[str]) -> dict[str, Any]:
    """The options of all markers of a test; the nearest one takes precedence."""
    options: dict[str, Any] = {}
    for mark in node.iter_markers(_MARKER):
        if mark.args:
            pytest.fail(f"@pytest.mark.{_MARKER} takes options by name only, such as polls=1.", pytrace=False)
        options = {**mark.kwargs, **options}
    if not isinstance(options.get("limits") or {}, Mapping):
        pytest.fail(
            f"@pytest.mark.{_MARKER}: limits looks like {_WIDE_LIMITS}, or is REAL_LIMITS or None.", pytrace=False
        )
    if unknown := sorted(set(options) - {*known, *_CONNECTION_OPTIONS}):
        pytest.fail(
            f"@pytest.mark.{_MARKER} has no option {', '.join(unknown)}. There are: "
            f"{', '.join(sorted([*known, *_CONNECTION_OPTIONS]))}.",
            pytrace=False,
        )
    return options


def _check_no_secrets_backend(conn_ids: Sequence[str]) -> None:
    """Fail where Airflow would look for connections elsewhere first, and a test could reach the real MaestroQA."""
    configuration = sys.modules.get("airflow.configuration")
    for section, key in (("secrets", "backend"), ("workers", "secrets_backend")):
        variable = f"AIRFLOW__{section}__{key}".upper()
        backend = configuration.conf.get(section, key, fallback="") if configuration else os.environ.get(variable)
        if backend:
            pytest.fail(
                f"[{section}] {key} is {backend}, where Airflow looks for {', '.join(conn_ids)} before it finds the "
                f"sandbox: a test could reach the real MaestroQA. Run the tests with {variable} set to nothing, or "
                f"let {_DAGS_FOLDER} give them an Airflow of their own.",
                pytrace=False,
            )


def _bypass_proxies_for_loopback(patch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        hosts = os.environ.get(name, "")
        if hosts.strip() != "*":
            patch.setenv(name, ",".join(filter(None, (hosts, "127.0.0.1", "localhost"))))


def _state_name(state: Any) -> str:
    return str(getattr(state, "value", state))
