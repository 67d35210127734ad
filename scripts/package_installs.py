"""Install the wheel in empty environments, without extras and with each one alone, and see what works in each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import environment
from licenses import CLOUDS
from package_build import ROOT
from package_checks import PACKAGE, project

NAME = "airflow-provider-maestroqa"


def check(wheel: Path, work: Path, *, only: str | None = None, airflow: str = "") -> dict[str, list[str]]:
    """Install and probe; return the problems of each environment.

    :param wheel: what is installed.
    :param work: a folder for the environments. Each is removed after its checks.
    :param only: one extra, ``none`` or ``all``. Default: no extra, each extra alone, and all of them.
    :param airflow: an Airflow release of requirements/. Default: the newest.
    """
    extras = sorted(project()["project"]["optional-dependencies"])
    ways = {"none": "", **{extra: f"[{extra}]" for extra in extras}, "all": f"[{','.join(extras)}]"}
    if only:
        ways = {only: ways[only]}
    return {f"installed with {extra}": _one(wheel, work, requirement, airflow) for extra, requirement in ways.items()}


def _one(wheel: Path, work: Path, extras: str, airflow: str) -> list[str]:
    folder = work / "installed"
    release = airflow or (environment.LISTS / "newest").read_text().strip()
    python = folder / "bin" / "python"
    print(f"{NAME}{extras} with Airflow {release}", flush=True)
    environment._make(folder)
    environment.install(folder, _versions(release, extras, work), f"{NAME}{extras} @ {wheel.as_uri()}")
    # Nothing of the tree may be seen from there.
    home = work / "home"
    home.mkdir()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    env = {**inherited, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    try:
        problems = _fits(python, env, home)
        problems += _probes(python, env, home)
        if not extras or "," in extras:
            problems += _commands(folder / "bin" / "airflow", env, home)
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(home)
    return problems


def _versions(release: str, extras: str, work: Path) -> Path:
    """The list of versions of a release; only the release itself for extras without which the lists are made."""
    versions = environment.list_of(release, sys.version_info[:2])
    if not any(extra in extras for extra in CLOUDS):
        return versions
    airflow = [line for line in versions.read_text().splitlines() if line.startswith("apache-airflow==")]
    (work / "constraints.txt").write_text("\n".join(airflow))
    return work / "constraints.txt"


def _fits(python: Path, env: dict[str, str], home: Path) -> list[str]:
    done = _run([str(python), "-m", "pip", "check"], env, home)
    return [f"pip check: {line}" for line in done.stdout.splitlines()] if done.returncode else []


def _probes(python: Path, env: dict[str, str], home: Path) -> list[str]:
    """Run package_probes.py there."""
    done = _run([str(python), "-W", "ignore", str(ROOT / "scripts" / "package_probes.py")], env, home)
    # The last line is the result; the lines above are Airflow's log.
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode or not last.startswith('{"seen"'):
        return [f"the probes did not finish: {done.stdout[-2000:]}{done.stderr[-2000:]}"]
    result = json.loads(last)
    print(*(f"  {line[:300]}" for line in result["seen"]), sep="\n", flush=True)
    return list(result["problems"])


def _commands(airflow: Path, env: dict[str, str], home: Path) -> list[str]:
    """Check what Airflow's command line shows of the provider."""
    commands = {
        "providers get": ["providers", "get", NAME],
        "providers list": ["providers", "list"],
        "providers hooks": ["providers", "hooks"],
        "providers links": ["providers", "links"],
    }
    expected = {
        "providers get": NAME,
        "providers list": NAME,
        "providers hooks": f"{PACKAGE}.hooks.maestroqa.MaestroQAHook",
        "providers links": f"{PACKAGE}.links.MaestroQALink",
    }
    problems = []
    for name, words in commands.items():
        done = _run([str(airflow), *words, "-o", "json"], env, home)
        if done.returncode or expected[name] not in done.stdout:
            problems.append(
                f"airflow {name} does not show {expected[name]}: {done.stdout[-500:]}{done.stderr[-500:]}"
            )
    return problems


def _run(command: list[str], env: dict[str, str], home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=600, check=False)
