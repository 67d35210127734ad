"""What a person sees in Airflow's UI, in a real browser: one Airflow, one run, and its pages."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from airflow_provider_maestroqa.get_provider_info import get_provider_info

FORM = get_provider_info()["connection-types"][0]


@pytest.fixture
def task(page, run):
    """Open a page of a task of the run: its log, or what is named."""

    def go(name, tab=""):
        page.goto(f"{run.address}/tasks/{name}{tab}")
        page.get_by_role("tab", name="Logs").or_(page.get_by_text("Rendered Templates")).first.wait_for()
        return page

    return go


def connections(page, ui):
    page.goto(f"{ui.url}/connections")
    row = page.get_by_role("row").filter(has_text="maestroqa_default")
    row.wait_for()
    return row


def test_the_connection_form_has_the_fields_of_maestroqa_with_their_help(page, ui, picture):
    connections(page, ui).get_by_label("Edit Connection").click()
    form = page.get_by_role("dialog")
    form.get_by_text("Base URL").wait_for()
    told = form.inner_text()
    assert "MaestroQA" in told
    assert "API token" in told
    assert not {"Login", "Schema"} & set(told.splitlines())
    assert form.locator("input[name=password]").input_value() == "***"
    picture(page, "connection")
    form.get_by_text("Extra Fields", exact=True).click()
    form.get_by_text(FORM["conn-fields"]["timeout"]["label"]).wait_for()
    told = form.inner_text()
    for field in FORM["conn-fields"].values():
        assert field["label"] in told
        assert field["description"] in told
    page.set_viewport_size({"width": 1280, "height": 1500})
    form.get_by_text(FORM["conn-fields"]["timeout"]["label"]).scroll_into_view_if_needed()
    picture(form, "connection-extra")


def test_the_test_button_sends_a_request_to_maestroqa(page, ui, picture):
    row = connections(page, ui)
    with page.expect_response(lambda answer: answer.url.endswith("/connections/test")) as tested:
        row.get_by_label("Test Connection").click()
    answer = tested.value.json()
    assert answer["status"] is True, answer
    assert "MaestroQA accepts the token" in answer["message"]
    assert ui.sandbox.token not in tested.value.text()


def test_the_example_waits_in_the_triggerer_and_ends_well(run):
    assert run.states[-1] == {"request": "success", "wait": "success", "land": "success"}, run.states
    assert "deferred" in [states["wait"] for states in run.states]


def test_the_graph_names_the_operators(page, run):
    page.goto(run.address)
    page.get_by_label("Show Graph").click()
    for name in ("MaestroQARequestExport", "MaestroQAExportSensor", "MaestroQAExportToS3"):
        page.get_by_text(name).first.wait_for()
    page.get_by_label("Show Grid").click()
    page.get_by_text("land").first.wait_for()


@pytest.mark.parametrize(
    ("name", "story"),
    [
        ("request", ["Requested a raw export from", ": export "]),
        ("wait", ["is requested. Next poll in", "is complete."]),
        ("land", ["Downloaded export", "landed at s3://my-data-lake/maestroqa/raw/run=manual__", "5 files with"]),
    ],
)
def test_the_log_of_a_task_reads_like_a_story(task, ui, picture, name, story):
    page = task(name)
    page.get_by_text(story[-1]).first.wait_for()
    told = page.inner_text("body")
    for line in story:
        assert line in told
    assert "WARNING" not in told
    assert "ERROR" not in told
    assert not [secret for secret in ui.sandbox.secrets if secret in told]
    if name == "land":
        picture(page, "log")


def test_the_link_to_maestroqa_leads_to_its_page(task, ui, browser, picture):
    page = task("request", "/details")
    with browser.expect_page() as opened:
        page.get_by_role("link", name="MaestroQA", exact=True).click()
    there = opened.value
    there.get_by_role("heading", name="MaestroQA sandbox").wait_for()
    assert there.url.rstrip("/") == ui.sandbox.url
    told = there.inner_text("body")
    assert "complete" in told
    assert "/api/v1/request-raw-export" in told
    assert not [secret for secret in ui.sandbox.secrets if secret in there.content()]
    picture(there, "sandbox")
    there.close()


def test_the_link_to_what_landed_leads_to_its_files(task, ui, browser, picture):
    page = task("land", "/details")
    link = page.get_by_role("link", name="Landed files")
    link.wait_for()
    picture(page, "links")
    with browser.expect_page() as opened:
        link.click()
    there = opened.value
    there.wait_for_load_state()
    assert urlsplit(there.url).path == "/my-data-lake"
    assert there.url.startswith(ui.s3_url)
    told = there.inner_text("body")
    keys = re.findall(r"maestroqa/raw/run=manual__\S+?/([\w.]+)<", told)
    assert {"_manifest.json", "total_scores.csv.gz"} < set(keys)
    there.close()


def test_the_rendered_templates_show_the_destination(task, picture):
    page = task("land", "/rendered_templates")
    page.get_by_text("s3_prefix").wait_for()
    # What is highlighted stands in many pieces.
    told = re.sub(r"\s", "", page.inner_text("body"))
    assert re.search(r"s3_prefix\d*maestroqa/raw/run=manual__\d{4}-", told)
    assert "{{" not in told
    assert " at 0x" not in told
    picture(page, "rendered")
