import inspect
import json

from airflow_provider_maestroqa.assets import (
    DATASETS,
    landing_event_extra,
    maestroqa_asset,
    maestroqa_uri,
    push_event_extra,
)
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.pushes.report import Report

PAGE = "docs/lineage.md"
MANIFEST = {
    "export_id": "e",
    "has_data": True,
    "window": {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"},
    "files": [{"name": "csat.csv.gz", "bytes": 1, "rows": 2}],
    "manifest": "s3://b/_manifest.json",
}


def test_the_page_shows_the_datasets_of_the_uris(read):
    assert ".. maestroqa-datasets::" in read(PAGE)
    assert all(maestroqa_uri(name).endswith(f"/{name}") for name in DATASETS)


def test_the_arguments_of_the_asset_are_those_it_takes(table):
    parameters = inspect.signature(maestroqa_asset).parameters
    written = table(PAGE, "`maestroqa_asset`")
    assert list(written) == list(parameters)
    assert written["host"][0] == '`"app.maestroqa.com"`'
    assert parameters["host"].default == "app.maestroqa.com"


def test_the_event_shown_has_the_form_of_a_real_one(code_of, root, table):
    (shown,) = [json.loads(block.text) for block in code_of(root / PAGE) if block.language == "json"]
    real = landing_event_extra(MANIFEST)
    assert {name: type(value) for name, value in shown.items()} == {name: type(value) for name, value in real.items()}
    assert list(table(PAGE, "Of a landing")) == list(real)


def test_the_facts_of_a_push_are_those_of_its_event(table):
    assert list(table(PAGE, "Of a push")) == list(push_event_extra(Report("tickets").as_dict()))


def test_the_methods_that_report_lineage_are_methods_of_the_hook(read, section):
    from re import findall

    text = section(PAGE, "The hook in tasks of your own")
    names = findall(r"`((?:list|get|export|create|update|upsert|delete|add|set|upload|push)(?:_\w*…?)?)`", text)
    assert len(names) >= 12
    methods = [name for name in dir(MaestroQAHook) if not name.startswith("_")]
    for name in names:
        assert any(one == name or (name.endswith("…") and one.startswith(name[:-1])) for one in methods), name
