"""The links of tasks: where they lead after real runs, on every Airflow, and that they never say too much."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.links import LandedFilesLink, MaestroQALink, landed_page
from airflow_provider_maestroqa.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
TOKEN = "tok-5eCr3t-do-not-show"
KEY = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)
LANDING = {
    "MaestroQAExportToS3Operator",
    "MaestroQAExportToObjectStorageOperator",
    "MaestroQARecordsToObjectStorageOperator",
}

DAG = """
from datetime import datetime, timedelta, timezone
from airflow import DAG
from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.operators.tickets import MaestroQAGetTicketsOperator
from airflow_provider_maestroqa.transfers.export_to_s3 import MaestroQAExportToS3Operator
from airflow_provider_maestroqa.transfers.records_to_object_storage import MaestroQARecordsToObjectStorageOperator

with DAG(dag_id="links", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc)) as dag:
    request = MaestroQARequestExportOperator(
        task_id="request", lookback=timedelta(days=1), wait_for_completion=True, deferrable=True, poll_interval=0.1,
        maestroqa_conn_id="{{ 'maestroqa_' ~ 'other' }}",
    )
    MaestroQAExportToS3Operator(
        task_id="land", export_id=request.output, s3_bucket="my-data-lake", s3_prefix="raw/run={{ run_id }}",
    )
    MaestroQARecordsToObjectStorageOperator.partial(
        task_id="records", destination="s3://minio@my-data-lake/{{ ds }}",
    ).expand(resource=["todos"])
    MaestroQARecordsToObjectStorageOperator(
        task_id="folder", resource="todos", destination="file://FOLDER/landed",
    )
    MaestroQAGetTicketsOperator(task_id="broken", ticket_ids=["T-1"], maestroqa_conn_id="there_is_none")
"""

# What the UI does: Airflow 3 reads what the worker has kept, Airflow 2 asks the link of the stored DAG.
ASK = """
import json, runpy, sys
from pathlib import Path
sys.path.insert(0, ROOT + "/scripts")
from run_dag import load_dag, prepare_airflow, LOGICAL_DATE
prepare_airflow()
dag = load_dag(Path(sys.argv[1]), poll_interval=0.1)
from airflow.serialization import serialized_objects
made = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
try:
    ended = dag.test(logical_date=LOGICAL_DATE)
except TypeError:
    ended = dag.test(execution_date=LOGICAL_DATE)
stored = made.from_dict(json.loads(json.dumps(made.to_dict(dag))))
links = {}
for instance in ended.get_task_instances():
    task = stored.get_task(instance.task_id)
    links[instance.task_id] = {name: task.get_extra_links(instance, name) for name in task.extra_links}
Path(sys.argv[2]).write_text(json.dumps({"links": links, "run_id": ended.run_id}))
""".replace("ROOT", repr(str(ROOT)))


@pytest.fixture(scope="module")
def run(tmp_path_factory, s3_server):
    """The links of a real run's tasks, and what the servers saw while they were asked for."""
    import boto3
    import requests

    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    (home / "dags" / "links.py").write_text(DAG.replace("FOLDER", str(home)))
    # Airflow 2 finds the links by the entry point of the installed package.
    metadata = home / "site" / "airflow_provider_maestroqa-0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: airflow-provider-maestroqa\nVersion: 0\n")
    (metadata / "entry_points.txt").write_text(
        "[apache_airflow_provider]\nlinks = airflow_provider_maestroqa.get_provider_info:get_provider_info\n"
    )
    requests.post(f"{s3_server}/moto-api/reset", timeout=10).close()
    s3 = boto3.client("s3", endpoint_url=s3_server)
    s3.create_bucket(Bucket="my-data-lake")
    extra = {"endpoint_url": s3_server, "region_name": "us-east-1"}
    aws = json.dumps({"conn_type": "aws", "login": "testing", "password": TOKEN, "extra": extra})
    with Sandbox(token=TOKEN, limits={}, rows=5, polls=1) as sandbox:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW_CONN_MAESTROQA_DEFAULT": sandbox.connection_json(),
            "AIRFLOW_CONN_MAESTROQA_OTHER": json.dumps(
                {**sandbox.connection(), "host": sandbox.url.replace("127.0.0.1", "localhost")}
            ),
            "AIRFLOW_CONN_AWS_DEFAULT": aws,
            "AIRFLOW_CONN_MINIO": aws.replace("127.0.0.1", "localhost"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(home / "site")]),
        }
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", ASK, str(home / "dags" / "links.py"), str(home / "told.json")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert (home / "told.json").exists(), (done.stdout + done.stderr)[-3000:]
        told = json.loads((home / "told.json").read_text())
        yield SimpleNamespace(
            links=told["links"],
            run_id=told["run_id"],
            url=sandbox.url,
            endpoint=s3_server,
            home=home,
            output=done.stdout + done.stderr,
            read=lambda link: requests.get(link, timeout=10).text,
        )
    s3.close()


def test_a_task_leads_to_the_base_url_of_its_own_connection(run):
    assert run.links["land"]["MaestroQA"] == run.url
    assert run.links["records"]["MaestroQA"] == run.url


def test_the_id_of_the_connection_may_be_a_template(run):
    assert run.links["request"] == {"MaestroQA": run.url.replace("127.0.0.1", "localhost")}


def test_a_landing_leads_to_the_list_of_its_objects_in_an_s3_of_ones_own(run):
    link = run.links["land"]["Landed files"]
    assert link.startswith(f"{run.endpoint}/my-data-lake?list-type=2&prefix=raw%2Frun%3D")
    assert f"<Key>raw/run={run.run_id}/_manifest.json</Key>" in run.read(link)


def test_a_mapped_landing_uses_the_connection_in_its_url(run):
    link = run.links["records"]["Landed files"]
    page = f"{run.endpoint}/my-data-lake?list-type=2&prefix=2026-03-02%2F"
    assert link == page.replace("127.0.0.1", "localhost")
    assert "<Key>2026-03-02/todos.jsonl.gz</Key>" in run.read(link)


def test_a_landing_in_a_folder_leads_to_the_folder(run):
    assert run.links["folder"]["Landed files"] == f"file://{run.home}/landed"


def test_a_task_that_failed_for_want_of_a_connection_leads_to_maestroqas_own_page(run):
    assert run.links["broken"] == {"MaestroQA": "https://app.maestroqa.com"}


def test_no_link_and_no_line_about_links_holds_a_secret(run):
    assert TOKEN not in json.dumps(run.links)
    assert "Failed to push an xcom" not in run.output
    assert "not registered" not in run.output


@pytest.fixture
def link_to(monkeypatch):
    """What a link answers for an operator with these attributes, in a worker of Airflow 3."""
    monkeypatch.setattr(_compat, "rendered_fields", lambda ti_key: {})

    def ask(link=None, returned=None, **attributes):
        monkeypatch.setattr(
            _compat, "XCom", SimpleNamespace(get_value=lambda **asked: asked and returned), raising=False
        )
        operator = SimpleNamespace(template_fields=tuple(attributes), **attributes)
        return (link or MaestroQALink()).get_link(operator, ti_key=KEY)

    return ask


@pytest.mark.parametrize(
    ("host", "link"),
    [
        ("", "https://app.maestroqa.com"),
        ("app.rippit.com", "https://app.rippit.com"),
        ("eu.maestroqa.example", "https://eu.maestroqa.example"),
        ("https://app.maestroqa.com/api/v1/", "https://app.maestroqa.com"),
        ("http://maestroqa.internal:8000", "http://maestroqa.internal:8000"),
        (f"https://me:{TOKEN}@app.maestroqa.com", ""),
        (f"https://app.maestroqa.com/?apitoken={TOKEN}", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_the_link_to_maestroqa_is_the_host_and_nothing_else(connect, link_to, host, link):
    connect(host=host, password=TOKEN)
    assert link_to(maestroqa_conn_id="maestroqa_default") == link


def test_a_connection_without_a_token_still_has_its_link(connect, link_to):
    connect(host="https://eu.maestroqa.example", password="")
    assert link_to(maestroqa_conn_id="maestroqa_default") == "https://eu.maestroqa.example"


@pytest.mark.parametrize(
    "returned",
    [None, "text", {}, {"has_data": False}, ["destination"], 1],
)
def test_where_nothing_has_landed_there_is_no_link(link_to, returned):
    assert link_to(LandedFilesLink(), returned, destination="s3://b/p", storage_conn_id=None) == ""


def test_a_link_never_raises(monkeypatch):
    def refuse(*arguments, **options):
        raise RuntimeError("no database, no supervisor")

    monkeypatch.setattr(_compat, "rendered_fields", refuse)
    monkeypatch.setattr(_compat, "XCom", SimpleNamespace(get_value=refuse), raising=False)
    assert MaestroQALink().get_link(None, ti_key=None) == ""
    assert LandedFilesLink().get_link(None, ti_key=None) == ""


@pytest.mark.parametrize(
    ("extra", "link"),
    [
        ({}, "https://console.aws.amazon.com/s3/buckets/b?prefix=raw%2Frun%3D1%2F"),
        (
            {"region_name": "eu-west-1"},
            "https://console.aws.amazon.com/s3/buckets/b?region=eu-west-1&prefix=raw%2Frun%3D1%2F",
        ),
        (
            {"region_name": "cn-north-1"},
            "https://console.amazonaws.cn/s3/buckets/b?region=cn-north-1&prefix=raw%2Frun%3D1%2F",
        ),
        (
            {"region_name": "us-gov-west-1"},
            "https://console.amazonaws-us-gov.com/s3/buckets/b?region=us-gov-west-1&prefix=raw%2Frun%3D1%2F",
        ),
        (
            {"endpoint_url": "https://s3.eu-west-1.amazonaws.com"},
            "https://console.aws.amazon.com/s3/buckets/b?prefix=raw%2Frun%3D1%2F",
        ),
        ({"endpoint_url": "http://minio:9000/"}, "http://minio:9000/b?list-type=2&prefix=raw%2Frun%3D1%2F"),
        (
            {"endpoint_url": f"http://me:{TOKEN}@minio:9000"},
            "http://minio:9000/b?list-type=2&prefix=raw%2Frun%3D1%2F",
        ),
        (
            {"service_config": {"s3": {"endpoint_url": "http://minio:9000"}}, "endpoint_url": "http://sts:1"},
            "http://minio:9000/b?list-type=2&prefix=raw%2Frun%3D1%2F",
        ),
    ],
)
def test_a_landing_in_s3_leads_to_its_page(link_to, monkeypatch, extra, link):
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws", "password": TOKEN, "extra": extra}))
    returned = {"destination": "s3://b/raw/run=1"}
    assert link_to(LandedFilesLink(), returned, s3_bucket="b", aws_conn_id="lake") == link


def test_without_an_aws_connection_a_landing_leads_to_amazons_console(link_to):
    returned = {"destination": "s3://b"}
    page = "https://console.aws.amazon.com/s3/buckets/b?prefix="
    assert link_to(LandedFilesLink(), returned, s3_bucket="b", aws_conn_id=None) == page
    assert link_to(LandedFilesLink(), returned, s3_bucket="b", aws_conn_id="there_is_none") == page


@pytest.mark.parametrize(
    ("destination", "page"),
    [
        ("gs://lake/raw/a b", "https://console.cloud.google.com/storage/browser/lake/raw/a%20b"),
        ("abfs://lake/raw", "abfs://lake/raw"),
        ("abfss://lake@account.dfs.core.windows.net/raw", "abfss://lake@account.dfs.core.windows.net/raw"),
        ("file:///data/raw", "file:///data/raw"),
        (f"sftp://me:{TOKEN}@host/raw", "sftp://host/raw"),
        ("javascript://%0aalert(1)", ""),
        ("/data/raw", ""),
    ],
)
def test_other_storages_lead_to_their_console_or_to_the_plain_address(destination, page):
    assert landed_page(destination) == page


def operators():
    import importlib
    import inspect

    from airflow_provider_maestroqa.get_provider_info import get_provider_info

    info = get_provider_info()
    names = [name for part in ("operators", "sensors") for entry in info[part] for name in entry["python-modules"]]
    names += [entry["python-module"] for entry in info["transfers"]]
    return [
        made
        for name in names
        for made in vars(importlib.import_module(name)).values()
        if inspect.isclass(made) and issubclass(made, _compat.BaseOperator) and made.__module__ == name
    ]


@pytest.mark.parametrize("operator", operators(), ids=lambda made: made.__name__)
def test_every_operator_and_sensor_has_its_links(operator):
    names = [link.name for link in operator.operator_extra_links]
    assert names == (["MaestroQA", "Landed files"] if operator.__name__ in LANDING else ["MaestroQA"])


def test_every_link_is_in_the_provider_info():
    from airflow_provider_maestroqa.get_provider_info import get_provider_info

    used = {type(link) for operator in operators() for link in operator.operator_extra_links}
    assert {f"{link.__module__}.{link.__name__}" for link in used} == set(get_provider_info()["extra-links"])
