"""The window of partitioned runs (Airflow 3.2 and newer), as Airflow itself starts them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import airflow
import pytest

from airflow_provider_maestroqa.client.errors import MaestroQAConfigError
from airflow_provider_maestroqa.runtime.partitions import current_partition
from airflow_provider_maestroqa.sandbox import Sandbox
from airflow_provider_maestroqa.windows import resolve_window

VERSION = tuple(int(part) for part in airflow.__version__.split(".")[:2])
if VERSION < (3, 2):
    pytest.skip("partitions came with Airflow 3.2", allow_module_level=True)

from airflow.sdk import (  # noqa: E402 - older Airflows have no such names
    Asset,
    ChainMapper,
    CronPartitionTimetable,
    IdentityMapper,
    PartitionedAssetTimetable,
    StartOfDayMapper,
    StartOfMonthMapper,
    StartOfQuarterMapper,
    StartOfWeekMapper,
)

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DAY = timedelta(days=1)


def utc(*numbers):
    return datetime(*numbers, tzinfo=timezone.utc)


def run_of(timetable, key, *, date=None, **others):
    return {"dag": SimpleNamespace(timetable=timetable), "partition_key": key, "partition_date": date, **others}


def cron(expression="0 0 * * *", zone="UTC", **arguments):
    return CronPartitionTimetable(expression, timezone=zone, **arguments)


def assets(mapper=None):
    arguments = {} if mapper is None else {"default_partition_mapper": mapper}
    return PartitionedAssetTimetable(assets=Asset("s3://bucket/grades"), **arguments)


@pytest.mark.parametrize(
    ("timetable", "key", "start", "end"),
    [
        (cron(), "2026-03-10T00:00:00", utc(2026, 3, 10), utc(2026, 3, 11)),
        (cron("0 * * * *"), "2026-03-10T05:00:00", utc(2026, 3, 10, 5), utc(2026, 3, 10, 6)),
        (cron("0 0 1 * *", key_format="%Y-%m"), "2026-02", utc(2026, 2, 1), utc(2026, 3, 1)),
        # Monday follows Friday.
        (cron("0 0 * * 1-5"), "2026-03-06T00:00:00", utc(2026, 3, 6), utc(2026, 3, 9)),
        # The key does not hold the hour of the tick.
        (cron("0 6 * * *", key_format="%Y-%m-%d"), "2026-03-10", utc(2026, 3, 10, 6), utc(2026, 3, 11, 6)),
        # Several ticks have one key: the partition is all of them, for each of their runs.
        (cron("0 */6 * * *", key_format="%Y-%m-%d"), "2026-03-10", utc(2026, 3, 10), utc(2026, 3, 11)),
        (assets(StartOfDayMapper()), "2026-03-10", utc(2026, 3, 10), utc(2026, 3, 11)),
        (assets(StartOfWeekMapper()), "2026-03-09 (W11)", utc(2026, 3, 9), utc(2026, 3, 16)),
        (assets(StartOfMonthMapper()), "2026-12", utc(2026, 12, 1), utc(2027, 1, 1)),
        (assets(StartOfQuarterMapper()), "2026-Q4", utc(2026, 10, 1), utc(2027, 1, 1)),
        (assets(ChainMapper(IdentityMapper(), StartOfDayMapper())), "2026-03-10", utc(2026, 3, 10), utc(2026, 3, 11)),
    ],
)
def test_a_key_names_its_window(timetable, key, start, end):
    window = resolve_window(run_of(timetable, key))
    assert (window.start, window.end) == (start, end)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_the_key_is_read_in_the_zone_in_which_this_airflow_writes_it(zone):
    """A day in whose night the clocks change has 23 hours."""
    timetable = cron(zone=zone, key_format="%Y-%m-%d")
    day = "2026-03-29" if zone == "Europe/Berlin" else "2026-03-08"
    partition = current_partition(run_of(timetable, day))
    if VERSION >= (3, 3):
        assert partition.end - partition.date == timedelta(hours=23)
        assert partition.date.hour == (23 if zone == "Europe/Berlin" else 5)
    else:
        assert f"{partition.date:%Y-%m-%d}" == day


@pytest.mark.skipif(VERSION < (3, 3), reason="mappers of the SDK have a time zone from Airflow 3.3")
def test_a_mappers_day_is_one_of_its_time_zone():
    mapped = assets(StartOfDayMapper(timezone="Europe/Berlin"))
    partition = current_partition(run_of(mapped, "2026-03-29"))
    assert (partition.date, partition.end) == (utc(2026, 3, 28, 23), utc(2026, 3, 29, 22))


def test_lookback_ends_at_the_partition_date_whenever_the_run_was_requested():
    for run in ({"run_after": utc(2026, 3, 10)}, {"run_after": utc(2026, 5, 5, 5)}):
        context = run_of(cron(), "2026-03-10T00:00:00", dag_run=SimpleNamespace(**run))
        window = resolve_window(context, lookback=DAY * 7)
        assert (window.start, window.end) == (utc(2026, 3, 3), utc(2026, 3, 10))


def test_an_explicit_length_begins_at_the_partition_date_or_at_start():
    identity = run_of(assets(), "2026-03-10", date=utc(2026, 3, 10))
    window = resolve_window(identity, partition_length="P1D")
    assert (window.start, window.end) == (utc(2026, 3, 10), utc(2026, 3, 11))
    named = resolve_window(run_of(None, "emea"), start="2026-03-10T00:00:00Z", partition_length=DAY)
    assert named == window


def test_an_interval_with_a_length_stays_the_window_of_a_run_whose_key_tells_no_time():
    interval = {"data_interval_start": utc(2026, 3, 1), "data_interval_end": utc(2026, 3, 2)}
    assert resolve_window(run_of(None, "emea", **interval)).start == utc(2026, 3, 1)
    assert resolve_window(run_of(None, "emea", **interval), lookback=DAY * 2).end == utc(2026, 3, 2)


@pytest.mark.parametrize(
    ("timetable", "key", "arguments", "named"),
    [
        (cron(), "2026-03-10T05:00:00", {}, "not one of its DAG's schedule.*Pass start and end"),
        (cron(), "emea", {}, "'emea'.* tells no time"),
        (cron(), "2026-02-30T00:00:00", {"lookback": DAY}, "Pass start and end"),
        (assets(), "2026-03-10", {}, "tells no time"),
        (assets(), "2026-03-10", {"lookback": DAY}, "tells no time"),
        (None, "emea", {"lookback": DAY}, "tells no time"),
        (None, "emea", {"partition_length": DAY}, "partition_length needs a partition date or start"),
        (cron(), None, {}, "Start the run with a partition_key"),
        (cron(), "2026-03-10T00:00:00", {"lookback": DAY, "partition_length": DAY}, "not both"),
        (cron(), "2026-03-10T00:00:00", {"partition_length": 0}, "partition_length must be a duration above zero"),
    ],
)
def test_a_window_that_cannot_be_known_is_an_error_with_its_remedy(timetable, key, arguments, named):
    context = run_of(timetable, key, dag_run=SimpleNamespace(run_after=utc(2026, 5, 5)))
    with pytest.raises(MaestroQAConfigError, match=named):
        resolve_window(context, **arguments)


def test_a_date_without_a_length_names_what_gives_it_one():
    with pytest.raises(MaestroQAConfigError, match=r"begins at 2026-03-10T00:00:00Z.*Pass partition_length"):
        resolve_window(run_of(assets(), "2026-03-10", date=utc(2026, 3, 10)))


def test_a_partition_that_is_not_over_is_warned_of(log):
    resolve_window(run_of(cron(), "2026-03-10T00:00:00"))
    assert "still ahead" not in log.text
    tomorrow = datetime.now(timezone.utc) + DAY
    resolve_window(run_of(cron(key_format="%Y-%m-%d"), f"{tomorrow:%Y-%m-%d}"))
    assert "still ahead" in log.text
    assert "run_offset=-1" in log.text


# -- Runs as Airflow starts them ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def airflows(tmp_path_factory):
    """What one Airflow made of partitioned runs of every kind, and what MaestroQA was asked for."""
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    dags.mkdir()
    for path in (HERE / "partition_dags.py", ROOT / "dags_examples" / "maestroqa_partitioned_export.py"):
        text = path.read_text().replace("file:///tmp/maestroqa", f"file://{home}/landed")
        # No retries: a run that fails is to fail at once.
        text = text.replace('"retries": 2', '"retries": 0').replace("deferrable=True", "poll_interval=0.1")
        (dags / path.name).write_text(text)
    with Sandbox(limits={}, rows=10) as sandbox:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW_CONN_MAESTROQA_DEFAULT": sandbox.connection_json(rate_limits={"normal": [[1000, 1]]}),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-W", "ignore", str(HERE / "partition_process.py"), str(home / "answer.json")]
        done = subprocess.run(
            [*command, str(dags)], env=environment, cwd=home, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        yield SimpleNamespace(
            **json.loads((home / "answer.json").read_text()),
            output=done.stdout + done.stderr,
            exports=sandbox.exports,
            home=home,
        )
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_one_partition_is_one_window_however_its_run_was_started(airflows, offset):
    runs = {run["dag"]: run for run in airflows.runs if run["dag"].endswith(f"_{offset}")}
    assert {run["type"] for run in runs.values()} == {"scheduled", "backfill", "manual"}
    date = utc(2026, 3, 2) + DAY * offset
    expected = {
        "partition": (date, date + DAY),
        "lookback": (date - DAY * 7, date),
    }
    for run in runs.values():
        assert run["key"] == f"{date:%Y-%m-%dT%H:%M:%S}"
        for task in set(expected) & set(run["tasks"]):
            start, end = expected[task]
            assert run["tasks"][task]["window"] == {
                "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                "end": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            }


def test_landed_records_are_those_of_the_partition_and_carry_its_key(airflows):
    (manifest,) = (run["tasks"]["records"]["value"] for run in airflows.runs if "records" in run["tasks"])
    assert manifest["window"] == {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
    assert manifest["partition_key"] == "2026-03-01T00:00:00"


def test_the_example_lands_its_day_with_its_key(airflows):
    (run,) = (one for one in airflows.runs if one["dag"] == "maestroqa_partitioned_export" and one["key"])
    manifest = run["tasks"]["land"]["value"]
    assert manifest["window"] == {"start": "2026-03-05T00:00:00Z", "end": "2026-03-06T00:00:00Z"}
    assert manifest["partition_key"] == "2026-03-05"
    folder = airflows.home / "landed" / "raw" / "day=2026-03-05"
    assert json.loads((folder / "_manifest.json").read_text()) == manifest


def test_the_event_of_its_asset_has_the_key(airflows):
    (event,) = airflows.events
    assert event["key"] == "2026-03-05"
    assert event["extra"]["partition_key"] == "2026-03-05"
    assert event["extra"]["window"] == {"start": "2026-03-05T00:00:00Z", "end": "2026-03-06T00:00:00Z"}


def test_a_run_that_the_event_starts_has_the_same_window(airflows):
    (run,) = (one for one in airflows.runs if one["dag"] == "asset")
    assert run["key"] == "2026-03-05"
    assert run["tasks"]["partition"]["window"] == {"start": "2026-03-05T00:00:00Z", "end": "2026-03-06T00:00:00Z"}


def test_a_key_that_tells_no_length_fails_and_says_what_to_pass(airflows):
    (run,) = (one for one in airflows.runs if one["dag"] == "same")
    assert run["tasks"]["partition"]["state"] == "failed"
    remedy = "Pass partition_length" if VERSION >= (3, 3) else "Pass start and end, made of the key"
    assert remedy in airflows.output


def test_a_run_by_hand_without_a_key_requests_nothing_and_says_so(airflows):
    (run,) = (one for one in airflows.runs if one["run"] == "no_key")
    assert run["tasks"]["request"]["state"] == "failed"
    assert "Start the run with a partition_key" in airflows.output
