"""The judges of the cluster: each finds what is broken by the sandbox's record and the bucket, and nothing else."""

from __future__ import annotations

import gzip
import importlib
import io
import json
import time
import zipfile
from types import SimpleNamespace

import pytest
import requests

LIMITS = {"normal": [[10, 1], [100, 30]]}


@pytest.fixture
def module(request, monkeypatch):
    """Import a module of the cluster."""
    pytest.importorskip("psutil")
    for place in ("benchmarks", "scripts"):
        monkeypatch.syspath_prepend(str(request.config.rootpath / place))
    return lambda name: importlib.import_module(f"cluster.{name}")


@pytest.fixture
def around(module, sandbox, s3):
    s3.create_bucket(Bucket="lake")
    return module("surroundings").Surroundings(LIMITS, sandbox, s3, None, {})


@pytest.fixture
def send(sandbox):
    def send(method, path, **body):
        response = requests.request(
            method, f"{sandbox.url}/api/v1/{path}", json=body, headers={"apitoken": sandbox.token}, timeout=10
        )
        return response.json()

    return send


@pytest.fixture
def arrive(send, s3, sandbox):
    """Let a load arrive: an export, two metrics and two comments, unless something is wrong."""

    def arrive(metrics=2, comments=(0, 1), cut=0):
        sandbox.add_tickets([f"T-{number}" for number in range(2)])
        window = {"startDate": "2025-01-01T00:00:00Z", "endDate": "2025-01-02T00:00:00Z"}
        export_id = send("POST", "request-raw-export", **window)["exportId"]
        while not (found := send("GET", "get-export-data", exportId=export_id)).get("dataUrl"):
            pass
        files = []
        with zipfile.ZipFile(io.BytesIO(requests.get(found["dataUrl"], timeout=10).content)) as archive:
            for name in archive.namelist():
                content = gzip.compress(archive.read(name)[cut:])
                s3.put_object(Bucket="lake", Key=f"calm/0/{name}.gz", Body=content)
                files.append({"name": f"{name}.gz", "uri": f"s3://lake/calm/0/{name}.gz"})
        manifest = json.dumps({"export_id": export_id, "files": files})
        s3.put_object(Bucket="lake", Key="calm/0/_manifest.json", Body=manifest.encode())
        load = importlib.import_module("cluster.load")
        send("POST", "ticket-metrics-batch", batch=[load._metric("calm", number) for number in range(metrics)])
        send("POST", "comments-batch", batch=[load._comment("calm", number) for number in comments])

    return arrive


@pytest.fixture
def judge(module, around):
    """Judge a run: the promises that were broken."""

    def judge(state="success", missing=()):
        load = module("load")
        run = load.Run("calm", load.Load(1, 2, 1, 2, 1), began=began, ended=time.time(), state=state)
        table = module("table").Table("cluster", "make cluster")
        shown = table.add(
            around, run, SimpleNamespace(missing=missing), SimpleNamespace(parts={}, restarts={}), SimpleNamespace()
        )
        assert [line for line in shown.splitlines() if "BROKEN" in line] == [
            f"  BROKEN: {one}" for one in table.broken
        ]
        return table.broken

    began = time.time()
    return judge


def test_what_has_arrived_once_is_right(arrive, judge):
    arrive()
    assert judge() == []


@pytest.mark.parametrize(
    ("wrong", "broken"),
    [
        ({"metrics": 1}, "1 metrics were lost"),
        ({"comments": (0,)}, "1 comments were lost"),
        ({"comments": (0, 1, 1)}, "1 comments are there twice"),
        ({"cut": 1}, "1 exports were lost"),
    ],
)
def test_what_is_lost_or_doubled_is_found(arrive, judge, wrong, broken):
    arrive(**wrong)
    assert judge() == [broken]


def test_a_run_that_fails_or_misses_a_fault_is_no_success(arrive, judge):
    arrive()
    assert judge(state="failed", missing=["redis"]) == [
        "the run ended as failed",
        "not everything went wrong that should: redis",
    ]


def test_many_refusals_are_found(arrive, judge, send, sandbox):
    arrive()
    sandbox.fault("rate_limited", path="/api/v1/get-export-data", times=5, text="minute")
    for _ in range(5):
        send("GET", "get-export-data", exportId="E")
    [broken] = judge()
    assert broken.startswith("5 requests were refused")


@pytest.mark.parametrize(
    ("moments", "share"),
    [([], 0.0), ([0, 1], 0.0), ([0] * 100 + [30] * 100 + [60], 1.0), ([0] * 80 + [31] * 40 + [61], 0.6)],
    ids=["nothing", "no whole window", "all", "a part"],
)
def test_the_pace_is_that_of_the_whole_windows(module, moments, share):
    load, record = module("load"), module("record")
    seen = [SimpleNamespace(host="api", at=100.0 + at, status=200) for at in moments]
    seen += [SimpleNamespace(host="api", at=105.0, status=429), SimpleNamespace(host="files", at=105.0, status=200)]
    around = SimpleNamespace(limits=LIMITS, sandbox=SimpleNamespace(requests=sorted(seen, key=lambda one: one.at)))
    assert record.pace(around, load.Run("backfill", load.Load(1), began=90.0, ended=190.0)) == pytest.approx(share)


def test_memory_that_grows_is_found_and_a_warm_up_is_not(module):
    memory = module("memory").Memory(None)
    memory.samples["worker-1"] = [100.0] * 4 + [300.0] * 12
    memory.samples["triggerer-1"] = [float(100 + 10 * number) for number in range(16)]
    [grown] = memory.grown()
    assert grown == "triggerer-1 has grown from 155 to 235 MB"
