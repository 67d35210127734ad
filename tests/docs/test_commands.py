import json
import re
import subprocess
from urllib.parse import urlsplit

import pytest

from airflow_provider_maestroqa import __version__
from airflow_provider_maestroqa.__main__ import make_parser as command_parser
from airflow_provider_maestroqa.client.settings import read_settings
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.sandbox.__main__ import _parser as sandbox_parser
from airflow_provider_maestroqa.sandbox.control import routes
from airflow_provider_maestroqa.sandbox.faults import fault_from_json

PACKAGE = "airflow-provider-maestroqa"
REQUIREMENT = re.compile(r"([a-z-]+)(?:\[([a-z,]+)\])?(?:==([0-9.]+))?")


def test_bash_is_bash(bash_block):
    done = subprocess.run(["bash", "-n"], input=bash_block.text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_command_has_a_form_that_its_program_takes(command, root, monkeypatch):
    program = command[0].rpartition("/")[2]
    check = CHECKS.get(program)
    assert check is not None, f"no check for {command}"
    check(command, root, monkeypatch)


def check_make(command, root, monkeypatch):
    targets = re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE)
    words = command[3:] if command[1] == "-C" else command[1:]
    assert {word for word in words if "=" not in word} <= set(targets)


def check_airflow(command, root, monkeypatch):
    from airflow.cli.cli_parser import get_parser

    given = get_parser().parse_args(command[1:])
    if command[1:3] == ["connections", "add"]:
        fields = json.loads(given.conn_json) if given.conn_json else {}
        if given.conn_type:
            fields = {"conn_type": given.conn_type, "password": given.conn_password}
            fields["extra"] = json.loads(given.conn_extra) if given.conn_extra else {}
        if given.conn_uri:
            uri = urlsplit(given.conn_uri)
            fields = {"conn_type": uri.scheme, "password": uri.password, "host": uri.hostname}
        assert fields.pop("conn_type") == "maestroqa"
        password = "token" if str(fields.get("password")).startswith("$") else fields.get("password")
        assert read_settings(given.conn_id, **{**fields, "password": password}).unknown_keys == ()
    if command[1:3] == ["dags", "test"]:
        assert (root / "dags_examples" / f"{given.dag_id}.py").exists()


def check_export(command, root, monkeypatch):
    name, _, value = command[1].partition("=")
    assert re.fullmatch(r"AIRFLOW_(HOME|_CORE__LOAD_EXAMPLES|CONN_[A-Z_]+)", name)
    if name.startswith("AIRFLOW_CONN_"):
        monkeypatch.setenv(name, value)
        with MaestroQAHook(name.removeprefix("AIRFLOW_CONN_").lower()) as hook:
            settings = hook.settings
        assert settings.unknown_keys == ()
        assert settings.timeout_s == (120 if "120" in value else 60)
        to_sandbox = ("sandbox-token", f"http://127.0.0.1:{sandbox_parser().parse_args([]).port}")
        assert (settings.token, settings.base_url) in (("my-token", "https://app.maestroqa.com"), to_sandbox)


def check_python(command, root, monkeypatch):
    assert command[1] == "-m"
    if command[2] == "airflow_provider_maestroqa.sandbox":
        sandbox_parser().parse_args(command[3:])
    elif command[2] == "airflow_provider_maestroqa":
        command_parser().parse_args(command[3:])
    elif command[2] == "pytest":
        assert all((root / path).exists() for path in command[3:])
    else:
        assert command[2] == "venv"


def check_pip(command, root, monkeypatch):
    if command[1] == "freeze":
        assert command[2] == ">"
        assert (root / command[3]).exists()
        return
    assert command[1] == "install"
    words = iter(command[2:])
    for word in words:
        if word == "--constraint":
            assert re.fullmatch(
                r"https://raw\.githubusercontent\.com/apache/airflow/constraints-3\.3\.2/constraints-3\.11\.txt",
                next(words),
            )
        elif word == "-r":
            assert (root / next(words)).exists()
        else:
            check_requirement(word, root)


def check_requirement(text, root):
    name, extras, version = REQUIREMENT.fullmatch(text).groups()
    if name in ("pytest", "pytest-xdist"):
        return
    assert name in (PACKAGE, "apache-airflow")
    if name == PACKAGE:
        known = re.findall(r"^(\w+) = \[", (root / "pyproject.toml").read_text(), re.MULTILINE)
        assert set((extras or "").split(",")) - {""} <= set(known)
        assert version in (None, __version__)
    else:
        assert version == (root / "requirements" / "newest").read_text().strip()


def check_curl(command, root, monkeypatch):
    method = command[command.index("-X") + 1] if "-X" in command else "GET"
    url = urlsplit(next(word for word in command if word.startswith("http://")))
    assert url.netloc == f"127.0.0.1:{sandbox_parser().parse_args([]).port}"
    assert (method, url.path) in {(one.method, one.path) for one in routes}
    if "-d" in command:
        assert fault_from_json(json.loads(command[command.index("-d") + 1]))


def check_gcloud(command, root, monkeypatch):
    assert command[1:4] == ["composer", "environments", "update"]
    check_requirement(command[command.index("--update-pypi-package") + 1], root)


def check_files(command, root, monkeypatch):
    """Commands of every shell; getting-started is followed as a whole in a test of its own."""
    for word in command[1:]:
        if "/example_dags/" in word:
            assert (root / "dags_examples" / word.rpartition("/")[2]).exists()


CHECKS = {
    "make": check_make,
    "airflow": check_airflow,
    "export": check_export,
    "python": check_python,
    "python3": check_python,
    "pip": check_pip,
    "curl": check_curl,
    "gcloud": check_gcloud,
    **dict.fromkeys((".", "cp", "mkdir", "ls", "cat", "git", "twine"), check_files),
}


@pytest.mark.parametrize("place", ["Amazon MWAA", "Astronomer"])
def test_a_requirements_line_for_a_managed_service_is_one(read, root, place):
    text = read("docs/versions.md").partition(f"**{place}.**")[2]
    lines = re.search(r"```text\n(.*?)```", text, re.DOTALL)[1].split("\n")
    requirements = [line for line in lines if line and not line.startswith("--constraint ")]
    assert requirements
    for line in requirements:
        check_requirement(line, root)
