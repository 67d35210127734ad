"""Pictures and figures are what the scripts make of the results; nothing is drawn or typed by hand."""

from __future__ import annotations

import importlib
import json
import re
import xml.etree.ElementTree as ET

import pytest

NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w.]*\w)")


@pytest.fixture
def script(root, monkeypatch):
    """Import a script of ``benchmarks`` or ``docs``."""
    for folder in ("benchmarks", "docs"):
        monkeypatch.syspath_prepend(str(root / folder))
    return importlib.import_module


def test_the_state_diagrams_are_those_that_the_script_draws(script, root):
    pictures = script("diagrams").PICTURES
    for name, drawn in pictures.items():
        assert (root / "docs" / "images" / name).read_text() == drawn(), f"run python docs/diagrams.py: {name}"


def test_the_pictures_of_the_benchmarks_are_drawn_from_the_results(script, root):
    draw = script("draw")
    for name, chart in draw.CHARTS.items():
        committed = (root / "docs" / "images" / f"{name}.svg").read_text()
        assert committed == draw.draw(chart), f"run python benchmarks/draw.py: {name}"


def test_the_tables_of_the_benchmarks_are_written_from_the_results(script, root):
    draw = script("draw")
    for page in draw.pages():
        text = page.read_text()
        assert draw.with_tables(text) == text, f"run python benchmarks/draw.py: {page.name}"


def test_every_result_is_on_a_page(script, root):
    pages = "".join(page.read_text() for page in script("draw").pages())
    shown = set(re.findall(r"<!-- results: table (\w+) -->", pages))
    assert shown == {path.stem for path in (root / "benchmarks" / "results").glob("*.json")}


def test_a_result_names_its_command_and_machine_and_no_more(root):
    for path in sorted((root / "benchmarks" / "results").glob("*.json")):
        found = json.loads(path.read_text())
        assert set(found) == {"benchmark", "command", "machine", "rows"}
        assert set(found["machine"]) == {"processors", "load before", "load after", "python", "airflow"}
        assert re.match(r"python benchmarks/(\w+\.py|soak)|make cluster", found["command"]), path.name
        assert "/tmp" not in path.read_text()
        assert found["rows"]


def test_numbers_in_the_text_are_those_of_a_benchmark_or_of_the_page_that_states_them(root):
    """What stands outside of tables is what the runs were given, or stands on the page that is linked."""
    page = (root / "docs" / "benchmarks.md").read_text()
    text = re.sub(r"<!-- results.*?<!-- end -->|^\|.*?$|`[^`]*`|\([^)]*\)", "", page, flags=re.DOTALL | re.MULTILINE)
    known = "".join(
        (root / "docs" / f"{name}.md").read_text() for name in ("limits", "landing", "records", "windows")
    )
    known += "".join(path.read_text() for path in sorted((root / "benchmarks").glob("*.py")))
    known += "".join(path.read_text() for path in sorted((root / "benchmarks" / "results").glob("*.json")))
    known = known.replace(",", "").replace("_", "")
    for number in NUMBER.findall(text):
        assert re.search(rf"(?<!\d){number.replace(',', '')}(?!\d)", known), number


def test_a_picture_is_complete_has_a_title_and_works_in_both_themes(root):
    for path in sorted((root / "docs" / "images").glob("*.svg")):
        drawing = ET.fromstring(path.read_text())
        assert drawing.find("{http://www.w3.org/2000/svg}title").text, path.name
        assert "prefers-color-scheme: dark" in path.read_text(), path.name
        assert 'class="paper"' in path.read_text(), path.name


def test_peak_memory_is_not_that_of_the_parent_process(root):
    """``ru_maxrss`` begins with the peak of the process that started this one."""
    for path in sorted((root / "benchmarks").glob("*.py")):
        assert "ru_maxrss" not in path.read_text(), path.name
