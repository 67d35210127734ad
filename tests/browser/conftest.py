"""Airflow's UI as ``make ui`` starts it, a browser, and one run of an example in it, for all tests of a file.

They end with the file, because other tests may run in the same process afterwards.

``MAESTROQA_SCREENSHOTS`` names the folder that the pictures go to.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DAG = "maestroqa_raw_export_to_s3"
TASKS = ("request", "wait", "land")
#: Seconds that a page may take, and a run: enough for a task that is tried again after five minutes.
PAGE_S, RUN_S = 60, 600
#: The list of tasks takes a fifth of the width, what is told of them the rest; long lines of a log are wrapped.
LAYOUT = """localStorage.setItem("log_wrap", "true")
localStorage.setItem("react-resizable-panels:grid-ltr",
    '{"details-panel,main-panel":{"expandToSizes":{},"layout":[20,80]}}')"""


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium."""
    import airflow

    if airflow.__version__.startswith("2."):
        pytest.skip("These tests know the UI of Airflow 3.")
    pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: pip install playwright.")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return shutil.which(name)
    pytest.skip("There is no Chromium on this machine: apt-get install chromium.")


@pytest.fixture(scope="module")
def ui(chromium, tmp_path_factory):
    """What ``make ui`` runs."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        from ui import running_ui
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    with running_ui(tmp_path_factory.mktemp("ui")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium, ui):
    """A browser's context: 1280 by 800, in English and UTC."""
    from playwright.sync_api import sync_playwright

    # Chromium has no sandbox for root, as whom containers run.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=arguments)
        context = running.new_context(
            viewport={"width": 1280, "height": 800}, locale="en-US", timezone_id="UTC", color_scheme="light"
        )
        context.set_default_timeout(PAGE_S * 1000)
        context.add_init_script(LAYOUT)
        yield context
        running.close()


@pytest.fixture
def page(browser):
    """An empty page."""
    opened = browser.new_page()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    """Take a picture of a page, or of a part of it."""
    named = os.environ.get("MAESTROQA_SCREENSHOTS")
    folder = (ROOT / named) if named else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)

    def take(what, name, **options):
        # What moves comes to rest first.
        time.sleep(1)
        what.screenshot(path=folder / f"ui-{name}.png", animations="disabled", **options)

    return take


@pytest.fixture(scope="module")
def run(ui, browser, picture):
    """One run of the example, triggered in the UI; the states that its tasks went through."""
    page = browser.new_page()
    page.goto(f"{ui.url}/dags/{DAG}")
    page.get_by_label("Show Graph").click()
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    form.get_by_text("Unpause").wait_for()
    form.get_by_role("button", name="Trigger", exact=True).click()
    page.wait_for_url("**/runs/manual*")
    address = page.url
    asked = re.sub(r"/dags/([^/]+)/runs/", r"/api/v2/dags/\1/dagRuns/", address)
    seen = []
    ends = time.monotonic() + RUN_S
    while time.monotonic() < ends and (not seen or not {"success", "failed", "upstream_failed"} & {seen[-1]["land"]}):
        states = {name: browser.request.get(f"{asked}/taskInstances/{name}").json().get("state") for name in TASKS}
        if not seen or states != seen[-1]:
            seen.append(states)
            if states["wait"] == "deferred":
                page.get_by_text("deferred").first.wait_for()
                picture(page, "waiting")
        time.sleep(0.5)
    # The run itself is said to have ended some seconds after its last task.
    while time.monotonic() < ends and browser.request.get(asked).json().get("state") not in ("success", "failed"):
        time.sleep(0.5)
    page.reload()
    page.get_by_label("Show Graph").click()
    page.get_by_text("success", exact=True).nth(2).wait_for()
    picture(page, "graph")
    page.close()
    return SimpleNamespace(address=address, states=seen, api=asked)
