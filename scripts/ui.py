"""Airflow's UI with everything ready: a sandbox MaestroQA, a local S3, connections to both, and the example DAGs.

    python scripts/ui.py --port 8080

Run it with ``make ui``. It starts from scratch each time, in ``.ui``.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).resolve().parent))

from demo import BUCKET, ROOT, connect
from helpdesk_warehouse import SOLVED_LATER, YESTERDAY
from processes import free_port, stop_family, undisturbed

DAGS = ROOT / "dags_examples"
#: What the examples find in the bucket: tables of two regions, and the recordings of two calls.
WORKFORCE = {
    f"workforce/{YESTERDAY:%Y-%m-%d}/emea.csv.gz": b"employee;occupancy;team\nagent-1;0.8;Berlin\nagent-2;0.7;Rome\n",
    f"workforce/{YESTERDAY:%Y-%m-%d}/apac.csv.gz": b"employee;occupancy;team\nagent-3;0.9;Manila\n",
}
CALLS = ("T-1001", "T-1002")
#: Seconds in which Airflow must be ready; it takes about 75 on two slow cores.
_PATIENCE_S = 420.0


@dataclass(frozen=True)
class UI:
    """What runs.

    :param url: of Airflow's UI.
    :param sandbox: the MaestroQA.
    :param s3_url: of the bucket, at its endpoint.
    :param log: the file with Airflow's output.
    """

    url: str
    sandbox: Any
    s3_url: str
    log: Path


def main() -> int:
    """Run until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8080, help="of the UI; another one is used if it is taken")
    parser.add_argument("--folder", default=".ui", help="for Airflow's home and log, within the project")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    print("Starting Airflow: one to two minutes.", flush=True)
    try:
        with running_ui(ROOT / arguments.folder, port=arguments.port) as ui:
            print(_welcome(ui), flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("\nStopped.")
    return 0


def _welcome(ui: UI) -> str:
    log = ui.log.relative_to(ROOT) if ui.log.is_relative_to(ROOT) else ui.log
    return f"""
  Airflow    {ui.url}   (no login needed)
  MaestroQA  {ui.sandbox.url}   (a sandbox; this page shows its contents)
  S3         {ui.s3_url}

The example DAGs are there, and paused. Start with {ui.url}/dags/maestroqa_raw_export_to_s3:
press Trigger, and leave "Unpause on trigger" ticked.
The warehouse and the files have the data of {YESTERDAY:%Y-%m-%d}: give DAGs that push those the logical date \
{YESTERDAY.replace(day=YESTERDAY.day + 1):%Y-%m-%d}.

Airflow's output is in {log}. Stop everything with Ctrl-C."""


@contextmanager
def running_ui(folder: Path, *, port: int = 8080) -> Iterator[UI]:
    """Run it all on this machine's loopback address, and leave no process behind.

    :param folder: for the log, and for Airflow's home in ``airflow``, which is created again.
    :param port: of the UI, if it is free.
    :raises RuntimeError: Airflow ended, or did not get ready in time; the message has the end of its log.
    """
    from moto.server import ThreadedMotoServer

    from airflow_provider_maestroqa.sandbox import Sandbox

    home = folder / "airflow"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    s3_server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with Sandbox(rows=500, polls=1) as sandbox, ThreadingHTTPServer(("127.0.0.1", 0), _Chat) as chat:
        threading.Thread(target=chat.serve_forever, daemon=True).start()
        s3_server.start()
        try:
            connections, s3 = connect(sandbox, s3_server, folder)
            connections["maestroqa_default"] = _maestroqa(sandbox)
            connections["quality_chat"] = json.dumps(
                {"conn_type": "http", "host": f"http://127.0.0.1:{chat.server_port}", "password": "xoxb-1"}
            )
            _seed(sandbox, s3)
            ui = UI(
                url=f"http://127.0.0.1:{free_port(port)}",
                sandbox=sandbox,
                s3_url=f"{s3.meta.endpoint_url}/{BUCKET}",
                log=folder / "airflow.log",
            )
            s3.close()
            with _airflow(ui, home):
                _add_connections(ui.url, connections)
                yield ui
        finally:
            s3_server.stop()
            chat.shutdown()


class _Chat(BaseHTTPRequestHandler):
    """A chat that accepts every message and shows it here."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(f"#quality was told: {json.loads(body)['text']}")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"ok": true}')

    def log_message(self, *_: object) -> None:
        """Without a line for each request."""


def _maestroqa(sandbox: Any) -> str:
    # Without a store of their own, all tasks share one budget, as with the real MaestroQA.
    fields = dict(sandbox.connection(rate_limit_store=None))
    # The Test button of Airflow 3.3.1 and 3.3.2 refuses a connection whose port is not a separate field.
    host, _, port = fields["host"].rpartition(":")
    return json.dumps({**fields, "host": host, "port": int(port)})


def _seed(sandbox: Any, s3: Any) -> None:
    """Put there what the examples read and change."""
    for key, table in WORKFORCE.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(table))
    for ticket in CALLS:
        s3.put_object(Bucket=BUCKET, Key=f"calls/{ticket}.mp3", Body=f"the sound of {ticket}".encode())
    sandbox.add_tickets([*CALLS, SOLVED_LATER])


@contextmanager
def _airflow(ui: UI, home: Path) -> Iterator[None]:
    command = [str(Path(sys.executable).parent / "airflow"), "standalone"]
    with ui.log.open("w") as log:
        # In a session of its own, Ctrl-C reaches this process alone, which then ends the others in good order.
        process = subprocess.Popen(
            command,
            env=_environment(ui.url, home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _wait_until_ready(ui, process)
            yield
        finally:
            with undisturbed():
                stop_family(process)


def _environment(url: str, home: Path) -> dict[str, str]:
    port = url.rpartition(":")[2]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    return {
        **environment,
        # Airflow starts its parts by their bare name.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONWARNINGS": "ignore",
        "NO_COLOR": "1",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port(8794)),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port(8793)),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        # On a busy machine, requests of its own tasks may be slow.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
    }


def _wait_until_ready(ui: UI, process: subprocess.Popen[bytes]) -> None:
    """Return when all parts of Airflow are healthy and it has read the examples."""
    deadline = time.monotonic() + _PATIENCE_S
    preferred = len(list(DAGS.glob("*.py")))
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with suppress(requests.RequestException):
            health = _get(ui.url, "/monitor/health")
            parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
            healthy = all(health[part]["status"] == "healthy" for part in parts)
            if healthy and _get(ui.url, "/dags?limit=1", _allowed(ui.url))["total_entries"] >= preferred:
                return
        time.sleep(0.5)
    last = "\n".join(ui.log.read_text(errors="replace").splitlines()[-15:])
    raise RuntimeError(f"Airflow did not get ready within {_PATIENCE_S:.0f} s. The end of its log:\n{last}")


def _add_connections(url: str, connections: Mapping[str, str]) -> None:
    """Add them as the form does, so that the UI shows them."""
    for conn_id, text in connections.items():
        fields = {"connection_id": conn_id, **json.loads(text)}
        # Airflow would try to mask an empty extra in every log, and warn that it is too short.
        extra = fields.pop("extra", None)
        if extra:
            fields["extra"] = json.dumps(extra)
        with _session() as session:
            response = session.post(f"{url}/api/v2/connections", json=fields, headers=_allowed(url), timeout=30)
        if not response.ok:
            raise RuntimeError(f"Airflow did not take the connection {conn_id}: {response.status_code}.")


def _allowed(url: str) -> dict[str, str]:
    with _session() as session:
        token = session.get(f"{url}/auth/token", timeout=30).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def _get(url: str, path: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    with _session() as session:
        response = session.get(f"{url}/api/v2{path}", headers=headers, timeout=30)
        response.raise_for_status()
        content: dict[str, Any] = response.json()
        return content


@contextmanager
def _session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        # No proxy for this machine itself.
        session.trust_env = False
        yield session


if __name__ == "__main__":
    sys.exit(main())
