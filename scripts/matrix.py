"""Run the demo and the tests on every supported Airflow and Python, and print a table.

    python3 scripts/matrix.py                  # every cell: half an hour on two cores
    python3 scripts/matrix.py 3.0.6 2.11       # the cells whose name begins so
    python3 scripts/matrix.py --whole lowest   # all tests

Pythons that this machine does not have are shown as missing. Environments are removed after use, unless ``--keep``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from environment import find_python

ROOT = Path(__file__).resolve().parent.parent
NEWEST = (ROOT / "requirements" / "newest").read_text().strip()
#: Each supported release on the Python that managed services use with it; the newest on every Python. What is
#: missing here, 2.11.0, 3.0.6 and the newest on Python 3.11, is what `make test` runs.
CELLS = (
    ("2.11.0", "3.10"),
    ("2.11.0", "3.12"),
    ("2.11.2", "3.12"),
    ("3.0.6", "3.12"),
    ("3.1.8", "3.11"),
    ("3.2.1", "3.12"),
    ("3.3.1", "3.11"),
    (NEWEST, "3.10"),
    (NEWEST, "3.12"),
    (NEWEST, "3.13"),
    (NEWEST, "3.14"),
    ("lowest", "3.10"),
)
FOLDER = ROOT / ".matrix"
#: The tests that touch Airflow or the libraries it pins; not those that run whole Airflows or kill processes, which
#: `make test` runs on three releases.
QUICK = (
    *(f"tests/{room}" for room in ("client", "hooks", "operators", "runtime", "sensors", "transfers", "triggers")),
    *(f"tests/test_{name}.py" for name in ("assets", "links", "windows")),
    *(f"tests/contract/test_{name}.py" for name in ("operators", "triggers", "listings")),
    "--ignore=tests/client/budget",
    *(f"--ignore=tests/operators/test_{name}.py" for name in ("push_faults", "attachment_faults", "killed")),
    *(
        f"--ignore=tests/{name}.py"
        for name in ("runtime/test_lineage", "hooks/test_lineage", "hooks/test_connections")
    ),
)
#: The browser knows one Airflow's UI.
WHOLE = ("--ignore=tests/browser",)
#: pytest's closing line.
COUNTS = re.compile(r"(\d+) (passed|failed|error|skipped)")


@dataclass(frozen=True, kw_only=True)
class Row:
    """The result of one cell."""

    airflow: str
    python: str
    demo: str = ""
    tests: str = ""
    minutes: float = 0.0
    verdict: str = "RED"


def main() -> int:
    """Run the selected cells; return 0 if all that this machine can run are green."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", nargs="*", help="beginnings of AIRFLOW-pythonPYTHON, such as 3.0.6 or lowest")
    parser.add_argument("--keep", action="store_true", help="keep the environments")
    parser.add_argument("--whole", action="store_true", help="run all tests, not only those that touch Airflow")
    arguments = parser.parse_args()
    rows = []
    for airflow, python in CELLS:
        name = f"{airflow}-python{python}"
        if arguments.cells and not name.startswith(tuple(arguments.cells)):
            continue
        interpreter = find_python(python)
        if interpreter is None:
            rows.append(Row(airflow=airflow, python=python, verdict="no such Python here"))
            continue
        rows.append(run_cell(airflow, python, interpreter, keep=arguments.keep, whole=arguments.whole))
        print(table(rows[-1:]).splitlines()[-1], flush=True)
    print("\n" + table(rows))
    return 0 if rows and not any(row.verdict == "RED" for row in rows) else 1


def run_cell(airflow: str, python: str, interpreter: str, *, keep: bool, whole: bool) -> Row:
    """Create the environment, and run the demo and the tests in it."""
    started = time.monotonic()
    name = f"{airflow}-python{python}"
    folder = FOLDER / name
    shutil.rmtree(folder / "demo", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    environment = folder / "environment"
    log = folder / "log.txt"
    print(f"Airflow {airflow} on Python {python}: the log is {log.relative_to(ROOT)}", flush=True)
    relative = str(environment.relative_to(ROOT))
    ready = _run(log, [interpreter, str(ROOT / "scripts" / "environment.py"), airflow, relative])
    if ready.returncode:
        return Row(airflow=airflow, python=python, demo="no environment")
    own = str(environment / "bin" / "python")
    demo = _run(log, [own, str(ROOT / "scripts" / "demo.py"), "--folder", str((folder / "demo").relative_to(ROOT))])
    tests = _run(log, [own, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", *(WHOLE if whole else QUICK)])
    counts = COUNTS.findall(tests.stdout.strip().rpartition("\n")[2])
    if not keep:
        shutil.rmtree(environment, ignore_errors=True)
    return Row(
        airflow=airflow,
        python=python,
        demo="failed" if demo.returncode else "deferred, landed, pushed",
        tests=", ".join(f"{number} {what}" for number, what in counts) or "failed",
        minutes=(time.monotonic() - started) / 60,
        verdict="RED" if demo.returncode or tests.returncode else "green",
    )


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| Airflow | Python | Demo | Tests | Minutes | |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row.airflow} | {row.python} | {row.demo} | {row.tests} | {row.minutes:.1f} | {row.verdict} |"
        for row in rows
    ]
    return "\n".join(lines)


def _run(log: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    with log.open("a") as out:
        out.write(f"$ {' '.join(command)}\n{done.stdout}\n{done.stderr}\n")
    return done


if __name__ == "__main__":
    sys.exit(main())
