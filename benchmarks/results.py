"""What a benchmark found, as a small JSON file: ``--json benchmarks/results/imports.json``.

The file says on what it was measured, and has one row for each case and contender. ``draw.py`` makes the pictures and
tables of the page on benchmarks out of these files.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OURS = "this package"


@dataclass
class Results:
    """Rows of figures, and the machine that they are from.

    :param benchmark: the script's name without ``.py``.
    :param command: what was run; by default that script with its arguments.
    """

    benchmark: str
    rows: list[dict[str, object]] = field(default_factory=list)
    command: str | None = None
    load: float = field(default_factory=lambda: os.getloadavg()[0])

    def add(self, case: str, by: str, /, **figures: object) -> None:
        """Write down what one contender needed for one case; a name holds its unit."""
        shown = {name: _rounded(value) for name, value in figures.items()}
        self.rows.append({"case": case, "by": by, "figures": shown})

    def write(self, path: Path | None, *, merge: bool = False) -> None:
        """Write the file, where one is wanted.

        :param merge: whether rows of other cases and contenders stay as they are in the file.
        """
        if path is None:
            return
        rows = self.rows
        if merge and path.exists():
            rows = self._beside(json.loads(path.read_text(encoding="utf-8"))["rows"])
        script = Path(sys.argv[0])
        options = ("--json", "--only") if merge else ("--json",)
        words = [script.parent.name if script.stem == "__main__" else script.name, *_without(sys.argv[1:], options)]
        content = {
            "benchmark": self.benchmark,
            "command": self.command or f"python benchmarks/{' '.join(words)}",
            "machine": {
                "processors": os.cpu_count(),
                "load before": round(self.load, 1),
                "load after": round(os.getloadavg()[0], 1),
                "python": platform.python_version(),
                "airflow": _version_of("apache-airflow"),
            },
            "rows": rows,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def _beside(self, rows: list[dict[str, object]]) -> list[dict[str, object]]:
        """Return the rows of a file with those of this run, which replace theirs."""
        new = {(row["case"], row["by"]) for row in self.rows}
        rows = [row for row in rows if (row["case"], row["by"]) not in new] + self.rows
        cases = list(dict.fromkeys(row["case"] for row in rows))
        return sorted(rows, key=lambda row: cases.index(row["case"]))


def add_option(parser: argparse.ArgumentParser) -> None:
    """Let a benchmark take ``--json FILE``."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures as well")


def _rounded(value: object) -> object:
    """Four digits are more than any of these figures is worth."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _without(words: list[str], options: tuple[str, ...]) -> list[str]:
    """Leave out where the figures go, and which part this run was of what the file holds."""
    others, skip = [], False
    for word in words:
        if not skip and not word.startswith(options):
            others.append(word)
        skip = word in options
    return others


def _version_of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
