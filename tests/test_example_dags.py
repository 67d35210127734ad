"""Every example DAG, run whole by Airflow against the sandbox and a real S3 API, with real deferral."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import airflow
import pytest

from airflow_provider_maestroqa.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
AIRFLOW = tuple(int(part) for part in airflow.__version__.split(".")[:2])
#: Examples that make no DAG on an older Airflow than this.
NEED = {"maestroqa_on_new_coaching_sessions": (3, 3), "maestroqa_partitioned_export": (3, 2)}
#: An example that needs runs of another kind, which tests/operators/test_partitions.py starts.
PARTITIONED = "maestroqa_partitioned_export"
ALL = sorted((ROOT / "dags_examples").glob("*.py"))
MADE = [path for path in ALL if NEED.get(path.stem, (0,)) <= AIRFLOW]
EXAMPLES = [path for path in MADE if path.stem != PARTITIONED]
TOKEN = "tok-5eCr3t-do-not-show"
CHAT_TOKEN = "xoxb-1-a-token-that-is-a-secret"
WAREHOUSE = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "helpdesk_warehouse.py")))
WORKFORCE = {
    "workforce/2026-03-01/emea.csv.gz": b"employee;occupancy;team\nagent-1;0.81;Berlin\nagent-2;0.77;Madrid\n",
    "workforce/2026-03-01/apac.csv.gz": b"employee;occupancy;team\nagent-3;0.9;Manila\n",
}
RECORDINGS = {f"calls/{ticket}.mp3": f"the sound of {ticket}".encode() for ticket in ("T-1001", "T-1002")}


def seed(home, sandbox, s3):
    """Put there what the examples find, and give the connections that they name: the one place for both."""
    s3.create_bucket(Bucket="my-data-lake")
    for key, sound in RECORDINGS.items():
        s3.put_object(Bucket="my-data-lake", Key=key, Body=sound)
    for key, table in WORKFORCE.items():
        s3.put_object(Bucket="my-data-lake", Key=key, Body=gzip.compress(table))
    # The calls' tickets, a duplicate, and one that was pushed before and has been solved since.
    sandbox.add_tickets(["T-1001", "T-1002", "ESC-1-copy", WAREHOUSE.SOLVED_LATER])
    return {"helpdesk_warehouse": WAREHOUSE.make_warehouse(home / "seeded" / "helpdesk.db")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, s3_server, chat):
    """What one Airflow made of all the examples: results, everything it wrote, and what the servers saw."""
    import boto3
    import requests

    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    dags.mkdir()
    for example in EXAMPLES:
        # The folder that an example lands in must be this test's own.
        text = example.read_text().replace("file:///tmp/maestroqa", f"file://{home}/landed")
        # Four windows show as much as a year of them.
        text = text.replace('"end": "2027-01-01T00:00:00Z"', '"end": "2026-01-29T00:00:00Z"')
        (dags / example.name).write_text(text)
    requests.post(f"{s3_server}/moto-api/reset", timeout=10).close()
    s3 = boto3.client("s3", endpoint_url=s3_server)
    aws = {"endpoint_url": s3_server, "region_name": "us-east-1"}
    with Sandbox(token=TOKEN, limits={}, rows=40) as sandbox:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
            "AIRFLOW_CONN_MAESTROQA_DEFAULT": sandbox.connection_json(rate_limits={"normal": [[1000, 1]]}),
            "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(
                {"conn_type": "aws", "login": "testing", "password": "testing", "extra": aws}
            ),
            "AIRFLOW_CONN_QUALITY_CHAT": json.dumps(
                {"conn_type": "http", "host": f"http://127.0.0.1:{chat.server_port}", "password": CHAT_TOKEN}
            ),
            "PYTHONPATH": str(ROOT),
            **{f"AIRFLOW_CONN_{name.upper()}": value for name, value in seed(home, sandbox, s3).items()},
        }
        # The log folder is kept apart, so that what Airflow writes there is searched too.
        command = [sys.executable, "-W", "ignore", str(ROOT / "scripts" / "run_dag.py")]
        done = subprocess.run(
            [*command, "--json", str(home / "ended.json"), *(str(dags / example.name) for example in EXAMPLES)],
            env=environment,
            cwd=home,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        written = {"stdout": done.stdout, "stderr": done.stderr}
        for path in home.rglob("*"):
            if path.is_file() and not {"landed", "seeded"} & set(path.parts):
                written[str(path.relative_to(home))] = path.read_bytes().decode("latin-1")
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket="my-data-lake").get("Contents", [])]
        yield SimpleNamespace(
            results=json.loads((home / "ended.json").read_text()) if (home / "ended.json").exists() else {},
            output=done.stdout + done.stderr,
            written=written,
            keys=keys,
            stored=lambda uri: s3.get_object(Bucket="my-data-lake", Key=uri.split("/", 3)[3])["Body"].read(),
            landed=sorted(str(path.relative_to(home)) for path in (home / "landed").rglob("*") if path.is_file()),
            requests=sandbox.requests,
            exports=sandbox.exports,
            sandbox=sandbox,
            secrets=set(sandbox.secrets),
            s3=s3,
            messages=chat.messages,
        )
    s3.close()
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("example", [path.stem for path in EXAMPLES])
def test_an_example_runs_to_success(runs, example):
    assert example in runs.results, runs.output[-3000:]
    assert runs.results[example]["state"] == "success", runs.results[example]
    assert set(runs.results[example]["tasks"].values()) == {"success"}


@pytest.mark.parametrize("example", ALL, ids=lambda path: path.stem)
def test_an_example_is_the_same_dag_each_time_it_is_read_and_none_on_an_airflow_too_old_for_it(example):
    """An address in memory would be a new version of the DAG to Airflow 3.0 and 3.1."""
    from airflow import DAG
    from airflow.serialization import serialized_objects

    made = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    dags = [value for value in runpy.run_path(str(example)).values() if isinstance(value, DAG)]
    assert len(dags) == (1 if example in MADE else 0)
    assert not [dag for dag in dags if " at 0x" in json.dumps(made.to_dict(dag), default=str)]


def test_the_raw_export_lands_with_its_rows(runs):
    manifest = runs.results["maestroqa_raw_export_to_s3"]["returned"]["land"]
    files = {file["name"]: file["rows"] for file in manifest["files"]}
    export = runs.exports[manifest["export_id"]]
    assert files == {f"{name}.gz": file.rows for name, file in export.files.items()}
    assert {key.removeprefix("s3://my-data-lake/") for key in (file["uri"] for file in manifest["files"])} < set(
        runs.keys
    )


def test_the_raw_export_covers_the_day_before_on_every_airflow(runs):
    asked = runs.exports[runs.results["maestroqa_raw_export_to_s3"]["returned"]["request"]].parameters
    assert asked == {"startDate": "2026-03-01T00:00:00Z", "endDate": "2026-03-02T00:00:00Z"}


def test_the_audit_log_covers_the_interval_of_its_timetable(runs):
    asked = runs.exports[runs.results["maestroqa_audit_log_export"]["returned"]["request"]].parameters
    assert re.fullmatch(r"2026-\d\d-01T00:00:00Z", asked["startDate"])
    assert re.fullmatch(r"2026-\d\d-01T00:00:00Z", asked["endDate"])


def test_the_groups_land_in_a_folder(runs):
    assert [path.rpartition("/")[2] for path in runs.landed] == ["_manifest.json", "export.csv"]


def test_the_backfill_covers_its_stretch_without_gap_or_overlap(runs):
    returned = runs.results["maestroqa_backfill_by_window"]["returned"]
    ids = [value for name, value in sorted(returned.items()) if name.startswith("one_window.request[")]
    windows = sorted(
        (asked["startDate"], asked["endDate"]) for asked in (runs.exports[one].parameters for one in ids)
    )
    assert len(windows) == 4
    assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]
    assert (windows[0][0], windows[-1][1]) == ("2026-01-01T00:00:00Z", "2026-01-29T00:00:00Z")


def test_the_coaching_sessions_land_as_related_files_and_the_todos_whole(runs):
    returned = runs.results["maestroqa_coaching_to_object_storage"]["returned"]
    assert [file["name"] for file in returned["sessions"]["files"]] == [
        f"{name}.jsonl.gz" for name in ("sessions", "coaching_points", "todos", "activity_log")
    ]
    assert returned["sessions"]["window"] == {"start": "2026-02-23T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
    assert returned["sessions"]["files"][0]["rows"] > 0
    assert [file["rows"] for file in returned["todos"]["files"]] == [500]


def test_yesterdays_tickets_come_with_their_comments_and_metrics_and_no_others(runs):
    yesterdays = {f"T-0301-{number:02}" for number in range(WAREHOUSE.TICKETS)}
    pushed = {name: ticket for name, ticket in runs.sandbox.tickets.items() if name.startswith("T-0")}
    assert set(pushed) == yesterdays | {WAREHOUSE.SOLVED_LATER}
    assert pushed[WAREHOUSE.SOLVED_LATER]["subject"] == "Order 1011 is late"
    comments = [(comment["ticket_id"], comment["role"]) for comment in runs.sandbox.comments]
    assert sorted(comments) == sorted((ticket, role) for ticket in yesterdays for role in ("agent", "customer"))
    assert {metric["ticket_id"] for metric in runs.sandbox.ticket_metrics.values()} >= yesterdays


def test_the_tickets_are_there_before_their_comments_and_metrics(runs):
    paths = [seen.path for seen in runs.requests if seen.method == "POST"]
    last_ticket = max(place for place, path in enumerate(paths) if path == "/api/v1/tickets")
    assert last_ticket < min(paths.index(f"/api/v1/{name}-batch") for name in ("comments", "ticket-metrics"))


def test_the_reports_count_what_was_created_updated_and_rejected(runs):
    reports = runs.results["maestroqa_helpdesk_tickets"]["returned"]
    tickets, comments, metrics = (reports[name] for name in ("tickets", "comments", "metrics"))
    assert (tickets["created"], tickets["updated"], tickets["rejected"]) == (WAREHOUSE.TICKETS, 1, 0)
    assert (comments["confirmed"], comments["rejected"]) == (2 * WAREHOUSE.TICKETS, 1)
    assert (metrics["confirmed"], metrics["rejects_path"]) == (WAREHOUSE.TICKETS, None)


def test_the_comment_of_a_ticket_that_is_not_there_stands_among_the_rejects(runs):
    path = runs.results["maestroqa_helpdesk_tickets"]["returned"]["comments"]["rejects_path"]
    (line,) = runs.stored(path).splitlines()
    refused = json.loads(line)
    assert refused["record"]["ticket_id"] == WAREHOUSE.LOST_TICKET
    assert WAREHOUSE.LOST_TICKET in refused["reason"]


def test_the_roster_is_the_warehouses(runs):
    report = runs.results["maestroqa_agent_roster"]["returned"]["agents"]
    assert (report["created"], report["updated"], report["rejected"]) == (3, 1, 0)
    agents = [runs.sandbox.agents[f"agent-{number}@example.com"] for number in range(20, 24)]
    assert [(agent["agentId"], agent["available"]) for agent in agents] == [
        ("desk-20", False),
        ("desk-21", True),
        ("desk-22", True),
        ("desk-23", True),
    ]


def test_the_escalated_ticket_is_solved_and_its_duplicate_gone(runs):
    returned = runs.results["maestroqa_escalated_ticket"]["returned"]
    assert [ticket["ticket_id"] for ticket in returned["read"]] == ["ESC-1", "ESC-1-copy"]
    tickets = runs.sandbox.tickets
    assert (tickets["ESC-1"]["status"], tickets["ESC-1"]["csat_score"]) == ("Solved", 4)
    assert tickets["ESC-1"]["tags"] == "escalation"
    assert "ESC-1-copy" not in tickets


def test_the_new_colleague_is_an_available_agent_with_the_second_id(runs):
    ann = runs.sandbox.agents["ann@example.com"]
    assert (ann["name"], ann["available"], ann["agentId"]) == ("Ann Example", True, "phone-ann")
    groups = {group["displayName"]: group for group in runs.sandbox.agent_groups.values()}
    assert ann["agentGroupId"] == groups["Agents 1"]["id"]
    assert "ann@example.com" in groups["Agents 2"]["members"]


def test_the_hours_of_each_agent_are_there_for_their_day(runs):
    metrics = [metric for metric in runs.sandbox.agent_metrics.values() if metric["metric_id"] != "occupancy"]
    hours = {(metric["metric_id"], metric["agent_id"]): metric["metric_value"] for metric in metrics}
    assert hours == {("hours_worked_2026-03-02", "agent-1"): 7.5, ("hours_worked_2026-03-02", "agent-2"): 8}


def test_an_operator_of_ones_own_counts_the_records_of_its_export(runs):
    (asked,) = [one for one in runs.exports.values() if one.parameters.get("singleFileExport") == "csat"]
    (file,) = asked.files.values()
    assert file.rows > 0
    assert runs.results["maestroqa_csat_surveys"]["returned"]["count"] == {"surveys": file.rows}


def low_scores(table):
    """The rows of a table of scores that are below the example's threshold."""
    rows = csv.DictReader(io.StringIO(table.decode(), newline=""))
    return [
        row
        for row in rows
        if row["rubric_score"] and float(row["rubric_score"]) < 0.6 * float(row["max_rubric_score"])
    ]


def test_the_channel_is_told_of_each_low_score_once(runs):
    (file,) = runs.results["maestroqa_low_scores"]["returned"]["land"]["files"]
    low = low_scores(runs.stored(file["uri"]))
    told = [
        f"{row['agent_name']} got {row['rubric_score']} of {row['max_rubric_score']} "
        f"in {row['rubric_name']} for ticket {row['gradable_id']}."
        for row in low
    ]
    assert len(told) > 5
    assert sorted(runs.messages) == sorted((f"Bearer {CHAT_TOKEN}", text) for text in told)


def test_a_low_score_that_is_exported_again_is_found_by_its_first_run_alone(runs, s3_server, monkeypatch):
    aws = {"endpoint_url": s3_server, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "testing", "password": "testing", "extra": aws}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    find = runpy.run_path(str(ROOT / "dags_examples/maestroqa_low_scores.py"))["dag"].get_task("find").python_callable
    manifest = runs.results["maestroqa_low_scores"]["returned"]["land"]
    (file,) = manifest["files"]
    state = json.loads(runs.stored("s3://my-data-lake/maestroqa/state/low_scores_found.json"))
    (first_run,) = set(state.values())
    table = runs.stored(file["uri"])
    low = low_scores(table)
    again = [one["gradable_id"] for one in find(manifest, run_id=first_run)]
    assert sorted(again) == sorted(row["gradable_id"] for row in low)
    assert find(manifest, run_id="the next run") == []
    # Another grader's grade of the same ticket, and the first one's once more.
    header, line = csv.reader(io.StringIO(table.decode(), newline="")), list(low[0].values())
    columns = next(header)
    line[columns.index("grader")] = "Somebody Else"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, line, list(low[0].values()), line])
    runs.s3.put_object(Bucket="my-data-lake", Key="other/export.csv", Body=text.getvalue().encode())
    later = {"files": [{**file, "uri": "s3://my-data-lake/other/export.csv"}]}
    assert [one["gradable_id"] for one in find(later, run_id="the one after")] == [low[0]["gradable_id"]]
    assert find(later, run_id="the last one") == []


def test_the_metrics_of_each_file_are_there(runs):
    reports = runs.results["maestroqa_metrics_from_storage"]["returned"]
    assert {name: report["confirmed"] for name, report in reports.items()} == {"push[0]": 2, "push[1]": 1}
    metrics = [metric for metric in runs.sandbox.agent_metrics.values() if metric["metric_id"] == "occupancy"]
    values = {metric["agent_id"]: metric["metric_value"] for metric in metrics}
    assert values == {"agent-1": 0.81, "agent-2": 0.77, "agent-3": 0.9}


def test_the_metrics_of_the_query_are_those_of_the_day(runs):
    report = runs.results["maestroqa_metrics_from_sql"]["returned"]["push"]
    assert (report["confirmed"], report["rejected"]) == (WAREHOUSE.TICKETS, 0)


def test_the_scores_of_the_days_surveys_are_there_and_the_one_of_no_ticket_is_put_aside(runs):
    returned = runs.results["maestroqa_survey_scores"]["returned"]
    report = returned["warehouse"]
    assert (report["created"], report["rejected"], report["unconfirmed"]) == (WAREHOUSE.TICKETS, 1, 0)
    assert (returned["phone"]["created"], returned["phone"]["rejected"]) == (2, 0)
    scores = [one for one in runs.sandbox.csat_scores if one.get("max_score") == 10]
    assert sorted(one["score"] for one in scores) == sorted(number % 11 for number in range(WAREHOUSE.TICKETS))
    assert scores[0]["clarifying_answers"] == [{"question": "Was it solved?", "comment": "In the end."}]
    assert WAREHOUSE.LOST_TICKET in json.loads(runs.stored(report["rejects_path"]))["reason"]


def test_the_customers_who_asked_are_deleted_and_their_addresses_are_in_nothing_that_airflow_wrote(runs):
    returned = runs.results["maestroqa_customer_deletions"]["returned"]["delete"]
    assert returned == {"deletions": list(runs.sandbox.deletions), "status": "completed"}
    deleted = [email for one in runs.sandbox.deletions.values() for email in one["emails"]]
    assert sorted(deleted) == sorted(WAREHOUSE.FORGOTTEN)
    assert {
        one["auditLabel"].split("/")[:2] == ["airflow", "maestroqa_customer_deletions"]
        for one in runs.sandbox.deletions.values()
    } == {True}
    assert not [name for name, content in runs.written.items() if "forgotten.example" in content]


def test_the_recordings_are_attached_with_every_byte(runs):
    attached = {one["ticket_id"]: one["upload"]["sha256"] for one in runs.sandbox.attachments.values()}
    assert attached == {
        key[len("calls/") : -len(".mp3")]: hashlib.sha256(sound).hexdigest() for key, sound in RECORDINGS.items()
    }


def test_the_dag_on_a_landed_export_gets_window_counts_and_manifest_from_the_event(runs):
    manifest = runs.results["maestroqa_export_asset"]["returned"]["land"]
    assert manifest["window"] == {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
    returned = runs.results["maestroqa_on_landed_export"]["returned"]
    rows = sum(file["rows"] for file in manifest["files"])
    assert returned["load[0]"] == {"manifest": manifest["manifest"], "rows": rows, **manifest["window"]}
    assert json.loads(runs.stored(manifest["manifest"])) == manifest


def test_each_window_of_the_backfill_is_in_its_manifest(runs):
    returned = runs.results["maestroqa_backfill_by_window"]["returned"]
    for index in range(4):
        asked = runs.exports[returned[f"one_window.request[{index}]"]].parameters
        window = returned[f"one_window.land[{index}]"]["window"]
        assert window == {"start": asked["startDate"], "end": asked["endDate"]}


@pytest.mark.skipif(AIRFLOW < (3, 3), reason="the store on assets came with Airflow 3.3")
def test_the_new_coaching_sessions_are_read_up_to_the_run_and_no_further(runs):
    manifest = runs.results["maestroqa_on_new_coaching_sessions"]["returned"]["land"]
    assert manifest["window"] == {"start": "2026-01-31T00:00:00Z", "end": "2026-03-02T00:00:00Z"}


def test_each_export_was_requested_once(runs):
    asked = [seen for seen in runs.requests if seen.method == "POST" and "/request-" in seen.path]
    assert len(asked) == len(runs.exports) == 10


def test_waits_were_really_deferred(runs):
    assert len(re.findall(r"running trigger in line|Pausing task as DEFERRED", runs.output)) >= 4


def test_no_token_and_no_signature_is_in_anything_airflow_wrote(runs):
    assert TOKEN in runs.secrets
    assert len(runs.secrets) > 7
    assert "airflow.db" in runs.written
    shown = {
        f"{name}: {line}"
        for name, content in runs.written.items()
        for line in content.splitlines()
        if "X-Amz-Signature=" in line or any(secret in line for secret in {*runs.secrets, CHAT_TOKEN})
        # At DEBUG, dag.test() of Airflow 3 shows the message by which Airflow itself is told what to mask.
        if "msg=MaskSecret(" not in line
    }
    assert shown == set()
