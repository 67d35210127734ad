"""The reference has every public name, and the site as it is built has no warning and no dead link."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from airflow_provider_maestroqa._compat import BaseHook
from airflow_provider_maestroqa.get_provider_info import get_provider_info
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook

PACKAGE = "airflow_provider_maestroqa"


def provided_modules():
    """All modules that Airflow is told of."""
    info = get_provider_info()
    for house in ("hooks", "operators", "sensors", "triggers"):
        for entry in info[house]:
            yield from entry["python-modules"]
    for transfer in info["transfers"]:
        yield transfer["python-module"]
    for link in info.get("extra-links", ()):
        yield link.rpartition(".")[0]


def directives(root):
    """What the pages have autodoc read: (directive, full name)."""
    found = []
    for page in sorted((root / "docs" / "reference").glob("*.md")):
        module = ""
        for directive, name in re.findall(r"^\.\. (\w+):: ([\w.]+)$", page.read_text(), re.MULTILINE):
            if directive in ("automodule", "currentmodule"):
                module = name
            found.append((directive, name if name.startswith(PACKAGE) else f"{module}.{name}"))
    return found


def test_every_module_in_the_provider_info_is_in_the_reference(root):
    read = {name for _, name in directives(root)}
    for module in provided_modules():
        assert any(name == module or name.startswith(f"{module}.") for name in read), module


def test_every_method_of_the_hook_stands_in_one_chapter(root):
    own = {name for name in dir(MaestroQAHook) if not name.startswith("_") and name not in dir(BaseHook)}
    own -= {"conn_name_attr", "conn_type", "default_conn_name", "hook_name"}
    own.add("test_connection")
    counts = Counter(
        name.rpartition(".")[2]
        for directive, name in directives(root)
        if directive in ("automethod", "autoattribute") and ".MaestroQAHook." in name
    )
    assert own <= set(counts)
    assert set(counts.values()) == {1}


def test_no_page_of_the_reference_repeats_a_docstring(root):
    for page in sorted((root / "docs" / "reference").glob("*.md")):
        assert ":param" not in page.read_text(), page.name
        assert "\n.. class::" not in page.read_text(), page.name


class Page(HTMLParser):
    """The ids, links and pictures of a page."""

    def __init__(self):
        super().__init__()
        self.ids, self.links = set(), []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            self.ids.add(given["id"])
        if tag in ("a", "img"):
            self.links.append(given.get("href" if tag == "a" else "src") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as ``make docs`` does; {path below its root: page}."""
    pytest.importorskip("sphinx")
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-W", "ignore", "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(target / "doctrees"), str(root / "docs"), str(target / "html")],
        env={**os.environ, "AIRFLOW_HOME": str(target / "airflow")},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = {}
    for path in sorted((target / "html").rglob("*.html")):
        page = Page()
        page.feed(path.read_text())
        found[path.relative_to(target / "html").as_posix()] = page
    return target / "html", found


def test_every_public_class_stands_in_the_built_reference(site):
    _, pages = site
    ids = set().union(*(page.ids for name, page in pages.items() if name.startswith("reference/")))
    for module in (*provided_modules(), f"{PACKAGE}.client.errors"):
        for name, value in vars(importlib.import_module(module)).items():
            if inspect.isclass(value) and value.__module__ == module and not name.startswith("_"):
                assert f"{module}.{name}" in ids, f"{module}.{name}"


def test_the_built_reference_lists_templated_arguments(site):
    folder, _ = site
    text = re.sub(r"<[^>]+>", "", (folder / "reference" / "operators.html").read_text())
    assert text.count("Templated:") >= 15
    assert "Not templated:" in text


def test_no_link_and_no_picture_of_the_built_site_is_dead(site):
    folder, pages = site
    dead = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or not link:
                continue
            target = (folder / name).parent / unquote(parts.path) if parts.path else folder / name
            known = pages.get(target.resolve().relative_to(folder.resolve()).as_posix())
            if not target.exists() or (parts.fragment and known and unquote(parts.fragment) not in known.ids):
                dead.append(f"{name}: {link}")
    assert dead == []


def test_the_built_site_loads_nothing_from_another_host(site):
    folder, pages = site
    for name in pages:
        loaded = re.findall(r'<(?:script|link|img)\b[^>]*(?:src|href)="(https?:[^"]+)"', (folder / name).read_text())
        assert [url for url in loaded if "rel=" not in url] == [], name
