import json

import pytest

RECORDS = (
    "tickets",
    "comments",
    "attachments",
    "agents",
    "ticket-metrics",
    "agent-metrics",
    "csat-scores",
    "deletions",
)
LISTS = (*RECORDS, "agent-groups", "user-groups", "users")


@pytest.fixture
def filled(client, records):
    """A sandbox with three of everything, besides the agents."""
    client.sandbox.add_tickets(["t-1", "t-2", "t-3"], attributes={"group": "A"})
    for number in (1, 2, 3):
        client.call("POST", "/comments", records.comment(f"t-{number}", "ü \ud800"))
        client.call("POST", "/attachments", {"ticket_id": "t-1", "content_type": "a/b", "id": f"a-{number}"})
        client.call("POST", "/ticket-metrics-batch", {"batch": [records.ticket_metric(f"t-{number}")]})
        client.call("POST", "/agent-metrics-batch", {"batch": [records.agent_metric(f"agent-{number}")]})
        client.call("POST", "/create-customer-feedback", {"data": [records.csat_score(f"t-{number}")]})
        client.call("DELETE", "/data-deletion-request", {"emails": [f"c-{number}@example.com"]})
    return client


def everything(sandbox):
    return {
        "tickets": sandbox.tickets,
        "comments": sandbox.comments,
        "attachments": sandbox.attachments,
        "agents": sandbox.agents,
        "ticket_metrics": sandbox.ticket_metrics,
        "agent_metrics": sandbox.agent_metrics,
        "csat_scores": sandbox.csat_scores,
        "agent_groups": sandbox.agent_groups,
        "user_groups": sandbox.user_groups,
        "users": sandbox.users,
        "deletions": sandbox.deletions,
    }


def test_what_is_read_back_are_copies(filled):
    before = everything(filled.sandbox)
    read = everything(filled.sandbox)
    read["tickets"]["t-1"]["agents"].append("x")
    read["tickets"]["t-1"]["attributes"]["group"] = "x"
    next(iter(read["agent_groups"].values()))["members"].clear()
    for kept in read.values():
        for record in kept if isinstance(kept, list) else kept.values():
            record.clear()
        kept.clear()
    assert everything(filled.sandbox) == before


def test_it_can_be_read_back_after_the_sandbox_has_stopped(filled):
    before = everything(filled.sandbox)
    filled.sandbox.stop()
    assert everything(filled.sandbox) == before
    assert {name: len(kept) for name, kept in before.items()} == dict.fromkeys(before, 3) | {
        "agents": 20,
        "user_groups": 2,
        "users": 30,
    }


def test_the_state_shows_how_many_records_there_are(filled):
    state = filled.api("GET", "/sandbox/state", headers={}).json()
    assert state["records"] == {name: len(kept) for name, kept in everything(filled.sandbox).items()}
    assert state["settings"]["batch_mode"] == "atomic"


@pytest.mark.parametrize("name", LISTS)
def test_a_person_can_list_the_records(filled, name):
    def listed(query=""):
        return filled.api("GET", f"/sandbox/{name}{query}", headers={}).json()

    kept = everything(filled.sandbox)[name.replace("-", "_")]
    records = kept if isinstance(kept, list) else list(kept.values())
    assert listed() == records
    assert listed("?limit=2") == records[-2:]
    assert (listed("?limit=0"), listed("?limit=99")) == ([], records)


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "count=5"])
def test_a_list_is_asked_for_with_a_limit_alone(client, query):
    assert client.api("GET", f"/sandbox/tickets?{query}", headers={}).status_code == 400


def test_the_page_leads_to_the_lists_and_every_link_works(filled):
    page = filled.api("GET", "/", headers={}).text
    links = [part.partition('"')[0] for part in page.split('href="')[1:]]
    assert {f"/sandbox/{name}?limit=100" for name in LISTS} < set(links)
    assert {filled.api("GET", link, headers={}).status_code for link in links} == {200}


def test_the_page_can_show_any_text(client):
    client.ask("groups", name="ü \ud800")
    page = client.api("GET", "/", headers={})
    assert (page.status_code, "ü \\ud800" in page.text) == (200, True)


def test_a_reset_goes_back_to_the_start(filled, records):
    sandbox = filled.sandbox
    filled.call("POST", "/update-agent-availability", {"email": "agent-1@example.com", "available": False})
    filled.call("POST", "/agents", {"name": "A", "available": True, "email": "a@x.y"})
    url = filled.call("POST", "/attachments", {"ticket_id": "t-1", "content_type": "a/b"})[1]["presigned_url"]
    assert filled.get(url, method="PUT", data=b"x", headers={"Content-Type": "a/b", **records.aes}).status_code == 200
    sandbox.reset()
    counts = {name: len(kept) for name, kept in everything(sandbox).items()}
    at_the_start = {"agents": 20, "agent_groups": 3, "user_groups": 2, "users": 30}
    assert counts == {**dict.fromkeys(counts, 0), **at_the_start}
    assert sandbox.agents["agent-1@example.com"]["available"] is True
    assert (sandbox.requests, sandbox.count("POST", "/api/v1/comments")) == ([], 0)
    assert list(sandbox._state.directory.iterdir()) == []


def test_tickets_and_agents_can_be_put_there(client, records):
    sandbox = client.sandbox
    sandbox.add_tickets((f"t-{number}" for number in range(3)), subject="Mine")
    sandbox.add_agent("eve@example.com", name="Eve", agent_id="eve", available=False, agent_group_id="g")
    sandbox.add_agent("bob@example.com")
    assert [one["subject"] for one in sandbox.tickets.values()] == ["Mine"] * 3
    eve = sandbox.agents["eve@example.com"]
    assert (eve["name"], eve["agentId"], eve["available"], eve["agentGroupId"]) == ("Eve", "eve", False, "g")
    assert sandbox.agents["bob@example.com"]["name"] == "bob"
    batch = [records.ticket_metric("t-2", name) for name in ("eve", "bob@example.com")]
    assert client.call("POST", "/ticket-metrics-batch", {"batch": batch})[0] == 201


@pytest.mark.parametrize("clash", [{"email": "agent-1@example.com"}, {"email": "x@y.z", "agent_id": "agent-2"}])
def test_an_agent_that_is_there_cannot_be_put_there_again(sandbox, clash):
    with pytest.raises(ValueError, match="agent-"):
        sandbox.add_agent(**clash)


def test_lists_are_json_that_any_reader_takes(filled):
    text = filled.api("GET", "/sandbox/comments", headers={}).text
    assert json.loads(text)[0]["body"] == "ü \ud800"
    assert text.isascii()
