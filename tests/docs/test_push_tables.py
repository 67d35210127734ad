"""The tables of the pages on tickets, comments, attachments, metrics and agents are what the code says."""

import inspect
import json
import re
from dataclasses import fields

import pytest

from airflow_provider_maestroqa.client.resources import models
from airflow_provider_maestroqa.operators import agents, comments, csat, metrics, tickets
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.report import Report
from airflow_provider_maestroqa.pushes.resources import RESOURCES

PUSHES = [
    tickets.MaestroQAUpsertTicketsOperator,
    comments.MaestroQACreateCommentsOperator,
    metrics.MaestroQAPushTicketMetricsOperator,
    metrics.MaestroQAPushAgentMetricsOperator,
    csat.MaestroQAPushCsatScoresOperator,
    agents.MaestroQAUpsertAgentsOperator,
]
#: What the objects in a score's `clarifying_answers` hold.
CLARIFYING_ANSWER = models.RecordSchema("clarifying answer", models.ClarifyingAnswer)


def arguments(cls):
    signature = inspect.signature(inspect.unwrap(cls.__init__)).parameters.values()
    return {one.name: one.default for one in signature if one.name != "self" and one.kind is not one.VAR_KEYWORD}


def test_each_push_has_the_documented_arguments_and_batch_size(table):
    written = table("docs/pushes.md", "Operator")
    assert set(written) == {cls.__name__ for cls in PUSHES}
    for cls in PUSHES:
        own, most, again = written[cls.__name__]
        resource = RESOURCES[cls.resource]
        assert re.findall(r"`(\w+)`", own) == list(arguments(cls))
        assert int(most) == resource.batch_size
        assert (again == "would be there twice") is not resource.idempotent


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("tickets", models.TICKET),
        ("pushes", models.COMMENT),
        ("pushes", models.TICKET_METRIC),
        ("pushes", models.AGENT_METRIC),
        ("pushes", models.CSAT_SCORE),
        ("pushes", CLARIFYING_ANSWER),
        ("agents", models.AGENT),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_the_fields_are_those_that_are_taken(table, name, record):
    article = "an" if record.name[0] in "aeiou" else "a"
    written = table(f"docs/{name}.md", f"Field of {article} {record.name}")
    assert set(written) == set(record.fields)
    assert {field for field, (required, _) in written.items() if required == "required"} == record.required


def test_the_report_is_the_one_that_comes(table):
    assert list(table("docs/pushes.md", "Field")) == [field.name for field in fields(Report)]


def test_the_rejected_record_shown_has_the_form_of_a_real_one(connection, sandbox, tmp_path, code_of, root):
    (shown,) = [json.loads(b.text) for b in code_of(root / "docs" / "pushes.md") if b.language == "json"]
    path = tmp_path / "rejects.jsonl"
    comments.MaestroQACreateCommentsOperator(
        task_id="push", comments=[shown["record"]], on_error="collect", rejects_path=str(path)
    ).execute({})
    refused = json.loads(path.read_text())
    assert refused["reason"].startswith(shown.pop("reason"))
    assert {name: refused[name] for name in shown} == shown
    assert set(refused) == {*shown, "reason"}


def test_on_unknown_outcome_takes_the_documented_values(table):
    choices = table("docs/failures.md", "`on_unknown_outcome`")
    for choice in choices:
        assert PushOptions.parse(on_unknown_outcome=choice).on_unknown_outcome == choice
    assert set(choices) == {"fail", "resend", "skip"}


def test_a_cleared_comments_task_sends_nothing_and_resend_sends_all(connection, sandbox, tmp_path, read):
    assert "A comments task that has succeeded sends nothing when you clear it" in read("docs/failures.md")
    sandbox.add_tickets(["T-1"])

    def push(choice):
        return comments.MaestroQACreateCommentsOperator(
            task_id="push",
            comments=[{"ticket_id": "T-1", "body": "Hello"}],
            on_unknown_outcome=choice,
            state_path=str(tmp_path / "state.json"),
        ).execute({})

    first = push("fail")
    assert push("fail") == push("skip") == first
    assert len(sandbox.comments) == 1
    push("resend")
    assert len(sandbox.comments) == 2


def test_the_rows_of_the_dataframe_are_pushed(code_of, root, connection, sandbox):
    pytest.importorskip("pandas")
    (block,) = [block for block in code_of(root / "docs" / "pushes.md") if "DataFrame(" in block.text]
    namespace = {"__name__": "block"}
    exec(compile(block.text, str(block.page), "exec"), namespace)
    rows = namespace["read_hours"](context={}, jinja_env=None)
    report = namespace["MaestroQAPushAgentMetricsOperator"](task_id="push", metrics=rows).execute({})
    assert (report["confirmed"], report["rejected"]) == (2, 0)
    assert {metric["timestamp"] for metric in sandbox.agent_metrics.values()} == {"2026-03-01T00:00:00Z"}
