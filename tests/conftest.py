"""An Airflow home of its own, a sandbox, and a connection to it, for every test that asks for them."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

# Before anything imports Airflow: it reads these once.
HOME = Path(tempfile.mkdtemp(prefix="maestroqa-tests-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ.update(
    {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(HOME / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME / 'airflow.db'}",
        "AIRFLOW__METRICS__TIMER_UNIT_CONSISTENCY": "True",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
)
for name in [
    name
    for name in os.environ
    if name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle")
]:
    del os.environ[name]

import pytest  # noqa: E402

from airflow_provider_maestroqa.sandbox import Sandbox  # noqa: E402

pytest_plugins = ["airflow_fixtures", "chat_server", "cloud_fixtures", "proxies"]

#: Wide enough that no test waits for the budget, unless it is about the budget.
WIDE = {"normal": [[100000, 1]], "hard": [[100000, 1]]}


#: Each test of these files is a row of a fault table.
FAULT_TABLES = {"test_push_faults.py": "pushes", "test_attachment_faults.py": "attachments"}


#: Files that take longest, which begin first, so that no core waits for one in the end.
LONGEST = (
    "browser/test_ui.py",
    "test_example_dags.py",
    "cluster/test_cluster.py",
    "check/test_command.py",
    "pushes/test_histories.py",
    "operators/test_push_faults.py",
    "plugin/test_testing_page.py",
    "operators/test_attachment_faults.py",
    "runtime/test_lineage.py",
)


def pytest_collection_modifyitems(items):
    """Let the longest files begin first."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_terminal_summary(terminalreporter):
    """Report how many rows of the fault tables hold, and what was not run and why."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
        for report in terminalreporter.stats.get("skipped", [])
    )
    if reasons:
        terminalreporter.section("not run")
        for reason, number in reasons.most_common():
            terminalreporter.write_line(f"{number:5}  {reason}")
    for file, name in FAULT_TABLES.items():
        held, all_rows = Counter(), Counter()
        for outcome in ("passed", "failed"):
            for report in terminalreporter.stats.get(outcome, []):
                if f"/{file}::" in report.nodeid and getattr(report, "when", "") == "call":
                    names = report.nodeid.partition("[")[2].rstrip("]").split("-")
                    route = next(one for one in ("forward", "tunnel", "direct") if one in [*names, "direct"])
                    all_rows[route] += 1
                    held[route] += outcome == "passed"
        if all_rows:
            each = ", ".join(f"{route} {held[route]} of {all_rows[route]}" for route in sorted(all_rows))
            terminalreporter.write_line(
                f"fault table of {name}: {held.total()} of {all_rows.total()} rows hold ({each})"
            )


@pytest.fixture
def sandbox():
    with Sandbox(limits={}, rows=40) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_is_masked_yet(monkeypatch):
    """Each test is like a process of its own to what is masked: the more it is, the longer one more takes."""
    signed_urls = sys.modules.get("airflow_provider_maestroqa.hooks.signed_urls")
    if signed_urls is not None:
        monkeypatch.setattr(signed_urls, "_masked", 0)
    before = [(masker, set(masker.patterns), masker.replacer) for masker in secrets_maskers(len(sys.modules))]
    yield
    for masker, patterns, replacer in before:
        masker.patterns, masker.replacer = patterns, replacer


@cache
def secrets_maskers(number_of_modules):
    """Airflow's, of which newer ones have two: looked for again when something was imported."""
    modules = [module for name, module in sys.modules.items() if name.endswith("secrets_masker")]
    return {id(masker): masker for masker in (module._secrets_masker() for module in modules)}.values()


@pytest.fixture(autouse=True)
def no_host_is_known_yet():
    """Each test is like a process of its own to what is remembered of hosts: ports come again."""
    export_lookup = sys.modules.get("airflow_provider_maestroqa.client.resources.export_lookup")
    if export_lookup is not None:
        export_lookup.forget_working_requests()


@pytest.fixture
def connect(monkeypatch):
    """Write an Airflow connection into the environment."""

    def write(conn_id="maestroqa_default", *, host, password="sandbox-token", **extra):
        fields = {
            "conn_type": "maestroqa",
            "host": host,
            "password": password,
            "extra": {"rate_limit_store": "memory", "rate_limits": WIDE, **extra},
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    return write


@pytest.fixture
def connection(connect, sandbox):
    """The default connection, to the sandbox."""
    connect(host=sandbox.url, password=sandbox.token)
    return "maestroqa_default"


@pytest.fixture(scope="session")
def s3_server():
    """A real S3 API on this machine. Clients share what they know of S3, which takes long to read."""
    from botocore.loaders import JSONFileLoader
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", staticmethod(cache(JSONFileLoader().load_file)))
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def google_storage():
    """A real storage API of Google's on this machine, with the bucket ``lake``."""
    from cloud_servers import google_filesystem, google_server

    server = google_server()
    try:
        google_filesystem(server.start()).mkdir("lake")
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def azure_storage():
    """A real storage API of Azure's on this machine, with the container ``lake``."""
    from cloud_servers import azure_filesystem, azure_server

    server = azure_server()
    try:
        azure_filesystem(server.start()).mkdir("lake")
        yield server
    finally:
        server.remove()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """A boto3 client for a fresh S3 with the bucket ``my-data-lake``, and Airflow's connection to it."""
    import boto3
    import requests

    requests.post(f"{s3_server}/moto-api/reset", timeout=10).close()
    monkeypatch.setenv(
        "AIRFLOW_CONN_AWS_DEFAULT",
        json.dumps(
            {
                "conn_type": "aws",
                "login": "testing",
                "password": "testing",
                "extra": {"endpoint_url": s3_server, "region_name": "us-east-1"},
            }
        ),
    )
    client = boto3.client("s3", endpoint_url=s3_server)
    client.create_bucket(Bucket="my-data-lake")
    yield client
    client.close()
