"""A task's log at INFO is a story: what is asked, what happens, each thing once, and how it ended."""

from __future__ import annotations

import logging
import re

import pytest
from factories import many

from airflow_provider_maestroqa._compat import BaseHook, BaseOperator, BaseSensorOperator, BaseTrigger
from airflow_provider_maestroqa.client.formatting import format_duration, format_size, pluralize
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.operators.agents import MaestroQAUpsertAgentsOperator
from airflow_provider_maestroqa.operators.exports import MaestroQARequestExportOperator
from airflow_provider_maestroqa.operators.metrics import MaestroQAPushTicketMetricsOperator
from airflow_provider_maestroqa.operators.tickets import MaestroQAUpsertTicketsOperator
from airflow_provider_maestroqa.pushes.report import Report
from airflow_provider_maestroqa.sandbox import Sandbox
from airflow_provider_maestroqa.sensors.exports import MaestroQAExportSensor
from airflow_provider_maestroqa.transfers.export_to_object_storage import MaestroQAExportToObjectStorageOperator

DAY = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
LONGEST = 200
TOOK = r"(less than 0\.1|\d+\.\d|\d+) s(, [\d,.]+ [kM]B/s)?"
READ = r"(less than 0\.1|\d+\.\d|\d+) s(, [\d,]+/s)?"


@pytest.fixture
def log(log, monkeypatch):
    """Airflow 3 writes what a task logs to its supervisor; here all of it goes where pytest sees it."""
    seen = logging.getLogger("airflow_provider_maestroqa.task")
    for cls in (BaseOperator, BaseSensorOperator, BaseHook, BaseTrigger):
        monkeypatch.setattr(cls, "log", property(lambda self: seen), raising=False)
    return log


@pytest.fixture
def story(log, sandbox):
    """What this package has logged at INFO and above since the last call; no line is long, repeated or secret."""

    def tell():
        lines = [
            record.getMessage()
            for record in log.records
            if record.levelno >= logging.INFO
            and "airflow_provider_maestroqa" in record.name
            # Airflow says so because a test is no task runner.
            and "cannot be called outside" not in record.getMessage()
        ]
        log.clear()
        for line in lines:
            # How long an address is, is for users to say.
            assert len(re.sub(r"\w+://\S+", "s3://my-data-lake/maestroqa/raw", line)) <= LONGEST, line
            assert "\n" not in line
            assert line[0].isupper(), line
            assert line.endswith("."), line
            assert not re.search(r" object at 0x|<\w+ |\d\.\d{3,}|\{|X-Amz-|apitoken", line), line
            assert not any(secret in line for secret in sandbox.secrets), line
        assert len(set(lines)) == len(lines), lines
        return lines

    return tell


def assert_told(lines, *patterns):
    """The lines are these, in order, and no others."""
    for line, pattern in zip(lines, patterns, strict=False):
        assert re.fullmatch(pattern, line), f"{line!r} is not {pattern!r}"
    assert len(lines) == len(patterns), lines


@pytest.mark.parametrize("export_type", ["raw", "audit_log"])
def test_an_export_is_asked_for_waited_for_and_landed(connection, story, run_task, tmp_path, export_type):
    request = MaestroQARequestExportOperator(task_id="request", export_type=export_type, **DAY)
    export_id = run_task(request)
    kind = {"raw": "a raw", "audit_log": "an audit log"}[export_type]
    assert_told(
        story(),
        rf"Requested {kind} export from 2026-03-01T00:00:00Z to 2026-03-02T00:00:00Z: export {export_id}\.",
    )
    run_task(MaestroQAExportSensor(task_id="wait", export_id=export_id, deferrable=True, poke_interval=0.1))
    assert_told(
        story(),
        rf"Export {export_id} is requested\. Next poll in (less than )?0\.1 s\.",
        rf"Export {export_id} is in progress\. Next poll in 0\.1 s\.",
        rf"Export {export_id} is complete\.",
    )
    place = f"file://{tmp_path}/landed"
    land = MaestroQAExportToObjectStorageOperator(
        task_id="land", export_id=export_id, destination=place, count_rows=True
    )
    manifest = land.execute({})
    rows = sum(file["rows"] for file in manifest["files"])
    files = r"5 files" if export_type == "raw" else "1 file"
    assert_told(
        story(),
        rf"Landing export {export_id} \(csv\.gz\) at {place}\.",
        rf"Downloaded export {export_id} from localhost: [\d.]+ [kM]B in {TOOK}\.",
        rf"Export {export_id} landed at {place}: {files} with {rows:,} records, [\d.]+ [kM]B stored, "
        rf"[\d.]+ [kM]B of content, in {TOOK}\.",
    )
    land.execute({})
    assert_told(story(), rf"Export {export_id} is already landed: {place}/_manifest\.json\. Nothing to do\.")


def test_the_windows_of_a_long_stretch_are_told_one_by_one_and_counted(connection, story):
    request = MaestroQARequestExportOperator(
        task_id="request", max_window_days=10, **{**DAY, "end": "2026-03-25T00:00:00Z"}
    )
    ids = request.execute({})
    windows = [("01", "11"), ("11", "21"), ("21", "25")]
    assert_told(
        story(),
        *(
            rf"From 2026-03-{start}T00:00:00Z to 2026-03-{end}T00:00:00Z: export {export_id}\."
            for (start, end), export_id in zip(windows, ids, strict=True)
        ),
        r"Requested 3 raw exports\.",
    )


def test_a_sensor_on_a_worker_tells_each_state_once(connect, log):
    with Sandbox(limits={}, rows=5, polls=8) as slow:
        connect(host=slow.url, password=slow.token)
        with MaestroQAHook() as hook:
            export_id = hook.request_groups_export()
        MaestroQAExportSensor(task_id="wait", export_id=export_id, poke_interval=0.01).execute({})
    told = [record.getMessage() for record in log.records if "airflow_provider_maestroqa" in record.name]
    told = [line for line in told if line.startswith("Export ")]
    assert told == [
        f"Export {export_id} is requested.",
        f"Export {export_id} is in progress.",
        f"Export {export_id} is complete.",
    ]


def test_a_push_says_how_much_it_is_what_was_refused_and_how_it_ended(connection, sandbox, story, tmp_path):
    tickets = [f"T-{number}" for number in range(1200)]
    sandbox.add_tickets(tickets)
    records = many("ticket_metrics", 1200, {700: {"timestamp": "yesterday"}})
    rejects = f"file://{tmp_path}/rejects.jsonl"
    MaestroQAPushTicketMetricsOperator(
        task_id="push", metrics=records, on_error="collect", rejects_path=rejects
    ).execute({})
    assert_told(
        story(),
        r"Pushing 1,200 ticket metrics, up to 500 with each request\.",
        r"Rejected record 700: timestamp .+\.",
        rf"Pushed: 1,199 ticket metrics confirmed, 1 rejected \(see {rejects}\), in 3 requests\. It took {TOOK}\.",
    )


def test_a_push_of_unknown_length_says_what_is_pushed(connection, story):
    tickets = iter(many("tickets", 2))
    MaestroQAUpsertTicketsOperator(task_id="push", tickets=tickets).execute({})
    assert_told(
        story(),
        r"Pushing tickets, one with each request\.",
        rf"Pushed: 2 tickets confirmed \(2 created\), 0 rejected, in 2 requests\. It took {TOOK}\.",
    )


def test_what_an_agents_update_leaves_out_is_said_once_however_many_there_are(connection, story):
    roster = [{"name": f"A {n}", "available": True, "email": f"agent-{n}@example.com"} for n in range(1, 15)]
    MaestroQAUpsertAgentsOperator(task_id="push", agents=roster).execute({})
    assert_told(
        story(),
        r"Pushing 14 agents, one with each request\.",
        rf"Pushed: 14 agents confirmed \(14 updated\), 0 rejected, in \d+ requests\. It took {TOOK}\.",
        r"Of agents that existed already, availability and id are set; the API changes no name or group\.",
    )


def test_one_agent_is_told_by_the_address(connection, story):
    with MaestroQAHook() as hook:
        hook.upsert_agent({"name": "Ann", "available": True, "email": "agent-1@example.com"})
    (line,) = story()
    assert line.startswith("Agent agent-1@example.com is there already: ")


def test_a_list_says_what_is_read_where_it_goes_and_what_has_landed(land, story, folder):
    land("todos", start="2026-01-01T00:00:00Z", end="2026-02-01T00:00:00Z", filters={"agent_id": "agent-1"})
    assert_told(
        story(),
        rf"Reading todos from 2026-01-01T00:00:00Z to 2026-02-01T00:00:00Z, agent_id agent-1, to land at file://{folder}\.",
        rf"Read todos: \d+ records? in {READ}\.",
        r"Landed at .+: todos\.jsonl\.gz \(\d+ rows\); [\d.]+ [kM]B stored\.|There were no records: .+\.",
    )
    land("todos")
    assert story()[0] == f"Reading todos, all of them, to land at file://{folder}."


def test_the_export_of_coaching_sessions_tells_of_each_window(land, story, folder):
    land("coaching_sessions_export", start="2026-01-01", end="2026-05-01")
    assert_told(
        story(),
        rf"Reading coaching sessions export from 2026-01-01T00:00:00Z to 2026-05-01T00:00:00Z, to land at file://{folder}\.",
        r"Requesting coaching sessions from 2026-01-01 to 2026-04-01 \(window 1 of 2\)\.",
        r"Received coaching sessions from 2026-01-01 to 2026-04-01: [\d.]+ [kM]B\.",
        r"Requesting coaching sessions from 2026-04-01 to 2026-05-01 \(window 2 of 2\)\.",
        r"Received coaching sessions from 2026-04-01 to 2026-05-01: [\d.]+ [kM]B\.",
        r"Coaching sessions: 1 came more than once and were left out; \d+ different ones were read\.",
        rf"Read coaching sessions export: \d+ records in {READ}\.",
        r"Landed at .+\.",
    )


def test_what_the_budget_cost_is_said_when_it_cost_something():
    report = Report("tickets", sent=9, confirmed=9, created=8, updated=1, requests=10, waited_s=130.4)
    assert str(report) == (
        "9 tickets confirmed (8 created, 1 updated), 0 rejected, in 10 requests, 2 min 10 s waited for the budget"
    )
    report.waited_s = 0.2
    assert "budget" not in str(report)


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (format_duration(0.004), "less than 0.1 s"),
        (format_duration(7200), "2 h 0 min"),
        (format_size(15_343), "15.3 kB"),
        (pluralize(1, "ticket metrics"), "1 ticket metric"),
        (pluralize(12_000, "requests"), "12,000 requests"),
    ],
)
def test_sizes_durations_and_counts_are_told_as_people_say_them(told, text):
    assert told == text
