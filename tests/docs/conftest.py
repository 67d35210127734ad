"""Reads README and docs: their code blocks, tables and links."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_maestroqa.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
PAGES += sorted((ROOT / "docs").glob("*.md")) + sorted((ROOT / "docs" / "reference").glob("*.md"))
# Written and tested beside the request budget.
OWN = [page for page in PAGES if page.name != "limits.md"]
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]\[]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A code block: where it stands, its language and its text."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page.name}:{self.line}"


def blocks(page):
    text = page.read_text()
    return [Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2]) for found in FENCE.finditer(text)]


def tables(text):
    """Each table as a list of rows, the header first, without what stands in code blocks."""
    found, rows = [], []
    for line in [*FENCE.sub("", text).splitlines(), ""]:
        if line.startswith("|"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
            if not set(line) <= set("|-: "):
                rows.append(cells)
        elif rows:
            found.append(rows)
            rows = []
    return found


def sections(text):
    """Second-level sections by their heading."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(block):
    """The commands of a bash block, as lists of words; variables set in front are left out."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.match(r"[A-Z][A-Z_]*=", words[0]):
            words = words[1:]
        if words:
            yield words


def fault_rows(heading):
    """Rows of a table of failures.md that name a fault."""
    text = sections((ROOT / "docs" / "failures.md").read_text())[heading]
    return [row for row in tables(text)[0][1:] if row[1]]


def pytest_generate_tests(metafunc):
    own = [block for page in OWN for block in blocks(page)]
    for language in ("python", "json", "bash"):
        if f"{language}_block" in metafunc.fixturenames:
            # A test that imports its DAG is run as a whole, in a test of its own.
            chosen = [block for block in own if block.language == language and "from my_dag import" not in block.text]
            metafunc.parametrize(f"{language}_block", chosen, ids=str)
    if "command" in metafunc.fixturenames:
        found = [(block, words) for block in own if block.language == "bash" for words in commands(block)]
        metafunc.parametrize(
            "command", [words for _, words in found], ids=[f"{b} {' '.join(w)[:40]}" for b, w in found]
        )
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", OWN, ids=lambda page: page.name)
    headings = {
        "asking": "Requesting the export",
        "waiting": "Waiting",
        "landing": "Landing",
        "pushing": "Pushing",
    }
    for name, heading in headings.items():
        if name in metafunc.fixturenames:
            rows = fault_rows(heading)
            metafunc.parametrize(name, rows, ids=[row[1] for row in rows])


@pytest.fixture
def read():
    """The text of a page by its path from the root."""
    return lambda name: (ROOT / name).read_text()


@pytest.fixture
def table(read):
    """Find the table of a page whose first header cell is this; as {first cell: the other cells}."""

    def find(page, header):
        (found,) = [rows for rows in tables(read(page)) if rows[0][0] == header]
        assert len({row[0] for row in found[1:]}) == len(found) - 1, f"{page}: a row of {header} stands twice"
        return {row[0].strip("`"): row[1:] for row in found[1:]}

    return find


@pytest.fixture
def code_of():
    return blocks


@pytest.fixture
def section(read):
    return lambda page, heading: sections(read(page))[heading]


@pytest.fixture
def tables_in():
    return tables


@pytest.fixture
def links_in():
    return lambda page: LINK.findall(FENCE.sub("", page.read_text()))


@pytest.fixture
def root():
    return ROOT


@pytest.fixture
def pages():
    return PAGES


def _page_as_script():
    """The commands of getting-started that are run, and those that are left out."""
    run, left_out = [], []
    for block in blocks(ROOT / "docs" / "getting-started.md"):
        if block.language == "bash":
            needs_network = "pip install" in block.text or "-m airflow_provider_maestroqa.sandbox" in block.text
            (left_out if needs_network else run).append(block.text)
    return "".join(run), "".join(left_out).splitlines()


@pytest.fixture
def left_out():
    return _page_as_script()[1]


@pytest.fixture(scope="session")
def followed(tmp_path_factory):
    """What came of following getting-started in an empty folder, and that folder."""
    folder = tmp_path_factory.mktemp("getting-started")
    installed = tmp_path_factory.mktemp("installed")
    # As the wheel has it: the package, with the examples in it.
    package = installed / "airflow_provider_maestroqa"
    shutil.copytree(ROOT / package.name, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "dags_examples", package / "example_dags", ignore=shutil.ignore_patterns("__pycache__"))
    script = _page_as_script()[0]
    with Sandbox(limits={}, polls=1, rows=20) as sandbox:
        script = script.replace("http://127.0.0.1:8765", sandbox.url).replace("/tmp/maestroqa", f"{folder}/landed")
        copied = "airflow/dags/maestroqa_groups_export.py"
        # Deferring for real, but not for half a minute.
        changes = f"s#/tmp/maestroqa#{folder}/landed#; s#deferrable=True,#deferrable=True, poll_interval=0.5,#"
        prepared = f"sed -i '{changes}' {copied}\nairflow dags test"
        done = subprocess.run(
            ["bash", "-e"],
            input=script.replace("\nairflow dags test", f"\n{prepared}"),
            cwd=folder,
            env={**_clean_environment(), "PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    return done, folder


@pytest.fixture(scope="session")
def migrated_home(followed):
    """An environment whose Airflow has a database."""
    done, folder = followed
    assert (folder / "airflow" / "airflow.db").exists(), done.stdout + done.stderr
    return {**_clean_environment(), "AIRFLOW_HOME": str(folder / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}


def _clean_environment():
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
