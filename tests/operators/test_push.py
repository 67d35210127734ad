"""The operators that push, as a DAG author uses them."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from airflow_fixtures import task_context
from factories import agent_metric, comment, ticket_metric

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.operators.agents import MaestroQAUpsertAgentsOperator
from airflow_provider_maestroqa.operators.comments import MaestroQACreateCommentsOperator
from airflow_provider_maestroqa.operators.metrics import (
    MaestroQAPushAgentMetricsOperator,
    MaestroQAPushTicketMetricsOperator,
)

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
COMMENTS = [comment("T-1", f"comment {number}", time=NOON) for number in range(3)]
METRICS = [agent_metric(metric_id=f"m{number}", timestamp=NOON) for number in (1, 2)]


@pytest.fixture(autouse=True)
def _tickets(sandbox):
    sandbox.add_tickets(["T-1"])


def test_a_push_returns_its_report(connection, sandbox):
    report = MaestroQAPushAgentMetricsOperator(task_id="push", metrics=METRICS).execute({})
    assert json.loads(json.dumps(report)) == {
        "resource": "agent_metrics",
        "sent": 2,
        "confirmed": 2,
        "created": 0,
        "updated": 0,
        "rejected": 0,
        "unconfirmed": 0,
        "repeated": 0,
        "requests": 1,
        "waited_s": report["waited_s"],
        "rejects_path": None,
    }
    assert len(sandbox.agent_metrics) == 2


def test_records_may_come_from_a_callable(connection, sandbox):
    seen = {}

    def read(context, jinja_env):
        seen.update(run=context["run_id"], renders=jinja_env.from_string("{{ 1 + 1 }}").render())
        yield from COMMENTS

    MaestroQACreateCommentsOperator(task_id="push", comments=read).execute({"run_id": "r1"})
    assert len(sandbox.comments) == 3
    assert seen == {"run": "r1", "renders": "2"}


@pytest.mark.parametrize("wrong", ["{{ ti.xcom_pull('rows') }}", None, 7])
def test_what_are_no_records_fails_at_once_and_says_what_to_pass(connection, sandbox, wrong):
    operator = MaestroQACreateCommentsOperator(task_id="push", comments=wrong)
    with pytest.raises(AirflowFailException, match=r"The comments (are text|must be an iterable of dicts)"):
        operator.execute({})
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "given", [COMMENTS[0], json.dumps([{"ticket_id": "T-1", "body": "it's"}]), b'{"ticket_id": "T-1", "body": 7}']
)
def test_one_dict_is_one_record_and_json_is_what_it_says(connection, sandbox, given):
    """The one dict that a mapped task gets, and what a template renders with ``| tojson``."""
    report = MaestroQACreateCommentsOperator(task_id="push", comments=given).execute({})
    assert (report["confirmed"], len(sandbox.comments)) == (1, 1)


@pytest.mark.parametrize(
    "source", [[COMMENTS, COMMENTS], lambda **_: (part for part in [COMMENTS]), ["body", "ticket_id"]]
)
@pytest.mark.parametrize("on_error", ["collect", "fail"])
def test_a_source_of_which_nothing_is_a_record_fails_and_says_flatten(connection, sandbox, source, on_error):
    with pytest.raises(AirflowFailException, match=r"flatten|must be a dict.* got str"):
        MaestroQACreateCommentsOperator(task_id="push", comments=source, on_error=on_error).execute({})
    assert sandbox.requests == []


def test_a_record_that_is_no_dict_does_not_cost_the_others(connection, sandbox):
    source = [COMMENTS, COMMENTS[0], None]
    report = MaestroQACreateCommentsOperator(task_id="push", comments=source, on_error="collect").execute({})
    assert (report["confirmed"], report["rejected"]) == (1, 2)


def test_a_number_that_python_does_not_write_is_one_rejected_record(connection, sandbox, tmp_path):
    bad = {**COMMENTS[0], "body": 10**5_000}
    path = tmp_path / "rejects.jsonl"
    operator = MaestroQACreateCommentsOperator(
        task_id="push", comments=[bad, COMMENTS[1]], on_error="collect", rejects_path=str(path)
    )
    assert operator.execute({})["rejected"] == 1
    assert "body must be text, got int" in json.loads(path.read_text())["reason"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"on_error": "ignore"}, "on_error must be one of"),
        ({"max_rejects": "few", "on_error": "collect"}, "max_rejects must be a whole number"),
        ({"on_unknown_outcome": "retry"}, "on_unknown_outcome must be one of"),
        ({"rejects_path": "rejects"}, "names no object"),
        ({"rejects_path": "nowhere://bucket/rejects.jsonl"}, "cannot be opened"),
        ({"state_path": "s3://"}, "names no object"),
    ],
)
def test_a_wrong_option_fails_at_once_before_a_request(connection, sandbox, options, says):
    with pytest.raises(AirflowFailException, match=says):
        MaestroQACreateCommentsOperator(task_id="push", comments=COMMENTS, **options).execute({})
    assert sandbox.requests == []


def test_rejects_and_state_live_in_s3(connection, sandbox, s3):
    operator = MaestroQAPushTicketMetricsOperator(
        task_id="push",
        metrics=[ticket_metric("T-1", value=value) for value in (1, "2")],
        on_error="collect",
        rejects_path="s3://my-data-lake/rejects.jsonl",
        state_path="s3://my-data-lake/state.json",
    )
    report = operator.execute({})
    assert (report["rejected"], report["rejects_path"]) == (1, "s3://my-data-lake/rejects.jsonl")
    line = json.loads(s3.get_object(Bucket="my-data-lake", Key="rejects.jsonl")["Body"].read())
    assert line["index"] == 1
    assert line["record"]["metric_value"] == "2"
    assert "metric_value must be a number, got str" in line["reason"]
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket="my-data-lake")["Contents"]]
    assert keys == ["rejects.jsonl"], "the state is forgotten when all is there"


def test_the_log_reads_like_a_story_and_holds_no_secret(connection, sandbox, log, tmp_path):
    roster = [
        {"name": "Ann", "available": True, "email": "agent-1@example.com"},
        {"name": "Bob", "available": True, "email": "bob"},
    ]
    report = MaestroQAUpsertAgentsOperator(
        task_id="push", agents=roster, on_error="collect", rejects_path=str(tmp_path / "rejects.jsonl")
    ).execute({})
    assert report["updated"] == 1
    told = [record.getMessage() for record in log.records if "maestroqa" in record.name]
    assert any("Rejected record 1: email must be an e-mail address" in line for line in told)
    assert any(line.startswith("Pushed: 1 agent confirmed (1 updated), 1 rejected (see file://") for line in told)
    everything = "\n".join(record.getMessage() for record in log.records) + (tmp_path / "rejects.jsonl").read_text()
    assert not any(secret in everything for secret in sandbox.secrets)


def test_a_store_that_forgets_with_the_success_lets_no_comment_be_sent_twice(
    connection, sandbox, task_state_store, monkeypatch
):
    monkeypatch.setenv("AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS", "True")
    operator = MaestroQACreateCommentsOperator(task_id="push", comments=COMMENTS)
    operator.execute(task_context(task_state_store=task_state_store))
    task_state_store.values.clear()
    with pytest.raises(AirflowFailException, match="not the first try of the task"):
        operator.execute(task_context(try_number=2, task_state_store=task_state_store))
    assert len(sandbox.comments) == 3


def test_two_instances_of_a_mapped_task_keep_their_positions_and_rejects_apart(connection, sandbox, tmp_path):
    for index in (0, 1):
        MaestroQACreateCommentsOperator(
            task_id="push",
            comments=[*COMMENTS[index:], None],
            on_error="collect",
            rejects_path=str(tmp_path / "rejects.jsonl"),
            state_path=str(tmp_path / "state.json"),
        ).execute(task_context(map_index=index))
    names = ["rejects.jsonl.0", "rejects.jsonl.1", "state.json.0", "state.json.1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert len(sandbox.comments) == 5
