"""Single tickets, comments and agents: the hook's methods and their operators, against the sandbox."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from airflow_fixtures import task_context
from clocks import SkippingTime
from factories import agent, ticket

from airflow_provider_maestroqa._compat import AirflowFailException
from airflow_provider_maestroqa.client.errors import (
    MaestroQAConfigError,
    MaestroQAConflictError,
    MaestroQADataError,
    MaestroQANotFoundError,
    MaestroQAOutcomeUnknownError,
    MaestroQAServerError,
    MaestroQAValidationError,
)
from airflow_provider_maestroqa.hooks.maestroqa import MaestroQAHook
from airflow_provider_maestroqa.operators.agents import (
    MaestroQAAddAgentIdOperator,
    MaestroQACreateAgentOperator,
    MaestroQASetAgentAvailabilityOperator,
)
from airflow_provider_maestroqa.operators.tickets import (
    MaestroQACreateTicketOperator,
    MaestroQADeleteTicketOperator,
    MaestroQAGetTicketsOperator,
    MaestroQAUpdateTicketOperator,
    MaestroQAUpsertTicketsOperator,
)

TICKETS, AGENTS = "/api/v1/tickets", "/api/v1/agents"
TICKET = ticket("T-1", subject="Hello")
AGENT = agent(agentId="ann")


@pytest.fixture
def hook(connection, monkeypatch):
    monkeypatch.setattr(MaestroQAHook, "clock", SkippingTime().clock())
    with MaestroQAHook(connection) as opened:
        yield opened


# -- Tickets --------------------------------------------------------------------------------------------------------


def test_a_ticket_is_created_with_all_its_fields(hook, sandbox):
    when = datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))
    answered = hook.create_ticket(
        {**TICKET, "tags": ["late", "vip"], "csat_score": 4.5, "first_seen": when, "attributes": {"group": "Support"}}
    )
    assert answered["ticket_id"] == "T-1"
    there = sandbox.tickets["T-1"]
    assert there["tags"] == "late,vip"
    assert there["csat_score"] == 4.5
    assert there["first_seen"].startswith("2026-01-31T12:00:00")
    assert there["attributes"] == {"group": "Support"}


def test_a_wrong_ticket_costs_no_request(hook, sandbox):
    for wrong in ({**TICKET, "agents": "ann"}, {**TICKET, "link": None}, {}, None):
        with pytest.raises(MaestroQADataError):
            hook.create_ticket(wrong)
    with pytest.raises(MaestroQADataError):
        hook.update_ticket("T-1", {})
    with pytest.raises(MaestroQAConfigError):
        hook.update_ticket("", {"status": "closed"})
    assert sandbox.requests == []


def test_an_id_that_is_taken_is_a_conflict(hook, sandbox):
    hook.create_ticket(TICKET)
    with pytest.raises(MaestroQAConflictError, match="T-1"):
        hook.create_ticket({**TICKET, "subject": "Another"})
    assert sandbox.tickets["T-1"]["subject"] == "Hello"


@pytest.mark.parametrize("fault", [{"kind": "reset_after"}, {"kind": "status", "status": 500, "done": True}])
def test_a_creation_whose_answer_was_lost_is_found_again(hook, sandbox, fault):
    sandbox.fault(method="POST", path=TICKETS, **fault)
    assert hook.create_ticket(TICKET)["subject"] == "Hello"
    assert sandbox.count("POST", TICKETS) == 2
    assert list(sandbox.tickets) == ["T-1"]


def test_a_creation_whose_answer_was_lost_does_not_pass_for_another_ticket(hook, sandbox):
    sandbox.add_tickets(["T-1"])
    sandbox.fault(kind="reset_after", method="POST", path=TICKETS)
    with pytest.raises(MaestroQAConflictError):
        hook.create_ticket(TICKET)


def test_a_retry_of_a_creation_finds_what_the_try_before_has_created(hook, sandbox):
    hook.create_ticket(TICKET)
    operator = MaestroQACreateTicketOperator(task_id="create", ticket=TICKET)
    with pytest.raises(AirflowFailException, match="MaestroQAConflictError"):
        operator.execute(task_context(try_number=1))
    assert operator.execute(task_context(try_number=2))["ticket_id"] == "T-1"


def test_a_ticket_is_changed(hook, sandbox):
    hook.create_ticket(TICKET)
    operator = MaestroQAUpdateTicketOperator(
        task_id="t", ticket_id="T-1", changes={"status": "closed", "tags": ["a"]}
    )
    assert operator.execute(task_context())["status"] == "closed"
    assert (sandbox.tickets["T-1"]["status"], sandbox.tickets["T-1"]["tags"]) == ("closed", "a")
    with pytest.raises(MaestroQANotFoundError):
        hook.update_ticket("T-2", {"status": "closed"})


def test_a_ticket_with_an_odd_id_keeps_it_on_the_way(hook, sandbox):
    for odd in ("a/b", "50%", "ä ö", "a?b#c", "a,b"):
        hook.create_ticket({**TICKET, "ticket_id": odd})
        hook.update_ticket(odd, {"status": "closed"})
        assert sandbox.tickets[odd]["status"] == "closed"
        assert hook.get_ticket(odd)["ticket_id"] == odd


def test_a_ticket_is_deleted_and_one_that_is_not_there_is_fine(hook, sandbox):
    hook.create_ticket(TICKET)
    operator = MaestroQADeleteTicketOperator(task_id="delete", ticket_id="T-1")
    operator.execute(task_context())
    assert sandbox.tickets == {}
    operator.execute(task_context())
    strict = MaestroQADeleteTicketOperator(task_id="delete", ticket_id="T-1", missing_ok="false")
    with pytest.raises(AirflowFailException, match="MaestroQANotFoundError"):
        strict.execute(task_context())


def test_a_deletion_whose_answer_was_lost_has_happened(hook, sandbox):
    hook.create_ticket(TICKET)
    sandbox.fault(kind="reset_after", method="DELETE", path=f"{TICKETS}/*")
    hook.delete_ticket("T-1")
    assert sandbox.count("DELETE", f"{TICKETS}/T-1") == 2
    with pytest.raises(MaestroQANotFoundError):
        hook.delete_ticket("T-1")


def test_a_host_that_is_not_maestroqa_does_not_pass_for_a_deletion(hook, sandbox):
    sandbox.fault(kind="status", status=404, body=b"<html>nginx</html>", method="DELETE")
    with pytest.raises(AirflowFailException, match="MaestroQANotFoundError"):
        MaestroQADeleteTicketOperator(task_id="delete", ticket_id="T-1").execute(task_context())


def test_many_tickets_are_read_in_the_order_of_their_ids(hook, sandbox):
    ids = [f"ticket number {number}" for number in range(300)]
    sandbox.add_tickets(ids)
    asked = ["not there", *reversed(ids), ids[0]]
    operator = MaestroQAGetTicketsOperator(task_id="get", ticket_ids=asked)
    assert [one["ticket_id"] for one in operator.execute(task_context())] == list(reversed(ids))
    sent = [seen for seen in sandbox.requests if seen.method == "GET"]
    assert 1 < len(sent) < 10
    assert all(len(seen.query["ticket_ids"]) < 2000 for seen in sent)


def test_an_id_with_a_comma_is_asked_for_alone(hook, sandbox):
    sandbox.add_tickets(["a", "b", "a,b"])
    assert [one["ticket_id"] for one in hook.get_tickets(["a,b", "a", "x,y"])] == ["a,b", "a"]


@pytest.mark.parametrize("wrong", ["T-1", None, 7, {"T-1": 1}, ["T-1", ""], ["T-1", None], [7.5]])
def test_what_are_no_ids_costs_no_request(hook, sandbox, wrong):
    with pytest.raises(MaestroQAConfigError, match="ticket_ids"):
        hook.get_tickets(wrong)
    assert sandbox.requests == []


def test_no_ids_are_no_request(hook, sandbox):
    assert hook.get_tickets([]) == []
    assert sandbox.requests == []


def test_an_upsert_creates_and_then_updates(hook, sandbox):
    assert hook.upsert_ticket(TICKET)["subject"] == "Hello"
    assert hook.upsert_ticket({**TICKET, "subject": "Again"})["subject"] == "Again"
    assert [(seen.method, seen.status) for seen in sandbox.requests] == [
        ("POST", 200),
        ("POST", 409),
        ("PATCH", 200),
    ]
    hook.upsert_ticket({**TICKET, "subject": "Once more"}, update_first=True)
    hook.upsert_ticket({**TICKET, "ticket_id": "T-2"}, update_first=True)
    assert [(seen.method, seen.status) for seen in sandbox.requests[3:]] == [
        ("PATCH", 200),
        ("PATCH", 404),
        ("POST", 200),
    ]


def test_upserts_keep_the_order_of_one_tickets_records(connection, sandbox):
    tickets = [{**TICKET, "ticket_id": f"T-{number % 3}", "subject": f"version {number}"} for number in range(9)]
    report = MaestroQAUpsertTicketsOperator(task_id="upsert", tickets=tickets, update_first="true").execute(
        task_context()
    )
    assert (report["created"], report["updated"], report["confirmed"]) == (3, 6, 9)
    assert {one["subject"] for one in sandbox.tickets.values()} == {"version 6", "version 7", "version 8"}


def test_a_bad_ticket_is_collected_and_the_others_arrive(connection, sandbox, tmp_path):
    sandbox.add_tickets(["T-1"], synced=True)
    tickets = [{**TICKET, "ticket_id": f"T-{number}"} for number in range(3)]
    operator = MaestroQAUpsertTicketsOperator(
        task_id="upsert", tickets=tickets, on_error="collect", rejects_path=str(tmp_path / "rejects.jsonl")
    )
    report = operator.execute(task_context())
    assert (report["confirmed"], report["rejected"]) == (2, 1)
    assert '"index": 1' in (tmp_path / "rejects.jsonl").read_text()


# -- Comments -------------------------------------------------------------------------------------------------------


def test_a_comment_is_added(hook, sandbox):
    sandbox.add_tickets(["T-1"])
    assert hook.create_comment({"ticket_id": "T-1", "body": "Hi", "role": "agent", "public": False})["id"]
    assert [one["body"] for one in sandbox.comments] == ["Hi"]
    with pytest.raises(MaestroQANotFoundError):
        hook.create_comment({"ticket_id": "T-2", "body": "Hi"})


def test_a_comment_whose_answer_was_lost_is_not_sent_again(hook, sandbox):
    sandbox.add_tickets(["T-1"])
    sandbox.fault(kind="reset_after", path="/api/v1/comments")
    with pytest.raises(MaestroQAOutcomeUnknownError):
        hook.create_comment({"ticket_id": "T-1", "body": "Hi"})
    assert len(sandbox.comments) == 1


# -- Agents ---------------------------------------------------------------------------------------------------------


def test_an_agent_is_created_and_given_an_id_and_an_availability(connection, sandbox):
    MaestroQACreateAgentOperator(task_id="create", agent=agent()).execute(task_context())
    MaestroQAAddAgentIdOperator(task_id="id", agent_email=AGENT["email"], agent_id="ann").execute(task_context())
    MaestroQASetAgentAvailabilityOperator(task_id="off", agent_email=AGENT["email"], available="False").execute(
        task_context()
    )
    there = sandbox.agents[AGENT["email"]]
    assert (there["name"], there["agentId"], there["available"]) == ("Ann", "ann", False)


@pytest.mark.parametrize(
    "ask",
    [
        lambda hook: hook.create_agent({**AGENT, "email": "nobody"}),
        lambda hook: hook.add_agent_id("ann@example.com", ""),
        lambda hook: hook.add_agent_id("nobody", "ann"),
        lambda hook: hook.set_agent_availability("ann@example.com", "yes"),
        lambda hook: hook.upsert_agent({}),
    ],
)
def test_a_wrong_agent_costs_no_request(hook, sandbox, ask):
    with pytest.raises(MaestroQADataError):
        ask(hook)
    assert sandbox.requests == []


def test_a_creation_of_an_agent_whose_answer_was_lost_is_unknown(hook, sandbox):
    sandbox.fault(kind="reset_after", path=AGENTS)
    with pytest.raises(MaestroQAOutcomeUnknownError, match="upsert_agent"):
        hook.create_agent(AGENT)
    assert AGENT["email"] in sandbox.agents


def test_an_agent_that_is_there_is_a_conflict(hook, sandbox):
    with pytest.raises(MaestroQAConflictError, match="email"):
        hook.create_agent({**AGENT, "email": "agent-1@example.com"})


def test_an_upsert_of_an_agent_creates_or_sets_what_can_be_set(hook, sandbox, log):
    hook.upsert_agent(AGENT)
    hook.upsert_agent({**AGENT, "name": "Anna", "available": False, "agentId": "anna"})
    there = sandbox.agents[AGENT["email"]]
    assert (there["name"], there["agentId"], there["available"]) == ("Ann", "anna", False)
    assert "the API changes no name or group" in log.text


def test_an_id_of_another_agent_is_a_conflict(hook, sandbox):
    with pytest.raises(MaestroQAConflictError, match="agentId"):
        hook.upsert_agent({**AGENT, "agentId": "agent-1"})
    hook.upsert_agent(AGENT)
    with pytest.raises(MaestroQAConflictError):
        hook.upsert_agent({**AGENT, "agentId": "agent-1"})


def test_an_agent_that_is_rejected_for_its_id_is_not_half_changed(hook, sandbox):
    hook.upsert_agent(AGENT)
    before = dict(sandbox.agents[AGENT["email"]])
    report = hook.push("agents", [{**AGENT, "available": False, "agentId": "agent-1"}], on_error="collect")
    assert report["rejected"] == 1
    assert sandbox.agents[AGENT["email"]] == before


def test_an_agent_that_is_half_changed_is_told(hook, sandbox):
    hook.upsert_agent(AGENT)
    sandbox.fault(kind="status", status=400, body={"error": "no"}, path="/api/v1/update-agent-availability")
    with pytest.raises(MaestroQAValidationError, match="The agent's id was set, but not its availability"):
        hook.upsert_agent({**AGENT, "agentId": "new-id"})


def test_a_server_that_stays_away_is_worth_a_retry(connection, sandbox, monkeypatch):
    monkeypatch.setattr(MaestroQAHook, "clock", SkippingTime().clock())
    sandbox.fault(kind="status", status=503, times=None)
    with pytest.raises(MaestroQAServerError):
        MaestroQACreateTicketOperator(task_id="create", ticket=TICKET).execute(task_context())
