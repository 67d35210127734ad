"""Make a virtual environment with one Airflow release, as its committed list of versions has it.

    python3 scripts/environment.py 3.3.2 .venv

Needs Python alone. Does nothing when the environment is already there and its lists have not changed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "requirements"
#: The Pythons that a release runs on, where that is fewer than this project's.
PYTHONS = {"2.11.0": ((3, 10), (3, 12))}


def main(release: str, folder: str) -> int:
    """Make the environment; answer 0 when it is ready."""
    python = sys.version_info[:2]
    lowest, highest = PYTHONS.get(release, ((3, 10), (3, 13)))
    if not lowest <= python <= highest:
        print(f"Airflow {release} runs on Python {_dotted(lowest)} to {_dotted(highest)}; this is {_dotted(python)}.")
        return 3
    environment = ROOT / folder
    versions = LISTS / f"airflow-{release}-python-{_dotted(python)}.txt"
    if not versions.exists():
        versions = LISTS / f"airflow-{release}.txt"
    wanted = LISTS / ("tools.txt" if release in _newest() else "tests.txt")
    stamp = environment / "made-from"
    recipe = hashlib.sha256(
        b"".join(path.read_bytes() for path in (versions, wanted, ROOT / "pyproject.toml")) + sys.version.encode()
    ).hexdigest()
    if stamp.exists() and stamp.read_text() == recipe:
        return 0
    print(f"Making {folder} with Airflow {release} on Python {_dotted(python)}: about two minutes.", flush=True)
    shutil.rmtree(environment, ignore_errors=True)
    _make(environment)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "-c", str(versions), "-r", str(wanted)], check=True, cwd=ROOT)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", "."], check=True, cwd=ROOT)
    _have_redis()
    stamp.write_text(recipe)
    return 0


def _make(environment: Path) -> None:
    try:
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    except subprocess.CalledProcessError:
        # Debian splits venv's pip off into a package of its own.
        shutil.rmtree(environment, ignore_errors=True)
        if shutil.which("apt-get") is None:
            raise
        subprocess.run(["apt-get", "install", "-y", "-qq", "python3-venv"], check=True)
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)


def _have_redis() -> None:
    """The tests of shared budgets need a real Redis server: a package brings one, but not yet for Python 3.13."""
    if sys.version_info >= (3, 13) and not shutil.which("redis-server") and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "redis-server"], check=True)


def _newest() -> str:
    return (LISTS / "newest").read_text()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
