"""The fault table: what a push does about each fault, seen in the state of the sandbox.

A row holds when the sandbox ends with exactly the truth, or when the task has failed saying what it does not know and
nothing that multiplies is there twice. Rows of comments, CSAT scores and ticket metrics, which stand for the other
kinds, run on three routes: direct, through a forward proxy, and through a tunnel.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow_fixtures import task_context
from clocks import SkippingTime
from fault_kinds import KINDS
from proxies import ROUTES, through_proxies

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client.errors import MaestroQAError
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.pushes.resources import RESOURCES
from airflow_provider_maestroqa.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
NOON = "2026-01-31T12:00:00Z"
FAST = {"rate_limit_store": "memory", "rate_limits": {"normal": [[100000, 0.01]], "hard": [[100000, 0.01]]}}
NOT_FIRST = "not the first try of the task"
_truths = {}


@pytest.fixture(params=KINDS)
def kind(request, connect, monkeypatch):
    """A kind of record, and what a push without any fault makes of it."""
    monkeypatch.setattr(MaestroQAHook, "clock", SkippingTime().clock())
    made = KINDS[request.param]()
    made.name = request.param
    monkeypatch.setattr(RESOURCES[made.name], "batch_size", made.batch_size)
    if request.param not in _truths:
        with Sandbox(limits={}, unknown_tickets="accept") as calm:
            connect(host=calm.url, password=calm.token, **FAST)
            made.task(None).execute({})
            _truths[request.param] = made.there(calm)
    made.truth = _truths[request.param]
    return made


@pytest.fixture(params=["task_state_store", "state_path", "nothing"])
def kept(request, task_state_store, tmp_path):
    """Where the position is kept: on Airflow 3.3 and newer, at a path on any, or nowhere on older ones."""
    tries = iter(range(1, 99))

    def context():
        others = {"task_state_store": task_state_store} if request.param == "task_state_store" else {}
        return task_context(try_number=next(tries), **others)

    path = str(tmp_path / "state.json") if request.param == "state_path" else None
    return SimpleNamespace(name=request.param, path=path, context=context)


@pytest.fixture
def sandbox():
    with Sandbox(limits={}, unknown_tickets="accept") as running:
        yield running


@pytest.fixture(params=ROUTES)
def route(route):
    """Each row runs on each of them."""
    return route


@pytest.fixture
def reach(connect, sandbox, route):
    """Write the connection to the sandbox, or to where nobody is, on the route."""

    def write(nobody=None, **extra):
        way = route.connection_to(nobody) if nobody else route.connection(sandbox.url, **extra)
        connect(password=sandbox.token, **FAST, **way)

    return write


@pytest.fixture
def row(kind, sandbox, reach):
    """Tell whether a row holds."""
    reach(timeout=30)

    def check(outcome, expected):
        there = kind.there(sandbox)
        if kind.adds:
            assert max(there.values(), default=1) == 1, "a record is there twice"
            assert not there - kind.truth
        if expected == "exact":
            assert not isinstance(outcome, Exception), outcome
            assert there == kind.truth
            assert outcome["confirmed"] == len(kind.records)
            assert outcome["rejected"] == outcome["unconfirmed"] == 0
        else:
            assert isinstance(outcome, AirflowFailException)
            assert expected in str(outcome)

    return check


def tries_of(kind, kept, most=3):
    """Try a task as Airflow does: again, unless it fails for good."""
    for _ in range(most):
        try:
            return kind.task(kept.path).execute(kept.context())
        except AirflowFailException as error:
            return error
        except MaestroQAError as error:
            last = error
    return last


#: What is done to the second request.
LOST = {
    "reset before": {"kind": "reset_before"},
    "reset after the commit": {"kind": "reset_after"},
    "time-out before": {"kind": "timeout"},
    "time-out after the commit": {"kind": "timeout", "done": True},
    "500 before": {"kind": "status", "status": 500},
    "500 after the commit": {"kind": "status", "status": 500, "done": True},
    "HTML before": {"kind": "html"},
    "HTML after the commit": {"kind": "html", "done": True},
    "malformed JSON before": {"kind": "malformed_json"},
    "malformed JSON after the commit": {"kind": "malformed_json", "done": True},
    "empty body after the commit": {"kind": "empty_body", "done": True},
}


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer(kind, kept, sandbox, row, reach, fault):
    if fault.startswith("time-out"):
        reach(timeout=1)
    sandbox.fault(path=kind.path, after=1, **LOST[fault])
    row(tries_of(kind, kept), kind.unknown if kind.adds else "exact")


#: What a proxy does to the second request.
LOST_BY_A_PROXY = {
    "closed before": "close_before",
    "closed after the commit": "close_after",
    "reset after the commit": "reset_after",
    "cut off after the commit": "cut_after",
}


@through_proxies
@pytest.mark.parametrize("fault", LOST_BY_A_PROXY)
def test_an_answer_that_a_proxy_loses(kind, kept, sandbox, row, route, fault):
    route.proxy.fault(LOST_BY_A_PROXY[fault], path=kind.path, after=1)
    row(tries_of(kind, kept), kind.unknown if kind.adds else "exact")


@through_proxies
def test_a_proxy_that_refuses(kind, kept, sandbox, row, route):
    route.proxy.fault("status", status=407, after=1, times=3)
    row(tries_of(kind, kept), "exact")


def test_a_lost_answer_that_stays_lost_until_a_later_try(kind, kept, sandbox, row):
    sandbox.fault(kind="status", status=503, path=kind.path, after=1, times=7)
    row(tries_of(kind, kept), kind.unknown if kind.adds else "exact")


def test_a_429(kind, kept, sandbox, row):
    sandbox.fault(kind="rate_limited", path=kind.path, after=1)
    row(tries_of(kind, kept), "exact")


def test_a_refused_connection(kind, kept, sandbox, row, reach):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        reach(nobody=f"http://127.0.0.1:{closed.getsockname()[1]}")
        outcome = tries_of(kind, kept, most=1)
    assert isinstance(outcome, MaestroQAError)
    assert outcome.retryable
    reach()
    told = kind.adds and kept.name == "nothing"
    row(tries_of(kind, kept), NOT_FIRST if told else "exact")


def test_a_token_that_expires_in_the_middle_and_a_clear(kind, kept, sandbox, row):
    sandbox.fault(kind="status", status=401, body={"error": "Invalid token"}, path=kind.path, after=1)
    outcome = tries_of(kind, kept)
    assert isinstance(outcome, AirflowFailException)
    assert "The API token is wrong, deactivated or expired" in str(outcome)
    told = kind.adds and kept.name == "nothing"
    row(tries_of(kind, kept), NOT_FIRST if told else "exact")


def test_a_source_that_breaks_and_a_retry(kind, kept, sandbox, row):
    def broken():
        yield from kind.records[: len(kind.records) - 1]
        raise ConnectionResetError("the warehouse is gone")

    with pytest.raises(ConnectionResetError):
        kind.task(kept.path, broken()).execute(kept.context())
    told = kind.adds and kept.name == "nothing"
    row(tries_of(kind, kept), NOT_FIRST if told else "exact")


def test_a_clear_after_success(kind, kept, sandbox, row):
    first = tries_of(kind, kept)
    assert first["confirmed"] == len(kind.records)
    told = kind.adds and kept.name == "nothing"
    row(tries_of(kind, kept), NOT_FIRST if told else "exact")


def test_a_saved_position_that_is_gone(kind, kept, sandbox, row, task_state_store):
    sandbox.fault(kind="status", status=401, body={"error": "Invalid token"}, path=kind.path, after=1)
    assert isinstance(tries_of(kind, kept), AirflowFailException)
    if kept.path:
        Path(kept.path).unlink()
    for key in list(vars(task_state_store).get("values", task_state_store)):
        task_state_store.delete(key)
    row(tries_of(kind, kept), NOT_FIRST if kind.adds else "exact")


# -- A worker that is killed ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def zygote():
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("push_zygote.py"))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    # What Airflow itself prints comes before the first answer.
    yield process
    process.stdin.close()
    process.wait(timeout=60)
    process.stdout.close()


@pytest.fixture
def start_task(zygote, kind, sandbox, kept, route, tmp_path):
    def start(**job):
        rates = {"normal": [[1, 600]], "hard": [[1, 600]]} if job.pop("once", False) else FAST["rate_limits"]
        extra = route.connection(sandbox.url, **FAST, timeout=60) | {"rate_limits": rates}
        fields = {"conn_type": "maestroqa", "host": extra.pop("host"), "password": sandbox.token, "extra": extra}
        job |= {
            "resource": kind.name,
            "records": kind.records,
            "batch_size": kind.batch_size,
            "state_path": kept.path,
            "environment": {"AIRFLOW_CONN_MAESTROQA_DEFAULT": json.dumps(fields)},
            "marker": str(tmp_path / "marker"),
            "ti": vars(kept.context()["ti"]),
        }
        zygote.stdin.write(json.dumps(job) + "\n")
        zygote.stdin.flush()
        running.append(int(number_of(zygote)))
        return running[-1]

    def number_of(process):
        for line in process.stdout:
            if line.strip().lstrip("-").isdigit():
                return line
        raise AssertionError("the tasks' process has ended")

    def kill(task):
        running.remove(task)
        os.kill(task, signal.SIGKILL)
        assert int(number_of(zygote)) == -signal.SIGKILL

    def wait():
        """Until the task asks for the record that is marked."""
        deadline = time.monotonic() + 30
        while not (tmp_path / "marker").exists():
            assert time.monotonic() < deadline, "the task did not get so far"
            time.sleep(0.005)

    running = []
    yield SimpleNamespace(start=start, kill=kill, wait=wait)
    for task in list(running):
        kill(task)


#: The test's store does not reach another process; a path stands for both.
across_processes = pytest.mark.parametrize("kept", ["state_path", "nothing"], indirect=True)


def killed(kind, kept, sandbox, row, expected):
    told = kind.adds and kept.name == "nothing"
    row(tries_of(kind, kept), NOT_FIRST if told else expected)


@across_processes
def test_killed_before_anything_is_sent(kind, kept, sandbox, row, start_task):
    task = start_task.start(mark=0, hang=True)
    start_task.wait()
    start_task.kill(task)
    assert sandbox.requests == []
    killed(kind, kept, sandbox, row, "exact")


@across_processes
def test_killed_between_two_batches(kind, kept, sandbox, row, start_task):
    task = start_task.start(mark=kind.batch_size, once=True)
    start_task.wait()
    start_task.kill(task)
    assert len(sandbox.requests) == 1
    killed(kind, kept, sandbox, row, "exact")


@across_processes
@pytest.mark.parametrize("done", [False, True], ids=["before the commit", "after the commit"])
def test_killed_in_flight(kind, kept, sandbox, row, start_task, done):
    sandbox.fault(kind="timeout", path=kind.path, after=1, done=done)
    task = start_task.start()
    sandbox.wait_for(lambda: any(seen.held for seen in sandbox.requests))
    start_task.kill(task)
    killed(kind, kept, sandbox, row, kind.unknown if kind.adds else "exact")
