"""Create a virtual environment with one Airflow release, from its committed list of versions.

    python3 scripts/environment.py 3.3.2 .venv tools
    python3 scripts/environment.py 2.11.0 .venv-2.11.0

Needs only Python. Does nothing if the environment exists and its lists have not changed. If the release does not run
on this Python, it uses another one on this machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "requirements"
#: Two environments may be made at once, and apt serves one at a time.
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
#: The Pythons that a release supports, if fewer than this project.
PYTHONS = {
    "2.11.0": ((3, 10), (3, 12)),
    "2.11.2": ((3, 10), (3, 12)),
    "3.0.6": ((3, 10), (3, 12)),
    "3.1.8": ((3, 10), (3, 13)),
    "lowest": ((3, 10), (3, 10)),
}

#: Airflow's providers for Google's and Azure's storage.
CLOUDS = LISTS / "clouds.txt"
#: The version of the emulator of Azure's storage.
AZURITE = "3.37.0"


def main(release: str, folder: str, needs_list: str = "tests") -> int:
    """Create the environment; return 0 if it is ready, 3 if this machine has no Python that the release supports."""
    python = sys.version_info[:2]
    lowest, highest = PYTHONS.get(release, ((3, 10), (3, 14)))
    if not lowest <= python <= highest:
        for minor in range(highest[1], lowest[1] - 1, -1):
            if other := find_python(f"3.{minor}"):
                return subprocess.run([other, __file__, release, folder, needs_list], check=False).returncode
        print(
            f"Skipped: Airflow {release} needs Python {_dotted(lowest)} to {_dotted(highest)}; this machine has none."
        )
        return 3
    environment = ROOT / folder
    versions, needs = list_of(release, python), LISTS / f"{needs_list}.txt"
    stamp = environment / "made-from"
    read = [versions, *LISTS.glob("t*.txt"), CLOUDS, ROOT / "pyproject.toml"]
    recipe = hashlib.sha256(b"".join(path.read_bytes() for path in read) + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == recipe:
        return 0
    print(f"Making {folder} with Airflow {release} on Python {_dotted(python)}: up to two minutes.", flush=True)
    shutil.rmtree(environment, ignore_errors=True)
    _make(environment)
    install(environment, versions, "-r", str(needs))
    install(environment, versions, "--no-deps", "--no-build-isolation", "-e", ".")
    _have_redis()
    if needs_list == "tools":
        _have_chromium()
        _have_azurite(environment)
        _have_cloud_providers(environment)
    stamp.write_text(recipe)
    return 0


def find_python(version: str) -> str | None:
    """A Python of this version: on the PATH, or among pyenv's."""
    on_path = shutil.which(f"python{version}")
    if on_path and not subprocess.run([on_path, "-c", ""], check=False, capture_output=True).returncode:
        return on_path
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    interpreters = sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    return str(interpreters[-1]) if interpreters else None


def list_of(release: str, python: tuple[int, ...]) -> Path:
    """The complete list of versions of a release on a Python."""
    of_python = LISTS / f"airflow-{release}-python-{_dotted(python)}.txt"
    return of_python if of_python.exists() else LISTS / f"airflow-{release}.txt"


def install(environment: Path, versions: Path, *what: str) -> None:
    """Install with uv, which takes seconds; where it does not get through, with pip and its own settings."""
    python, uv = environment / "bin" / "python", environment / "bin" / "uv"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "-c", str(versions)]
    if uv.exists() or not subprocess.run([*pip, "uv"], check=False, capture_output=True).returncode:
        fast = [str(uv), "pip", "install", "--quiet", "--python", str(python), "-c", str(versions)]
        if not subprocess.run([*fast, *what], check=False, cwd=ROOT).returncode:
            return
        print("uv did not get through; installing with pip.", flush=True)
    subprocess.run([*pip, *what], check=True, cwd=ROOT)


def _make(environment: Path) -> None:
    try:
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    except subprocess.CalledProcessError:
        # Debian splits venv's pip off into a package of its own.
        shutil.rmtree(environment, ignore_errors=True)
        if shutil.which("apt-get") is None:
            raise
        subprocess.run([*APT, "install", "-y", "-qq", "python3-venv"], check=True)
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)


def _have_redis() -> None:
    """The tests of shared budgets need a real Redis server: a package brings one, but not yet for Python 3.13."""
    if sys.version_info >= (3, 13) and not shutil.which("redis-server") and shutil.which("apt-get"):
        subprocess.run([*APT, "install", "-y", "-qq", "redis-server"], check=True)


def _have_chromium() -> None:
    """The tests of the UI need a browser, which no package index brings: on Debian as root apt does."""
    names = ("chromium", "chromium-browser", "google-chrome")
    if any(map(shutil.which, names)) or not shutil.which("apt-get") or os.geteuid():
        return
    print("Installing Chromium with apt for the tests of the UI.", flush=True)
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        # Without a network the tests are skipped; the summary shows it.
        subprocess.run([*APT, *command], check=False, stdout=subprocess.DEVNULL)


def _have_azurite(environment: Path) -> None:
    """The tests of Azure's storage need its emulator, which npm brings."""
    if shutil.which("npm") is None:
        print("No npm: the tests of Azure's storage are skipped.", flush=True)
        return
    print("Installing Azurite with npm for the tests of Azure's storage.", flush=True)
    command = ["npm", "install", "--prefix", str(environment / "azurite"), "--no-audit", "--no-fund", "--silent"]
    # Without a network the tests are skipped; the summary shows it.
    subprocess.run([*command, f"azurite@{AZURITE}"], check=False, stdout=subprocess.DEVNULL)


def _have_cloud_providers(environment: Path) -> None:
    """The tests of the clouds need Airflow's providers, which would change versions in the environment itself."""
    uv, folder = environment / "bin" / "uv", environment / "providers"
    pip = [uv, "pip"] if uv.exists() else [environment / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    target = ["--python", environment / "bin" / "python"] if uv.exists() else []
    command = [*pip, "install", "--quiet", *target, "--no-deps", "--target", folder, "-r", CLOUDS]
    if subprocess.run([str(part) for part in command], check=False, cwd=ROOT).returncode:
        shutil.rmtree(folder, ignore_errors=True)
        print("No providers of Google and Azure: the tests of the three clouds are skipped.", flush=True)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
