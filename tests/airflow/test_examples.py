"""Every example DAG, run whole by Airflow against the sandbox and a real S3 API, with real deferral."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_maestroqa.sandbox import Sandbox

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = sorted((ROOT / "dags_examples").glob("*.py"))
TOKEN = "tok-5eCr3t-do-not-show"


@pytest.fixture(scope="module")
def runs(tmp_path_factory, s3_server):
    """What one Airflow made of all the examples: results, everything it wrote, and what the servers saw."""
    import boto3
    import requests

    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    dags.mkdir()
    for example in EXAMPLES:
        # The folder that an example lands in must be this test's own.
        text = example.read_text().replace("file:///tmp/maestroqa", f"file://{home}/landed")
        (dags / example.name).write_text(text)
    requests.post(f"{s3_server}/moto-api/reset", timeout=10).close()
    s3 = boto3.client("s3", endpoint_url=s3_server)
    s3.create_bucket(Bucket="my-data-lake")
    aws = {"endpoint_url": s3_server, "region_name": "us-east-1"}
    with Sandbox(token=TOKEN, limits={}, rows=40) as sandbox:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
            "AIRFLOW_CONN_MAESTROQA_DEFAULT": sandbox.connection_json(rate_limits={"normal": [[1000, 1]]}),
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(
                {"conn_type": "aws", "login": "testing", "password": "testing", "extra": aws}
            ),
            "PYTHONPATH": str(ROOT),
        }
        # The log folder is kept apart, so that what Airflow writes there is searched too.
        command = [sys.executable, "-W", "ignore", str(ROOT / "scripts" / "run_dag.py")]
        done = subprocess.run(
            [*command, "--json", str(home / "ended.json"), *(str(dags / example.name) for example in EXAMPLES)],
            env=environment,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        written = {"stdout": done.stdout, "stderr": done.stderr}
        for path in home.rglob("*"):
            if path.is_file() and "landed" not in path.parts:
                written[str(path.relative_to(home))] = path.read_bytes().decode("latin-1")
        listed = s3.list_objects_v2(Bucket="my-data-lake").get("Contents", [])
        yield SimpleNamespace(
            results=json.loads((home / "ended.json").read_text()) if (home / "ended.json").exists() else {},
            output=done.stdout + done.stderr,
            written=written,
            keys=[item["Key"] for item in listed],
            landed=sorted(str(path.relative_to(home)) for path in (home / "landed").rglob("*") if path.is_file()),
            requests=sandbox.requests,
            exports=sandbox.exports,
            secrets=set(sandbox.secrets),
        )
    s3.close()
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("example", [path.stem for path in EXAMPLES])
def test_an_example_runs_to_success(runs, example):
    assert example in runs.results, runs.output[-3000:]
    assert runs.results[example]["state"] == "success", runs.results[example]
    assert set(runs.results[example]["tasks"].values()) == {"success"}


def test_the_raw_export_lands_with_its_rows(runs):
    manifest = runs.results["maestroqa_raw_export_to_s3"]["returned"]["land"]
    files = {file["name"]: file["rows"] for file in manifest["files"]}
    export = runs.exports[manifest["export_id"]]
    assert files == {f"{name}.gz": file.rows for name, file in export.files.items()}
    assert {key.removeprefix("s3://my-data-lake/") for key in (file["uri"] for file in manifest["files"])} < set(
        runs.keys
    )


def test_the_raw_export_covers_the_day_before_on_every_airflow(runs):
    asked = runs.exports[runs.results["maestroqa_raw_export_to_s3"]["returned"]["request"]].parameters
    assert asked == {"startDate": "2026-03-01T00:00:00Z", "endDate": "2026-03-02T00:00:00Z"}


def test_the_audit_log_covers_the_interval_of_its_timetable(runs):
    asked = runs.exports[runs.results["maestroqa_audit_log_export"]["returned"]["request"]].parameters
    assert re.fullmatch(r"2026-\d\d-01T00:00:00Z", asked["startDate"])
    assert re.fullmatch(r"2026-\d\d-01T00:00:00Z", asked["endDate"])


def test_the_groups_land_in_a_folder(runs):
    assert [path.rpartition("/")[2] for path in runs.landed] == ["_manifest.json", "export.csv"]


def test_the_backfill_covers_its_stretch_without_gap_or_overlap(runs):
    returned = runs.results["maestroqa_backfill_by_window"]["returned"]
    ids = [value for name, value in sorted(returned.items()) if name.startswith("one_window.request[")]
    windows = sorted(
        (asked["startDate"], asked["endDate"]) for asked in (runs.exports[one].parameters for one in ids)
    )
    assert len(windows) == 4
    assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]
    assert (windows[0][0], windows[-1][1]) == ("2026-01-01T00:00:00Z", "2026-01-29T00:00:00Z")


def test_each_export_was_asked_for_once(runs):
    asked = [seen for seen in runs.requests if seen.method == "POST"]
    assert len(asked) == len(runs.exports) == 7


def test_waits_were_really_deferred(runs):
    assert len(re.findall(r"running trigger in line|Pausing task as DEFERRED", runs.output)) >= 4


def test_no_token_and_no_signature_is_in_anything_airflow_wrote(runs):
    assert TOKEN in runs.secrets
    assert len(runs.secrets) > 7
    assert "airflow.db" in runs.written
    shown = {
        f"{name}: {line}"
        for name, content in runs.written.items()
        for line in content.splitlines()
        if "X-Amz-Signature=" in line or any(secret in line for secret in runs.secrets)
        # At DEBUG, dag.test() of Airflow 3 shows the message by which Airflow itself is told what to mask.
        if "msg=MaskSecret(" not in line
    }
    assert shown == set()
