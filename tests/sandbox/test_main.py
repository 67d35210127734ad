import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from airflow_provider_maestroqa.sandbox.__main__ import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run():
    """Starts the command on free ports; the process and what it printed."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow_provider_maestroqa.sandbox", "--port=0", "--storage-port=0", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        started.append(process)
        printed = []
        for line in process.stdout:
            printed.append(line)
            if "Ctrl-C" in line:
                break
        return process, "".join(printed)

    yield start
    for process in started:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def connection(printed):
    line = next(line for line in printed.splitlines() if "AIRFLOW_CONN_MAESTROQA_DEFAULT" in line)
    return json.loads(shlex.split(line)[1].partition("=")[2])


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_how_to_connect_and_ends_on_a_signal(run, signum):
    process, printed = run("--token", "it's mine")
    made = connection(printed)
    assert made["password"] == "it's mine"
    answer = requests.post(
        made["host"] + "/api/v1/request-groups-export", json={}, headers={"apitoken": "it's mine"}, timeout=10
    )
    assert answer.status_code == 200
    command = next(line for line in printed.splitlines() if "airflow connections add" in line)
    assert json.loads(shlex.split(command)[-1]) == made
    process.send_signal(signum)
    assert process.wait(10) == 0


def test_options_reach_the_sandbox(run):
    _, printed = run(
        *("--rows=7", "--polls=0", "--seed=5", "--limits", '{"normal": [[2, 60]]}', "--retry-after"),
        *("--agents=3", "--attribute", "vip=boolean", "--attribute=a=b=string", "--batch-mode=partial"),
        *("--fault", "errored", "--fault", '{"kind": "status", "status": 503}'),
    )
    host = connection(printed)["host"]
    state = requests.get(host + "/sandbox/state", timeout=10).json()
    attributes = {"vip": "boolean", "a=b": "string"}
    expected = {"rows": 7, "polls": 0, "seed": 5, "batch_mode": "partial", "custom_attributes": attributes}
    assert expected.items() <= state["settings"].items()
    assert state["records"]["agents"] == 3
    assert state["limits"] == {"normal": [[2.0, 60.0]]}
    assert [fault["kind"] for fault in state["faults"]] == ["errored", "status"]
    statuses = [
        requests.post(
            host + "/api/v1/request-groups-export", json={}, headers={"apitoken": "sandbox-token"}, timeout=10
        ).status_code
        for _ in range(3)
    ]
    assert statuses == [503, 200, 429]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--attribute", "group"], "NAME=TYPE"),
        (["--attribute", "group=text"], "string, number, boolean"),
        (["--batch-mode", "some"], "invalid choice"),
        (["--limits", "[1]"], "real, none, or JSON"),
        (["--fault", "nonsense"], "There is no fault"),
        (["--fault", "{"], "argument --fault"),
        (["--window", "leaky"], "invalid choice"),
        (["--rows", "-1"], "rows must be 0 or more, not -1"),
        (["--polls", "-1"], "polls must be 0 or more, not -1"),
    ],
)
def test_wrong_options_are_explained(capsys, arguments, complaint):
    with pytest.raises(SystemExit):
        main(arguments)
    assert complaint in capsys.readouterr().err


def test_a_port_that_is_taken_is_explained(sandbox, capsys):
    assert main(["--port", sandbox.url.rsplit(":", 1)[1], "--storage-port", "0"]) == 1
    assert "Choose another --port" in capsys.readouterr().out
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


def test_a_sandbox_that_is_never_stopped_leaves_no_files_behind(tmp_path):
    code = "from airflow_provider_maestroqa.sandbox import Sandbox; Sandbox().start()"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []
