"""Request, await and land an export: a sandbox MaestroQA, a local S3, and the example DAG, in one process.

Run it with ``make demo``.
"""

from __future__ import annotations

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
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "dags_examples" / "maestroqa_raw_export_to_s3.py"
BUCKET = "my-data-lake"
LOG = Path(".demo") / "airflow.log"
#: A line of this package's own, or of a task that gives its worker back.
STORY = re.compile(
    r"\S+T(?P<time>[\d:]+)\.\S+ \[\w+ *\] "
    r"(?:(?P<said>.*?) \[\S*airflow_provider_maestroqa\S*\]|(?P<other>Pausing task as DEFERRED|.*running trigger))"
)


def main() -> int:
    """Run the demo; 0 when the export landed and what is in the bucket is what the manifest says."""
    from moto.server import ThreadedMotoServer

    from airflow_provider_maestroqa.sandbox import Sandbox

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    s3_server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with Sandbox(rows=2000) as sandbox:
        s3_server.start()
        try:
            s3 = _connect(sandbox, s3_server)
            print(f"A sandbox MaestroQA runs at {sandbox.url}, an S3 at {s3.meta.endpoint_url}.")
            print(f"Running the DAG of {EXAMPLE.relative_to(ROOT)} (Airflow takes a moment to start):\n", flush=True)
            started = time.monotonic()
            ended = _run_dag()
            state = ended["state"] if ended else "failed"
            print(f"\nThe DAG run ended as {state} after {time.monotonic() - started:.0f} s. Whole log: {LOG}")
            return _show(s3, ended["returned"]["land"]) if state == "success" else 1
        finally:
            s3_server.stop()


def _run_dag() -> dict[str, Any] | None:
    """Run the example in an Airflow of its own, and pass on the lines that this package logs."""
    home = ROOT / ".demo" / "airflow"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLE.parent),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "NO_COLOR": "1",
    }
    ended = home / "ended.json"
    command = [sys.executable, "-W", "ignore", str(ROOT / "scripts" / "run_dag.py"), str(EXAMPLE)]
    with (
        _log_file() as log,
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
            told = STORY.match(line)
            if told:
                print(f"  {told['time']}  {(told['said'] or told['other']).strip()}", flush=True)
    return json.loads(ended.read_text())[EXAMPLE.stem] if process.returncode == 0 else None


def _log_file() -> IO[str]:
    path = ROOT / LOG
    path.parent.mkdir(exist_ok=True)
    return path.open("w")


def _connect(sandbox: Any, s3_server: Any) -> Any:
    import boto3

    host, port = s3_server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    os.environ["AIRFLOW_CONN_MAESTROQA_DEFAULT"] = sandbox.connection_json()
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = json.dumps(
        {
            "conn_type": "aws",
            "login": "demo",
            "password": "demo",
            "extra": {"endpoint_url": endpoint, "region_name": "us-east-1"},
        }
    )
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="demo",
        aws_secret_access_key="demo",
    )
    s3.create_bucket(Bucket=BUCKET)
    return s3


def _show(s3: Any, manifest: dict[str, Any]) -> int:
    """Print what is in the bucket, each object read back and compared with the manifest."""
    print(f"Landed in {manifest['destination']}:\n")
    print(f"  {'object':<32} {'bytes':>9} {'rows':>7}  {'sha256':<64}  as the manifest says")
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


if __name__ == "__main__":
    sys.exit(main())
