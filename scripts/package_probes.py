"""Test the installed package. Run by package_installs.py with the Python of an empty environment.

Every module is imported, the entry points are loaded, and each extra is used by the operators that need it. If an
extra's libraries are not installed, the task must fail at once with a message that names the extra. The last line of
the output is JSON: what was done, and the problems.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution, entry_points
from pathlib import Path
from typing import Any

PACKAGE = "airflow_provider_maestroqa"
NAME = "airflow-provider-maestroqa"
#: Modules that nothing imports unless another package is installed, and that package.
OPTIONAL = {
    f"{PACKAGE}.pytest_plugin": "pytest",
    f"{PACKAGE}.landing.clean.arrow_reader": "pyarrow",
}
#: A port of this machine where nothing listens.
UNREACHABLE = "127.0.0.1:9"
#: What was done, with its result, for people.
observed: list[str] = []


def modules() -> list[str]:
    """Every module of the package, the examples too, without those whose optional package is not installed."""
    root = Path(importlib.import_module(PACKAGE).__file__).parent
    names = [".".join((PACKAGE, *path.relative_to(root).with_suffix("").parts)) for path in root.rglob("*.py")]
    without = [name for name, needed in OPTIONAL.items() if importlib.util.find_spec(needed) is None]
    return sorted(name.removesuffix(".__init__") for name in names if name not in without)


def imports() -> list[str]:
    """Import all of them."""
    problems = []
    for name in modules():
        if name.endswith("__main__"):
            continue
        try:
            importlib.import_module(name)
        except Exception as error:
            problems.append(f"import {name}: {type(error).__name__}: {error}")
    observed.append(f"imported {len(modules())} modules")
    return problems


def points() -> list[str]:
    """Find the entry points."""
    problems = []
    (provider,) = [one for one in entry_points(group="apache_airflow_provider") if one.value.startswith(PACKAGE)]
    if provider.load()()["package-name"] != NAME:
        problems.append("the entry point apache_airflow_provider gives no provider info")
    if not [one for one in entry_points(group="pytest11") if one.value.startswith(PACKAGE)]:
        problems.append("the entry point pytest11 is not there")
    if "site-packages" not in distribution(NAME).locate_file(PACKAGE).as_posix():
        problems.append("the package is not the installed one")
    return problems


def there(extra: str) -> bool:
    """Whether all that an extra asks for is installed, whoever brought it."""
    from packaging.requirements import Requirement

    for line in distribution(NAME).requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.marker.evaluate({"extra": extra}):
            try:
                distribution(requirement.name)
            except PackageNotFoundError:
                return False
    return True


def error_of(run: Callable[[], Any]) -> str:
    """Return the error of a task, with its type; empty if it succeeds."""
    try:
        run()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def use(extra: str, what: str, run: Callable[[], Any], *, works: bool) -> list[str]:
    """Use an extra.

    :param what: what is done, for messages.
    :param run: does it.
    :param works: whether it succeeds with the extra; otherwise it fails because there is no server.
    """
    message, hint = error_of(run), f"pip install '{NAME}[{extra}]'"
    observed.append(f"{what} {'with' if there(extra) else 'without'} [{extra}]: {message or 'succeeded'}")
    if not there(extra):
        # No retry installs a library.
        right = hint in message and message.startswith(("AirflowFailException", "MaestroQAConfigError"))
        return [] if right else [f"{what} without [{extra}] should show {hint}, and showed: {message or 'nothing'}"]
    if "pip install" in message or "Import" in message or "ModuleNotFound" in message or (works and message):
        return [f"{what} with [{extra}] failed: {message}"]
    return [] if works or message else [f"{what} with [{extra}] succeeded, with no server there"]


def uses(folder: Path) -> list[str]:
    """Run the operators that need an extra, and those that need none."""
    from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
    from airflow_provider_maestroqa.storage.compression import best_engine
    from airflow_provider_maestroqa.transfers.export_to_object_storage import MaestroQAExportToObjectStorageOperator
    from airflow_provider_maestroqa.transfers.export_to_s3 import MaestroQAExportToS3Operator
    from airflow_provider_maestroqa.transfers.object_storage_to_maestroqa import ObjectStorageToMaestroQAOperator
    from airflow_provider_maestroqa.transfers.sql_to_maestroqa import SqlToMaestroQAOperator

    def task(operator: type, **arguments: Any) -> Callable[[], Any]:
        return lambda: operator(task_id="probe", **arguments).execute({})

    ask = {"export_type": "groups"}
    export_id = task(MaestroQARequestExportOperator, **ask)()
    land = {"export_id": export_id, "destination": f"file://{folder}/landed"}
    problems = []
    if message := error_of(task(MaestroQAExportToObjectStorageOperator, **land)):
        problems.append(f"landing in a folder, which needs no extra, failed: {message}")
    elif not list((folder / "landed").glob("*.csv.gz")):
        problems.append("landing in a folder left no file")
    (folder / "agents.parquet").write_bytes(b"PAR1")
    (folder / "agents.csv").write_text("name,email,available\nAda,ada@example.com,true\n")
    read = {"resource": "agents", "source": f"{folder}/agents.csv"}
    if message := error_of(task(ObjectStorageToMaestroQAOperator, **read)):
        problems.append(f"pushing a file, which needs no extra, failed: {message}")
    to_s3 = {"export_id": export_id, "s3_bucket": "bucket", "s3_prefix": "prefix"}
    parquet = {**land, "destination": f"file://{folder}/parquet", "file_format": "parquet"}
    rows = {"sql": "SELECT 1 AS name", "sql_conn_id": "probe_database", "resource": "agents"}
    problems += use("amazon", "landing in S3", task(MaestroQAExportToS3Operator, **to_s3), works=False)
    from_s3 = task(ObjectStorageToMaestroQAOperator, resource="agents", source="s3://bucket/agents.csv")
    problems += use("amazon", "reading from S3", from_s3, works=False)
    for extra, scheme in (("google", "gs"), ("azure", "abfs")):
        to_cloud = {"export_id": export_id, "destination": f"{scheme}://bucket/prefix"}
        land_there = task(MaestroQAExportToObjectStorageOperator, **to_cloud)
        problems += use(extra, f"landing in {scheme}://", land_there, works=False)
    problems += use("parquet", "landing Parquet", task(MaestroQAExportToObjectStorageOperator, **parquet), works=True)
    from_parquet = task(ObjectStorageToMaestroQAOperator, resource="agents", source=f"{folder}/agents.parquet")
    problems += use("parquet", "reading Parquet", from_parquet, works=False)
    problems += use("sql", "reading a database", task(SqlToMaestroQAOperator, **rows), works=False)
    shared = task(MaestroQARequestExportOperator, maestroqa_conn_id="probe_redis", **ask)
    problems += use("redis", "a budget in Redis", shared, works=False)
    observed.append(f"{'with' if there('fast') else 'without'} [fast] {best_engine().name} inflates")
    if (best_engine().name == "isal") != there("fast"):
        problems.append(f"inflating is done by {best_engine().name}, and [fast] is {there('fast')}")
    return [*problems, *lineage(MaestroQAExportToObjectStorageOperator(task_id="probe", **land))]


def lineage(operator: Any) -> list[str]:
    """Ask a task that has run for its lineage, where OpenLineage is there to ask."""
    operator.execute({})
    if not there("openlineage"):
        return []
    facets = operator.get_openlineage_facets_on_complete(None)
    observed.append(f"lineage with [openlineage]: {facets}")
    return [] if facets and facets.outputs else [f"a task with [openlineage] gave no lineage: {facets!r}"]


def main() -> int:
    """Print what was seen and the problems, as JSON, on the last line."""
    from airflow_provider_maestroqa.sandbox import Sandbox

    names = [*imports(), *points()]
    with Sandbox(limits={}, polls=0, rows=20) as sandbox, tempfile.TemporaryDirectory() as folder:
        aws = {"endpoint_url": f"http://{UNREACHABLE}", "region_name": "us-east-1"}
        aws["config_kwargs"] = {"retries": {"max_attempts": 1}, "connect_timeout": 1}
        os.environ["AIRFLOW_CONN_MAESTROQA_DEFAULT"] = sandbox.connection_json()
        os.environ["AIRFLOW_CONN_PROBE_REDIS"] = sandbox.connection_json(rate_limit_store=f"redis://{UNREACHABLE}/0")
        os.environ["AIRFLOW_CONN_PROBE_DATABASE"] = json.dumps({"conn_type": "sqlite", "host": f"{folder}/no.db"})
        os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(
            {"conn_type": "aws", "login": "probe", "password": "probe", "extra": aws}
        )
        google = {"gcs.endpoint": f"http://{UNREACHABLE}", "is_anonymous": True, "project": "probe"}
        os.environ["AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT"] = json.dumps(
            {"conn_type": "google_cloud_platform", "extra": google}
        )
        os.environ["AIRFLOW_CONN_WASB_DEFAULT"] = json.dumps(
            {"conn_type": "wasb", "host": f"http://{UNREACHABLE}/probe", "login": "probe", "password": "cHJvYmU="}
        )
        names += uses(Path(folder))
    print()
    print(json.dumps({"seen": observed, "problems": names}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
