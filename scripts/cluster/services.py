"""The cluster's processes, all on this machine's loopback address, and none left behind.

PostgreSQL and Redis are real servers, as the tests use them. Each part of Airflow has a process and a home of its
own, and is started again when it ends, as systemd or Kubernetes would.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from postgres_server import PostgresServer, make_template
from processes import free_port, is_alive, undisturbed
from redis_server import RedisServer

from cluster.airflow_api import AirflowAPI

ROOT = Path(__file__).resolve().parents[2]
DAGS = Path(__file__).resolve().parent / "dags"
#: Seconds in which a part must be ready; the slowest takes about 30 on two busy cores.
_PATIENCE_S = 240.0
#: What all parts of Airflow import.
_AIRFLOW = (
    "airflow.__main__",
    "airflow.models.taskinstance",
    "airflow.serialization.serialized_objects",
    "airflow.sdk.execution_time.supervisor",
    "airflow.providers.celery.executors.celery_executor",
)
#: Seconds in which a part starts the children that live as long as it does.
_BEGINS_S = 60.0


class Nursery:
    """Where the parts are forked from: see ``nursery.py``."""

    def __init__(self, environment: Mapping[str, str], modules: Iterable[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py")), *modules],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C reaches the command alone, which then ends the parts in good order.
            start_new_session=True,
        )
        self._lock = threading.Lock()

    def start(self, command: list[str], environment: Mapping[str, str], log: Path) -> psutil.Process:
        """Start a part, in a session of its own."""
        part = {"command": command, "environment": dict(environment), "log": str(log)}
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(part) + "\n")
            self._process.stdin.flush()
            return psutil.Process(int(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        with self._process:
            self._process.kill()


@dataclass
class Part:
    """A part of Airflow: a process, and all that it starts.

    :param name: also the host name that its tasks report.
    :param command: what follows ``airflow`` on the command line.
    :param lost: whether it is to stay away.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    nursery: Nursery
    lost: bool = False
    _process: psutil.Process | None = None

    def start(self) -> None:
        self._process = self.nursery.start(self.command, self.environment, self.log)
        self.lost = False

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself."""
        return not self.lost and self._process is not None and not is_alive(self._process)

    def kill(self) -> None:
        """End it and all that it has started at once, as when a machine is lost."""
        self.lost = True
        _kill([self])

    def cpu_s(self) -> float:
        """Seconds of a processor that it and its descendants have used."""
        used = 0.0
        for one in _members([self]):
            with suppress(psutil.Error):
                used += sum(one.cpu_times()[:4])
        return used

    def lasting_mb(self) -> float:
        """Megabytes of the process itself and the children that it began with, which live as long as it does."""
        total = 0.0
        with suppress(psutil.Error):
            for one in [self._process, *self._process.children()] if self._process else []:
                if one.create_time() < self._process.create_time() + _BEGINS_S:
                    total += one.memory_info().rss / 1e6
        return total

    @property
    def session(self) -> int | None:
        """What all its processes belong to."""
        return None if self._process is None else self._process.pid


@dataclass
class Cluster:
    """What runs.

    :param restarts: how often a part ended by itself and was started again, by its name.
    """

    folder: Path
    postgres: PostgresServer
    redis: RedisServer
    api: AirflowAPI
    parts: dict[str, Part]
    nursery: Nursery
    restarts: Counter[str] = field(default_factory=Counter)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._supervisor = threading.Thread(target=self.supervise, daemon=True)

    def workers(self) -> list[str]:
        return [name for name in self.parts if name.startswith("worker")]

    def triggerers(self) -> list[str]:
        return [name for name in self.parts if name.startswith("triggerer")]

    def supervise(self) -> None:
        """Start again what has ended by itself, until the cluster is stopped."""
        while not self._stopping.wait(0.5):
            for part in self.parts.values():
                if part.has_ended and not self._stopping.is_set():
                    self.restarts[part.name] += 1
                    part.kill()
                    part.start()

    def stop(self) -> None:
        """End everything. Nothing has to be saved, and what is killed cannot take its time."""
        self._stopping.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        for part in self.parts.values():
            part.lost = True
        _kill(self.parts.values())
        self.nursery.close()

    def start(self) -> None:
        """Start all parts, and what supervises them."""
        for part in self.parts.values():
            part.start()
        self._supervisor.start()


@contextmanager
def running_cluster(
    folder: Path, connections: Mapping[str, str], *, workers: int, triggerers: int, redis: RedisServer
) -> Iterator[Cluster]:
    """Run Airflow's parts on a fresh PostgreSQL; all have ended when this ends, however it ends.

    :param folder: for the logs and the homes; it is made anew.
    :param connections: Airflow connections as JSON, by id.
    :param redis: a running server, Celery's broker.
    :raises RuntimeError: a part did not get ready; the message has the end of its log.
    """
    template = make_template()
    postgres = PostgresServer(template, settings={"max_connections": "200", "shared_buffers": "64MB"})
    cluster = None
    try:
        postgres.start()
        cluster = _make(folder, connections, postgres, redis, workers=workers, triggerers=triggerers)
        _migrate(cluster)
        cluster.start()
        _wait_until_ready(cluster)
        yield cluster
    finally:
        with undisturbed():
            if cluster is not None:
                cluster.stop()
            postgres.remove()
            shutil.rmtree(template, ignore_errors=True)


def _make(
    folder: Path,
    connections: Mapping[str, str],
    postgres: PostgresServer,
    redis: RedisServer,
    *,
    workers: int,
    triggerers: int,
) -> Cluster:
    url = f"http://127.0.0.1:{free_port()}"
    shared = _environment(url, folder, postgres, redis)
    shared |= {f"AIRFLOW_CONN_{conn_id.upper()}": text for conn_id, text in connections.items()}
    # Machines of their own have homes of their own, which Airflow wants to know before it is imported.
    modules = () if workers > 1 else _AIRFLOW
    nursery = Nursery({**shared, "AIRFLOW_HOME": str(folder / "home"), "CLUSTER_HOST": "nursery"}, modules)
    commands = {
        "api-server": ["api-server", "--host", "127.0.0.1", "--port", url.rpartition(":")[2]],
        "scheduler": ["scheduler", "--skip-serve-logs"],
        "dag-processor": ["dag-processor"],
    }
    commands |= {f"triggerer-{number}": ["triggerer", "--skip-serve-logs"] for number in range(1, triggerers + 1)}
    worker = ["celery", "worker", "--skip-serve-logs", "--concurrency", "4", "--without-gossip", "--without-mingle"]
    commands |= {
        f"worker-{number}": [*worker, "--celery-hostname", f"worker-{number}"] for number in range(1, workers + 1)
    }
    parts = {}
    for name, command in commands.items():
        home = folder / name
        (home / "tmp").mkdir(parents=True)
        own = {"AIRFLOW_HOME": str(home), "TMPDIR": str(home / "tmp"), "CLUSTER_HOST": name}
        parts[name] = Part(name, command, {**shared, **own}, home / "log", nursery)
    return Cluster(folder, postgres, redis, AirflowAPI(url), parts, nursery)


def _environment(url: str, folder: Path, postgres: PostgresServer, redis: RedisServer) -> dict[str, str]:
    database = postgres.url.removeprefix("postgresql")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    return {
        **environment,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(DAGS)]),
        "PYTHONWARNINGS": "ignore",
        "NO_COLOR": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": "of-this-cluster-alone-" * 3,
        "AIRFLOW__CELERY__BROKER_URL": redis.url,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2{database}",
        "AIRFLOW__CELERY__WORKER_ENABLE_REMOTE_CONTROL": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__FERNET_KEY": "",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "cluster_host.name",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
        "AIRFLOW__CORE__PARALLELISM": "64",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2{database}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "task-logs"),
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "3",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "240",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        # On a busy machine, requests of its own tasks may be slow.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    }


def _migrate(cluster: Cluster) -> None:
    """Make Airflow's tables."""
    first = next(iter(cluster.parts.values()))
    migration = Part("migrate", ["db", "migrate"], first.environment, cluster.folder / "migrate.log", first.nursery)
    migration.start()
    while not migration.has_ended:
        time.sleep(0.1)
    if not cluster.postgres.run("SELECT 1 FROM pg_tables WHERE tablename = 'alembic_version'"):
        raise RuntimeError(f"Airflow's database could not be made. The end of the log:\n{_end_of(migration.log)}")


def _wait_until_ready(cluster: Cluster) -> None:
    """Return when the parts are healthy, the workers listen and the DAGs are there."""
    deadline = time.monotonic() + _PATIENCE_S
    wanted = {path.stem for path in DAGS.glob("cluster_*.py")} - {"cluster_host"}
    while time.monotonic() < deadline:
        if cluster.restarts:
            break
        if all(_listens(cluster.parts[name]) for name in cluster.workers()) and cluster.api.is_healthy(wanted):
            return
        time.sleep(0.5)
    ends = "\n".join(f"--- {part.name}\n{_end_of(part.log)}" for part in cluster.parts.values())
    raise RuntimeError(f"Airflow did not get ready within {_PATIENCE_S:.0f} s. The ends of its logs:\n{ends}")


def _listens(worker: Part) -> bool:
    return b" ready." in worker.log.read_bytes() if worker.log.exists() else False


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.exists() else ""


def _members(parts: Iterable[Part]) -> list[psutil.Process]:
    """All processes of some parts."""
    sessions, members = {part.session for part in parts}, []
    for one in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(one.pid) in sessions and is_alive(one):
                members.append(one)
    return members


def _kill(parts: Collection[Part]) -> None:
    """Kill them at once: who is stopped first cannot react to the end of the others."""
    while members := _members(parts):
        for signal_number in (signal.SIGSTOP, signal.SIGKILL):
            for one in members:
                with suppress(psutil.Error):
                    one.send_signal(signal_number)
        time.sleep(0.02)
