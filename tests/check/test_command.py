"""The command as users run it: a process of its own, without Airflow's database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_maestroqa.__main__ import main
from airflow_provider_maestroqa.sandbox import Sandbox
from airflow_provider_maestroqa.sandbox.__main__ import _parser
from airflow_provider_maestroqa.sandbox.__main__ import main as sandbox_main
from airflow_provider_maestroqa.sandbox.options import from_command_line

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path):
    """Starts the command in an empty Airflow home that has no database."""
    processes = []

    def start(sandbox, *arguments, conn_id="maestroqa_default"):
        home = tmp_path / "home"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            f"AIRFLOW_CONN_{conn_id.upper()}": sandbox.connection_json(rate_limits={"normal": [[1000, 1]]}),
        }
        command = [sys.executable, "-m", "airflow_provider_maestroqa", "check", *arguments]
        processes.append(
            subprocess.Popen(
                command,
                env=environment,
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                # A shell starts its background jobs without Ctrl-C, and they hand that on.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        )
        return processes[-1], home

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_profile_comes_alone_on_the_standard_output_and_the_table_beside_it(start):
    with Sandbox(polls=0, rows=5, limits={}, max_page=20) as sandbox:
        process, home = start(sandbox, "--conn-id", "other", "--json", conn_id="other")
        written, shown = process.communicate(timeout=120)
    assert process.returncode == 1, shown
    assert json.loads(written)["sandbox"]["max_page"] == 20
    assert "| A page holds 100 records or more. | **otherwise** | 20 of 500 records" in shown
    assert not (home / "airflow.db").exists()


def test_ctrl_c_prints_what_was_seen(start):
    with Sandbox(polls=0, rows=5, limits={}) as sandbox:
        sandbox.fault("timeout", path="/api/v1/coaching-points")
        process, _ = start(sandbox)
        sandbox.wait_for(lambda: sandbox.requests and sandbox.requests[-1].held)
        process.send_signal(signal.SIGINT)
        shown, said = process.communicate(timeout=60)
        sandbox.release()
    assert process.returncode == 130, said
    assert "The check was interrupted." in shown
    assert "| A wrong token gets 401, and a message. | as read | 401 (Invalid API token) |" in shown
    assert "Traceback" not in said


def test_all_as_read_ends_with_zero_and_a_file_gets_the_profile(connection, sandbox, capsys, tmp_path):
    file = tmp_path / "profile.json"
    assert main(["check", "--json", str(file)]) == 0
    assert "0 otherwise" in capsys.readouterr().out
    assert json.loads(file.read_text())["findings"][0]["result"] == "as read"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [(["--conn-id", "nowhere_at_all"], "nowhere_at_all"), (["--json", "/no/such/folder/x"], "does not exist")],
)
def test_without_a_connection_or_a_place_for_the_profile_nothing_is_sent(arguments, complaint, capsys, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_NOWHERE_AT_ALL", '{"conn_type": "maestroqa"}')
    assert main(["check", *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_options_beside_a_profile_take_precedence(tmp_path):
    file = tmp_path / "profile.json"
    file.write_text('{"sandbox": {"max_page": 25, "first_index": 1, "more_columns": ["csat.x"]}}')
    options = from_command_line(_parser(like=file).parse_args(["--max-page", "30"]))
    assert (options["max_page"], options["first_index"], options["more_columns"]) == (30, 1, ["csat.x"])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "no profile of a check"),
        ("[]", "no profile of a check"),
        ('{"sandbox": {"colour": "red"}}', "no option colour"),
        ('{"sandbox": {"max_page": "many"}}', "max_page cannot be 'many'"),
        ('{"sandbox": {"max_page": 0}}', "max_page must be 1 or more"),
        (None, "No such file"),
    ],
)
def test_a_sandbox_like_nothing_that_there_is_explains_why(tmp_path, capsys, content, complaint):
    file = tmp_path / "profile.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SystemExit):
        sandbox_main(["--like", str(file)])
    assert complaint in capsys.readouterr().err
