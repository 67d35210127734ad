"""Follows the page as a user would, but for the installation, and with the sandbox already started."""

import hashlib
import json
import subprocess


def test_following_the_page_lands_an_export(followed):
    done, folder = followed
    assert done.returncode == 0, done.stdout + done.stderr
    (manifest,) = (folder / "landed").rglob("_manifest.json")
    (file,) = json.loads(manifest.read_text())["files"]
    assert hashlib.sha256((manifest.parent / file["name"]).read_bytes()).hexdigest() == file["sha256"]
    assert '"has_data": true' in done.stdout


def test_the_log_has_the_lines_of_the_page(followed, section):
    done, _ = followed
    said = done.stdout + done.stderr
    shown = section("docs/getting-started.md", "5. Run it").partition("```text\n")[2].partition("```")[0]
    for line in shown.splitlines():
        for part in line.replace("/tmp/maestroqa", "\n").replace("…", "\n").split("\n"):
            assert part.strip(" :,") in said


def test_the_sandbox_is_started_where_the_connection_leads(section):
    from airflow_provider_maestroqa.sandbox.__main__ import _parser

    options = _parser().parse_args(["--polls", "1"])
    assert f"http://127.0.0.1:{options.port}" in section("docs/getting-started.md", "3. Make the connection")
    assert options.token in section("docs/getting-started.md", "3. Make the connection")


def test_what_is_left_out_here_is_only_the_installation(left_out):
    words = {line.split()[0] for line in left_out if not line.startswith(" ")}
    assert words == {"python3", ".", "pip", "python"}
    assert subprocess.run(["bash", "-n"], input="\n".join(left_out), text=True, check=False).returncode == 0


def test_the_first_task_defers(followed):
    done, _ = followed
    assert "running trigger in line" in done.stdout + done.stderr
