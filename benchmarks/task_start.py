"""What a landing task does from its process's start to the first byte of the export, and how long each part takes.

    python benchmarks/task_start.py [--runs 3] [--json FILE]

Each run is a fresh process in which Airflow's own ``dag.test()`` runs one task: this package's landing of a sandbox's
export into a folder and into S3 (a local sink), and as the peer the amazon provider's ``HttpToS3Operator`` with the
same file. Each figure is processor time, the median of the runs. A worker of Airflow forks its task processes, and so
pays for the interpreter and for Airflow once; what a task imports and does itself, it pays for each time.
"""

from __future__ import annotations

import argparse
import builtins
import importlib
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from landing import server
from results import OURS, Results, add_option

PEER = "HttpToS3Operator"
TO_FOLDER, TO_S3 = "landing into a folder", "landing into S3"
#: What is imported while the task runs, by the beginning of its name.
IMPORTS = {"airflow_provider_maestroqa": "own", "airflow": "others", "boto": "others"}


DAG_FILE = """
from airflow.sdk import DAG
from {module} import {operator}

with DAG("task_start", schedule=None) as dag:
    {operator}(task_id="land", {arguments})
"""


class Timeline:
    """Processor time at each step of this process, and what imports took of it."""

    def __init__(self) -> None:
        self.marks: dict[str, float] = {"interpreter": time.process_time()}
        self.imports: Counter[str] = Counter()
        self.is_task = False
        self._is_importing = self._is_watching = False

    def mark(self, name: str) -> None:
        """Note the first time that something happens."""
        self.marks.setdefault(name, time.process_time())

    def count_imports(self) -> None:
        """Count the time of imports, within the task, for the one that began them."""
        for module, name in ((builtins, "__import__"), (importlib, "import_module")):
            setattr(module, name, self._counted(getattr(module, name)))

    def _watch_requests(self) -> None:
        """Note the first request, and the beginning of the last response: the sender is the same for all of them."""
        self._is_watching, adapter_class = True, sys.modules["requests.adapters"].HTTPAdapter
        send = adapter_class.send

        def watched(adapter: Any, request: Any, **options: Any) -> Any:
            self.mark("request")
            response = send(adapter, request, **options)
            self.marks["first byte"] = time.process_time()
            return response

        adapter_class.send = watched

    def figures(self) -> dict[str, float]:
        """Milliseconds of each part."""
        at = self.marks
        own, others, early = (self.imports[name] for name in ("own", "others", "before request"))
        seconds = {
            "interpreter_ms": at["interpreter"],
            "airflow_ms": at["airflow"] - at["interpreter"],
            "dag_file_ms": at["dag file"] - at["airflow"],
            "to_task_ms": at["task"] - at["dag file"],
            "own_imports_ms": own,
            "other_imports_ms": others,
            "to_request_ms": at["request"] - at["task"] - early,
            "to_first_byte_ms": at["first byte"] - at["request"] - (own + others - early),
            "task_ms": at["first byte"] - at["task"],
        }
        return {name: 1000 * value for name, value in seconds.items()}

    def _counted(self, imports: Callable[..., Any]) -> Callable[..., Any]:
        def counted(name: str, *arguments: Any, **options: Any) -> Any:
            if self._is_importing or not self.is_task or "first byte" in self.marks:
                return imports(name, *arguments, **options)
            self._is_importing, before = True, time.process_time()
            try:
                return imports(name, *arguments, **options)
            finally:
                taken, self._is_importing = time.process_time() - before, False
                kind = next((kind for start, kind in IMPORTS.items() if name.startswith(start)), "own")
                self.imports[kind] += taken
                if not self._is_watching and "requests.adapters" in sys.modules:
                    self._watch_requests()
                if "request" not in self.marks:
                    self.imports["before request"] += taken

        return counted


def run_task() -> None:
    """Run the one task of the DAGs folder in this process, and print its figures."""
    timeline = Timeline()
    importlib.import_module("airflow.sdk.execution_time.task_runner")
    importlib.import_module("airflow.sdk")
    timeline.mark("airflow")
    dag = runpy.run_path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"] + "/task_start.py")["dag"]
    timeline.mark("dag file")
    operator = type(dag.get_task("land"))
    execute = operator.execute

    def watched(self: Any, context: Any) -> Any:
        timeline.mark("task")
        timeline.is_task = True
        return execute(self, context)

    operator.execute = watched
    timeline.count_imports()
    run = dag.test()
    if str(getattr(run.state, "value", run.state)) != "success":
        raise SystemExit("the task failed")
    print(json.dumps(timeline.figures()))


def dag_files(sandbox: Any, home: str) -> tuple[dict[str, str], str]:
    """The DAG file of each case, for an export that is complete; and the address of the storage."""
    import requests

    token = {"apitoken": sandbox.token}
    requested = requests.post(f"{sandbox.url}/api/v1/request-groups-export", headers=token, timeout=10)
    export_id = requested.json()["exportId"]
    export = requests.get(
        f"{sandbox.url}/api/v1/get-export-data", headers=token, json={"exportId": export_id}, timeout=10
    )
    url = urlsplit(export.json()["dataUrl"])
    transfers, given = "airflow_provider_maestroqa.transfers", f"export_id={export_id!r}"
    files = {
        TO_FOLDER: DAG_FILE.format(
            module=f"{transfers}.export_to_object_storage",
            operator="MaestroQAExportToObjectStorageOperator",
            arguments=f"{given}, destination='file://{home}/{{{{ run_id }}}}'",
        ),
        TO_S3: DAG_FILE.format(
            module=f"{transfers}.export_to_s3",
            operator="MaestroQAExportToS3Operator",
            arguments=f"{given}, s3_bucket='sink', s3_prefix='{{{{ run_id }}}}'",
        ),
        PEER: DAG_FILE.format(
            module="airflow.providers.amazon.aws.transfers.http_to_s3",
            operator=PEER,
            arguments=f"method='GET', endpoint={f'{url.path[1:]}?{url.query}'!r}, s3_bucket='sink', "
            "s3_key='peer.zip', replace=True",
        ),
    }
    return files, f"{url.scheme}://{url.netloc}"


def environment_for(home: str, sandbox: Any, storage: str, sink: str) -> dict[str, str]:
    """The environment of a run: an Airflow of its own, and its connections."""
    aws = {"conn_type": "aws", "login": "key", "password": "secret"}
    return {
        **os.environ,
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": f"{home}/dags",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "AIRFLOW_CONN_MAESTROQA_DEFAULT": sandbox.connection_json(),
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({**aws, "extra": {"endpoint_url": sink, "region_name": "us-east-1"}}),
        "AIRFLOW_CONN_HTTP_DEFAULT": json.dumps({"conn_type": "http", "host": storage}),
    }


def main() -> None:
    """Run each case in fresh processes, by turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    add_option(parser)
    options, results = parser.parse_args(), Results("task_start")
    if options.child:
        run_task()
        return
    from airflow_provider_maestroqa.sandbox import Sandbox

    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        sandbox = stack.enter_context(Sandbox(limits={}, rows=1, polls=0))
        files, storage = dag_files(sandbox, home)
        environment = environment_for(home, sandbox, storage, stack.enter_context(server("sink", home)))
        migrate = [sys.executable, "-W", "ignore", "-m", "airflow", "db", "migrate"]
        subprocess.run(migrate, env=environment, check=True, capture_output=True)
        dag_file = Path(environment["AIRFLOW__CORE__DAGS_FOLDER"], "task_start.py")
        dag_file.parent.mkdir()
        runs: dict[str, list[dict[str, float]]] = {case: [] for case in files}
        for _ in range(options.runs):
            for case, text in files.items():
                dag_file.write_text(text)
                runs[case].append(run_child(case, environment))
    for case, measured in runs.items():
        figures = {name: statistics.median(run[name] for run in measured) for name in measured[0]}
        print(f"{case}: " + ", ".join(f"{name} {value:,.0f}" for name, value in figures.items()))
        results.add(TO_S3 if case == PEER else case, PEER if case == PEER else OURS, **figures)
    results.write(options.json)


def run_child(case: str, environment: dict[str, str]) -> dict[str, float]:
    """Run one task in a fresh process."""
    command = [sys.executable, "-W", "ignore", str(Path(__file__).resolve()), "--child"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    main()
