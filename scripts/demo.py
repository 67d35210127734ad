"""Land an export and push tickets: a sandbox MaestroQA, a local S3, a small warehouse, and two of the example DAGs.

Run it with ``make demo``.

    python scripts/demo.py --folder .demo
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import re
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

from helpdesk_warehouse import SOLVED_LATER, make_warehouse

ROOT = Path(__file__).resolve().parent.parent
LAND = ROOT / "dags_examples" / "maestroqa_raw_export_to_s3.py"
PUSH = ROOT / "dags_examples" / "maestroqa_helpdesk_tickets.py"
BUCKET = "my-data-lake"
#: A task begins.
BEGINS = re.compile(r"running task <TaskInstance: (?P<dag>\w+)\.(?P<task>\w+) ")
#: A log line of this package, or of a task that releases its worker.
STORY = re.compile(
    r"\S+T(?P<time>[\d:]+)\.\S+ \[\w+ *\] "
    r"(?:(?P<message>.*?) \[\S*airflow_provider_maestroqa\S*\]|(?P<other>Pausing task as DEFERRED|.*running trigger))"
)


def main() -> int:
    """Run the demo; return 0 if the results match the manifest and the reports."""
    from moto.server import ThreadedMotoServer

    from airflow_provider_maestroqa.sandbox import Sandbox

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default=".demo", help="where Airflow's home and log go, within the project")
    folder = ROOT / parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "airflow.log"
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    s3_server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with Sandbox(rows=2000) as sandbox:
        s3_server.start()
        try:
            s3 = _connect(sandbox, s3_server, folder)
            print(f"A sandbox MaestroQA is running at {sandbox.url}, an S3 at {s3.meta.endpoint_url}.")
            print("Running two DAGs (Airflow takes a moment to start):", flush=True)
            started = time.monotonic()
            ended = _run_dags(LAND, PUSH, home=folder / "airflow", log_file=log)
            print(f"\nBoth ended after {time.monotonic() - started:.0f} s. Full log: {log.relative_to(ROOT)}")
            failed = {name: end["state"] for name, end in ended.items() if end["state"] != "success"}
            if failed or not ended:
                print(f"Failed: {failed or 'Airflow did not finish'}")
                return 1
            wrong = _show_landed(s3, ended[LAND.stem]["returned"]["land"])
            return wrong or _show_pushed(s3, sandbox, ended[PUSH.stem]["returned"])
        finally:
            s3_server.stop()


def _run_dags(*examples: Path, home: Path, log_file: Path) -> dict[str, Any]:
    """Run examples in a separate Airflow, and print the lines that this package logs."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(LAND.parent),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "NO_COLOR": "1",
    }
    ended = home / "ended.json"
    ended.unlink(missing_ok=True)
    command = [sys.executable, "-W", "ignore", str(ROOT / "scripts" / "run_dag.py"), *map(str, examples)]
    with (
        log_file.open("w") as log,
        subprocess.Popen(
            [*command, "--json", str(ended), "--poll-interval", "1"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            log.write(line)
            story = STORY.match(line)
            begun = BEGINS.search(line)
            if begun:
                print(f"\n{begun['dag']}: {begun['task']}", flush=True)
            elif story:
                print(f"  {story['time']}  {(story['message'] or story['other']).strip()}", flush=True)
    return json.loads(ended.read_text()) if ended.exists() else {}


def _connect(sandbox: Any, s3_server: Any, folder: Path) -> Any:
    connections, s3 = connect(sandbox, s3_server, folder)
    os.environ.update({f"AIRFLOW_CONN_{name.upper()}": text for name, text in connections.items()})
    # An earlier run has pushed it; it has been solved since.
    sandbox.add_tickets([SOLVED_LATER], status="open")
    return s3


def connect(sandbox: Any, s3_server: Any, folder: Path) -> tuple[dict[str, str], Any]:
    """Create the bucket and the warehouse; return the connections as JSON by their ids, and an S3 client."""
    import boto3

    host, port = s3_server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    connections = {
        "maestroqa_default": sandbox.connection_json(),
        "aws_default": json.dumps(
            {
                "conn_type": "aws",
                "login": "local-s3",
                "password": "local-s3",
                "extra": {"endpoint_url": endpoint, "region_name": "us-east-1"},
            }
        ),
        "helpdesk_warehouse": make_warehouse(folder / "helpdesk.db"),
    }
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="local-s3",
        aws_secret_access_key="local-s3",
    )
    s3.create_bucket(Bucket=BUCKET)
    return connections, s3


def _show_landed(s3: Any, manifest: dict[str, Any]) -> int:
    """Print the objects in the bucket, each read back and compared with the manifest."""
    print(f"\nFrom MaestroQA: landed in {manifest['destination']}\n")
    print(f"  {'object':<32} {'bytes':>9} {'rows':>7}  {'sha256':<64}  matches the manifest")
    wrong = 0
    for file in manifest["files"]:
        key = file["uri"].removeprefix(f"s3://{BUCKET}/")
        stored = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        content = zlib.decompress(stored, wbits=31)
        digest = hashlib.sha256(stored).hexdigest()
        same = (len(stored), digest, len(content)) == (file["bytes"], file["sha256"], file["content_bytes"])
        wrong += not same
        print(f"  {file['name']:<32} {len(stored):>9,} {file['rows']:>7,}  {digest}  {'yes' if same else 'NO'}")
    print(f"\n  Manifest: {manifest['manifest']}")
    return 1 if wrong else 0


def _show_pushed(s3: Any, sandbox: Any, reports: dict[str, dict[str, Any]]) -> int:
    """Print the reports of the pushes, compared with what the sandbox has."""
    print("\nTo MaestroQA: pushed from the warehouse, by the reports\n")
    names = ("sent", "confirmed", "created", "updated", "rejected", "unconfirmed", "requests")
    print(f"  {'':<16}" + "".join(f"{name:>14}" for name in (*names, "at MaestroQA")))
    wrong = 0
    for task, there in (
        ("tickets", sandbox.tickets),
        ("comments", sandbox.comments),
        ("metrics", sandbox.ticket_metrics),
    ):
        report = reports[task]
        wrong += len(there) != report["confirmed"]
        print(f"  {report['resource']:<16}" + "".join(f"{report[name]:>14}" for name in names) + f"{len(there):>14}")
    ticket = sandbox.tickets[SOLVED_LATER]
    print(f"\n  Updated: {SOLVED_LATER} was open and is now {ticket['status']} ({ticket['subject']}).")
    rejects = reports["comments"]["rejects_path"]
    key = rejects.removeprefix(f"s3://{BUCKET}/")
    for line in s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().splitlines():
        rejected = json.loads(line)
        print(f"  Rejected: {rejected['record']['body']!r}, because {rejected['reason'].partition(': ')[2]}")
    print(f"  Rejected records: {rejects}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
