"""A whole DAG run by Airflow with its OpenLineage provider: the events it sends, and the events of its assets."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import airflow
import pytest

from airflow_provider_maestroqa.sandbox import Sandbox

pytest.importorskip("airflow.providers.openlineage", reason="the OpenLineage provider is not installed here")

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = tuple(int(part) for part in airflow.__version__.split(".")[:2])
TOKEN = "tok-5eCr3t-do-not-show"
#: What stands in a record.
PRIVATE = "a-private-remark"
DAY = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
NEXT_DAY = {"start": "2026-03-02T00:00:00Z", "end": "2026-03-03T00:00:00Z"}


def pretend_to_install(folder):
    """What pip leaves of an installed package: Airflow finds providers by it."""
    installed = folder / "airflow_provider_maestroqa-0.0.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: airflow-provider-maestroqa\nVersion: 0.0.0\n")
    (installed / "entry_points.txt").write_text(
        "[apache_airflow_provider]\nprovider_info=airflow_provider_maestroqa.get_provider_info:get_provider_info\n"
    )
    return folder


def asset_events(database):
    """What Airflow's database has of the events of assets: URI → [(task, map index, extra)]."""
    word = "asset" if AIRFLOW >= (3,) else "dataset"
    connection = sqlite3.connect(database)
    rows = connection.execute(
        f"SELECT a.uri, e.source_task_id, e.source_map_index, e.extra FROM {word}_event e "
        f"JOIN {word} a ON a.id = e.{word}_id ORDER BY e.source_map_index"
    ).fetchall()
    connection.close()
    found = {}
    for uri, task, index, extra in rows:
        found.setdefault(uri, []).append((task, index, json.loads(extra)))
    return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory, s3_server):
    import boto3
    import requests

    home = tmp_path_factory.mktemp("lineage")
    dags = home / "dags"
    dags.mkdir()
    shutil.copy(Path(__file__).with_name("lineage_dag.py"), dags)
    (home / "metrics.csv").write_text("agent_id,metric_id,metric_value,timestamp\nagent-2,m,1,2026-03-01T00:00:00Z\n")
    requests.post(f"{s3_server}/moto-api/reset", timeout=10).close()
    s3 = boto3.client("s3", endpoint_url=s3_server)
    s3.create_bucket(Bucket="my-data-lake")
    s3.close()
    aws = {"endpoint_url": s3_server, "region_name": "us-east-1"}
    with Sandbox(token=TOKEN, limits={}, polls=0, rows=20) as sandbox:
        sandbox.add_tickets(["T-1"])
        done = subprocess.run(
            [
                *(sys.executable, "-W", "ignore", str(ROOT / "scripts" / "run_dag.py")),
                *("--json", str(home / "ended.json"), str(dags / "lineage_dag.py")),
            ],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")},
                "AIRFLOW_HOME": str(home),
                "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
                "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
                "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                    {"type": "file", "log_file_path": str(home / "lineage.jsonl"), "append": True}
                ),
                "AIRFLOW_CONN_MAESTROQA_DEFAULT": sandbox.connection_json(rate_limits={"normal": [[1000, 1]]}),
                "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(
                    {"conn_type": "aws", "login": "testing", "password": "testing", "extra": aws}
                ),
                "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "sqlite", "host": str(home / "warehouse.db")}),
                "LINEAGE_HOST": sandbox.url,
                "LINEAGE_FOLDER": str(home),
                "PYTHONPATH": f"{ROOT}{os.pathsep}{pretend_to_install(home / 'installed')}",
            },
            cwd=home,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        output = done.stdout + done.stderr
        assert (home / "ended.json").exists(), output[-3000:]
        text = (home / "lineage.jsonl").read_text()
        yield SimpleNamespace(
            home=home,
            host=sandbox.url.partition("://")[2],
            ended=json.loads((home / "ended.json").read_text())["lineage_dag"],
            output=output,
            text=text,
            lines=[json.loads(line) for line in text.splitlines()],
            assets=asset_events(home / "airflow.db"),
            secrets=set(sandbox.secrets),
        )
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def event(ran):
    """The last event of a task, when there is just one."""

    def find(task, kind="COMPLETE"):
        found = [
            line for line in ran.lines if line["job"]["name"] == f"lineage_dag.{task}" and line["eventType"] == kind
        ]
        assert len(found) == 1, [(line["job"]["name"], line["eventType"]) for line in ran.lines]
        return found[0]

    return find


def names(datasets):
    return {(one["namespace"], one["name"]) for one in datasets}


def statistics(dataset):
    facet = dataset.get("outputFacets", {}).get("outputStatistics", {})
    return {name: facet[name] for name in ("rowCount", "size", "fileCount") if name in facet}


def test_all_tasks_end_as_they_should(ran):
    failed = {name for name, state in ran.ended["tasks"].items() if state != "success"}
    assert failed == {"fail"}, ran.output[-3000:]


def test_a_landed_export_goes_from_maestroqa_to_its_files(ran, event):
    landed = ran.ended["returned"]["land"]
    lineage = event("land")
    (source,) = lineage["inputs"]
    assert (source["namespace"], source["name"]) == (f"maestroqa://{ran.host}", "exports/raw")
    assert source["facets"]["version"]["datasetVersion"] == landed["export_id"]
    outputs = {one["name"]: one for one in lineage["outputs"]}
    assert set(outputs) == {f"raw/{file['name']}" for file in landed["files"]}
    for file in landed["files"]:
        told = outputs[f"raw/{file['name']}"]
        assert told["namespace"] == "s3://my-data-lake"
        assert statistics(told) == {"rowCount": file["rows"], "size": file["bytes"], "fileCount": 1}
        assert [field["name"] for field in told["facets"]["schema"]["fields"]] == file["columns"]
        assert told["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "OVERWRITE"


def test_what_had_landed_before_is_not_told_as_written_again(ran, event):
    lineage = event("again")
    assert names(lineage["outputs"]) == names(event("land")["outputs"])
    assert [statistics(one) for one in lineage["outputs"]] == [{}] * 5
    assert not any("lifecycleStateChange" in one["facets"] for one in lineage["outputs"])


def test_the_kind_of_an_export_comes_from_the_task_that_asked_for_it(ran, event):
    assert names(event("land_groups")["inputs"]) == {(f"maestroqa://{ran.host}", "exports/groups")}


def test_records_go_from_maestroqa_to_their_file(ran, event):
    lineage = event("todos")
    assert names(lineage["inputs"]) == {(f"maestroqa://{ran.host}", "todos")}
    (file,) = lineage["outputs"]
    assert (file["namespace"], file["name"]) == ("file", f"{ran.home}/todos/todos.jsonl.gz")
    landed = ran.ended["returned"]["todos"]["files"][0]
    assert statistics(file) == {"rowCount": landed["rows"], "size": landed["bytes"], "fileCount": 1}


def test_a_push_tells_how_many_records_were_confirmed(ran, event):
    (target,) = event("push")["outputs"]
    assert (target["namespace"], target["name"]) == (f"maestroqa://{ran.host}", "agent-metrics")
    assert statistics(target) == {"rowCount": 1}


def test_a_push_of_a_file_comes_from_that_file(ran, event):
    assert names(event("push_file")["inputs"]) == {("file", f"{ran.home}/metrics.csv")}


def test_a_push_of_a_query_tells_its_statement_whole(event):
    lineage = event("push_sql")
    query = lineage["job"]["facets"]["sql"]["query"]
    assert query.startswith("-- The agents of the day.\n    SELECT 'agent-3'")
    assert query.endswith("= ?")
    assert [statistics(one) for one in lineage["outputs"]] == [{"rowCount": 1}]


def test_a_failed_landing_still_tells_between_which_places(ran, event):
    lineage = event("fail", "FAIL")
    assert names(lineage["inputs"]) == {(f"maestroqa://{ran.host}", "exports/audit-log")}
    assert names(lineage["outputs"]) == {("s3://my-data-lake", "fail")}
    assert statistics(lineage["outputs"][0]) == {}


def test_a_task_that_uses_the_hook_tells_what_it_read_and_wrote(ran, event):
    lineage = event("by_hand")
    # dag.test() runs all tasks in one process, and the collector is that process's: others may be there too.
    assert (f"maestroqa://{ran.host}", "coaching-points") in names(lineage["inputs"])
    assert (f"maestroqa://{ran.host}", "ticket-metrics") in names(lineage["outputs"])
    assert (f"maestroqa://{ran.host}", "tickets") in names(event("read")["inputs"])


def test_the_events_of_a_landings_assets_have_window_counts_and_manifest(ran):
    manifest = ran.ended["returned"]["land"]
    expected = {
        "export_id": manifest["export_id"],
        "window": DAY,
        "has_data": True,
        "files": 5,
        "bytes": sum(file["bytes"] for file in manifest["files"]),
        "rows": sum(file["rows"] for file in manifest["files"]),
        "manifest": "s3://my-data-lake/raw/_manifest.json",
    }
    for uri in (f"maestroqa://{ran.host}/exports/raw", "s3://my-data-lake/raw"):
        assert ran.assets[uri] == [("land", -1, expected)]


def test_each_mapped_landing_has_its_own_window_in_manifest_and_event(ran):
    manifests = [ran.ended["returned"][f"land_cut[{index}]"] for index in (0, 1)]
    assert [manifest["window"] for manifest in manifests] == [DAY, NEXT_DAY]
    events = ran.assets["s3://my-data-lake/cut"]
    assert [(index, extra["window"]) for _, index, extra in events] == [(0, DAY), (1, NEXT_DAY)]
    assert [extra["rows"] for _, _, extra in events] == [None, None]


def test_an_export_without_a_window_has_none_in_its_manifest(ran):
    assert ran.ended["returned"]["land_groups"]["window"] is None


def test_the_events_of_landed_records_name_the_resource(ran):
    ((task, _, extra),) = ran.assets[f"maestroqa://{ran.host}/todos"]
    assert (task, extra["resource"], extra["window"]) == ("todos", "todos", None)
    assert extra["rows"] == ran.ended["returned"]["todos"]["files"][0]["rows"]
    assert extra["manifest"] == f"file://{ran.home}/todos/_manifest.json"


def test_the_events_of_a_push_have_its_counts(ran):
    ((task, _, extra),) = ran.assets[f"maestroqa://{ran.host}/agent-metrics"]
    assert (task, extra["sent"], extra["confirmed"], extra["rejected"]) == ("push", 1, 1, 1)
    assert extra["rejects_path"] == f"file://{ran.home}/rejects.jsonl"


def test_nothing_private_is_in_any_event(ran):
    assert TOKEN in ran.secrets
    assert len(ran.secrets) >= 5
    told = ran.text + json.dumps(ran.assets)
    assert [secret for secret in (*ran.secrets, PRIVATE, "X-Amz-Signature", "presigned") if secret in told] == []
