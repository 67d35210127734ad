"""The tables of the pages on tickets, comments, attachments, metrics and agents are what the code says."""

import ast
import inspect
import json
import re
from dataclasses import fields

import pytest

from airflow_provider_maestroqa.client.endpoints import ENDPOINTS
from airflow_provider_maestroqa.client.resources import models
from airflow_provider_maestroqa.operators import agents, attachments, comments, metrics, tickets
from airflow_provider_maestroqa.operators.push import PushOperator
from airflow_provider_maestroqa.pushes.options import PushOptions
from airflow_provider_maestroqa.pushes.push import LARGEST_BATCH
from airflow_provider_maestroqa.pushes.report import EVERY_S, Report
from airflow_provider_maestroqa.pushes.resources import RESOURCES

PUSHES = [
    tickets.MaestroQAUpsertTicketsOperator,
    comments.MaestroQACreateCommentsOperator,
    metrics.MaestroQAPushTicketMetricsOperator,
    metrics.MaestroQAPushAgentMetricsOperator,
    agents.MaestroQAUpsertAgentsOperator,
]


def arguments(cls):
    signature = inspect.signature(inspect.unwrap(cls.__init__)).parameters.values()
    return {one.name: one.default for one in signature if one.name != "self" and one.kind is not one.VAR_KEYWORD}


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("docs/pushes.md", PushOperator),
        ("docs/tickets.md", tickets.MaestroQAUpsertTicketsOperator),
        ("docs/tickets.md", tickets.MaestroQACreateTicketOperator),
        ("docs/tickets.md", tickets.MaestroQAUpdateTicketOperator),
        ("docs/tickets.md", tickets.MaestroQADeleteTicketOperator),
        ("docs/tickets.md", tickets.MaestroQAGetTicketsOperator),
        ("docs/attachments.md", attachments.MaestroQACreateAttachmentOperator),
        ("docs/agents.md", agents.MaestroQAUpsertAgentsOperator),
        ("docs/agents.md", agents.MaestroQACreateAgentOperator),
        ("docs/agents.md", agents.MaestroQAAddAgentIdOperator),
        ("docs/agents.md", agents.MaestroQASetAgentAvailabilityOperator),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_table_of_arguments_has_all_with_their_defaults(table, name, cls):
    written = table(name, "Every push" if cls is PushOperator else f"`{cls.__name__}`")
    assert {
        one: inspect.Parameter.empty if default == "required" else ast.literal_eval(default.strip("`"))
        for one, (default, _) in written.items()
    } == arguments(cls)


def test_each_push_has_its_own_arguments_and_takes_as_many_records_at_once_as_are_said(table):
    written = table("docs/pushes.md", "Operator")
    assert set(written) == {cls.__name__ for cls in PUSHES}
    for cls in PUSHES:
        own, most, again = written[cls.__name__]
        resource = RESOURCES[cls.resource]
        assert re.findall(r"`(\w+)`", own) == list(arguments(cls))
        assert int(most) == resource.batch_size
        assert (again == "would be there twice") is not resource.idempotent


def test_all_that_is_said_to_be_templated_is(read):
    for name in ("pushes", "tickets", "agents", "attachments"):
        assert re.search(r"^All (arguments )?are templated", read(f"docs/{name}.md"), re.MULTILINE), name
    single = [
        value
        for module in (tickets, agents, attachments)
        for name, value in vars(module).items()
        if name.startswith("MaestroQA") and value.__module__ == module.__name__ and value not in PUSHES
    ]
    for cls in single:
        assert set(cls.template_fields) == set(arguments(cls))
    for cls in PUSHES:
        assert set(cls.template_fields) == {*arguments(cls), *arguments(PushOperator)}


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("tickets", models.TICKET),
        ("pushes", models.COMMENT),
        ("pushes", models.TICKET_METRIC),
        ("pushes", models.AGENT_METRIC),
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


def test_a_refused_record_looks_as_it_does_at_rejects_path(connection, sandbox, tmp_path, code_of, root):
    (shown,) = [json.loads(b.text) for b in code_of(root / "docs" / "pushes.md") if b.language == "json"]
    path = tmp_path / "rejects.jsonl"
    comments.MaestroQACreateCommentsOperator(
        task_id="push", comments=[shown["record"]], on_error="collect", rejects_path=str(path)
    ).execute({})
    refused = json.loads(path.read_text())
    assert refused["reason"].startswith(shown.pop("reason"))
    assert {name: refused[name] for name in shown} == shown
    assert set(refused) == {*shown, "reason"}


def test_what_to_do_about_unknown_comments_can_be_chosen_as_said(table):
    choices = table("docs/failures.md", "`on_unknown_outcome`")
    for choice in choices:
        assert PushOptions.checked(on_unknown_outcome=choice).on_unknown_outcome == choice
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


def test_the_numbers_on_the_page_are_those_in_the_code(read):
    said = " ".join(read("docs/pushes.md").split())
    assert LARGEST_BATCH == 4_000_000
    assert "A request holds 4 MB at most" in said
    assert {ENDPOINTS[name].batch_size for name in ("create_comments", "push_ticket_metrics")} == {500}
    assert EVERY_S == 30
    assert "a line every half minute" in said
