"""maestroqa:// URIs, alone and as Airflow finds them; what events say; windows that are passed on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.assets import (
    DATASETS,
    dataset_of,
    landing_event_extra,
    maestroqa_asset,
    maestroqa_uri,
    push_event_extra,
    sanitize_uri,
)
from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.pushes.resources import RESOURCES as PUSHED
from airflow_provider_maestroqa.runtime.task_context import add_event_extra
from airflow_provider_maestroqa.transfers.record_request import RESOURCES as READ
from airflow_provider_maestroqa.windows import parse_window

ROOT = Path(__file__).resolve().parents[1]
DAY = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}


@pytest.mark.parametrize(
    ("written", "host", "uri"),
    [
        ("exports/raw", "app.maestroqa.com", "maestroqa://app.maestroqa.com/exports/raw"),
        ("exports/raw", "https://app.maestroqa.com", "maestroqa://app.maestroqa.com/exports/raw"),
        ("/exports/audit_log/", "", "maestroqa://app.maestroqa.com/exports/audit-log"),
        ("Tickets", "App.MaestroQA.com:443", "maestroqa://app.maestroqa.com/tickets"),
        ("tickets", "https://App.Rippit.com:443", "maestroqa://app.maestroqa.com/tickets"),
        ("tickets", "app.rippit.com:8443", "maestroqa://app.rippit.com:8443/tickets"),
        ("ticket-metrics", "http://127.0.0.1:8765/api/v1", "maestroqa://127.0.0.1:8765/ticket-metrics"),
        ("todos", "http://[::1]:8765", "maestroqa://[::1]:8765/todos"),
        ("exports/raw/Europe_1", "app.maestroqa.com", "maestroqa://app.maestroqa.com/exports/raw/Europe_1"),
        ("agents/night.shift", "app.maestroqa.com", "maestroqa://app.maestroqa.com/agents/night.shift"),
    ],
)
def test_a_dataset_has_one_uri_however_it_is_written(written, host, uri):
    assert maestroqa_uri(written, host=host) == uri
    assert sanitize_uri(urlsplit(uri)).geturl() == uri


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("maestroqa://s3cr3t@app.maestroqa.com/tickets", "no user, password or token"),
        ("maestroqa://ann:s3cr3t@app.maestroqa.com/tickets", "no user, password or token"),
        ("maestroqa://app.maestroqa.com/tickets?token=s3cr3t", "no query"),
        ("maestroqa:///tickets", "must name the host"),
        ("maestroqa://app.maestroqa.com:x/tickets", "must name the host"),
        ("maestroqa://app maestroqa com/tickets", "must name the host"),
        ("maestroqa://app.maestroqa.com", "is not a dataset of MaestroQA. Use one of exports, exports/raw"),
        ("maestroqa://app.maestroqa.com/grades", "'grades' is not a dataset"),
        ("maestroqa://app.maestroqa.com/exports/grades", "is no type of export"),
        ("maestroqa://app.maestroqa.com/tickets//a", "has a label that is empty"),
        ("maestroqa://app.maestroqa.com/tickets/..", "has a label"),
        ("maestroqa://app.maestroqa.com/tickets/a b", "has a label"),
    ],
)
def test_a_wrong_uri_is_an_error_that_repeats_no_secret(uri, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        sanitize_uri(urlsplit(uri))
    assert "s3cr3t" not in str(caught.value)


def test_a_host_that_holds_a_token_makes_no_asset():
    with pytest.raises(ValueError, match="no user, password or token"):
        maestroqa_asset("tickets", host="https://s3cr3t@app.maestroqa.com")


@pytest.mark.parametrize("resource", sorted({*PUSHED, *READ}))
def test_every_resource_has_a_dataset(resource):
    assert dataset_of(resource) in DATASETS


def test_an_asset_is_the_class_of_this_airflow():
    asset = maestroqa_asset("exports/raw", extra={"team": "quality"})
    assert isinstance(asset, _compat.Asset)
    assert (asset.uri, asset.extra) == ("maestroqa://app.maestroqa.com/exports/raw", {"team": "quality"})


FOUND_BY_AIRFLOW = """
import json, warnings
from urllib.parse import urlsplit
from airflow_provider_maestroqa import _compat
from airflow_provider_maestroqa.assets import maestroqa_asset

try:
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime as Manager
except ImportError:
    from airflow.providers_manager import ProvidersManager as Manager
manager = Manager()
word = "asset" if hasattr(manager, "asset_factories") else "dataset"
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        _compat.Asset("maestroqa://app.maestroqa.com/grades")
        refused = " ".join(str(one.message) for one in caught)
    except ValueError as error:
        refused = str(error)
print(json.dumps({
    "made": _compat.Asset("MaestroQA://App.MaestroQA.com:443/exports/audit_log/").uri,
    "factory": getattr(manager, f"{word}_factories")["maestroqa"](dataset="todos", extra={"a": 1}).uri,
    "converter": getattr(manager, f"{word}_to_openlineage_converters")["maestroqa"].__name__,
    "refused": refused,
}))
"""


def test_airflow_finds_the_scheme_of_the_installed_provider(tmp_path):
    """Airflow knows installed packages alone, so this one is made to look like one."""
    info = tmp_path / "airflow_provider_maestroqa-0.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: airflow-provider-maestroqa\nVersion: 0.0.0\n")
    (info / "entry_points.txt").write_text(
        "[apache_airflow_provider]\nprovider_info=airflow_provider_maestroqa.get_provider_info:get_provider_info\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FOUND_BY_AIRFLOW],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["made"] == "maestroqa://app.maestroqa.com/exports/audit-log"
    assert found["factory"] == "maestroqa://app.maestroqa.com/todos"
    assert found["converter"] == "convert_asset_to_openlineage"
    assert "'grades' is not a dataset of MaestroQA" in found["refused"]


def test_the_module_is_light_to_import():
    code = "import sys, airflow_provider_maestroqa.assets\nprint([name for name in sys.modules if name == 'airflow'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- Events ---------------------------------------------------------------------------------------------------------


class Accessor:
    def __init__(self):
        self.extra = {}


def test_only_assets_among_the_outlets_get_the_facts():
    asset = maestroqa_asset("tickets")
    events = {asset.uri: Accessor()}

    class Events:
        def __getitem__(self, outlet):
            return events[outlet.uri]

    add_event_extra({"outlet_events": Events()}, [asset, "a text", object()], {"rows": 3}, written=asset.uri)
    assert events[asset.uri].extra == {"rows": 3}


@pytest.fixture
def outlet_events():
    """Airflow's own accessors, as a task gets them."""
    try:
        from airflow.sdk.execution_time.context import OutletEventAccessors
    except ImportError:  # Airflow 2
        from airflow.utils.context import OutletEventAccessors
    return OutletEventAccessors()


def test_an_alias_gets_the_same_facts_for_what_was_written(outlet_events):
    alias = _compat.AssetAlias(name="grades")
    context = {"outlet_events": outlet_events, "partition_key": "2026-03-01"}
    add_event_extra(context, [alias], {"rows": 3}, written="s3://bucket/grades/day=1")
    accessor = outlet_events[alias]
    if hasattr(accessor, "dataset_alias_events"):  # Airflow 2
        (event,) = accessor.dataset_alias_events
        seen = (event["source_alias_name"], event["dest_dataset_uri"], event["extra"])
    else:
        (event,) = accessor.asset_alias_events
        seen = (event.source_alias_name, event.dest_asset_key.uri, event.extra)
    assert seen == ("grades", "s3://bucket/grades/day=1", {"rows": 3, "partition_key": "2026-03-01"})


def test_a_folder_that_cannot_be_an_asset_does_not_fail_the_task(outlet_events, log):
    alias = _compat.AssetAlias(name="grades")
    add_event_extra({"outlet_events": outlet_events}, [alias], {"rows": 3}, written="s3://bucket/" + "x" * 4000)
    assert "The alias grades gets no event" in log.text


def test_a_task_without_outlet_events_has_nothing_to_report():
    assert add_event_extra({}, [maestroqa_asset("tickets")], {"rows": 3}, written="") is None


def test_the_facts_of_an_empty_landing():
    manifest = {
        "export_id": "e1",
        "has_data": False,
        "window": None,
        "files": [],
        "manifest": "s3://b/_manifest.json",
    }
    assert landing_event_extra(manifest, DAY) == {
        "export_id": "e1",
        "window": DAY,
        "has_data": False,
        "files": 0,
        "bytes": 0,
        "rows": 0,
        "manifest": "s3://b/_manifest.json",
    }


def test_the_facts_of_a_push_are_its_report_without_the_costs():
    report = {"resource": "tickets", "sent": 2, "confirmed": 2, "rejected": 0, "requests": 9, "waited_s": 1.5}
    assert push_event_extra(report) == {"resource": "tickets", "sent": 2, "confirmed": 2, "rejected": 0}


# -- Windows --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [None, "", "None", {}])
def test_no_window_may_be_passed(nothing):
    assert parse_window(nothing, "e1") is None


def test_a_window_is_written_in_utc():
    given = {"start": "2026-03-01T02:00:00+02:00", "end": "2026-03-02T00:00:00+00:00"}
    assert parse_window(given, "e1") == DAY


def test_of_many_windows_an_export_takes_its_own():
    assert parse_window({"e0": {"start": 1, "end": 2}, "e1": DAY}, "e1") == DAY


@pytest.mark.parametrize(
    "wrong", [{"e2": DAY}, {"start": DAY["start"]}, {**DAY, "more": 1}, {"start": None, "end": None}, "{}", [DAY], 7]
)
def test_a_value_that_is_no_window_is_an_error(wrong):
    with pytest.raises(MaestroQAConfigError, match=r"window must be a dict with start and end.*export e1"):
        parse_window(wrong, "e1")


def test_a_window_that_ends_before_it_begins_is_an_error():
    with pytest.raises(MaestroQAConfigError, match="must be before its end"):
        parse_window({"start": DAY["end"], "end": DAY["start"]}, "e1")


@pytest.fixture
def landed(connection, tmp_path):
    """Land an export in a folder, as often as it is called; the manifest."""
    from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
    from airflow_provider_maestroqa.transfers.export_to_object_storage import MaestroQAExportToObjectStorageOperator

    with MaestroQAHook() as hook:
        export_id = hook.request_raw_export(DAY["start"], DAY["end"])
        while not hook.get_export(export_id).is_complete:
            pass

    def land(**arguments):
        return MaestroQAExportToObjectStorageOperator(
            task_id="land", export_id=export_id, destination=f"file://{tmp_path}/landed", **arguments
        ).execute({})

    return land


def test_a_window_does_not_make_a_landing_be_done_again(landed, sandbox, tmp_path):
    first = landed()
    stored = (tmp_path / "landed" / "_manifest.json").read_bytes()
    asked = len(sandbox.requests)
    assert landed(window=DAY) == first
    assert (tmp_path / "landed" / "_manifest.json").read_bytes() == stored
    assert len(sandbox.requests) == asked


def test_the_window_stands_in_the_stored_manifest(landed, tmp_path):
    assert landed(window=DAY)["window"] == DAY
    assert json.loads((tmp_path / "landed" / "_manifest.json").read_text())["window"] == DAY


class Pushed:
    """Stands in for a task instance that is asked to keep XComs."""

    try_number = 1

    def __init__(self):
        self.kept = {}

    def xcom_push(self, key, value):
        self.kept[key] = value


@pytest.mark.parametrize(
    ("arguments", "window"),
    [
        ({"start": "2026-03-01T02:00:00+02:00", "end": DAY["end"]}, DAY),
        ({"export_type": "groups"}, {}),
    ],
)
def test_the_request_hands_on_its_window(connection, arguments, window):
    from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator

    task = Pushed()
    MaestroQARequestExportOperator(task_id="t", **arguments).execute({"ti": task})
    assert task.kept == {"window": window}


def test_the_request_of_many_exports_hands_on_a_window_for_each(connection):
    from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator

    task = Pushed()
    end = "2026-03-03T00:00:00Z"
    ids = MaestroQARequestExportOperator(task_id="t", start=DAY["start"], end=end, max_window_days=1).execute(
        {"ti": task}
    )
    assert list(task.kept["window"]) == ids
    assert list(task.kept["window"].values()) == [DAY, {"start": DAY["end"], "end": end}]


def test_a_request_without_xcom_pushes_none(connection):
    from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator

    task = Pushed()
    MaestroQARequestExportOperator(task_id="t", **DAY, do_xcom_push=False).execute({"ti": task})
    assert task.kept == {}
